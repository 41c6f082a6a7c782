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

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates import Certificate, Effort, as_state, certify_whitened, fits, restated
from flatrank.factors import CompactSVD, FactorPair
from flatrank.kernels import padded_width
from flatrank.problems import Problem, Symmetric, Tomography
from flatrank.solvers.auto import Auto, AutoState
from flatrank.solvers.gauss_newton import GaussNewton, GaussNewtonState
from flatrank.solvers.lagrangian import Lagrangian
from flatrank.solvers.loop import Outcome, Scope, Solver
from flatrank.solvers.ranks import balanced, unit_columns
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import leading_pairs, random_block
from flatrank.solvers.status import Status

# The first guess of the multiplier, as a share of the one from which on nothing is left.
_FIRST = 0.1
# Relative gap of an inner problem: at most; at last, as a share of tol; and as a share of what the
# trace is off by, squared.
_LOOSE, _TIGHT, _SHARE = 1e-2, 0.1, 1e-2
# Relative misfit below which data may be exact. A fit must halve the misfit in every four steps.
_NEAR, _STEPS, _PROGRESS = 0.3, 4, 0.5
# A lower bound above this share of the objective proves that no state fits.
_NOISE = 1e-3
# Steps at most in one inner problem; multipliers at most, and those after which the inner gap is
# halved each time.
_MAX_INNER, _MAX_OUTER, _ENOUGH = 100, 40, 8
# λ up to which the flattest state that fits is worth looking for: its relative gap is about λ n/m.
_SLIGHT = 1e-4
# The trace is one; eigenvalues of a state that fits that may be its misfit's.
_ONE, _SMALL = 1e-6, 1e-6


