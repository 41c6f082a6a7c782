"""Where a search with a growing rank stands, and what changes the rank."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.factors import CompactSVD, FactorPair
from flatrank.kernels import call_width, padded_width
from flatrank.problems import Problem
from flatrank.solvers.loop import Proof
from flatrank.solvers.newton import cast
from flatrank.solvers.preconditioner import OUTSIDE
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


def size_of(problem: Problem) -> float:
    """‖b‖."""
    return float(xp.linalg.norm(problem.b))


class Point(NamedTuple):
    """Numbers of the point that the last step left.

    misfit, objective : there.
    slack : ½|⟨gradient, pair⟩| there.
    fall : by how much the step lowered the objective.
    inner : inner steps it took.
    hard : whether a step towards exact data has taken many.
    gap : the relative gap that a certificate could not undercut, where one was looked for.
    """

    misfit: float
    objective: float
    slack: float = 0.0
    fall: float = math.inf
    inner: int = 0
    hard: bool = False
    gap: float | None = None

    @property
    def left(self) -> float:
        """The misfit after the step, of a problem with λ = 0."""
        return math.sqrt(max(self.misfit**2 - 2.0 * self.fall, 0.0))


class Growth(NamedTuple):
    """What the search knows of the rank.

    waiting : whether the rank has just changed: the next step, of a small new pair, says nothing.
    block : where the block Lanczos outside the factors goes on.
    seen : singular pairs of −ℬ*(c) outside the factors where there was none to append, for λ > 0.
    grown : rank and misfit, for λ = 0, from which it grew last.
    """

    waiting: bool = False
    block: Array | None = None
    seen: CompactSVD | None = None
    grown: tuple[int, float] = (-1, math.inf)


class Rescue(NamedTuple):
    """What was done, for λ = 0, where the largest rank stalled.

    ridge, least : the λ at work in place of 0, and the last before it is 0 again.
    used : how many there were.
    limit : the rank that it showed.
    kept : the best pair, spectrum and misfit before it.
    restarted : how often all was begun once more.
    """

    ridge: float = 0.0
    least: float = 0.0
    used: int = 0
    limit: int | None = None
    kept: tuple[FactorPair, np.ndarray, float] | None = None
    restarted: int = 0


class GaussNewtonState(NamedTuple):
    """Where the search stands.

    pair, s : the balanced pair of X̃, zero-padded, and its singular values.
    point : numbers of the last step.
    rng : of every random choice.
    loose : the gap looked for now, in units of `tol`, for λ > 0.
    growth, rescue : see there.
    proof, ended, counts : as for every solver.
    """

    pair: FactorPair
    s: np.ndarray
    point: Point
    rng: np.random.Generator
    loose: float = 1.0
    growth: Growth = Growth()
    rescue: Rescue = Rescue()
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()

    @property
    def rank(self) -> int:
        """Number of nonzero columns."""
        return int(np.sum(self.s > 0))

    def growing(self, **changes: object) -> GaussNewtonState:
        """With fields of `growth` replaced."""
        return self._replace(growth=self.growth._replace(**changes))

    def rescued(self, **changes: object) -> GaussNewtonState:
        """With fields of `rescue` replaced."""
        return self._replace(rescue=self.rescue._replace(**changes))


def outside(
    problem: Problem, state: GaussNewtonState, products: int = PRODUCTS
) -> tuple[GaussNewtonState, CompactSVD]:
    """Top singular pairs of −ℬ*(c) outside the factors; a search at one point goes on."""
    block = state.growth.block
    X = random_block(problem, BLOCK, state.rng) if block is None else block
    pairs = residual_pairs(problem.whitened, problem.b, state.pair, state.s, X, products)
    near = pairs.U if problem.shape[0] <= problem.shape[1] else pairs.V
    seen = None
    if problem.lam > 0 and not state.rescue.ridge:  # as steps will use them, kept until then
        seen = cast(pairs.narrow(OUTSIDE), xp.float32)
    state = state._replace(counts=state.counts + Counts(forward=1, adjoint=1 + products))
    return state.growing(block=near[:, : X.shape[1]], seen=seen), pairs


def with_pairs(
    problem: Problem, state: GaussNewtonState, pairs: CompactSVD, count: int, known: int | None
) -> GaussNewtonState:
    """With `count` more pairs, added by the best common step; `known` is the rank limit."""
    if count == 0:
        return state.growing(waiting=False)
    rank = state.rank + count
    width = max(width_for(known, rank), state.pair.rank)
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
    state = state._replace(pair=pair, s=np.pad(np.asarray(s)[:rank], (0, width - rank)))
    block = None if problem.lam > 0 else state.growth.block
    return state.growing(block=block, seen=None, waiting=True)


def narrowed(state: GaussNewtonState, known: int | None) -> GaussNewtonState:
    """Without the padding that its rank no longer needs."""
    width = width_for(known, state.rank)
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
    return state._replace(pair=pair, s=s).growing(block=None)


def last_gap(s: np.ndarray, ratio: float) -> int:
    """How many values come before the last fall by more than a ratio; all where there is none."""
    gaps = np.flatnonzero(s[:-1] > ratio * s[1:])
    return int(gaps[-1]) + 1 if gaps.size else s.size


def width_for(known: int | None, rank: int) -> int:
    """Columns for a rank: one of the few widths of kernels, or the rank limit where it is less."""
    width = padded_width(rank)
    return width if known is None or rank > known else min(width, call_width(known))
