"""Dual points: where a lower bound on the optimum comes from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.norms import top_pairs
from flatrank.factors import CompactSVD, FactorPair
from flatrank.linalg import conjugate_gradients
from flatrank.measurements import Adjoint, Measurement, Whitened

# A first look: the tolerance, and the block and the size of the space in which ‖W‖ is looked for.
_LOOSE, _BLOCK, _SIZE = 1e-2, 8, 24


def least_squares_dual(
    B: Measurement,
    svd: CompactSVD,
    *,
    tol: float = 1e-12,
    max_steps: int = 300,
    give_up: float = math.inf,
) -> Float[Array, " m"]:
    """The shortest y for which ℬ*(y) equals U Vᵀ on the tangent space T = {U Qᵀ + P Vᵀ}.

    y = ℬ(Z), Z in T with P_T ℬ*ℬ Z = U Vᵀ, solved by conjugate gradients for (P, Q):
    the Gauss–Newton matrix of the pair (U, V) applied to (P, Q) equals (U, V).

    Parameters
    ----------
    B : Measurement
        ℬ.
    svd : CompactSVD
        U, V of the point; zero columns do no harm.
    tol : float
        Relative tolerance on the tangent equation.
    max_steps : int
        Of conjugate gradients.
    give_up : float
        A y known to a hundredth is returned where ‖W‖, W the part of ℬ*(y) off T, is seen above
        this: it proves nothing, and the exact one proves no more.

    Returns
    -------
    array of shape (m,)

    Notes
    -----
    Cost: one curvature product a step. Whatever the accuracy reached, y is a dual point: the
    certificate computes the norm of what it has.
    """
    frame, at = FactorPair(svd.U, svd.V), None
    if give_up < math.inf:
        start = np.random.default_rng(0).standard_normal((min(B.shape), _BLOCK))
        y, at, seen = _look(B, svd, np.asarray(start), max_steps)
        if float(seen) > give_up:
            return y
    return _solve(B, frame, at, tol, max_steps)


@compiled
def _solve(
    B: Measurement, frame: FactorPair, at: FactorPair | None, tol: float, max_steps: int
) -> Array:
    return _multiplier(B, frame, _solution(B, frame, frame, x0=at, tol=tol, maxiter=max_steps))


@compiled
def _look(
    B: Measurement, svd: CompactSVD, X: Array, max_steps: int
) -> tuple[Array, FactorPair, Array]:
    """A loose y, the solution behind it, and ‖W‖ from below."""
    frame = FactorPair(svd.U, svd.V)
    solution = _solution(B, frame, frame, tol=_LOOSE, maxiter=max_steps)
    y = _multiplier(B, frame, solution)
    return y, solution, top_pairs(B.adjoint(y), svd, X, _SIZE).s[0]


def shortest(
    B: Measurement, frame: FactorPair, seen: FactorPair, **accuracy: float
) -> Float[Array, " m"]:
    """The shortest y with (ℬ*(y) V, ℬ*(y)ᵀ U) = `seen`, (U, V) the frame: conjugate gradients.

    Where ℬ is not injective on T they may break down; y = 0 then, which proves nothing.
    """
    return _multiplier(B, frame, _solution(B, frame, seen, **accuracy))


def _solution(B: Measurement, frame: FactorPair, seen: FactorPair, **how: Any) -> FactorPair:
    return conjugate_gradients(B.curvature_at(frame), seen, **how)


def _multiplier(B: Measurement, frame: FactorPair, solution: FactorPair) -> Float[Array, " m"]:
    y = B.tangent(frame, solution)
    return xp.where(xp.all(xp.isfinite(y)), y, 0.0)


@compiled
def adjoint(B: Measurement, y: Float[Array, " m"]) -> Adjoint:
    """ℬ*(y)."""
    return B.adjoint(y)


def identity_dual(B: Whitened) -> Float[Array, " m"] | None:
    """The y with ℬ*(y) = I on the range of D, where there is one: w/(m d), Σ Aᵢ² = Σ wᵢ Aᵢ.

    Where D is held in another unit (see `in_units`), in that unit.
    """
    weights = B.inner.gram_weights()
    if weights is None:
        return None
    y = weights / (B.m * B.orders[0])
    S = adjoint(B, y)
    v = S.right(xp.ones((B.shape[1], 1)))
    size = float(xp.linalg.norm(v))
    unit = float(xp.linalg.norm(S.right(v))) / size if size > 0 else 1.0
    return y / 4.0 ** round(math.log(unit, 4)) if 0 < unit < math.inf else y


@compiled
def scaled_residual(
    r: Float[Array, " m"], b: Float[Array, " m"], lam: Scalar, norm: Scalar
) -> tuple[Float[Array, " m"], Scalar, Scalar]:
    """The best feasible multiple z = s r of r = b − ℬ(X), its dual value bᵀz − ½‖z‖², and s.

    s = bᵀr/‖r‖² clipped to ±λ/‖ℬ*(r)‖ maximises the dual along r (theory §6.2).
    """
    square = xp.vdot(r, r)
    limit = xp.where(norm > 0, lam / xp.where(norm > 0, norm, 1.0), xp.inf)
    best = xp.where(square > 0, xp.vdot(b, r) / xp.where(square > 0, square, 1.0), 0.0)
    s = xp.clip(best, -limit, limit)
    z = s * r
    return z, xp.vdot(b, z) - 0.5 * xp.vdot(z, z), s
