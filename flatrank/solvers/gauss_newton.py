"""Matrix-free Gauss–Newton on factors whose rank grows: the find step.

References: Burer and Monteiro (2003) for the factor form; Haeffele and Vidal (2015) and the theory
notes §6.2 for growth along the top singular pair. Departures: the pair is kept balanced, the line
search is exact, and several pairs are appended at once with one common step.

λ = 0. Start from the leading singular pairs of 𝒜*(b) after its rows and columns were brought to one
length, as many as stand clear of the bulk. At each rank take two Gauss–Newton steps (a new pair
begins small) and more until one lowers the misfit by less than a tenth, which the exact line search
tells at once; each is solved as closely as the rank's steps before it have brought the misfit down.
Then append the top pair of −ℬ*(c), found closely where data are few: ill-conditioned matrices are
thus found from their largest singular value down, each rank starting inside its basin. Where the
largest rank allowed stalls before the data are fitted, the search goes on from there with the
penalised problem: λ = ½‖ℬ*(c)‖, then taken away in stages. What was fitted is hardly moved by a λ
of that size; what was not is found anew, at minimal norm, which is what settles flat spectra near
the limit of information. Where that fails as well, the rank is told and data are few, all is begun
once more with patience: the rank grows only when steps hardly help any longer, and steps are solved
closely. It is slower, and stays in basins that haste leaves. Where no rank is told, the search has
by then gone past it: at the first nearly stationary point whose spectrum has a clear gap the
columns behind it are cut, and the rank before it is the limit from there on.

λ > 0. Newton steps; whenever the point is nearly stationary, loosely at first, the singular pairs
of −ℬ*(c) above λ outside the factors are appended. Where there are none, a lower bound of the gap
(`least_gap`) tells whether a proof is worth its price. Columns whose singular value dies are cut.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np

from flatrank.certificates import Effort, certify_whitened, least_gap
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.problems import Problem
from flatrank.solvers.elimination import affordable, dear
from flatrank.solvers.growth import (
    FRESH,
    GaussNewtonState,
    cut,
    last_gap,
    narrowed,
    negligible,
    outside,
    size_of,
    svd_of,
    width_for,
    with_pairs,
)
from flatrank.solvers.loop import Outcome, Solver
from flatrank.solvers.newton import NewtonStep, newton_step
from flatrank.solvers.ranks import BLOCK, FEWER, PRODUCTS, balanced, largest_rank, resized
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import clear_of_bulk, even_pairs, leading_pairs, random_block
from flatrank.solvers.status import Status

# Leading singular values within this ratio are alike.
_FLAT = 1.25
# A step that leaves more of the misfit than this has reached what the rank can do.
_PLATEAU = 0.9
# The same, and the tolerance of the inner solves, where haste has failed; entries for each degree
# of freedom from which on haste is not to blame.
_PATIENT, _CLOSELY, _FEW_DATA = 0.99, 1e-2, 4.0
# Entries for each degree of freedom that are plenty.
_PLENTY = 2.4
# Patient searches at most, each from vectors of its own.
_TRIES = 3
# Patience at which a point counts as stationary: what is left of the norm is the rank's fault.
_SETTLED = 1e-2
# The same where no larger rank is left and steps are all that can help.
_EXHAUSTED = 1e-8
# Growth that leaves more of the misfit than this, and no larger rank, is not tried again; what is
# outside, times ‖X̃‖_* and beside the misfit squared, that counts for nothing.
_HELPED, _NOTHING = 0.999, 1e-9
# A misfit that is rounding where steps have stopped helping.
_FITS = 1e-12
# The ridges lent, one after the other, where the largest rank stalls: λ beside ‖ℬ*(c)‖, and its
# factor from one stage to the next. Its last value beside ‖ℬ*(c)‖; the fall in the objective, as a
# share, that ends a stage.
_RIDGES = ((0.5, 0.6), (5.0, 0.6))
_LEAST, _SOFT = 3e-5, 2e-3
# λ s of a weak column, as a share of the gap: in a step the gap to reach, at a certificate that
# failed the gap it has. Where that is not within a factor of the gap to reach, half of what the
# weak columns carry together.
_WEAK, _WEAKER, _NEARLY = 1e-3, 5e-2, 30.0
# A gap, as far as it is seen and beside that to reach, at which only the proof can be at fault.
_OPTIMAL = 1e-2
# Growth that lowered the objective by less than this share of the tolerance was for nothing: what
# it appended was cut again. A proof comes before more of it.
_GAINED = 1e-3
# Columns that grew again after they were cut were needed: the share falls by this factor each time.
_SPARED = 0.1
# A gap at which the spectrum says nothing yet about which columns will be needed.
_FAR = 0.1
# λ‖X̃‖_* beside ‖b‖² below which steps in single precision do not see λ.
_UNSEEN = 1e-6
# A gap at which the factors' columns point where those of the solution do.
_CLOSE = 1e-2
# The gap that is looked for first: growth, and which columns are carried along for nothing, can be
# seen long before the end.
_FIRST_TRY = 1e-2


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
    prove : bool
        λ > 0: whether to end with a certificate, or where the gap, as far as it is seen, is `tol`.
    """

    rank: int | None = None
    tol: float = 1e-6
    inner_tol: float = 0.1
    max_inner: int = 300
    failure_probability: float = 1e-9
    prove: bool = True

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> GaussNewtonState:
        """From a pair of X̃, or from the leading singular pairs of ℬ*(b)."""
        rng = np.random.default_rng(seed)
        size = size_of(problem)
        width = width_for(self.rank, 1)
        state = GaussNewtonState(
            problem.zero(width), np.zeros(width), size, 0.5 * size**2, 0.0, math.inf,
            1, 0, _FIRST_TRY / self.tol, None, None, None, Status.RUNNING, Counts(), rng,
        )  # fmt: skip
        if start is not None and np.any(np.asarray(start.L)) and np.any(np.asarray(start.R)):
            state = self._warm(problem, state, start)
            return self._grown(problem, state) if problem.lam > 0 else state
        if size == 0:
            return state
        if problem.lam > 0:
            return self._grown(problem, state)
        return self._begun(problem, state)

    def _begun(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """λ = 0, from nothing: the leading pairs of ℬ*(b)."""
        X = random_block(problem, BLOCK, state.rng)
        if problem.cone is Cone.WHOLE:
            D = problem.rescaling
            pairs = even_pairs(problem.whitened.inner, problem.b, (D.D1, D.D2), X, PRODUCTS)
        else:
            pairs = leading_pairs(problem.whitened, problem.b, X, PRODUCTS)
        return self._append(problem, state, pairs, self._first(problem, np.asarray(pairs.s)))

    def _first(self, problem: Problem, s: np.ndarray) -> int:
        """How many pairs to start from.

        Growth is what ill-conditioned matrices need. Where the rank is told, the leading values are
        alike and entries are plenty, all at once is as safe and half the work.
        """
        limit = self._limit(problem)
        alike = limit <= s.size and s[limit - 1] * _FLAT > s[0]
        if alike and self._plenty(problem):
            return limit
        if problem.cone is not Cone.WHOLE:
            return 1  # a column too many dies slowly, and no bulk says how many there are
        # Of a small matrix every singular value stands apart from the next, noise or not.
        return clear_of_bulk(s, min(limit, max(1, min(problem.shape) // 16)))

    def step(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """A Newton step, then a decision about the rank."""
        at = problem.with_lam(state.ridge) if state.ridge else problem
        if state.rank > 0:
            state = self._newton(at, state)
        if not math.isfinite(state.misfit):
            return state._replace(ended=Status.NONFINITE)
        if state.ridge:
            return self._ridged(at, state, self._room(problem, state))
        return self._penalised(problem, state) if problem.lam > 0 else self._exact(problem, state)

    def status(self, problem: Problem, state: GaussNewtonState) -> Status:
        """Decided in `step`."""
        del problem
        return state.ended

    def info(self, state: GaussNewtonState) -> dict[str, Any]:
        """Rank, misfit, objective, gap, and how many inner steps the last step took."""
        return {
            "rank": state.rank,
            "misfit": state.misfit,
            "objective": state.objective,
            "relative_gap": state.certificate.relative_gap if state.certificate else None,
            "inner": state.inner,
        }

    def outcome(self, state: GaussNewtonState) -> Outcome:
        """The pair of X̃ without its padding; for λ > 0 the certificate where it is of this pair."""
        if state.ended is Status.RUNNING:
            return Outcome(state.pair, state.rank, state.counts)
        return Outcome(state.pair, state.rank, state.counts, state.y, state.certificate)

    # ---- the Newton step ----

    def _newton(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        size = size_of(problem)
        if problem.lam > 0:
            # The gap falls with the square of what an inner solve leaves.
            root = math.sqrt(self.tol)
            most = max(self.inner_tol, root)
            least, share = (
                max(_CLOSELY, 4 * root),
                math.sqrt(state.slack / max(state.objective, 1e-300)),
            )
        else:
            _, from_ = state.grown
            most = min(self.inner_tol, _CLOSELY) if state.tries else self.inner_tol
            least, share = 1e-3, state.misfit / min(from_, size or 1.0)
        rtol = min(most, max(least, share))
        out: NewtonStep = newton_step(
            problem.whitened,
            problem.b,
            problem.lam,
            state.pair,
            rtol,
            self.max_inner,
            self._dead(problem, state),
            problem.lam > 0,
            state.outside if state.close else None,
            state.hard and affordable(problem.measurement, state.pair.rank),
            problem.lam * float(np.sum(state.s)) < _UNSEEN * size**2,
        )
        inner = int(out.inner)
        exact = problem.lam == 0 or state.ridge > 0
        return state._replace(
            pair=out.pair,
            s=np.asarray(out.s),
            misfit=float(out.misfit),
            objective=float(out.objective),
            slack=float(out.slack),
            fall=float(out.fall),
            inner=inner,
            hard=state.hard or (exact and dear(inner, state.pair.rank)),
            counts=state.counts + Counts(inner + 4, inner + 1, 1),
        )

    # ---- λ = 0 ----

    def _exact(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """Fit to rounding; grow when steps stop helping."""
        size = size_of(problem)
        # `misfit` belongs to the point before the step: one more step always follows a good one.
        if state.misfit <= max(2e-15, min(1e-3 * self.tol, 1e-9)) * size:
            return state._replace(ended=Status.STATIONARY)
        plateau = _PATIENT if state.tries else _PLATEAU
        if state.fresh or (state.rank and state.left < plateau * state.misfit):
            return state._replace(fresh=max(0, state.fresh - 1))
        if state.misfit <= _FITS * size:
            return state._replace(ended=Status.STATIONARY)
        rank, misfit = state.grown
        if state.rank < self._room(problem, state) and (
            state.rank > rank or state.left < _HELPED * misfit
        ):
            products = FEWER if self._plenty(problem) else PRODUCTS
            state, pairs = outside(problem, state, products)
            state = state._replace(grown=(state.rank, state.left))
            more = self._append(problem, state, pairs, 1)
            if more.rank > state.rank:
                return more
        kept = state.kept
        if kept is None or state.left < kept[2]:
            kept = (state.pair, state.s, state.left)
        if state.lent < len(_RIDGES):
            return self._softened(problem, state._replace(kept=kept))
        few = problem.m < _FEW_DATA * problem.degrees(self._limit(problem))
        if self.rank is not None and few and state.tries < _TRIES:
            width = width_for(self.rank, 1)
            return self._begun(problem, state._replace(
                pair=problem.zero(width), s=np.zeros(width), misfit=size,
                lent=0, shown=None, kept=kept, tries=state.tries + 1, grown=(-1, math.inf),
            ))  # fmt: skip
        pair, s, misfit = kept
        return state._replace(pair=pair, s=s, misfit=misfit, ended=Status.STALLED)

    def _softened(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """Go on with a ridge of the size of what is not fitted, to be taken away again."""
        state, pairs = outside(problem, state._replace(X=None, grown=(-1, math.inf)))
        top = float(pairs.s[0])
        if top * float(np.sum(state.s)) <= _NOTHING * state.misfit**2:
            return state._replace(lent=len(_RIDGES))  # no rank would fit better
        size, _ = _RIDGES[state.lent]
        state = state._replace(ridge=size * top, least=_LEAST * top, lent=state.lent + 1, X=None)
        return self._grown(problem.with_lam(state.ridge), state, self._room(problem, state))

    def _ridged(self, soft: Problem, state: GaussNewtonState, limit: int) -> GaussNewtonState:
        """At a nearly stationary point grow, or take away some of the ridge, in the end all."""
        state = narrowed(state, width_for(self.rank, state.rank))
        if state.rank and state.fall > _SOFT * state.objective:
            return state
        grown = self._grown(soft, state, limit)
        if grown.fresh:
            return grown
        shown = last_gap(state.s[: state.rank])
        if self.rank is None and state.shown is None and shown < state.rank:
            return cut(state, shown)._replace(shown=shown, fresh=FRESH)
        ridge = _RIDGES[state.lent - 1][1] * state.ridge
        return grown._replace(ridge=ridge if ridge > state.least else 0.0, fresh=FRESH)

    def _room(self, problem: Problem, state: GaussNewtonState) -> int:
        """The largest rank to try now."""
        return min(self._limit(problem), state.shown or min(problem.shape))

    def _limit(self, problem: Problem) -> int:
        """The largest rank to try: the one asked for, or the last with degrees ≤ m."""
        top = problem.cone.size(min(problem.shape))
        if self.rank is not None:
            return min(self.rank, top)
        if problem.lam > 0:
            return top
        if problem.cone is not Cone.WHOLE:
            return max(1, bisect_right(range(top + 1), problem.m, key=problem.degrees) - 1)
        return min(top, largest_rank(problem.shape, problem.m))

    def _plenty(self, problem: Problem) -> bool:
        """Whether the rank is told and data are plenty for it."""
        enough = _PLENTY * problem.degrees(self._limit(problem))
        return self.rank is not None and problem.m >= enough

    # ---- λ > 0 ----

    def _penalised(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """At a nearly stationary point grow, or prove."""
        state = narrowed(state, width_for(self.rank, state.rank))
        if state.rank and state.fall > 0.2 * self.tol * state.patience * state.objective:
            return state
        now, (_, then) = state.objective - state.fall, state.grown
        if then - now > _GAINED * self.tol * now:
            grown = self._grown(problem, state)
            if grown.fresh:
                return grown._replace(grown=(grown.rank, now))
            state = grown
        svd, gap = svd_of(state), 0.0
        whole = state.rank >= problem.cone.size(min(problem.shape))
        full = state.rank >= self._limit(problem)
        settled = full and state.patience < (_EXHAUSTED if whole else _SETTLED)
        if not (settled or problem.cone.positive):
            gap = float(least_gap(problem.whitened, problem.b, problem.lam, svd))
        if gap <= self.tol and not self.prove:
            return state._replace(ended=Status.STATIONARY)
        if gap <= self.tol:
            before, seen = state.certificate, gap
            effort = Effort(self.failure_probability, self.tol)
            certificate, y = certify_whitened(problem, svd, effort=effort)
            state = state._replace(certificate=certificate, y=y)
            if certificate.certified(self.tol):
                return state._replace(ended=Status.CERTIFIED)
            gap = certificate.relative_gap
            if settled and whole:
                return state._replace(ended=Status.STATIONARY)
            if settled and certificate.operator_norm > 1 + self.tol:
                return state._replace(ended=Status.RANK_TOO_SMALL)
            if (
                not full
                and before
                and seen < _OPTIMAL * self.tol
                and gap > _HELPED * before.relative_gap
            ):
                effort = Effort(self.failure_probability)
                certificate, y = certify_whitened(problem, svd, effort=effort)
                return state._replace(certificate=certificate, y=y, ended=Status.STATIONARY)
        # Either the point is not stationary enough, or the search for growth, which goes on from
        # where it was, did not look far enough.
        patience = 0.25 * min(state.patience, gap / self.tol)
        state = state._replace(patience=patience, close=gap < _CLOSE, grown=(-1, math.inf))
        return self._without_weak(problem, state, gap)

    def _grown(
        self, problem: Problem, state: GaussNewtonState, limit: int | None = None
    ) -> GaussNewtonState:
        """With the singular pairs of −ℬ*(c) above λ that were seen; `fresh` where there are any."""
        room = (self._limit(problem) if limit is None else limit) - state.rank
        if room <= 0:
            return state._replace(fresh=0)
        state, pairs = outside(problem, state)
        keep = int(np.sum(np.asarray(pairs.s) > (1 + 0.1 * self.tol) * problem.lam))
        return self._append(problem, state, pairs, min(keep, room))

    def _dead(self, problem: Problem, state: GaussNewtonState) -> float:
        """The singular value below which a step may drop a column.

        Where λ is so small that its term counts for nothing whatever X̃ is, the misfit still does:
        at a stationary point a column less costs ½‖ℬ(s u vᵀ)‖², about ½ m s².
        """
        share = _WEAK * self.tol
        misfit = math.sqrt(2.0 * share * max(state.objective, 0.0) / problem.m)
        return min(negligible(problem, state, share), misfit)

    def _without_weak(
        self, problem: Problem, state: GaussNewtonState, gap: float
    ) -> GaussNewtonState:
        if gap > _FAR:
            return state
        weak = negligible(problem, state, _WEAKER * gap * _SPARED**state.regrown)
        # Near what is asked for, a column too few costs a step; far from it, many too few cost all.
        carried = state.s if gap < _NEARLY * self.tol else 0.5 * np.cumsum(state.s[::-1])
        rank = int(np.sum(carried > weak))
        if rank in (0, state.rank):
            return state
        return self._grown(problem, cut(state, rank)._replace(cut_from=state.rank))

    # ---- changing the rank ----

    def _warm(
        self, problem: Problem, state: GaussNewtonState, start: FactorPair
    ) -> GaussNewtonState:
        pair, s = balanced(problem.cone, start, problem.lam > 0)
        s = np.asarray(s)
        keep = max(1, min(int(np.sum(s > 1e-12 * s[0])), self._limit(problem)))
        width = width_for(self.rank, keep)
        s = np.pad(s[:keep], (0, width - keep))
        return state._replace(pair=resized(pair, keep, width), s=s, fresh=0)

    def _append(
        self, problem: Problem, state: GaussNewtonState, pairs: CompactSVD, count: int
    ) -> GaussNewtonState:
        """Add `count` pairs with the best common step."""
        if count == 0:
            return state._replace(fresh=0)
        width = max(width_for(self.rank, state.rank + count), state.pair.rank)
        return with_pairs(problem, state, pairs, count, width)
