"""Rows of a factor that resemble each other as far as their features do.

    l_i ~ N(μ + Bᵀ f_i, Λ⁻¹),   the rows of B ~ N(0, (ρ Λ)⁻¹),   log ρ uniform on `RIDGES`

(μ, B, Λ) is drawn from its exact joint law given the rows with entries, and ρ before it with these
integrated out. A row without entries then has the law that its features tell. Macau (Simm et al.,
"Macau: scalable Bayesian factorization with high-dimensional side information", MLSP 2017) draws
one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from flatrank.arrays.shapes import Float
from flatrank.gibbs.priors import Common, draw_precision

#: Precisions ρ of the weights of features of variance 1 that are considered: from features that say
#: three times as much as all the rest, to such as say nothing to a million rows.
RIDGES = np.geomspace(0.1, 1e6, 50)


#: Of rows, (d1, p), and of columns, (d2, q); None for a side without.
Features = tuple[Float[np.ndarray, "d1 p"] | None, Float[np.ndarray, "d2 q"] | None]


class Regression:
    """The law of the rows of a factor given their features.

    Parameters
    ----------
    F : array of shape (n, p)
        Finite numbers.
    seen : bool array of shape (n,)
        The rows with entries, from which the law is learnt.
    """

    def __init__(self, F: Float[np.ndarray, "n p"], seen: np.ndarray):
        known = F[seen]
        spread = known.std(axis=0)
        # A column that is the same for all known rows says nothing; left out to rounding.
        kept = spread > 1e-12 * np.max(np.abs(known), axis=0, initial=0.0)
        centre = known[:, kept].mean(axis=0)
        F = (F[:, kept] - centre) / spread[kept]
        _, s, Vt = np.linalg.svd(F[seen], full_matrices=False)
        Vt = Vt[s > 1e-10 * s.max(initial=0.0)]  # columns that others imply add no direction
        #: Features without correlation over the known rows: FᵀF is diagonal there.
        self.F, self.seen = F @ Vt.T, seen
        #: The way to these from features as they came, f ↦ (f − centre) way.
        self.centre, self.way = np.zeros(kept.size), np.zeros((kept.size, Vt.shape[0]))
        self.centre[kept], self.way[kept] = centre, Vt.T / spread[kept][:, None]
        self.known = self.F[seen]
        self.sizes = np.sum(self.known**2, axis=0)

    def draw(
        self, X: Float[np.ndarray, "n k"], rng: Generator
    ) -> tuple[Common, Float[np.ndarray, "n k"]]:
        """(μ, Λ) given the rows, and what the features of each row add to μ, (n, k)."""
        common, B = self._law(X, rng)
        return common, self.F @ B

    def weights(
        self, X: Float[np.ndarray, "n k"], rng: Generator
    ) -> tuple[Common, Float[np.ndarray, "p k"]]:
        """(μ, Λ) and B given the rows, for features as they came: a row's mean is μ + Bᵀ f."""
        common, B = self._law(X, rng)
        B = self.way @ B
        return Common(common.mu - self.centre @ B, common.Lam), B

    def _law(self, X: np.ndarray, rng: Generator) -> tuple[Common, np.ndarray]:
        """(μ, Λ) and B given the rows, for features without correlation."""
        X = np.asarray(X[self.seen], np.float64)
        n, k = X.shape
        mean = X.mean(axis=0)
        D = X - mean
        scatter = np.eye(k) + D.T @ D + n / (n + 1) * np.outer(mean, mean)
        c = self.known.T @ D
        # p(X | ρ) ∝ Π_a (ρ/(ρ + s_a))^{k/2} det(V_ρ)^{−(k+n)/2},  V_ρ = V − Σ_a c_a c_aᵀ/(ρ + s_a)
        total = RIDGES[:, None] + self.sizes
        V = scatter - np.einsum("ra,ai,aj->rij", 1 / total, c, c, optimize=True)
        log_p = k / 2 * np.sum(np.log(RIDGES[:, None] / total), axis=1)
        log_p -= (k + n) / 2 * np.linalg.slogdet(V)[1]
        p = np.exp(log_p - log_p.max())
        at = rng.choice(RIDGES.size, p=p / p.sum())
        Lam = draw_precision(V[at], k + n, rng)
        # B = c/(ρ + s) + Z T⁻¹/√(ρ + s) and μ likewise, Λ = T Tᵀ.
        Z = np.linalg.solve(np.linalg.cholesky(Lam).T, rng.standard_normal((k, c.shape[0] + 1))).T
        mu = n / (n + 1) * mean + Z[-1] / np.sqrt(n + 1)
        B = c / total[at][:, None] + Z[:-1] / np.sqrt(total[at])[:, None]
        return Common(mu, Lam), B


def centred(
    G: Float[np.ndarray, "n k k"],
    h: Float[np.ndarray, "n k"],
    squares: Float[np.ndarray, " n"],
    m: Float[np.ndarray, "n k"],
) -> tuple[np.ndarray, np.ndarray]:
    """h and Σ δ b² of the residuals of m: the normal equations of x − m."""
    Gm = np.einsum("iab,ib->ia", G, m)
    return h - Gm, squares + np.einsum("ia,ia->i", Gm - 2 * h, m)


def checked_features(
    features: Sequence[ArrayLike | None] | None, shape: tuple[int, int]
) -> Features:
    """Features of rows and of columns as arrays of numbers, None where there are none.

    Raises
    ------
    ValueError
        If they are not a pair, not one line of finite numbers for each row or column.
    """
    if features is None:
        return None, None
    if len(features) != 2:
        raise ValueError(
            "features are a pair, of the rows and of the columns, None for a side without; got "
            f"{len(features)}"
        )
    rows, cols = (
        None if given is None else _checked(given, d, side)
        for given, d, side in zip(features, shape, ("row", "column"), strict=True)
    )
    return rows, cols


def _checked(given: ArrayLike, d: int, side: str) -> Float[np.ndarray, "d p"]:
    F = np.asarray(given, np.float64)
    if F.ndim != 2 or F.shape[0] != d:
        raise ValueError(
            f"features of the {side}s are an array of one line for each of the {d} {side}s; got "
            f"shape {F.shape}"
        )
    if not np.all(np.isfinite(F)):
        raise ValueError(
            f"features of the {side}s must be finite numbers; put a mean where one is missing"
        )
    return F
