"""min ½‖ℬ(X̃) − b‖² subject to rank X̃ ≤ k: what the solvers of this problem share.

With k below min(d1, d2) this is also the balanced problem, min ½‖ℬ(L Rᵀ) − b‖² subject to
LᵀL = RᵀR: every matrix of rank ≤ k has a balanced pair (theory notes, fact 3).

Where it ends: the misfit ‖c‖/‖b‖ is small, or the cosine of the angle between c and the image
ℬ(DX[d]) of the search direction is. Its square is the share of ½‖c‖² that the best step along d
takes off, whatever the units of X, ℬ and b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from flatrank.arrays import Array, compiled, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair, balance
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Scope, Solver, check_scope
from flatrank.solvers.reference.fixed_rank import FixedRank
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import even_pairs, random_block
from flatrank.solvers.status import Status
from flatrank.theory import BalancedPairs, Manifold


class RankState(NamedTuple):
    """A point, numbers around the last step, and what a method carries to the next one.

    `misfit` is ‖c‖/‖b‖; `moving` tells whether steps still lower it.
    """

    point: Any
    misfit: float
    counts: Counts
    carried: Any = None
    cosine: float = math.inf
    moving: bool = True


@dataclass(frozen=True)
class RankConstrained(Solver[RankState]):
    """A solver at one fixed rank, by least squares.

    Parameters
    ----------
    rank : int
        k, at most that many columns.
    tol : float
        Stop when ‖ℬ(X̃) − b‖ ≤ tol ‖b‖, or at a first-order point: a cosine ≤ tol.
    """

    scope: ClassVar[Scope] = Scope(penalised=False)

    rank: int = 10
    tol: float = 1e-6

    def _begin(
        self, problem: Problem, start: FactorPair | None, seed: int, full_rank: bool = False
    ) -> FactorPair:
        """A balanced pair of min(k, d1, d2) columns from a start, or from the data."""
        least = min(problem.shape)
        check_scope(self, problem)
        if self.rank < 1:
            raise ValueError(f"rank must be a whole number >= 1; got {self.rank}")
        if full_rank and self.rank > least:
            raise ValueError(
                f"rank={self.rank} exceeds min(d1, d2) = {least}; {type(self).__name__} needs "
                f"factors of full column rank. Use rank <= {least}, or BalancedDescent"
            )
        k = min(self.rank, least)
        balanced, s = balance(problem.zero(1) if start is None else start)
        pair, keep = balanced.resized(k), int(xp.sum(s[:k] > 1e-12 * s[0]))
        B, D = problem.whitened, problem.rescaling
        c = problem.b - B.forward(pair)
        if keep == k or not np.any(np.asarray(c)):
            return pair
        # Columns that are zero get no gradient: they are filled from what is not yet fitted.
        X = random_block(problem, max(k, 8), np.random.default_rng(seed))
        return _filled(B, c, pair, keep, even_pairs(B.inner, c, (D.D1, D.D2), X, 7))

    def pair_at(self, point: Any) -> FactorPair:
        """The balanced pair of a point."""
        return point

    def status(self, problem: Problem, state: RankState) -> Status:
        """Stationary at the tolerance, or where fitted to rounding; stalled elsewhere."""
        del problem
        if not math.isfinite(state.misfit) or math.isnan(state.cosine):
            return Status.NONFINITE
        # A cosine below √ε lowers ½‖c‖² by less than its rounding.
        if state.misfit <= self.tol or state.cosine <= max(self.tol, 1e-8):
            return Status.STATIONARY
        if state.moving:
            return Status.RUNNING
        return Status.STATIONARY if state.misfit <= 1e-12 else Status.STALLED

    def info(self, state: RankState) -> dict[str, Any]:
        """Rank, relative misfit and cosine."""
        rank = self.pair_at(state.point).rank
        return {"rank": rank, "misfit": state.misfit, "cosine": state.cosine}

    def outcome(self, state: RankState) -> Outcome:
        """The balanced pair of X̃."""
        pair = self.pair_at(state.point)
        return Outcome(pair, pair.rank, state.counts)


@dataclass(frozen=True)
class Riemannian(RankConstrained):
    """A solver on matrices of rank exactly k, or on balanced pairs.

    Parameters
    ----------
    rank : int
        k ≤ min(d1, d2).
    tol : float
        As of `RankConstrained`.
    geometry : "fixed rank" or "balanced"
        `FixedRank`, or the quotient of `BalancedPairs` by its gauge.
    """

    geometry: Literal["fixed rank", "balanced"] = "fixed rank"

    @property
    def manifold(self) -> Manifold[Any]:
        """The manifold of `geometry`."""
        if self.geometry not in ("fixed rank", "balanced"):
            raise ValueError(f"geometry must be 'fixed rank' or 'balanced'; got {self.geometry!r}")
        return FixedRank() if self.geometry == "fixed rank" else BalancedPairs()

    def pair_at(self, point: Any) -> FactorPair:
        """The balanced pair of a point."""
        return self.manifold.pair(point)

    def _first(
        self, problem: Problem, start: FactorPair | None, seed: int
    ) -> tuple[Any, Float[Array, " m"], float]:
        """The first point, its residual and its misfit."""
        pair = self._begin(problem, start, seed, full_rank=True)
        x = self.manifold.point(pair)
        c = problem.whitened.forward(self.manifold.pair(x)) - problem.b
        return x, c, float(relative(c, problem.b))


def relative(c: Float[Array, " m"], b: Float[Array, " m"]) -> Float[Array, ""]:
    """‖c‖/‖b‖, 0 of 0."""
    return xp.linalg.norm(c) / xp.maximum(xp.linalg.norm(b), 1e-300)


def cosine_of(fall: Array, c: Float[Array, " m"], q: Float[Array, " m"]) -> Float[Array, ""]:
    """⟨c, q⟩/(‖c‖‖q‖) of a step along which ½‖c‖² falls at the rate ⟨c, q⟩; 0 of 0."""
    scale = xp.linalg.norm(c) * xp.linalg.norm(q)
    return fall / xp.where(scale > 0, scale, 1.0)


@compiled
def _filled(B: Measurement, c: Array, pair: FactorPair, keep: int, pairs: CompactSVD) -> FactorPair:
    """X + τ Σ σᵢ uᵢvᵢᵀ, as many terms as columns are free, with the τ that fits best."""
    new = pairs.pair().resized(pair.rank - keep)
    q = B.forward(new)
    root = xp.sqrt(xp.maximum(xp.vdot(c, q), 0.0) / xp.maximum(xp.vdot(q, q), 1e-300))
    return balance(pair.resized(keep).plus(tree_map(lambda x: root * x, new)))[0]
