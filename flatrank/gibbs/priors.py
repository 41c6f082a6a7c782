"""Draws of what the rows of a factor have in common, and of how noisy rows are.

Conjugate conditionals of Bayesian probabilistic matrix factorisation (Salakhutdinov and Mnih,
2008), with a Gamma hierarchy for the precision of rows and columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.special import gammaln

from flatrank.arrays.shapes import Float

#: Shapes of the Gamma law of precisions that are considered: 4 lets the standard deviations of rows
#: differ by a factor of about 2, 4000 by a few percent.
SHAPES = np.geomspace(4.0, 4000.0, 50)


class Common(NamedTuple):
    """The law of the rows of one factor: N(mu, Lam⁻¹)."""

    mu: Float[np.ndarray, " k"]
    Lam: Float[np.ndarray, "k k"]


def draw_common(X: Float[np.ndarray, "n k"], rng: Generator) -> Common:
    """(μ, Λ) given the rows: Λ ~ Wishart(k, I) and μ | Λ ~ N(0, Λ⁻¹) before they are seen.

    After n rows of mean x̄ and scatter S: Λ ~ Wishart(k + n, (I + S + n/(n + 1) x̄ x̄ᵀ)⁻¹) and
    μ ~ N(n x̄/(n + 1), ((n + 1) Λ)⁻¹).
    """
    X, (n, k) = np.asarray(X, np.float64), X.shape
    mean = X.mean(axis=0)
    D = X - mean
    V = np.eye(k) + D.T @ D + n / (n + 1) * np.outer(mean, mean)
    Lam = draw_precision(V, k + n, rng)
    z = rng.standard_normal(k)
    mu = n / (n + 1) * mean + np.linalg.solve(np.linalg.cholesky(Lam).T, z) / np.sqrt(n + 1)
    return Common(mu, Lam)


def draw_precision(V: Float[np.ndarray, "k k"], n: int, rng: Generator) -> Float[np.ndarray, "k k"]:
    """Λ ~ Wishart(n, V⁻¹)."""
    k = V.shape[0]
    B = np.tril(rng.standard_normal((k, k)), -1)  # Bartlett: B Bᵀ ~ Wishart(n, I)
    np.fill_diagonal(B, np.sqrt(rng.chisquare(n - np.arange(k))))
    T = np.linalg.solve(np.linalg.cholesky(V).T, B)
    return T @ T.T


def draw_precisions(
    counts: Float[np.ndarray, " n"], sums: Float[np.ndarray, " n"], shape: float, rng: Generator
) -> Float[np.ndarray, " n"]:
    """γᵢ ~ Gamma(a + nᵢ/2, a + Sᵢ/2), where γᵢ ~ Gamma(a, a) before nᵢ squares of sum Sᵢ."""
    return rng.standard_gamma(shape + counts / 2) / (shape + sums / 2)


def draw_shape(precisions: Float[np.ndarray, " n"], rng: Generator) -> float:
    """The shape a of the law Gamma(a, a) of some precisions, log-uniform on `SHAPES` before."""
    a = SHAPES
    s = np.sum(np.log(precisions)) - np.sum(precisions)
    log_p = precisions.size * (a * np.log(a) - gammaln(a)) + a * s
    p = np.exp(log_p - log_p.max())
    return float(rng.choice(a, p=p / p.sum()))
