"""λ = 0: when a search with a growing rank grows, and what follows where it stalls.

Start from the leading singular pairs of 𝒜*(b) after its rows and columns were brought to one
length, as many as stand clear of the bulk. At each rank take two Gauss–Newton steps (a new pair
begins small) and more until one lowers the misfit by less than a tenth, which the exact line search
tells at once. Then append the top pair of −ℬ*(c): ill-conditioned matrices are thus found from
their largest singular value down, each rank starting inside its basin. Where the largest rank
allowed stalls before the data are fitted, the search goes on from there with the penalised problem:
λ = ½‖ℬ*(c)‖, then taken away in stages. What was fitted is hardly moved by a λ of that size; what
was not is found anew, at minimal norm, which is what settles flat spectra near the limit of
information. Where the rank is unknown, the search has by then gone past it: at the first nearly
stationary point whose spectrum has a clear gap the columns behind it are cut, and the rank before
it is the limit from there on. Where that fails as well, the rank is known and data are few, all is
begun once more, and the rank grows only when steps hardly help any longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flatrank.factors import Cone
from flatrank.problems import Problem
from flatrank.solvers.growth import (
    GaussNewtonState,
    Rescue,
    cut,
    last_gap,
    narrowed,
    outside,
    size_of,
    with_pairs,
)
from flatrank.solvers.ranks import BLOCK, PRODUCTS
from flatrank.solvers.starts import clear_of_bulk, even_pairs, leading_pairs, random_block
from flatrank.solvers.status import Status

if TYPE_CHECKING:
    from flatrank.solvers.gauss_newton import GaussNewton


@dataclass(frozen=True)
class Interpolating:
    """Settings of `GaussNewton` for λ = 0.

    Parameters
    ----------
    clear : float
        Ratio of singular values of the starting matrix that marks the edge of the bulk.
    plateau : float
        A step that leaves more of the misfit than this has reached what the rank can do.
    ridges : tuple of float
        λ, in units of ‖ℬ*(c)‖, taken one after the other where the largest rank stalls.
    fade : float
        Factor on that λ from stage to stage.
    soft : float
        Relative fall of the objective that ends a stage.
    gap : float
        Ratio of singular values that marks, under a ridge, the end of what the data show.
    restarts : int
        Searches after the first, from other vectors, where the rank is known, no ridge helped and
        the data are few: less than four times the degrees of freedom.
    slow_plateau : float
        `plateau` of these, whose inner solves are ten times closer.
    dying : float
        Ratio of neighbouring singular values of a fit that suggests that those behind are on their
        way to zero.
    """

    clear: float = 1.12
    plateau: float = 0.9
    ridges: tuple[float, ...] = (0.5, 5.0)
    fade: float = 0.6
    soft: float = 2e-3
    gap: float = 3.0
    restarts: int = 3
    slow_plateau: float = 0.99
    dying: float = 1e4

    def begin(
        self, find: GaussNewton, problem: Problem, state: GaussNewtonState
    ) -> GaussNewtonState:
        """The leading pairs of ℬ*(b)."""
        X = random_block(problem, BLOCK, state.rng)
        if problem.cone is not Cone.WHOLE:
            # A column too many dies slowly, and no bulk says how many there are.
            pairs = leading_pairs(problem.whitened, problem.b, X, PRODUCTS)
            return with_pairs(problem, state, pairs, 1, find.rank)
        D = problem.rescaling
        pairs = even_pairs(problem.whitened.inner, problem.b, (D.D1, D.D2), X, PRODUCTS)
        # Of a small matrix every singular value stands apart from the next, noise or not.
        most = min(find.limit(problem), max(1, min(problem.shape) // 16))
        count = clear_of_bulk(np.asarray(pairs.s), most, self.clear)
        return with_pairs(problem, state, pairs, count, find.rank)

    def decide(
        self, find: GaussNewton, problem: Problem, state: GaussNewtonState
    ) -> GaussNewtonState:
        """Fit to rounding; grow when steps stop helping."""
        if state.rescue.ridge:
            return self._softened(find, problem.with_lam(state.rescue.ridge), state)
        size, growth, point = size_of(problem), state.growth, state.point
        # `misfit` belongs to the point before the step: one more step always follows a good one.
        if point.misfit <= max(2e-15, min(1e-3 * find.tol, 1e-9)) * size:
            return state._replace(ended=Status.STATIONARY)
        plateau = self.slow_plateau if state.rescue.restarted else self.plateau
        if growth.waiting or (state.rank and point.left < plateau * point.misfit):
            return state.growing(waiting=False)
        if point.misfit <= 1e-12 * size:
            return state._replace(ended=Status.STATIONARY)
        rank, misfit = growth.grown
        free = state.rank < self.limit(find, problem, state)
        if free and (state.rank > rank or point.left < 0.999 * misfit):
            state, pairs = outside(problem, state)
            state = state.growing(grown=(state.rank, point.left))
            return with_pairs(problem, state, pairs, 1, find.rank)
        kept = state.rescue.kept
        if kept is None or point.left < kept[2]:
            kept = (state.pair, state.s, point.left)
        if state.rescue.used < len(self.ridges):
            return self._with_ridge(find, problem, state.rescued(kept=kept))
        few = problem.m < 4 * problem.degrees(find.limit(problem))
        if find.rank is not None and few and state.rescue.restarted < self.restarts:
            zero, s = problem.zero(state.pair.rank), np.zeros_like(state.s)
            rescue = Rescue(kept=kept, restarted=state.rescue.restarted + 1)
            state = state._replace(pair=zero, s=s, point=point._replace(misfit=size), rescue=rescue)
            return self.begin(find, problem, state.growing(grown=(-1, math.inf)))
        pair, s, misfit = kept
        point = point._replace(misfit=misfit)
        return state._replace(pair=pair, s=s, point=point, ended=Status.STALLED)

    def limit(self, find: GaussNewton, problem: Problem, state: GaussNewtonState) -> int:
        """The largest rank to try now."""
        return min(find.limit(problem), state.rescue.limit or min(problem.shape))

    def _with_ridge(
        self, find: GaussNewton, problem: Problem, state: GaussNewtonState
    ) -> GaussNewtonState:
        """Go on with a ridge of the size of what is not fitted, to be taken away again."""
        state, pairs = outside(problem, state.growing(block=None, grown=(-1, math.inf)))
        top = float(pairs.s[0])
        if top * float(np.sum(state.s)) <= 1e-9 * state.point.misfit**2:
            return state.rescued(used=len(self.ridges))  # no rank would fit better
        used = state.rescue.used
        ridge = self.ridges[used] * top
        state = state.rescued(ridge=ridge, least=3e-5 * top, used=used + 1).growing(block=None)
        return find.grown(problem.with_lam(ridge), state, self.limit(find, problem, state))

    def _softened(
        self, find: GaussNewton, soft: Problem, state: GaussNewtonState
    ) -> GaussNewtonState:
        """At a nearly stationary point grow, or take away some of the ridge, in the end all."""
        state = narrowed(state, find.rank)
        if state.rank and state.point.fall > self.soft * state.point.objective:
            return state
        state = find.grown(soft, state, self.limit(find, soft.with_lam(0.0), state))
        if state.growth.waiting:
            return state
        shown = last_gap(state.s[: state.rank], self.gap)
        if find.rank is None and state.rescue.limit is None and shown < state.rank:
            return cut(state, shown).rescued(limit=shown).growing(waiting=True)
        ridge = self.fade * state.rescue.ridge
        ridge = ridge if ridge > state.rescue.least else 0.0
        return state.rescued(ridge=ridge).growing(waiting=True)
