"""Exact data of ill-conditioned measurements: the same matrices fit, in better equations.

    ℬ(X̃) = b   ⇔   G Uᵀ ℬ(X̃) = G Uᵀ b       for ℬ = U diag(s) V, G = diag(s² + τ²)^(−1/2) > 0.

The equations on the right have singular values s/√(s² + τ²) ≤ 1 and the same solutions, so that
optimum and uniqueness are those of the problem, and b ᵀy = (G Uᵀ b)ᵀ y' for y = U G y'. With
τ = 1e-6 s₁ what the data say of a direction seen more weakly is rounding from the tenth digit on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, to_numpy
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, weighted
from flatrank.flatness import Rescaling
from flatrank.measurements import DenseMatrices, SampledEntries, Whitened, affordable, spectrum_of
from flatrank.problems.flat import Problem


class Equalised(NamedTuple):
    """The problem in better equations, and the way back."""

    problem: Problem
    """In the same unknown X̃, with D1 = D2 = I."""
    turn: Float[np.ndarray, "m q"]
    """U G."""
    written: Float[np.ndarray, "m n"]
    """ℬ, a row for each measurement."""
    b: Float[np.ndarray, " m"]
    """The data of the problem as it was."""
    rounding: float
    """ε κ(ℬ): the relative precision of its bounds."""

    def dual_of(self, y: Float[Array, " m"]) -> Float[Array, " q"]:
        """The y' of y: what is outside the range of ℬ is lost, and adds no value."""
        squares = np.sum(self.turn**2, axis=0)
        return (y @ self.turn) / squares

    def back(self, y: Float[Array, " q"]) -> Float[Array, " m"]:
        """The y of y'."""
        return self.turn @ y

    def misfit(self, pair: FactorPair) -> float:
        """‖ℬ(X̃) − b‖/‖b‖."""
        X = pair.L @ pair.R.T
        size = float(np.linalg.norm(self.b))
        return float(np.linalg.norm(self.written @ X.reshape(-1) - self.b)) / (size or 1.0)


def equalised(problem: Problem) -> Equalised | None:
    """The problem in better equations, where λ = 0, ℬ is small and ill-conditioned, and data fit.

    None where it is to be solved as it is: also where ε κ(ℬ) > 1e-7, for no bound is of use then.
    Cost: 120 m d1 d2 flops at most to see the condition; where that is bad 2 m d1 d2 (d1 + d2) to
    write ℬ out, and those of `spectrum_of`.
    """
    B, A = problem.whitened, problem.measurement
    exact = problem.lam == 0 and problem.cone is Cone.WHOLE and not problem.hidden
    if not exact or isinstance(A, SampledEntries) or not affordable(A):
        return None
    stored = A.written()
    if stored is None or _well_conditioned(stored, B):
        return None
    written = B.written()
    assert written is not None  # as of the inner one
    M = written.reshape(A.m, -1)
    b, found = to_numpy(problem.b), spectrum_of(written)
    s, outside = found.s, found.outside(b)
    rounding = float(np.finfo(np.float64).eps * s[0] / s[-1])
    fit = np.linalg.norm(outside) <= 1e-11 * np.linalg.norm(b)
    if not fit or s[-1] > 0.1 * s[0] or rounding > 1e-7:
        return None
    G = 1.0 / np.hypot(s, 1e-6 * s[0])
    matrices = ((G * s)[:, None] * found.V).reshape(-1, *A.shape)
    ones = Rescaling(np.ones(A.shape[0]), np.ones(A.shape[1]))
    turn = found.U * G
    work = replace(problem, measurement=DenseMatrices(matrices), b=b @ turn, rescaling=ones)
    return Equalised(work, turn, M, b, rounding)


def _well_conditioned(A: Float[np.ndarray, "m d1 d2"], B: Whitened) -> bool:
    """Whether 30 conjugate gradient steps solve ℬℬ* w = c, or ℬ*ℬ Z = C, to 1e-2: κ(ℬ) ⪅ 10."""
    M, (D1, D2) = A.reshape(len(A), -1), to_numpy([B.scale1, B.scale2])

    def scaled(X: np.ndarray) -> np.ndarray:
        return weighted(D2, weighted(D1, X.reshape(B.shape)).T).T.reshape(-1)

    def normal(y: np.ndarray) -> np.ndarray:
        return M @ scaled(scaled(y @ M)) if few else scaled((M @ scaled(y)) @ M)

    few = len(M) <= M.shape[1]
    r = p = np.random.default_rng(0).standard_normal(min(M.shape))
    first = square = float(r @ r)
    for _ in range(30):
        q = normal(p)
        r = r - square / max(float(p @ q), 1e-300) * q
        square, before = float(r @ r), square
        if square <= 1e-4 * first:
            return True
        p = r + (square / before) * p
    return False
