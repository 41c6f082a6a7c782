"""What changes the rank of a pair: a look outside the factors, columns appended, columns cut."""

from __future__ import annotations

import math

from flatrank.arrays import Array, Scalar, compiled, tree_map, xp
from flatrank.certificates import leading
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.measurements import Measurement

# The block Lanczos that looks outside: columns, and products.
BLOCK, PRODUCTS = 8, 7


@compiled
def unit_columns(pair: FactorPair, s: Array) -> CompactSVD:
    """U, s, V of a balanced pair; zero columns stay zero."""
    scale = xp.where(s > 0, 1.0 / xp.sqrt(xp.where(s > 0, s, 1.0)), 0.0)[None, :]
    return CompactSVD(pair.L * scale, s, pair.R * scale)


@compiled
def balanced(cone: Cone, pair: FactorPair, loose: bool = False) -> tuple[FactorPair, Array]:
    """The balanced pair of the matrix in the cone nearest to a pair's."""
    return cone.balance(cone.nearest(pair), loose)


@compiled
def resized(pair: FactorPair, rank: int | Array, width: int) -> FactorPair:
    """The first `rank` columns, zero-padded to `width`."""
    alive = (xp.arange(width) < rank)[None, :]
    return tree_map(lambda x: xp.where(alive, x, 0.0), pair.resized(width))


@compiled
def residual_pairs(
    B: Measurement, b: Array, pair: FactorPair, s: Array, X: Array, products: int
) -> CompactSVD:
    """Top singular pairs of −ℬ*(c) outside a balanced pair, from a block X."""
    S = B.adjoint(b - B.forward(pair))
    return leading(B, S, unit_columns(pair, s), X, (products + 1) * BLOCK)


@compiled
def appended(  # noqa: PLR0913 - as of a Newton step
    B: Measurement,
    b: Array,
    lam: Scalar,
    pair: FactorPair,
    s: Array,
    new: CompactSVD,
    sizes: tuple[int | Array, int | Array],
    how: tuple[int, bool],
) -> tuple[FactorPair, Array]:
    """X + τ Σ (σᵢ − λ) uᵢvᵢᵀ with the τ that minimises the penalised objective along it.

    `sizes` are the number of terms and the rank with them; `how` is the width, and whether the new
    pairs lie outside a balanced one: all that is left to do is then to put the columns in order.
    """
    (count, rank), (width, outside) = sizes, how
    weights = xp.where(xp.arange(new.s.shape[0]) < count, xp.maximum(new.s - lam, 0.0), 0.0)
    direction = FactorPair(new.U * weights[None, :], new.V)
    c, d = B.forward(pair) - b, B.forward(direction)
    tau = (-xp.vdot(c, d) - lam * xp.sum(weights)) / xp.maximum(xp.vdot(d, d), 1e-300)
    del direction  # as large as what is appended
    weights = xp.maximum(tau, 0.0) * weights
    joined = pair.plus(new._replace(s=weights).pair())
    if outside:
        s = xp.concatenate([s, weights])
        order = xp.argsort(-s)[:width]
        joined, s = tree_map(lambda x: x[:, order], joined), s[order]
    else:
        joined, s = B.cone.balance(joined)
    return resized(joined, rank, width), s


def largest_rank(shape: tuple[int, int], m: int) -> int:
    """The largest r ≥ 1 with r (d1 + d2 − r) ≤ m."""
    (d1, d2) = shape
    root = math.sqrt(max((d1 + d2) ** 2 - 4.0 * m, 0.0))
    return max(1, min(d1, d2, int((d1 + d2 - root) / 2)))
