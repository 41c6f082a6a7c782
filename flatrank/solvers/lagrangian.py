"""Augmented Lagrangian on the factors: the flattest interpolant, proved.

    min ‖X̃‖_*  s.t.  ℬ(X̃) = b.     With y the multiplier and λ = 1/penalty, each step minimises
    ½‖ℬ(X̃) − (b + λ y)‖² + λ ‖X̃‖_*   by `GaussNewton` (rank found), then   y ← y + (b − ℬ(X̃))/λ.

λ falls geometrically from λ_max/2 to `hold`·λ_max. The conditioning of the inner problem is 1/λ,
and far from the solution a small λ makes it lose its way: there multiplier steps go on at one λ
until the rank stays. Then λ falls on to `floor`·λ_max, and up again where an inner solve does not
end. y is the dual candidate of the certificate.
Reference: Burer and Monteiro (2003, 2005); theory notes §6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.certificates import Certificate, Effort, certify_whitened
from flatrank.factors import CompactSVD, FactorPair
from flatrank.problems import Problem
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.loop import Outcome, Scope, Solver, argument, run_hosted
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import largest_lam
from flatrank.solvers.status import Status


class LagrangianState(NamedTuple):
    """Pair of X̃, zero-padded, its rank, multiplier, penalty parameter and the proof so far."""

    pair: FactorPair
    rank: int
    y: Float[Array, " m"]
    lam: float
    largest: float
    certificate: Certificate | None
    dual: Float[Array, " m"] | None
    counts: Counts
    ended: Status
    stuck: int


@dataclass(frozen=True)
class Lagrangian(Solver[LagrangianState]):
    """Solve the interpolating problem (λ = 0) for its flattest solution.

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
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    """

    scope: ClassVar[Scope] = Scope(penalised=False)

    tol: float = 1e-6
    hold: float = 1e-2
    floor: float = 1e-3
    shrink: float = 0.3
    inner_steps: int = 60
    failure_probability: float = 1e-9

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> LagrangianState:
        """λ = λ_max/2 and y = 0."""
        if problem.lam > 0:
            raise ValueError(
                f"Lagrangian interpolates (lam = 0); got lam = {problem.lam}. Use GaussNewton"
            )
        largest = largest_lam(problem, seed)
        return LagrangianState(
            pair=problem.zero(4) if start is None else start,
            rank=0 if start is None else start.rank,
            y=jnp.zeros_like(problem.b),
            lam=0.5 * largest,
            largest=largest,
            certificate=None,
            dual=None,
            counts=Counts(forward=0, adjoint=18),
            ended=Status.RUNNING,
            stuck=0,
        )

    def step(self, problem: Problem, state: LagrangianState) -> LagrangianState:
        """One inner solve, one multiplier update, one certificate."""
        lam, last = state.lam, state.certificate
        tight = min(1e-3, 1e-2 * abs(last.relative_gap)) if last else 1e-3
        inner = GaussNewton(tol=max(1e-11, tight), failure_probability=self.failure_probability)
        shifted = eqx.tree_at(lambda p: p.b, problem.with_lam(lam), problem.b + lam * state.y)
        found, status, _ = run_hosted(
            inner, shifted, inner.init(shifted, state.pair), max_steps=self.inner_steps
        )
        if status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        # Zero-padded: a program for each rank would cost more than the zeros.
        y, svd = _multiplier(problem, found.pair, state.y, argument(lam))
        certificate, dual = certify_whitened(problem, svd, y, Effort(self.failure_probability))
        return state._replace(
            pair=found.pair,
            rank=found.rank,
            y=y,
            lam=self._next(state, found.rank, status),
            certificate=certificate,
            dual=dual,
            counts=state.counts + found.counts,
            **self._verdict(state, certificate, status),
        )

    def _next(self, state: LagrangianState, rank: int, inner: Status) -> float:
        """λ of the next step."""
        lam, hold = state.lam, self.hold * state.largest
        if lam > hold:
            return max(self.shrink * lam, hold)
        if inner is not Status.CERTIFIED:
            return min(lam / self.shrink, hold)
        settled = rank == state.rank
        return max(self.shrink * lam, self.floor * state.largest) if settled else lam

    def _verdict(
        self, state: LagrangianState, certificate: Certificate, inner: Status
    ) -> dict[str, Any]:
        """Certified, or stalled after five steps at a low λ that no longer lower the gap."""
        last = state.certificate
        low = state.lam <= self.hold * state.largest * (1 + 1e-9)
        better = last is None or certificate.relative_gap < 0.9 * last.relative_gap
        stuck = state.stuck + 1 if low and not better else 0
        if certificate.gap == float("inf"):
            return {"ended": Status.INFEASIBLE, "stuck": stuck}
        if inner is Status.NONFINITE or not certificate.gap < float("inf"):
            return {"ended": Status.NONFINITE, "stuck": stuck}
        if certificate.certified(self.tol):
            return {"ended": Status.CERTIFIED, "stuck": stuck}
        return {"ended": Status.STALLED if stuck >= 5 else Status.RUNNING, "stuck": stuck}

    def status(self, problem: Problem, state: LagrangianState) -> Status:
        """Decided in `step`."""
        del problem
        return state.ended

    def info(self, state: LagrangianState) -> dict[str, Any]:
        """Rank, λ, gap and misfit."""
        known = state.certificate
        return {
            "rank": state.rank,
            "lam": state.lam,
            "relative_gap": known.relative_gap if known else None,
            "misfit": known.feasibility if known else None,
        }

    def outcome(self, state: LagrangianState) -> Outcome:
        """The pair of X̃, proved as far as the last step proved it."""
        return Outcome(state.pair, state.rank, state.counts, state.dual, state.certificate)


@eqx.filter_jit
def _multiplier(
    problem: Problem, pair: FactorPair, y: Float[Array, " m"], lam: Float[Array, ""]
) -> tuple[Float[Array, " m"], CompactSVD]:
    """The next multiplier, y + (b − ℬ(X̃))/λ, and U, s, V of X̃."""
    y = y + (problem.b - problem.whitened.forward(pair)) / lam
    return y, problem.cone.decompose(pair)
