"""Where a search begins: the leading singular triplets of ℬ*(b), or a pair that is given."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, compiled, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates import leading, top_pairs
from flatrank.factors import CompactSVD, FactorPair, Weight, weighted
from flatrank.kernels import padded_width
from flatrank.measurements import Measurement, ScaledAdjoint
from flatrank.problems import Problem
from flatrank.problems.share import SMALL, largest


@compiled
def leading_pairs(
    B: Measurement, b: Float[Array, " m"], X: Float[Array, "d count"], steps: int
) -> CompactSVD:
    """Approximate leading singular triplets of ℬ*(b) from a random block X."""
    d1, d2 = B.shape
    empty = CompactSVD(xp.zeros((d1, 1)), xp.zeros(1), xp.zeros((d2, 1)))
    size = (steps + 1) * X.shape[1]
    return leading(B, B.adjoint(b), empty, X, size)


@compiled
def even_pairs(
    A: Measurement, b: Array, D: tuple[Weight, Weight], X: Array, steps: int
) -> CompactSVD:
    """Leading pairs of X̃ from 𝒜*(b) with its rows and columns brought to one length.

    Where rows hold few entries, the leading singular vectors of 𝒜*(b) itself sit on a handful of
    rows that happen to be long. The pairs come with the lengths put back.
    """
    lengths = [xp.sqrt(x**2 + xp.mean(x**2)) for x in A.side_norms(b)]
    S = ScaledAdjoint(A.adjoint(b), *(1.0 / x for x in lengths))
    empty = CompactSVD(*(xp.zeros(size) for size in ((A.shape[0], 1), 1, (A.shape[1], 1))))
    pairs = top_pairs(S, empty, X, (steps + 1) * X.shape[1])
    U, V = (
        weighted(x * d, Q) if d.ndim == 1 else d @ (x[:, None] * Q)
        for x, d, Q in zip(lengths, D, (pairs.U, pairs.V), strict=True)
    )
    return CompactSVD(U, pairs.s, V)


def clear_of_bulk(s: np.ndarray, limit: int, ratio: float) -> int:
    """How many leading singular values stand apart from the ones after them; at least 1."""
    ratios = s[:-1] / np.maximum(s[1:], 1e-300)
    clear = np.flatnonzero(ratios > ratio)
    return int(min(clear[-1] + 1 if clear.size else 1, limit))


def random_block(problem: Problem, count: int, rng: np.random.Generator) -> Array:
    """Standard normal, min(d1, d2) × count.

    Where less than two such blocks fill the space, one that does: a search could not leave its
    first block otherwise.
    """
    d = min(problem.shape)
    few = problem.cone.size(d) < 2 * count
    return rng.standard_normal((d, d if few else count))


def largest_lam(problem: Problem, seed: int = 0) -> float:
    """λ_max = ‖ℬ*(b)‖: from there on X = 0 is optimal. A Ritz value, from below, to about 1e-6.

    To rounding where few steps would fill the space.
    """
    with scope():
        if min(problem.shape) <= SMALL:
            return largest(problem)
        X = random_block(problem, 4, np.random.default_rng(seed))
        pairs = leading_pairs(problem.whitened, problem.b, X, 8)
        return float(pairs.s[0])


def best_multiple(problem: Problem, pair: FactorPair) -> FactorPair | None:
    """The pair of t X̃ with the t > 0 of lowest objective; None where there is no such t.

    t = (⟨b, ℬ(X̃)⟩ − λ‖X̃‖_*)/‖ℬ(X̃)‖², in units in which the factors are of size one: a start may be
    of any size.
    """
    host = [np.asarray(x) for x in (pair.L, pair.R)]
    sizes = [float(np.max(np.abs(x), initial=0.0)) for x in host]
    if not all(0 < size < np.inf for size in sizes):
        return None
    L, R = (x / size for x, size in zip(host, sizes, strict=True))
    unit = FactorPair(L, R).resized(padded_width(pair.rank))
    fitted, b = np.asarray(problem.whitened.forward(unit)), np.asarray(problem.b)
    T1, T2 = (np.asarray(np.linalg.qr(x, mode="r")) for x in (L, R))
    core = T1 @ T2.T
    norm, square = np.linalg.svd(core, compute_uv=False).sum(), float(fitted @ fitted)
    fall = float(b @ fitted) - problem.lam * float(norm)
    if not (fall > 0 and square > 0):
        return None
    root = np.sqrt(fall / square)
    return FactorPair(root * L, root * R)
