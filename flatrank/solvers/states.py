"""Least squares over states, and exact data: the constraint tr X = 1 by its multiplier.

References: Gross, Liu, Flammia, Becker, Eisert (2010) for low-rank states; Hestenes (1969) and
Powell (1969) for the multiplier.

The problem of `Tomography` is solved through

    min ½‖𝒜(X) − b‖² + ½w²(tr X − t)² + tr((λ(D² − δI) + μI) X)   over X ⪰ 0

by `GaussNewton`, δ the smallest eigenvalue of D². At its minimiser the multiplier of the trace is
ν = μ + w²(tr X − t); where also tr X = 1 the point is the minimiser over states. So one number is
to be found: for a guess of ν the number t = 1 + (μ − ν)/w² makes a minimiser of trace one keep that
ν. It comes from above, where the rank is low, and by secants on the trace. Every point, brought to
trace one, is put to the proof; where X = 0 is the minimiser, the best state so far is.

Exact data are the limit ν → 0, where the objective vanishes and no gap can be measured
against it. So where a point comes near the data, `Auto` tries from there to fit them at that rank,
the trace one of them; where it does, it proves the rest; where it does not, the search goes on.
Where the data are fewer than the degrees of freedom of that rank, states that fit are not found by
rank: any that fits is taken, and where not all are equally flat `Lagrangian` finds the flattest.
With y the dual point of the flattest state, λy is one for a slight λ > 0, up to ½λ²‖y‖².
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from flatrank.arrays import xp
from flatrank.certificates import Certificate, Effort, as_state, certify_whitened, fits, restated
from flatrank.factors import CompactSVD, FactorPair
from flatrank.kernels import padded_width
from flatrank.problems import Problem, Symmetric, Tomography
from flatrank.solvers.auto import Auto, AutoState
from flatrank.solvers.gauss_newton import GaussNewton, GaussNewtonState
from flatrank.solvers.lagrangian import Lagrangian
from flatrank.solvers.loop import Outcome, Proof, Scope, Solver
from flatrank.solvers.ranks import balanced, unit_columns
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import leading_pairs, random_block
from flatrank.solvers.status import Status


class Attempt(NamedTuple):
    """At a fit of exact data, or a search.

    rank, misfit : of the state from which a fit was last tried.
    mark : the misfit that it has to halve in every four steps.
    taken : steps since the solver at work began.
    """

    rank: int = 0
    misfit: float = math.inf
    mark: float = math.inf
    taken: int = 0


class StateSearchState(NamedTuple):
    """Where the search stands.

    phase : "search" for the multiplier; a "fit" of exact data, at low rank or at any ("wide").
    work, inner : the problem at work and its solver's state.
    multiplier : of that problem.
    pair : the best state U U*.
    trail : the multipliers tried, each with tr X − 1 of its minimiser.
    attempt : see there.
    proof, ended, counts : as for every solver; counts without those of the solver at work.
    """

    phase: Literal["search", "fit", "wide"]
    work: Symmetric
    inner: GaussNewtonState | AutoState
    multiplier: float
    pair: FactorPair
    trail: tuple[tuple[float, float], ...] = ()
    attempt: Attempt = Attempt()
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()


@dataclass(frozen=True)
class StateSearch(Solver[StateSearchState]):
    """The default solver of `Tomography`.

    Parameters
    ----------
    goal : "recover" or "flat"
        As of `Auto`, where a state fits the data and not all states are equally flat.
    rank : int, optional
        Rank limit; found by default.
    tol : float
        Relative duality gap to prove.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    first : float
        First guess of the multiplier, as a share of the one from which on X = 0 is the minimiser.
    loose : float
        Relative gap of an inner problem, at most.
    max_inner, max_outer : int
        Steps at most in one inner problem, and multipliers at most.
    near : float
        Relative misfit below which data may be exact.
    noise : float
        A lower bound above this share of the objective proves that no state fits.
    slight : float
        λ up to which the flattest state that fits is looked for: its relative gap is about λ n/m.
    """

    scope: ClassVar[Scope] = Scope(states=True)

    goal: Literal["recover", "flat"] = "recover"
    rank: int | None = None
    tol: float = 1e-6
    failure_probability: float = 1e-9
    first: float = 0.1
    loose: float = 1e-2
    max_inner: int = 100
    max_outer: int = 40
    near: float = 0.3
    noise: float = 1e-3
    slight: float = 1e-4

    def _fit(self, problem: Problem, wide: bool) -> Auto:
        """At the ranks that the data can tell, or at any."""
        rank = padded_width(max(problem.cone.size(problem.shape[0]), 16)) if wide else self.rank
        return Auto(self.goal, rank, self.tol, self.failure_probability)

    def _at_work(self, state: StateSearchState) -> Auto | GaussNewton:
        if state.phase == "search":
            return self._search(self.tol)
        return self._fit(state.work, state.phase == "wide")

    def _search(self, tol: float) -> GaussNewton:
        return GaussNewton(self.rank, tol, failure_probability=self.failure_probability)

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> StateSearchState:
        """The problem of the first multiplier."""
        if not isinstance(problem, Tomography):
            raise ValueError(
                "StateSearch looks for states, which have trace one; leave solver= out, or build "
                "the problem with flatrank.tomography"
            )
        stiffness = problem.stiffness
        top, first = _largest(problem, seed)
        multiplier = self.first * max(top, stiffness)
        if start is not None:
            first = _state(problem, start, first.pair())[0]
        work = problem.relaxed(stiffness**0.5, 1.0, multiplier)
        inner = self._search(self.loose).init(
            work, None if start is None else work.whiten(start), seed
        )
        return StateSearchState("search", work, inner, multiplier, first.pair())

    def step(self, problem: Problem, state: StateSearchState) -> StateSearchState:
        """One step of the solver at work; at its end a proof, and what to do next."""
        assert isinstance(problem, Tomography)
        attempt = state.attempt
        state = state._replace(attempt=attempt._replace(taken=attempt.taken + 1))
        if state.phase != "search":
            return self._fitting(problem, state)
        solver = self._search(self._accuracy(problem, state))
        inner = solver.step(state.work, state.inner)  # pyright: ignore[reportArgumentType]
        state = state._replace(inner=inner)
        if inner.ended is Status.NONFINITE:
            return state._replace(ended=Status.NONFINITE)
        if inner.ended is Status.RUNNING and state.attempt.taken < self.max_inner:
            return state
        return self._proved(problem, state)

    def info(self, state: StateSearchState) -> dict[str, Any]:
        """The phase, the multiplier, and the numbers of the solver at work."""
        numbers = self._at_work(state).info(state.inner)  # pyright: ignore[reportArgumentType]
        return numbers | {"phase": state.phase, "multiplier": state.multiplier}

    def outcome(self, state: StateSearchState) -> Outcome:
        """The best state, with the dual point of its certificate."""
        counts = state.counts + self._spent(state)
        rank = int(np.sum(np.any(np.asarray(state.pair.R) != 0, axis=0)))
        return Outcome(state.pair, rank, counts, **state.proof._asdict())

    def _spent(self, state: StateSearchState) -> Counts:
        """By the solver at work."""
        return self._at_work(state).outcome(state.inner).counts  # pyright: ignore[reportArgumentType]

    def _turned(
        self,
        state: StateSearchState,
        phase: Literal["search", "fit", "wide"],
        work: Symmetric,
        inner: Any,
    ) -> StateSearchState:
        """To another problem, with its solver's first state."""
        counts, attempt = state.counts + self._spent(state), state.attempt._replace(taken=0)
        return state._replace(phase=phase, work=work, inner=inner, attempt=attempt, counts=counts)

    # ---- the multiplier ----

    def _accuracy(self, problem: Tomography, state: StateSearchState) -> float:
        """The relative gap asked of the inner problem: less while the trace is far from one."""
        known = state.proof.certificate
        if not state.trail or known is None:
            return self.loose
        off = problem.stiffness * state.trail[-1][1] ** 2 / max(known.primal, 1e-300)
        least = 0.1 * self.tol * 0.5 ** max(len(state.trail) - 8, 0)
        return min(max(1e-2 * off, least), self.loose)

    def _proved(self, problem: Tomography, state: StateSearchState) -> StateSearchState:
        """With the certificate of the inner point brought to trace one; then what follows."""
        inner: GaussNewtonState = state.inner  # pyright: ignore[reportAssignmentType]
        svd, trace = _state(problem, state.work.unwhiten(inner.pair), state.pair)
        if fits(problem, svd):
            state = state._replace(pair=svd.pair(), proof=Proof())
            return self._turned_to_fit(problem, state, svd, 0.0)
        effort = Effort(self.failure_probability, self.tol)
        certificate, y = certify_whitened(problem, svd, None, effort)
        state = state._replace(trail=(*state.trail, (state.multiplier, trace - 1.0)))
        best, proved = state.proof.certificate, certificate.certified(self.tol)
        if best is None or certificate.primal <= best.primal or proved:
            state = state._replace(pair=svd.pair(), proof=Proof(certificate, y))
        if proved:
            return state._replace(ended=Status.CERTIFIED)
        if inner.ended is Status.RANK_TOO_SMALL and abs(trace - 1.0) <= 1e-6:
            return state._replace(ended=Status.RANK_TOO_SMALL)
        if self._worth_fitting(problem, state, svd.rank, certificate):
            return self._turned_to_fit(problem, state, svd, certificate.feasibility)
        return self._moved(problem, state, svd.pair())

    def _moved(
        self, problem: Tomography, state: StateSearchState, pair: FactorPair
    ) -> StateSearchState:
        """At the next multiplier, from a pair; μ as large as the objective, not to drown it."""
        known = state.proof.certificate
        if len(state.trail) >= self.max_outer or known is None or not state.trail:
            return state._replace(ended=Status.STATIONARY)
        stiffness = problem.stiffness
        multiplier = next_multiplier(state.trail, stiffness)
        mu = max(min(known.primal, stiffness), 1e-12 * stiffness)
        work = problem.relaxed(stiffness**0.5, 1.0 + (mu - multiplier) / stiffness, mu)
        solver = self._search(self._accuracy(problem, state))
        inner = solver.init(work, work.whiten(pair))
        return self._turned(state._replace(multiplier=multiplier), "search", work, inner)

    # ---- exact data ----

    def _worth_fitting(
        self,
        problem: Tomography,
        state: StateSearchState,
        rank: int,
        certificate: Certificate,
    ) -> bool:
        """Near data that are not proved to fit no state, and not as the last time.

        From the second multiplier on: by then noise is most often proved.
        """
        misfit, last = certificate.feasibility, state.attempt
        penalty = problem.lam * float(problem.penalty(state.pair))
        open_ = problem.lam <= self.slight and (
            certificate.dual_bound - penalty <= self.noise * certificate.primal
        )
        new = rank != last.rank or misfit < 0.1 * last.misfit
        return open_ and rank > 0 and misfit <= self.near and new and len(state.trail) > 1

    def _turned_to_fit(
        self, problem: Tomography, state: StateSearchState, svd: CompactSVD, misfit: float
    ) -> StateSearchState:
        """From the eigenvalues that stand above the misfit: growth puts back what is needed."""
        exact = problem.exact()
        start = svd._replace(s=svd.s * (svd.s > max(misfit, 1e-6) * svd.s[0]))
        inner = self._fit(exact, False).init(exact, exact.whiten(start.pair()))
        state = state._replace(attempt=Attempt(svd.rank, misfit))
        return self._turned(state, "fit", exact, inner)

    def _fitting(self, problem: Tomography, state: StateSearchState) -> StateSearchState:
        """A step of `Auto`; back to the search where the rank does not fit."""
        wide, before = state.phase == "wide", state.inner
        solver = self._fit(state.work, wide)
        auto = solver.step(state.work, before)  # pyright: ignore[reportArgumentType]
        state = state._replace(inner=auto)
        if auto.phase in ("find", "prove"):
            state, hopeless = self._progress(state)
            few = self.rank is None and state.work.degrees(state.attempt.rank) > state.work.m
            if hopeless and few and not wide:
                exact = problem.exact()
                inner = self._fit(exact, True).init(exact, exact.whiten(state.pair))
                state = state._replace(attempt=state.attempt._replace(mark=math.inf))
                return self._turned(state, "wide", exact, inner)
            if hopeless:
                return self._moved(problem, state, state.pair)
        fits = wide and auto.ended is Status.STATIONARY
        if problem.uniform and (fits or auto.phase == "flatten"):
            # Every state that fits is as flat as every other, which `certify_whitened` knows.
            found = solver.outcome(before)._replace(certificate=None)  # pyright: ignore[reportArgumentType]
            return self._fitted(problem, state, found, Status.STATIONARY)
        if fits:
            flatten = Lagrangian(self.tol, failure_probability=self.failure_probability)
            inner = AutoState(flatten.init(state.work), "flatten")
            return self._turned(state, state.phase, state.work, inner)
        if auto.ended is Status.RUNNING:
            return state
        return self._fitted(problem, state, solver.outcome(auto), auto.ended)

    def _progress(self, state: StateSearchState) -> tuple[StateSearchState, bool]:
        """With the next mark, and whether there is no hope of a fit."""
        find: GaussNewtonState = state.inner.inner  # pyright: ignore
        hopeless = find.rescue.used > 0 or find.ended is Status.STALLED
        attempt, misfit = state.attempt, find.point.misfit
        hopeless |= state.phase == "fit" and find.rank > attempt.rank
        if attempt.taken % 4 == 0 and find.ended is Status.RUNNING:
            hopeless |= misfit > 0.5 * attempt.mark
            state = state._replace(attempt=attempt._replace(mark=misfit))
        return state, hopeless

    def _fitted(
        self, problem: Tomography, state: StateSearchState, found: Outcome, ended: Status
    ) -> StateSearchState:
        """The state that fits, with its certificate; with λ > 0 only where that is the better."""
        svd, _ = _state(problem, state.work.unwhiten(found.pair), state.pair)
        certificate, y = found.certificate, found.y
        effort = Effort(self.failure_probability)
        if certificate is None or y is None:
            certificate, y = certify_whitened(problem, svd, None, effort)
        else:
            certificate, y = restated(problem, certificate, y)
            if problem.lam > 0:
                certificate, y = certify_whitened(problem, svd, problem.lam * y, effort)
        best = state.proof.certificate
        if problem.lam == 0 or best is None or certificate.primal <= best.primal:
            state = state._replace(pair=svd.pair(), proof=Proof(certificate, y))
        if problem.lam > 0 and not certificate.certified(self.tol):
            return self._moved(problem, state, state.pair)
        return state._replace(ended=ended)


