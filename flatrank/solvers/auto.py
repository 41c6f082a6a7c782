"""Find fast, then prove; act on `goal` when the proof fails.

λ > 0: `GaussNewton` to a certified gap; `Lagrangian` where λ is so small that it is the quicker way
to one; `ProximalPoint` from where the search takes long, if X may be held as an array.
λ = 0: `GaussNewton` to the misfit of rounding, then the least-squares dual. Where nothing fits,
that shows, and the pair of least misfit is kept. If it does not certify the interpolant found:
  goal "recover"  it is kept when it is identifiable (m above the degrees of freedom, ℬ injective on
                  its tangent space, misfit at rounding level); if not, one of smaller rank is
                  looked for and proved in its turn; where there is none, as for
  goal "flat"     `InteriorPoint` where the problem is small, else `Lagrangian`, solves for the
                  flattest interpolant, which proves itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from flatrank.arrays import xp
from flatrank.certificates import Certificate, Effort, certify_whitened, injective_on_tangent
from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import SampledEntries
from flatrank.problems import Problem, core
from flatrank.solvers.gauss_newton import GaussNewton, GaussNewtonState
from flatrank.solvers.interior_point import InteriorPoint, InteriorPointState
from flatrank.solvers.lagrangian import Lagrangian
from flatrank.solvers.loop import Outcome, Proof, Solver
from flatrank.solvers.lowering import at_most, least_squares, without_dying
from flatrank.solvers.proximal_point import ProximalPoint, may_hold
from flatrank.solvers.status import Status

# Misfit, relative to ‖b‖, up to which an interpolant counts as fitting to rounding.
ROUNDING = 1e-8


class AutoState(NamedTuple):
    """Where the solve stands.

    inner : the state of the solver at work.
    phase : "find", "prove", "lower", "flatten" or "converge".
    proof, ended : of the answer so far.
    kept : an interpolant and its proof, while a flatter one, or a smaller rank, is looked for.
    before : the find step's state at it.
    """

    inner: Any
    phase: str
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    kept: Outcome | None = None
    before: GaussNewtonState | None = None

    def after(self, inner: Any) -> AutoState:
        """With the state of a solver whose end is the end, and whose proof is the proof."""
        return self._replace(inner=inner, proof=inner.proof, ended=inner.ended)


@dataclass(frozen=True)
class Auto(Solver[AutoState]):
    """The default solver.

    Parameters
    ----------
    goal : "recover" or "flat"
        What to return where the low-rank interpolant is not proved flattest.
    rank : int, optional
        Rank limit; found by default.
    tol : float
        Relative duality gap to prove.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    long : int
        λ > 0: steps of the search after which `ProximalPoint`, which converges from anywhere, goes
        on from its pair, where X may be held as an array.
    prove : bool
        See `GaussNewton`.
    small : float
        λ, relative to what is seen of λ_max, below which `Lagrangian` takes fewer products.
    held : float
        Largest d1 d2 min(d1, d2) at which X may be held as an array.
    missed : float
        Relative misfit at the end of `Lagrangian` that says that the data cannot be fitted.
    """

    goal: Literal["recover", "flat"] = "recover"
    rank: int | None = None
    tol: float = 1e-6
    failure_probability: float = 1e-9
    long: int = 100
    prove: bool = True
    small: float = 3e-3
    held: float = 4e9
    missed: float = 1e-6

    @property
    def _find(self) -> GaussNewton:
        chance = self.failure_probability
        return GaussNewton(self.rank, self.tol, failure_probability=chance, prove=self.prove)

    @property
    def _converge(self) -> ProximalPoint:
        return ProximalPoint(self.tol, self.failure_probability)

    @property
    def _flatten(self) -> Lagrangian:
        return Lagrangian(self.tol, failure_probability=self.failure_probability)

    @property
    def _inside(self) -> InteriorPoint:
        return InteriorPoint(self.tol, self.failure_probability)

    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> AutoState:
        """The find step's first state, or where λ is small that of the augmented Lagrangian."""
        state = self._find.init(problem, start, seed)
        small = 0 < problem.lam < self.small * _largest_seen(problem, state)
        if small and self.rank is None and _can_fit(problem):
            flat = self._flatten.init(problem, None if start is None else state.pair, seed)
            return AutoState(flat, "flatten")
        return AutoState(state, "find")

    def step(self, problem: Problem, state: AutoState) -> AutoState:
        """One step of the find; at its end the proof; or one step to the flattest."""
        if state.phase == "prove":
            return self._prove(problem, state)
        inner = self._at_work(state).step(problem, state.inner)
        if state.phase == "flatten":
            return self._flattened(problem, state, inner)
        if state.phase == "converge":
            return state.after(inner)
        if inner.ended is Status.RUNNING:
            long = self.rank is None and inner.counts.steps >= self.long
            if long and may_hold(problem, self.held):
                found = self._converge.init(problem, inner.pair)
                return state._replace(inner=found._replace(counts=inner.counts), phase="converge")
            return state._replace(inner=inner)
        if state.phase == "lower":
            if inner.ended is Status.STATIONARY:
                inner = inner.rescued(used=False)  # it is a fit, whatever it took
                return AutoState(inner, "prove")
            assert state.before is not None
            return self._settled(problem, state._replace(inner=state.before, phase="prove"))
        if problem.lam > 0 or inner.ended is Status.NONFINITE:
            return state.after(inner)
        if inner.ended is Status.STATIONARY:
            inner = without_dying(problem, self._find, inner)
        elif self.rank is not None and inner.rank:
            inner = least_squares(problem, self._find, inner)
        return state._replace(inner=inner, phase="prove")

    def _flattened(self, problem: Problem, state: AutoState, inner: Any) -> AutoState:
        """What `InteriorPoint` cannot prove is left to `Lagrangian`, what that misses to growth."""
        stalled = inner.ended is Status.STALLED
        if stalled and isinstance(state.inner, InteriorPointState):
            flat, spent = self._flatten.init(problem), state.inner.counts
            return state._replace(inner=flat._replace(counts=flat.counts + spent))
        known = inner.proof.certificate
        if inner.ended is Status.STATIONARY and known and known.feasibility > self.missed:
            return state._replace(inner=self._find.init(problem, inner.pair), phase="find")
        return state.after(inner)

    def _prove(self, problem: Problem, state: AutoState) -> AutoState:
        inner: GaussNewtonState = state.inner
        svd = problem.cone.decompose(inner.pair.resized(inner.rank))
        fits = inner.ended is Status.STATIONARY
        effort = Effort(self.failure_probability, self.tol)
        certificate, y = certify_whitened(problem, svd, effort=effort)
        state = state._replace(proof=Proof(certificate, y))
        if certificate.infeasible:
            return state._replace(ended=Status.INFEASIBLE)
        recover = fits and self.goal == "recover"
        if fits and certificate.certified(self.tol):
            # Where all that fit are flattest the proof says no more than that this one does.
            if not (recover and problem.all_flattest and not certificate.unique):
                return state._replace(ended=Status.CERTIFIED)
        elif recover and identifiable(problem, svd, certificate, self.failure_probability):
            return state._replace(ended=Status.IDENTIFIABLE)
        if recover and svd.s.shape[0] > 1:
            lower, kept = at_most(problem, inner, svd.s.shape[0] - 1), self.outcome(state)
            return state._replace(inner=lower, phase="lower", kept=kept, before=inner)
        return self._settled(problem, state)

    def _settled(self, problem: Problem, state: AutoState) -> AutoState:
        """What to do with a fit, or the least misfit, that no smaller rank replaces."""
        fits = state.inner.ended is Status.STATIONARY
        if fits and state.proof.certified(self.tol):
            return state._replace(ended=Status.CERTIFIED)
        if self.rank is not None:
            return state._replace(ended=Status.STATIONARY if fits else Status.LEAST_SQUARES)
        kept = self.outcome(state._replace(kept=None))
        inner = self._inside.init(problem) if self._inside.suits(problem) else None
        if inner is None or inner.ended is Status.STALLED:
            inner = self._flatten.init(problem)
        return state._replace(inner=inner, phase="flatten", kept=kept)

    def info(self, state: AutoState) -> dict[str, Any]:
        """The phase and the numbers of the solver at work."""
        return {"phase": state.phase} | self._at_work(state).info(state.inner)

    def _at_work(self, state: AutoState) -> Solver[Any]:
        if isinstance(state.inner, InteriorPointState):
            return self._inside
        return {"flatten": self._flatten, "converge": self._converge}.get(state.phase, self._find)

    def outcome(self, state: AutoState) -> Outcome:
        """The pair found, with the dual point of its certificate; cut short, the best proved."""
        found = self._at_work(state).outcome(state.inner)
        if state.kept and state.ended is Status.RUNNING:
            now, before = state.inner.proof.certificate, state.kept.certificate
            if not (now and before) or now.relative_gap > before.relative_gap:
                return state.kept._replace(counts=found.counts)
        return found._replace(**state.proof._asdict())


