"""Certificates of robust PCA, for any pair and any Λ (theory §6.3).

    sparsity λ:   min ‖X‖_* + λ‖Y − X‖₁          ≥   max ⟨Y, Λ⟩               ‖Λ‖ ≤ 1, ‖Λ‖_∞ ≤ λ
    radius ρ:     min ‖X‖_*  s.t. ‖Y − X‖₁ ≤ ρ   ≥   max ⟨Y, Λ⟩ − ρ‖Λ‖_∞      ‖Λ‖ ≤ 1

With gaps ‖Y − X‖₁ adds the observed entries alone, and Λ is zero at the others.
Both right sides are homogeneous in Λ: any Λ is brought to the boundary of what is allowed. Y, Λ and
what lies between are dense, so this is host arithmetic, by tiles: no array of their size is made
but the scaled Λ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import Certificate, NormBound, relative_misfit
from flatrank.certificates.gram import dense_norm
from flatrank.factors import CompactSVD
from flatrank.problems import Separation

# Entries of a tile: it and its share of the factors stay in the cache.
TILE = 1 << 15


def certify_separation(
    problem: Separation, svd: CompactSVD, y: Float[Array, " m"] | None = None
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of X = U diag(s) Vᵀ, and the feasible dual point behind it.

    With a radius, X that exceeds it by e = ‖Y − X‖₁ − ρ > 0 is repaired: with t = e/‖Y − X‖₁,
    X + t(Y − X) is feasible and its norm at most ‖X‖_* + t min(‖Y − X‖₁, √d_min ‖Y − X‖_F).

    y is Λ row by row; `sign_dual` of the pair by default, which is sharp where the errors are found
    and far from what is allowed elsewhere. `feasibility` is e/‖Y‖₁ with a radius, ‖Y − X‖₁/‖Y‖₁,
    for information, with a sparsity; `operator_norm` that of Λ as given, for the sparsity with
    ‖Λ‖_∞/λ if that is larger. Uniqueness is not looked into: `unique` is False.

    Cost: the Gram of Λ on its smaller side, d² max(d1, d2) flops, and a Cholesky factor of it.
    """
    s = np.asarray(svd.s)
    L, R = np.asarray(svd.U) * s[None, :], np.asarray(svd.V)
    Y = problem.Y
    Lam = sign_dual(problem, svd) if y is None else np.asarray(y).reshape(problem.shape)
    Lam = problem.seen(Lam)
    largest = _largest(Lam)
    length = 1.0 if largest == 0 or 1e-100 <= largest <= 1e100 else largest
    Lam = Lam if length == 1.0 else Lam / length  # of a length whose squares are in range
    bound, largest, inner = dense_norm(Lam), _largest(Lam), float(np.vdot(Y, Lam))
    misfit, square = _misfit(problem, L, R)
    size = float(sum(np.abs(Y[tile]).sum() for tile in tiles(Y.shape)))
    nuclear = float(s.sum())
    if problem.sparsity is not None:
        primal, feasibility = nuclear + problem.sparsity * misfit, misfit
        steep = largest / problem.sparsity
        worst, value = (steep if steep > bound else bound), inner
    else:
        radius = problem.radius or 0.0
        excess = misfit - radius if misfit > radius else 0.0
        reach = math.sqrt(min(problem.shape) * square)
        reach = misfit if misfit < reach else reach
        primal, feasibility = nuclear + (excess * reach / misfit if excess else 0.0), excess
        worst, value = bound, inner - radius * largest
    scale = 1.0 / worst if value > 0 and 0 < worst < math.inf else 0.0
    dual, exact = scale * value if scale else 0.0, NormBound(bound, "exact", 0.0, None)
    share = relative_misfit(feasibility, size)
    certificate = Certificate.between(primal, dual, share, worst * length, exact)
    return certificate, np.asarray((Lam * scale).reshape(-1))


def sign_dual(problem: Separation, svd: CompactSVD, *, max_steps: int = 100) -> np.ndarray:
    """Λ with P_T Λ = U Vᵀ and Λ = λ sign(Y − X) on the errors, at most λ elsewhere.

    By alternating projections on the two conditions (they meet at an optimum, and are met only as
    far as the pair is one), T = {U Qᵀ + P Vᵀ}; λ is `problem.level`. Entries of Y − X below 1e-6 of
    the largest are not taken for errors. Cost: 6 d1 d2 r flops a step; two arrays of the data's
    size.
    """
    U, V = np.asarray(svd.U), np.asarray(svd.V)
    keep = np.asarray(svd.s) > 1e-13 * np.max(np.asarray(svd.s), initial=0.0)
    L, (U, V) = (U * np.asarray(svd.s))[:, keep], (U[:, keep], V[:, keep])
    signs = np.empty(problem.shape, dtype=np.int8)
    top = max(_largest(E) for _, E in _remainders(problem, L, V))
    for tile, E in _remainders(problem, L, V):
        signs[tile] = np.where(np.abs(E) > 1e-6 * top, np.sign(E), 0)
    level = problem.level
    Lam = level * signs
    last = math.inf
    for _ in range(max_steps):
        A, B = U.T @ Lam, Lam @ V
        left, right = np.hstack([U, B - U @ (A @ V)]), np.vstack([A - V.T, V.T])
        moved = 0.0
        for tile in tiles(Lam.shape):
            old = Lam[tile].copy()
            free = old - left[tile[0]] @ right[:, tile[1]]
            np.clip(free, -0.95 * level, 0.95 * level, out=free)  # both conditions can hold
            new = problem.seen(np.where(signs[tile] != 0, level * signs[tile], free), tile)
            Lam[tile] = new
            new -= old
            moved += float(np.vdot(new, new))
        if moved <= 1e-26 * V.shape[1] or moved >= last:
            break
        last = moved
    return Lam


def tiles(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """A matrix of this shape in pieces that stay in the cache: the rows and columns of each."""
    wide = max(1, min(shape[1], 512))
    high = max(1, TILE // wide)
    for i in range(0, shape[0], high):
        for j in range(0, shape[1], wide):
            yield slice(i, min(i + high, shape[0])), slice(j, min(j + wide, shape[1]))


def _remainders(
    problem: Separation, L: np.ndarray, R: np.ndarray
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Y − L Rᵀ where Y is observed, a tile at a time."""
    Y = problem.Y
    for tile in tiles(Y.shape):
        yield tile, problem.seen(Y[tile] - L[tile[0]] @ R[tile[1]].T, tile)


def _misfit(problem: Separation, L: np.ndarray, R: np.ndarray) -> tuple[float, float]:
    """‖Y − L Rᵀ‖₁ and ‖Y − L Rᵀ‖², of the observed entries."""
    total = square = 0.0
    for _, E in _remainders(problem, L, R):
        total, square = total + float(np.abs(E).sum()), square + float(np.vdot(E, E))
    return total, square


def _largest(X: np.ndarray) -> float:
    return float(max(np.max(X, initial=0.0), -np.min(X, initial=0.0)))
