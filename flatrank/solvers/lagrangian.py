"""Augmented Lagrangian on the factors: the flattest interpolant, proved; the optimum at small λ.

    min ‖X̃‖_*  s.t.  ℬ(X̃) = b.     With y the multiplier and λ = 1/penalty, each step minimises
    ½‖ℬ(X̃) − (b + λ y)‖² + λ ‖X̃‖_*   by `GaussNewton` (rank found), then   y ← y + (b − ℬ(X̃))/λ.

A problem with a λ of its own, λ₀, is min ‖X̃‖_* + ‖e‖²/(2λ₀) s.t. ℬ(X̃) + e = b. Its multiplier is
y = e/λ₀, and with e taken out a step is the same with another shift of b: it minimises
½‖ℬ(X̃) − b'‖² + λ ‖X̃‖_*, b' = b + (λ − λ₀) y, then y ← (b' − ℬ(X̃))/λ. It is the road to a λ₀ so
small that Newton steps from nothing, which would see the data alone, lose their way.

λ falls geometrically from λ_max/2 to `hold`·λ_max. The conditioning of the inner problem is 1/λ,
and far from the solution a small λ makes it lose its way: there multiplier steps go on at one λ
until the rank stays. Then λ falls on to `floor`·λ_max, further where multiplier steps gain little
there (the matrix is barely the only minimiser: their rate is that of λ to the curvature), and up
again where an inner solve does not end. y is the dual candidate of the certificate.
Reference: Burer and Monteiro (2003, 2005); theory notes §6.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates import Effort, certify_whitened
from flatrank.factors import FactorPair
from flatrank.problems import Problem
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.growth import size_of
from flatrank.solvers.loop import Outcome, Proof, Solver, run
from flatrank.solvers.penalised import Penalised
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import largest_lam
from flatrank.solvers.status import Status


class LagrangianState(NamedTuple):
    """Where the iteration stands.

    pair, rank : of X̃, zero-padded.
    y : the multiplier.
    lam : λ of the next step.
    largest : λ_max.
    left : the least that was left to do: the relative gap, or where λ₀ > 0 and it is less, how far
        the constraint is missed relative to ‖b‖ (while that is not near λ₀ the gap says nothing).
    stuck : steps in a row, at a low λ, that left as much.
    proof, ended, counts : as for every solver.
    """

    pair: FactorPair
    rank: int
    y: Float[Array, " m"]
    lam: float
    largest: float
    left: float = 1.0
    stuck: int = 0
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()


@dataclass(frozen=True)
class Lagrangian(Solver[LagrangianState]):
    """Solve for the flattest interpolant (λ = 0), or for the penalised optimum at a small λ.

    Parameters
    ----------
    tol : float
        Relative duality gap to reach.
    hold, floor : float
        λ relative to λ_max at which the rank is awaited, and the smallest.
    shrink : float
        Factor on λ from step to step.
    inner_steps : int
        Newton steps at most in one inner solve.
    margin : float
        Share of `tol` that the misfit of an interpolant is brought to.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    slow : float
        A step at the floor that leaves more of the gap than this gains little: λ may then fall on
        to `deepest` times the floor.
    deepest : float
        See `slow`.
    """

    tol: float = 1e-6
    hold: float = 1e-2
    floor: float = 1e-3
    shrink: float = 0.3
    inner_steps: int = 60
    margin: float = 1e-2
    failure_probability: float = 1e-9
    slow: float = 0.3
    deepest: float = 1e-4

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> LagrangianState:
        """λ = λ_max/2 and y = 0; or the λ and the y of which a given pair is the optimum."""
        largest = largest_lam(problem, seed)
        y, lam = xp.zeros_like(problem.b), 0.5 * largest
        if start is not None:
            r = problem.b - problem.whitened.forward(start)
            own = largest_lam(replace(problem, b=r), seed)
            y = r / max(own, problem.lam, 1e-300)
            lam = min(lam, max(own, self.floor * largest))
        return LagrangianState(
            pair=problem.zero(4) if start is None else start,
            rank=0 if start is None else start.rank,
            y=y,
            lam=max(lam, problem.lam),
            largest=largest,
            counts=Counts(0, 18) if start is None else Counts(1, 36),
        )

    def step(self, problem: Problem, state: LagrangianState) -> LagrangianState:
        """One inner solve, one multiplier update, one certificate."""
        lam, tight = state.lam, min(1e-3, 1e-2 * state.left)
        # The pair comes from a λ near by: columns that are weak now are needed later.
        keeping = Penalised(weak=0.0, slight=0.0)
        chance = self.failure_probability
        inner = GaussNewton(tol=max(1e-11, tight), failure_probability=chance, penalised=keeping)
        extra = lam - problem.lam
        shifted = replace(problem.with_lam(lam), b=problem.b + extra * state.y)
        found, status, _ = run(
            inner, shifted, inner.init(shifted, state.pair), max_steps=self.inner_steps
        )
        if status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        y = (shifted.b - problem.whitened.forward(found.pair)) / lam
        svd = problem.cone.decompose(found.pair)
        certificate, dual = certify_whitened(problem, svd, y, Effort(self.failure_probability))
        left = abs(certificate.relative_gap)
        if problem.lam > 0 and lam > problem.lam:
            # As λ y = b' − ℬ(X̃), what b − ℬ(X̃) lacks of λ₀ y is λ − λ₀ times the change in y.
            moved = np.linalg.norm(np.asarray(y) - np.asarray(state.y))
            left = min(left, float((lam - problem.lam) * moved / size_of(problem)))
        low = lam <= self.hold * state.largest * (1 + 1e-9)
        state = state._replace(
            pair=found.pair,
            rank=found.rank,
            y=y,
            lam=max(self._next(state, found.rank, status, left), problem.lam),
            proof=Proof(certificate, dual),
            counts=state.counts + found.counts,
            stuck=state.stuck + 1 if low and not left < 0.9 * state.left else 0,
            left=min(left, state.left),
        )
        return state._replace(ended=self._verdict(state, status, problem.lam > 0))

    def _next(self, state: LagrangianState, rank: int, inner: Status, left: float) -> float:
        """λ of the next step."""
        lam, hold = state.lam, self.hold * state.largest
        if lam > hold:
            return max(self.shrink * lam, hold)
        if inner is not Status.CERTIFIED:
            return min(lam / self.shrink, hold)
        if rank != state.rank:
            return lam
        slow = left > self.slow * state.left
        floor = (self.deepest if slow else 1.0) * self.floor * state.largest
        return min(lam, max(self.shrink * lam, floor))

    def _verdict(self, state: LagrangianState, inner: Status, penalised: bool) -> Status:
        """Certified, or at its end after five steps at a low λ that leave as much to do as ever."""
        certificate = state.proof.certificate
        if certificate is None:
            return Status.RUNNING
        if certificate.infeasible:
            return Status.INFEASIBLE
        if inner is Status.NONFINITE or np.isnan(certificate.gap):
            return Status.NONFINITE
        # The bounds close around the optimum also where it is the repaired matrix that attains it.
        fits = penalised or certificate.feasibility <= self.margin * self.tol
        if fits and certificate.certified(self.tol):
            return Status.CERTIFIED
        if state.stuck < 5:
            return Status.RUNNING
        return Status.STATIONARY if penalised else Status.STALLED

    def info(self, state: LagrangianState) -> dict[str, Any]:
        """Rank, λ, gap and misfit."""
        known = state.proof.certificate
        return {
            "rank": state.rank,
            "lam": state.lam,
            "relative_gap": known.relative_gap if known else None,
            "misfit": known.feasibility if known else None,
        }

    def outcome(self, state: LagrangianState) -> Outcome:
        """The pair of X̃, proved as far as the last step proved it."""
        return Outcome(state.pair, state.rank, state.counts, **state.proof._asdict())