class StateSearchState(NamedTuple):
    """The problem at work and its solver's state; the best state U U* and what is proved of it.

    `trail` holds the multipliers tried, each with tr X − 1 of its minimiser; `near` rank and misfit
    of the state from which a fit was last tried; `mark` the misfit it has to halve.
    """

    phase: Literal["search", "fit"]
    work: Symmetric
    inner: GaussNewtonState | AutoState
    multiplier: float
    trail: tuple[tuple[float, float], ...]
    pair: FactorPair
    certificate: Certificate | None
    y: Float[Array, " m"] | None
    taken: int
    near: tuple[int, float]
    wide: bool
    mark: float
    counts: Counts
    ended: Status


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
    """

    scope: ClassVar[Scope] = Scope(states=True)

    goal: Literal["recover", "flat"] = "recover"
    rank: int | None = None
    tol: float = 1e-6
    failure_probability: float = 1e-9

    def _fit(self, problem: Problem, wide: bool) -> Auto:
        """At the ranks that the data can tell, or at any."""
        rank = padded_width(max(problem.cone.size(problem.shape[0]), 16)) if wide else self.rank
        return Auto(self.goal, rank, self.tol, self.failure_probability)

    def _at_work(self, state: StateSearchState) -> Auto | GaussNewton:
        fits = state.phase == "fit"
        return self._fit(state.work, state.wide) if fits else self._search(self.tol)

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
        multiplier = _FIRST * max(top, stiffness)
        if start is not None:
            first = _state(problem, start, first.pair())[0]
        work = problem.relaxed(stiffness**0.5, 1.0, multiplier)
        inner = self._search(_LOOSE).init(work, None if start is None else work.whiten(start), seed)
        return StateSearchState(
            "search", work, inner, multiplier, (),
            first.pair(), None, None, 0, (0, math.inf), False, math.inf, Counts(),
            Status.RUNNING,
        )  # fmt: skip

    def step(self, problem: Problem, state: StateSearchState) -> StateSearchState:
        """One step of the solver at work; at its end a proof, and what to do next."""
        assert isinstance(problem, Tomography)
        if state.phase == "fit":
            return self._fitting(problem, state)
        solver = self._search(self._accuracy(problem, state))
        inner = solver.step(state.work, state.inner)  # pyright: ignore[reportArgumentType]
        state = state._replace(inner=inner, taken=state.taken + 1)
        if inner.ended is Status.NONFINITE:
            return state._replace(ended=Status.NONFINITE)
        if inner.ended is Status.RUNNING and state.taken < _MAX_INNER:
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
        return Outcome(state.pair, rank, counts, state.y, state.certificate)

    def _spent(self, state: StateSearchState) -> Counts:
        """By the solver at work."""
        return self._at_work(state).outcome(state.inner).counts  # pyright: ignore[reportArgumentType]

    def _turned(
        self, state: StateSearchState, phase: Literal["search", "fit"], work: Symmetric, inner: Any
    ) -> StateSearchState:
        """To another problem, with its solver's first state."""
        counts = state.counts + self._spent(state)
        return state._replace(phase=phase, work=work, inner=inner, taken=0, counts=counts)

    # ---- the multiplier ----

    def _accuracy(self, problem: Tomography, state: StateSearchState) -> float:
        """The relative gap asked of the inner problem: less while the trace is far from one."""
        if not state.trail or state.certificate is None:
            return _LOOSE
        off = problem.stiffness * state.trail[-1][1] ** 2 / max(state.certificate.primal, 1e-300)
        least = _TIGHT * self.tol * 0.5 ** max(len(state.trail) - _ENOUGH, 0)
        return min(max(_SHARE * off, least), _LOOSE)

    def _proved(self, problem: Tomography, state: StateSearchState) -> StateSearchState:
        """With the certificate of the inner point brought to trace one; then what follows."""
        inner: GaussNewtonState = state.inner  # pyright: ignore[reportAssignmentType]
        svd, trace = _state(problem, state.work.unwhiten(inner.pair), state.pair)
        if fits(problem, svd):
            state = state._replace(pair=svd.pair(), certificate=None, y=None)
            return self._turned_to_fit(problem, state, svd, 0.0)
        effort = Effort(self.failure_probability, self.tol)
        certificate, y = certify_whitened(problem, svd, None, effort)
        state = state._replace(trail=(*state.trail, (state.multiplier, trace - 1.0)))
        best = state.certificate
        if best is None or certificate.primal <= best.primal or certificate.certified(self.tol):
            state = state._replace(pair=svd.pair(), certificate=certificate, y=y)
        if certificate.certified(self.tol):
            return state._replace(ended=Status.CERTIFIED)
        if inner.ended is Status.RANK_TOO_SMALL and abs(trace - 1.0) <= _ONE:
            return state._replace(ended=Status.RANK_TOO_SMALL)
        near = (svd.rank, certificate.feasibility)
        if self._worth_fitting(problem, state, near, certificate):
            return self._turned_to_fit(problem, state, svd, certificate.feasibility)
        return self._moved(problem, state, svd.pair())

    def _moved(
        self, problem: Tomography, state: StateSearchState, pair: FactorPair
    ) -> StateSearchState:
        """At the next multiplier, from a pair; μ as large as the objective, not to drown it."""
        if len(state.trail) >= _MAX_OUTER or state.certificate is None or not state.trail:
            return state._replace(ended=Status.STATIONARY)
        stiffness = problem.stiffness
        multiplier = next_multiplier(state.trail, stiffness)
        mu = max(min(state.certificate.primal, stiffness), 1e-12 * stiffness)
        work = problem.relaxed(stiffness**0.5, 1.0 + (mu - multiplier) / stiffness, mu)
        solver = self._search(self._accuracy(problem, state))
        inner = solver.init(work, work.whiten(pair))
        return self._turned(state._replace(multiplier=multiplier), "search", work, inner)

    # ---- exact data ----

    def _worth_fitting(
        self,
        problem: Tomography,
        state: StateSearchState,
        near: tuple[int, float],
        certificate: Certificate,
    ) -> bool:
        """Near data that are not proved to fit no state, and not as the last time.

        From the second multiplier on: by then noise is most often proved.
        """
        rank, misfit = near
        penalty = problem.lam * float(problem.penalty(state.pair))
        open_ = problem.lam <= _SLIGHT and (
            certificate.dual_bound - penalty <= _NOISE * certificate.primal
        )
        new = rank != state.near[0] or misfit < 0.1 * state.near[1]
        return open_ and rank > 0 and misfit <= _NEAR and new and len(state.trail) > 1

    def _turned_to_fit(
        self, problem: Tomography, state: StateSearchState, svd: CompactSVD, misfit: float
    ) -> StateSearchState:
        """From the eigenvalues that stand above the misfit: growth puts back what is needed."""
        exact = problem.exact()
        start = svd._replace(s=svd.s * (svd.s > max(misfit, _SMALL) * svd.s[0]))
        inner = self._fit(exact, False).init(exact, exact.whiten(start.pair()))
        state = state._replace(near=(svd.rank, misfit), mark=math.inf)
        return self._turned(state, "fit", exact, inner)._replace(wide=False)

    def _turned_wide(self, problem: Tomography, state: StateSearchState) -> StateSearchState:
        exact = problem.exact()
        inner = self._fit(exact, True).init(exact, exact.whiten(state.pair))
        state = self._turned(state._replace(mark=math.inf), "fit", exact, inner)
        return state._replace(wide=True)

    def _fitting(self, problem: Tomography, state: StateSearchState) -> StateSearchState:
        """A step of `Auto`; back to the search where the rank does not fit."""
        solver, before = self._fit(state.work, state.wide), state.inner
        auto = solver.step(state.work, before)  # pyright: ignore[reportArgumentType]
        state = state._replace(inner=auto, taken=state.taken + 1)
        if auto.phase in ("find", "prove"):
            state, hopeless = self._progress(state)
            few = self.rank is None and state.work.degrees(state.near[0]) > state.work.m
            if hopeless and few and not state.wide:
                return self._turned_wide(problem, state)
            if hopeless:
                return self._moved(problem, state, state.pair)
        fits = state.wide and auto.ended is Status.STATIONARY
        if problem.uniform and (fits or auto.phase == "flatten"):
            # Every state that fits is as flat as every other, which `certify_whitened` knows.
            found = solver.outcome(before)._replace(certificate=None)  # pyright: ignore[reportArgumentType]
            return self._fitted(problem, state, found, Status.STATIONARY)
        if fits:
            flatten = Lagrangian(self.tol, failure_probability=self.failure_probability)
            inner = AutoState(flatten.init(state.work), "flatten", None, None, Status.RUNNING)
            return self._turned(state, "fit", state.work, inner)
        if auto.ended is Status.RUNNING:
            return state
        return self._fitted(problem, state, solver.outcome(auto), auto.ended)

    def _progress(self, state: StateSearchState) -> tuple[StateSearchState, bool]:
        """With the next mark, and whether there is no hope of a fit."""
        find: GaussNewtonState = state.inner.inner  # pyright: ignore
        hopeless = find.rescue.used or find.ended is Status.STALLED
        hopeless |= not state.wide and find.rank > state.near[0]
        if state.taken % _STEPS == 0 and find.ended is Status.RUNNING:
            hopeless |= find.point.misfit > _PROGRESS * state.mark
            state = state._replace(mark=find.point.misfit)
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
        best = state.certificate
        if problem.lam == 0 or best is None or certificate.primal <= best.primal:
            state = state._replace(pair=svd.pair(), certificate=certificate, y=y)
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
    nothing = sum(value <= -1.0 for _, value in trail)
    return last + stiffness * off * 2.0 ** max(nothing - 1, 0)


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
