"""λ > 0: when a search with a growing rank grows, and when it is proved.

Whenever the point is nearly stationary, loosely at first, the singular pairs of −ℬ*(c) above λ
outside the factors are appended. Where there are none, a lower bound of the gap (`least_gap`) tells
whether a proof is worth its cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flatrank.certificates import Effort, certify_whitened, least_gap
from flatrank.factors import CompactSVD
from flatrank.problems import Problem
from flatrank.solvers.growth import GaussNewtonState, cut, narrowed, svd_of
from flatrank.solvers.loop import Proof
from flatrank.solvers.status import Status

if TYPE_CHECKING:
    from flatrank.solvers.gauss_newton import GaussNewton


@dataclass(frozen=True)
class Penalised:
    """Settings of `GaussNewton` for λ > 0.

    Parameters
    ----------
    first : float
        Relative gap looked for first: what is outside the factors shows long before the end.
    settled : float
        Gap, in units of `tol`, below which what is outside is the fault of the rank limit.
    gained : float
        Share of `tol` of the objective that columns must have gained before more are looked for:
        at a loose `tol` steps drop columns as fast as they are found, for ever. What gained less
        is proved, or improved by steps.
    optimal, stagnation : float
        Where the gap seen without a proof is below `optimal` units of `tol`, and a proof leaves
        more than `stagnation` of the gap of the one before, the proof is at fault, and not the
        point: the search ends.
    dead : float
        Share of `tol` of the objective: a column that carries no more is dropped in a step.
    weak : float
        Share of the gap, once that is below `far`, that a column's λ s must be to stay. Weak
        columns are often dead ones at a saddle, out of line with the pair they should be, and slow
        every inner solve; growth puts back what is needed, where it is needed.
    far : float
        A gap at which the spectrum says nothing yet about which columns will be needed.
    slight : float
        Share of `tol` of the objective: columns that carry no more at the end are left out, where
        the proof holds without them.
    """

    first: float = 1e-2
    settled: float = 1e-2
    gained: float = 1e-3
    optimal: float = 1e-2
    stagnation: float = 0.999
    dead: float = 1e-3
    weak: float = 5e-3
    far: float = 0.1
    slight: float = 0.1

    def decide(
        self, find: GaussNewton, problem: Problem, state: GaussNewtonState
    ) -> GaussNewtonState:
        """At a nearly stationary point grow, or prove."""
        state = narrowed(state, find.rank)
        point = state.point
        if state.rank and point.fall > 0.2 * find.tol * state.loose * point.objective:
            return state
        now, (_, then) = point.objective - point.fall, state.growth.grown
        if then - now > self.gained * find.tol * now:
            state = find.grown(problem, state)
            if state.growth.waiting:
                return state.growing(grown=(state.rank, now))
        svd, gap = svd_of(state), 0.0
        # Where no larger rank is left, steps are all that can help, until they are rounding.
        whole = state.rank >= problem.cone.size(min(problem.shape))
        enough = 1e-8 if whole else self.settled
        settled = state.rank >= find.limit(problem) and state.loose < enough
        if not (settled or problem.cone.positive):
            gap = float(least_gap(problem.whitened, problem.b, problem.lam, svd))
            state = state._replace(point=state.point._replace(gap=gap))
        if gap <= find.tol:
            if not find.prove:
                return state._replace(ended=Status.STATIONARY)
            state, gap = self._proved(find, problem, state, svd, (settled, gap))
        # Either the point is not stationary enough, or the search for growth, which goes on from
        # where it was, did not look far enough.
        state = state._replace(loose=0.25 * min(state.loose, gap / find.tol))
        return self._strong(find, problem, state.growing(grown=(-1, math.inf)), gap)

    def _strong(
        self, find: GaussNewton, problem: Problem, state: GaussNewtonState, gap: float
    ) -> GaussNewtonState:
        """Without columns that carry little of the gap, and with what grows in their place."""
        if not 0.0 < gap < self.far:
            return state
        rank = int(np.sum(state.s > self.weak * gap * state.point.objective / problem.lam))
        return state if rank in (0, state.rank) else find.grown(problem, cut(state, rank))

    def weakest(self, find: GaussNewton, problem: Problem, state: GaussNewtonState) -> float:
        """The singular value below which a step drops a column.

        By λ s; and where λ is so small that this says nothing whatever X̃ is, by the misfit: at a
        stationary point a column less costs ½‖ℬ(s u vᵀ)‖², about ½ m s².
        """
        lost = self.dead * find.tol * max(state.point.objective, 0.0)
        return min(lost / problem.lam, math.sqrt(2.0 * lost / problem.m))

    def _proved(
        self,
        find: GaussNewton,
        problem: Problem,
        state: GaussNewtonState,
        svd: CompactSVD,
        known: tuple[bool, float],
    ) -> tuple[GaussNewtonState, float]:
        """With a certificate, what it ends, and the gap that it leaves.

        Known are whether no growth is left, and the gap seen without a proof.
        """
        (settled, seen), before = known, state.proof.certificate
        effort = Effort(find.failure_probability, find.tol)
        slight = self.slight * find.tol * state.point.objective / problem.lam
        rank = int(np.sum(state.s > slight))
        if 0 < rank < state.rank:
            fewer = cut(state, rank)
            proof = Proof(*certify_whitened(problem, svd_of(fewer), effort=effort))
            if proof.certified(find.tol):
                return fewer._replace(proof=proof, ended=Status.CERTIFIED), 0.0
        certificate, y = certify_whitened(problem, svd, effort=effort)
        left, ended = certificate.relative_gap, Status.RUNNING
        if certificate.certified(find.tol):
            ended = Status.CERTIFIED
        elif settled and state.rank >= problem.cone.size(min(problem.shape)):
            ended = Status.STATIONARY
        elif settled and certificate.operator_norm > 1 + find.tol:
            ended = Status.RANK_TOO_SMALL
        elif (
            before is not None
            and state.rank < find.limit(problem)
            and seen < self.optimal * find.tol
            and left > self.stagnation * before.relative_gap
        ):
            certificate, y = certify_whitened(problem, svd, effort=Effort(find.failure_probability))
            ended = Status.STATIONARY
        return state._replace(proof=Proof(certificate, y), ended=ended), left