def _can_fit(problem: Problem) -> bool:
    """Whether data may be fitted whatever they are.

    Where nothing fits a residual stays, and a multiplier, 1/λ times as long, never gets there.
    Entries are always fitted.
    """
    few = problem.m < problem.degrees(min(problem.shape))
    entries = isinstance(problem.measurement, SampledEntries)
    return entries or (few and not problem.cone.positive)


def _largest_seen(problem: Problem, state: GaussNewtonState) -> float:
    """⟨ℬ*(b), X̃⟩/‖X̃‖_* ≤ λ_max."""
    fitted = problem.whitened.forward(state.pair)
    return float(xp.vdot(problem.b, fitted)) / float(np.sum(state.s) or 1.0)


def identifiable(
    problem: Problem, svd: CompactSVD, certificate: Certificate, failure_probability: float
) -> bool:
    """Whether X̃ fits to rounding and is the only matrix of its rank near by that does.

    Rows and columns with fewer entries than the rank are left out, and named in the solution.
    """
    r = svd.s.shape[0]
    if certificate.feasibility > ROUNDING:
        return False
    whole = problem.unwhiten(FactorPair(svd.U * svd.s[None, :], svd.V))
    part, pair = core(problem, whole, r)
    return (
        pair.rank > 0
        and part.m > part.degrees(r)
        and injective_on_tangent(
            part.whitened,
            part.cone.decompose(part.whiten(pair)),
            failure_probability=failure_probability,
        )
    )
