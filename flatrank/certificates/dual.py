"""Dual points: where a lower bound on the optimum comes from."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import numpy as np

from flatrank.arrays import Array, compiled, on_device, reciprocal, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.leading import top_pairs
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.linalg import conjugate_gradients
from flatrank.measurements import (
    Adjoint,
    DenseAdjoint,
    Explicit,
    Measurement,
    SampledEntries,
    Whitened,
    explicit,
)
from flatrank.problems import Problem

# Largest d1 d2 min(d1, d2) of entries for which ℬ*(y) is held as an array: products with 300 × 300
# numbers take less than their kernels do to start.
SMALL = 3e7
# Steps after which a first look is taken at a dual point, and how far above what is allowed it is
# hopeless then: near it, these steps are enough for a hundredth.
FEW, FAR = 50, 1.2


def held(problem: Problem) -> Explicit | None:
    """ℬ as an array where the problem is a small one of entries, λ > 0 and X any matrix."""
    return array_of(problem.whitened) if problem.lam > 0 else None


def array_of(B: Measurement) -> Explicit | None:
    """ℬ as an array where it is a small one of entries, and X any matrix."""
    if not _of_entries(B):
        return None
    small = math.prod(B.shape) * min(B.shape) <= SMALL
    return explicit(B) if small and B.cone is Cone.WHOLE else None


def _of_entries(B: Measurement) -> TypeGuard[Whitened]:
    """Whether ℬ sees entries of X, each times a number for its row and one for its column."""
    return isinstance(B, Whitened) and isinstance(B.inner, SampledEntries) and B.diagonal


def adjoint(B: Measurement, y: Float[Array, " m"]) -> Adjoint:
    """ℬ*(y), as an array where that is small, or soon made."""
    array = None if on_device(B, y) else array_of(B)
    return _adjoint(B, y) if array is None else DenseAdjoint(array.adjoint(y))


@compiled
def _adjoint(B: Measurement, y: Array) -> Adjoint:
    return B.adjoint(y).formed()


def least_squares_dual(
    B: Measurement,
    svd: CompactSVD,
    *,
    tol: float = 1e-12,
    max_steps: int = 300,
    give_up: float = math.inf,
) -> Float[Array, " m"]:
    """The shortest y for which ℬ*(y) equals U Vᵀ on the tangent space T = {U Qᵀ + P Vᵀ}.

    y = ℬ(Z), Z in T with P_T ℬ*ℬ Z = U Vᵀ, solved by conjugate gradients for (P, Q): the
    Gauss–Newton matrix of the pair (U, V) applied to (P, Q) equals (U, V). Zero columns of U, V do
    no harm. `tol` is relative on the tangent equation. Whatever the accuracy reached, y is a dual
    point: the certificate computes the norm of what it has.

    A y known to a hundredth is returned where ‖W‖, W the part of ℬ*(y) off T, is seen above
    `give_up`: it proves nothing, and the exact one proves no more. So is one of `FEW` steps where
    it is far above, for ‖W‖ grows as y does. Cost: one curvature product a step.
    """
    at = None
    if give_up < math.inf:
        start = np.random.default_rng(0).standard_normal((min(B.shape), 8))
        y, at, seen = _look(B, svd, start, None, FEW)
        if give_up < seen <= FAR * give_up:
            y, at, seen = _look(B, svd, start, at, max_steps)
        if seen > give_up:
            return y
    return _solved(B, FactorPair(svd.U, svd.V), at, tol, max_steps)[0]


@compiled
def _solved(
    B: Measurement, frame: FactorPair, at: FactorPair | None, tol: float, max_steps: int
) -> tuple[Array, FactorPair]:
    return shortest(B, frame, frame, x0=at, tol=tol, maxiter=max_steps)


@compiled
def _look(
    B: Measurement, svd: CompactSVD, X: Array, at: FactorPair | None, max_steps: int
) -> tuple[Array, FactorPair, Array]:
    """A loose y, the solution behind it, and ‖W‖ from below."""
    y, solution = _solved(B, FactorPair(svd.U, svd.V), at, 1e-2, max_steps)
    return y, solution, top_pairs(B.adjoint(y), svd, X, 3 * X.shape[1]).s[0]


def shortest(
    B: Measurement,
    frame: FactorPair,
    seen: FactorPair,
    x0: FactorPair | None = None,
    **how: Any,
) -> tuple[Float[Array, " m"], FactorPair]:
    """The shortest y with (ℬ*(y) V, ℬ*(y)ᵀ U) = `seen`, (U, V) the frame; what to go on from as x0.

    By conjugate gradients. Where ℬ is not injective on T they may break down; y = 0 then, which
    proves nothing.
    """
    if _of_entries(B):
        # In the coordinates of X itself a product needs no scaling, and the steps are the same.
        A, inverse = B.inner, FactorPair(B.scale1[:, None], B.scale2[:, None])  # D1⁻¹, D2⁻¹
        plain = tree_map(lambda x, d: x * reciprocal(d), seen, inverse)
        squares = tree_map(lambda d, x: xp.broadcast_to(d * d, x.shape), inverse, seen)
        at = B.unscaled(frame)
        step = conjugate_gradients(A.curvature_at(at), plain, x0=x0, squares=squares, **how)
        y = A.tangent(at, step)
    else:
        step = conjugate_gradients(B.curvature_at(frame), seen, x0=x0, **how)
        y = B.tangent(frame, step)
    return xp.where(xp.all(xp.isfinite(y)), y, 0.0), step


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
