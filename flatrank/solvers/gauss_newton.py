"""Matrix-free Gauss–Newton on factors whose rank grows: the find step.

References: Burer and Monteiro (2003) for the factor form; Haeffele and Vidal (2015) and the theory
notes §6.2 for growth along the top singular pair. Departures: the pair is kept balanced, the line
search is exact, and several pairs are appended at once with one common step.

The direction and the line search are in `newton`; when the rank grows and when the search ends is
in `interpolating` for λ = 0 and in `penalised` for λ > 0; what changes the rank is in `growth`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from flatrank.factors import Cone, FactorPair
from flatrank.problems import Problem
from flatrank.solvers.elimination import affordable, worthwhile
from flatrank.solvers.growth import (
    GaussNewtonState,
    Point,
    outside,
    size_of,
    width_for,
    with_pairs,
)
from flatrank.solvers.interpolating import Interpolating
from flatrank.solvers.loop import Outcome, Solver
from flatrank.solvers.newton import newton_step
from flatrank.solvers.penalised import Penalised
from flatrank.solvers.ranks import balanced, largest_rank, resized
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


@dataclass(frozen=True)
class GaussNewton(Solver[GaussNewtonState]):
    """Matrix-free Gauss–Newton with rank growth, for λ = 0 and λ > 0.

    Parameters
    ----------
    rank : int, optional
        Rank limit. By default the rank is found.
    tol : float
        λ > 0: relative duality gap to reach. λ = 0: the misfit is brought to tol/1000.
    inner_tol : float
        Largest relative tolerance of the inner solves.
    max_inner : int
        Inner steps at most in one outer step.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    narrow : float
        λ = 0: ratio of singular values up to which directions are found in single precision; each
        step may be loose, and the fit is brought to rounding all the same.
    prove : bool
        λ > 0: whether to end with a certificate, or where the gap, as far as it is seen, is `tol`.
    exact : Interpolating
        λ = 0: settings of growth and stagnation.
    penalised : Penalised
        λ > 0: settings of growth and of the end.
    """

    rank: int | None = None
    tol: float = 1e-6
    inner_tol: float = 0.1
    max_inner: int = 300
    failure_probability: float = 1e-9
    narrow: float = 100.0
    prove: bool = True
    exact: Interpolating = Interpolating()
    penalised: Penalised = Penalised()

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> GaussNewtonState:
        """From a pair of X̃, or from the leading singular pairs of ℬ*(b)."""
        width, size = width_for(self.rank, 1), size_of(problem)
        state = GaussNewtonState(
            problem.zero(width),
            np.zeros(width),
            Point(size, 0.5 * size**2),
            np.random.default_rng(seed),
            max(1.0, self.penalised.first / self.tol),
        )
        if start is not None and np.any(np.asarray(start.L)) and np.any(np.asarray(start.R)):
            state = self._warm(problem, state, start)
        elif size == 0:
            return state
        elif problem.lam == 0:
            return self.exact.begin(self, problem, state)
        return self.grown(problem, state) if problem.lam > 0 else state

    def _warm(
        self, problem: Problem, state: GaussNewtonState, start: FactorPair
    ) -> GaussNewtonState:
        pair, s = balanced(problem.cone, start, problem.lam > 0)
        s = np.asarray(s)
        keep = max(1, min(int(np.sum(s > 1e-12 * s[0])), self.limit(problem)))
        width = width_for(self.rank, keep)
        s = np.pad(s[:keep], (0, width - keep))
        return state._replace(pair=resized(pair, keep, width), s=s)

    def step(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """A Newton step, then a decision about the rank."""
        ridge = state.rescue.ridge
        if state.rank > 0:
            state = self.newton(problem.with_lam(ridge) if ridge else problem, state)
        if not math.isfinite(state.point.misfit):
            return state._replace(ended=Status.NONFINITE)
        policy = self.penalised if problem.lam > 0 else self.exact
        return policy.decide(self, problem, state)

    def info(self, state: GaussNewtonState) -> dict[str, Any]:
        """Rank, misfit, objective, gap, and how many inner steps the last step took."""
        known = state.proof.certificate
        return {
            "rank": state.rank,
            "misfit": state.point.misfit,
            "objective": state.point.objective,
            "relative_gap": known.relative_gap if known else state.point.gap,
            "inner": state.point.inner,
        }

    def outcome(self, state: GaussNewtonState) -> Outcome:
        """The pair of X̃ without its padding; for λ > 0 the certificate where it is of this pair."""
        found = Outcome(state.pair, state.rank, state.counts)
        return found if state.ended is Status.RUNNING else found._replace(**state.proof._asdict())

    def newton(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """One Newton step, solved as closely as the last ones brought the search on."""
        point, growth, size = state.point, state.growth, size_of(problem)
        exact = problem.lam == 0 or state.rescue.ridge > 0
        if problem.lam > 0:
            # The gap falls with the square of what an inner solve leaves.
            root = math.sqrt(self.tol)
            most, least = max(self.inner_tol, root), 10 * root
            share = math.sqrt(point.slack / max(point.objective, 1e-300))
        else:
            closer = 0.1 if state.rescue.restarted else 1.0
            most, least = closer * self.inner_tol, 1e-3
            share = point.misfit / min(growth.grown[1], size or 1.0)
        eliminate = point.hard and affordable(problem.measurement, state.pair.rank)
        out = newton_step(
            problem.whitened,
            problem.b,
            problem.lam,
            state.pair,
            min(most, max(least, share)),
            self.max_inner,
            self.penalised.weakest(self, problem, state) if problem.lam > 0 else 0.0,
            problem.lam > 0,
            growth.seen,
            eliminate,
            problem.lam > 0 or not (eliminate or self._wide(state)),
        )
        misfit, objective, slack, fall = map(
            float, (out.misfit, out.objective, out.slack, out.fall)
        )
        inner = int(out.inner)
        hard = point.hard or (exact and worthwhile(inner, state.pair.rank))
        return state._replace(
            pair=out.pair,
            s=np.asarray(out.s),
            point=Point(misfit, objective, slack, fall, inner, hard),
            counts=state.counts + Counts(inner + 4, inner + 1, 1),
        )

    def _wide(self, state: GaussNewtonState) -> bool:
        """Whether singular values lie so far apart that single precision would lose the last."""
        s = state.s[: state.rank]
        return bool(s[0] > self.narrow * s[-1])

    def limit(self, problem: Problem) -> int:
        """The largest rank to try: the one asked for, or the last with degrees ≤ m."""
        top = problem.cone.size(min(problem.shape))
        if self.rank is not None:
            return min(self.rank, top)
        if problem.lam > 0:
            return top
        if problem.cone is not Cone.WHOLE:
            return max(1, bisect_right(range(top + 1), problem.m, key=problem.degrees) - 1)
        return min(top, largest_rank(problem.shape, problem.m))

    def grown(
        self, problem: Problem, state: GaussNewtonState, limit: int | None = None
    ) -> GaussNewtonState:
        """With the singular pairs of −ℬ*(c) above λ that are seen; `waiting` if there are any."""
        free = (self.limit(problem) if limit is None else limit) - state.rank
        if free <= 0:
            return state.growing(waiting=False)
        state, pairs = outside(problem, state)
        count = int(np.sum(np.asarray(pairs.s) > (1 + 0.1 * self.tol) * problem.lam))
        return with_pairs(problem, state, pairs, min(count, free), self.rank)
