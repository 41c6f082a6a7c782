"""Where a search with a growing rank stands, and what changes the rank."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates import Certificate
from flatrank.factors import CompactSVD, FactorPair
from flatrank.kernels import call_width, padded_width
from flatrank.problems import Problem
from flatrank.solvers.ranks import (
    BLOCK,
    PRODUCTS,
    appended,
    residual_pairs,
    resized,
    unit_columns,
)
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import random_block
from flatrank.solvers.status import Status

# Singular values further apart than this mark, under a ridge, the end of what the data show.
_GAP = 3.0
#: Steps after a change of rank whose fall says nothing about what it can do: a new pair is small.
FRESH = 1


def size_of(problem: Problem) -> float:
    """‖b‖."""
    return float(xp.linalg.norm(problem.b))


class GaussNewtonState(NamedTuple):
    """Where the search stands: a balanced pair of X̃, zero-padded, and what led to it.

    `fresh` counts the steps still to come that tell nothing of the rank. `ridge` is the λ lent to a
    problem that has none, down to `least`; `lent` how many were, `shown` the rank that the first
    one showed, and `kept` the best pair, spectrum and misfit before one; `tries` counts the
    searches that failed for all that: those after the first are patient. `grown` is the rank and
    the misfit (λ > 0: the objective) from which the search grew last.
    `outside` is what the last look outside the factors saw, for λ > 0; `close` says that the last
    proof left a small gap and that nothing was appended since. `cut_from` is the rank before weak
    columns were cut, until it is reached again, and `regrown` how often it was. `hard` says that a
    step towards exact data took many inner steps.
    """

    pair: FactorPair
    s: np.ndarray
    misfit: float
    objective: float
    slack: float
    fall: float
    fresh: int
    inner: int
    patience: float
    X: Array | None
    certificate: Certificate | None
    y: Float[Array, " m"] | None
    ended: Status
    counts: Counts
    rng: np.random.Generator
    ridge: float = 0.0
    least: float = 0.0
    lent: int = 0
    shown: int | None = None
    kept: tuple[FactorPair, np.ndarray, float] | None = None
    tries: int = 0
    grown: tuple[int, float] = (-1, math.inf)
    outside: CompactSVD | None = None
    close: bool = False
    cut_from: int = 0
    regrown: int = 0
    hard: bool = False

    @property
    def left(self) -> float:
        """The misfit after the step that `misfit` was before, of a problem with λ = 0."""
        return math.sqrt(max(self.misfit**2 - 2.0 * self.fall, 0.0))

    @property
    def rank(self) -> int:
        """Number of nonzero columns."""
        return int(np.sum(self.s > 0))


def outside(
    problem: Problem, state: GaussNewtonState, products: int = PRODUCTS
) -> tuple[GaussNewtonState, CompactSVD]:
    """Top singular pairs of −ℬ*(c) outside the factors; a search at one point goes on."""
    X = random_block(problem, BLOCK, state.rng) if state.X is None else state.X
    pairs = residual_pairs(problem.whitened, problem.b, state.pair, state.s, X, products)
    near = pairs.U if problem.shape[0] <= problem.shape[1] else pairs.V
    spent = Counts(forward=1, adjoint=1 + products)
    seen = pairs if problem.lam > 0 and not state.ridge else None
    X = near[:, : X.shape[1]]
    return state._replace(X=X, outside=seen, counts=state.counts + spent), pairs


def with_pairs(
    problem: Problem, state: GaussNewtonState, pairs: CompactSVD, count: int, width: int
) -> GaussNewtonState:
    """With `count` > 0 more pairs, added by the best common step, padded to `width`."""
    rank = state.rank + count
    back = 0 < state.cut_from <= rank
    pair, s = appended(
        problem.whitened,
        problem.b,
        problem.lam,
        state.pair,
        state.s,
        pairs,
        (count, rank),
        (width, problem.lam > 0),
    )
    return state._replace(
        pair=pair,
        s=np.pad(np.asarray(s)[:rank], (0, width - rank)),
        X=None if problem.lam > 0 else state.X,
        fresh=FRESH,
        close=False,
        **({"cut_from": 0, "regrown": state.regrown + 1} if back else {}),
    )


def narrowed(state: GaussNewtonState, width: int) -> GaussNewtonState:
    """With padding to `width` where there is more."""
    if width >= state.pair.rank:
        return state
    pair = resized(state.pair, state.rank, width)
    return state._replace(pair=pair, s=state.s[:width])


def svd_of(state: GaussNewtonState) -> CompactSVD:
    """U, s, V of a balanced pair; the padding becomes zero columns."""
    return unit_columns(state.pair, state.s)


def cut(state: GaussNewtonState, rank: int) -> GaussNewtonState:
    """With the leading columns only."""
    width = state.pair.rank
    pair = resized(state.pair, rank, width)
    s = np.where(np.arange(width) < rank, state.s, 0.0)
    return state._replace(pair=pair, s=s, X=None)


def last_gap(s: np.ndarray) -> int:
    """How many singular values come before the last clear gap; all where there is none."""
    gaps = np.flatnonzero(s[:-1] > _GAP * s[1:])
    return int(gaps[-1]) + 1 if gaps.size else s.size


def negligible(problem: Problem, state: GaussNewtonState, share: float) -> float:
    """The singular value at which λ s is a share of the objective that counts for nothing.

    Such columns are often dead ones stuck at a saddle, out of line with the pair they should
    be. Growth puts back what is needed, where it is needed.
    """
    return share * state.objective / problem.lam if problem.lam > 0 else 0.0


def width_for(told: int | None, rank: int) -> int:
    """Columns for a rank: one of the few widths of kernels, or the rank told where that is less."""
    width = padded_width(rank)
    return width if told is None or rank > told else min(width, call_width(told))