def next_multiplier(trail: tuple[tuple[float, float], ...], stiffness: float) -> float:
    """Where tr X − 1 should vanish, from the (multiplier, tr X − 1) tried so far.

    By a secant through the last two, where it stays between what is known to be too small and too
    large; else half way; else by the step of the method of multipliers, which falls short and is
    doubled as long as X = 0.
    """
    last, off = trail[-1]
    low = max((at for at, value in trail if value > 0), default=-math.inf)
    high = min((at for at, value in trail if value <= 0), default=math.inf)
    if len(trail) > 1:
        before, old = trail[-2]
        slope = (off - old) / (last - before) if last != before else 0.0
        guess = last - off / slope if slope < 0 else math.nan
        if low < guess < high:
            return guess
        if math.isfinite(low) and math.isfinite(high):
            return 0.5 * (low + high)
    zeros = sum(value <= -1.0 for _, value in trail)
    return last + stiffness * off * 2.0 ** max(zeros - 1, 0)


def _largest(problem: Tomography, seed: int) -> tuple[float, CompactSVD]:
    """The multiplier from which on nothing is left where λ = 0, and the state that is left last."""
    stiffness = problem.stiffness
    unit = problem.with_lam(0.0).relaxed(stiffness**0.5, 1.0, stiffness)  # pyright: ignore[reportAttributeAccessIssue]
    X = random_block(unit, 4, np.random.default_rng(seed))
    pairs = leading_pairs(unit.whitened, unit.b, X, 8)
    one = pairs.V[:, :1]
    return float(pairs.s[0]), as_state(CompactSVD(one, xp.ones(1), one))


def _state(problem: Tomography, pair: FactorPair, other: FactorPair) -> tuple[CompactSVD, float]:
    """A pair's matrix brought to trace one, and the trace that it had; of zero, another's."""
    pair, s = balanced(problem.cone, pair)
    trace = float(np.sum(np.asarray(s)))
    if trace == 0:
        pair, s = balanced(problem.cone, other)
    return as_state(unit_columns(pair, s)), trace
