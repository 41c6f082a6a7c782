"""Matrix-free Gauss–Newton on factors whose rank grows: the find step.

References: Burer and Monteiro (2003) for the factor form; Haeffele and Vidal (2015) and the theory
notes §6.2 for growth along the top singular pair. Departures: the pair is kept balanced, the line
search is exact, and several pairs are appended at once with one common step.

λ = 0. Start from the leading singular pairs of ℬ*(b), as many as stand clear of the bulk. At each
rank take Gauss–Newton steps until the misfit falls by less than a tenth in one of them, then append
the top pair of −ℬ*(c); ill-conditioned matrices are thus found from their largest singular value
down, each rank starting inside its basin.

λ > 0. Newton steps; whenever the point is nearly stationary, the singular pairs of −ℬ*(c) above λ
outside the factors are appended. Their absence is the certificate. Columns whose singular value
dies are cut.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flatrank.certificates import Certificate, Effort, certify_whitened, top_pairs
from flatrank.factors import CompactSVD, FactorPair, balance, padded_width
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Solver
from flatrank.solvers.newton import NewtonStep, newton_step
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import leading_pairs, random_block
from flatrank.solvers.status import Status

# Singular values of the starting matrix further apart than this ratio mark the edge of the bulk.
_CLEAR = 1.12
_SPECTRUM = 16
# Steps of block Lanczos in the search for growth, at first and at most.
_SHALLOW, _DEEP = 3, 24
# λ s of a weak column, as a share of the gap to reach.
_WEAK = 1e-3


class GaussNewtonState(NamedTuple):
    """Where the search stands: a balanced pair of X̃, zero-padded, and what led to it."""

    pair: FactorPair
    s: np.ndarray
    misfit: float
    objective: float
    slack: float
    fall: float
    previous: float
    fresh: bool
    inner: int
    patience: float
    depth: int
    certificate: Certificate | None
    y: Float[Array, " m"] | None
    ended: Status
    counts: Counts
    rng: np.random.Generator

    @property
    def rank(self) -> int:
        """Number of nonzero columns."""
        return int(np.sum(self.s > 0))


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
    """

    rank: int | None = None
    tol: float = 1e-6
    inner_tol: float = 0.1
    max_inner: int = 300
    failure_probability: float = 1e-9

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> GaussNewtonState:
        """From a pair of X̃, or from the leading singular pairs of ℬ*(b)."""
        rng = np.random.default_rng(seed)
        size = float(jnp.linalg.norm(problem.b))
        width = padded_width(1)
        state = GaussNewtonState(
            problem.zero(width), np.zeros(width), size, 0.5 * size**2, 0.0, math.inf, math.inf,
            True, 0, 1.0, _SHALLOW, None, None, Status.RUNNING, Counts(), rng,
        )  # fmt: skip
        if start is not None and start.rank and float(start.squared_norm()) > 0:
            state = self._warm(problem, state, start)
            return self._grown(problem, state) or state if problem.lam > 0 else state
        if size == 0:
            return state
        limit = self._limit(problem)
        X = random_block(problem, _SPECTRUM, rng)
        pairs = leading_pairs(problem.whitened, problem.b, X, 4)
        state = state._replace(counts=Counts(forward=0, adjoint=12))
        if problem.lam > 0:
            keep = int(np.sum(np.asarray(pairs.s) > problem.lam))
        else:
            keep = _clear_of_bulk(np.asarray(pairs.s), limit)
        return self._append(problem, state, pairs, min(keep, limit))

    def step(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """A Newton step, then a decision about the rank."""
        if state.rank > 0:
            state = self._newton(problem, state)
        if not math.isfinite(state.misfit):
            return state._replace(ended=Status.NONFINITE)
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
        """The pair of X̃ without its padding; the certificate's dual point for λ > 0."""
        return Outcome(state.pair, state.rank, state.counts, state.y, state.certificate)

    # ---- the Newton step ----

    def _newton(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        size = float(jnp.linalg.norm(problem.b)) or 1.0
        share = (
            state.misfit / size if problem.lam == 0 else state.slack / max(state.objective, 1e-300)
        )
        rtol = min(self.inner_tol, max(1e-3, math.sqrt(share) if problem.lam > 0 else share))
        out: NewtonStep = newton_step(
            problem.whitened,
            problem.b,
            jnp.asarray(problem.lam, dtype=jnp.float64),
            state.pair,
            jnp.asarray(rtol, dtype=jnp.float64),
            jnp.asarray(self.max_inner),
            problem.lam > 0,
        )
        inner = int(out.inner)
        misfit, objective, slack = float(out.misfit), float(out.objective), float(out.slack)
        return state._replace(
            pair=out.pair,
            s=np.asarray(out.s),
            previous=state.misfit,
            misfit=misfit,
            objective=objective,
            slack=slack,
            fall=float(out.fall),
            inner=inner,
            counts=state.counts + Counts(inner + 4, inner + 1, 1),
        )

    # ---- λ = 0 ----

    def _exact(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """Fit to rounding; grow when steps stop helping."""
        size = float(jnp.linalg.norm(problem.b))
        # `misfit` belongs to the point before the step: one more step always follows a good one.
        if state.misfit <= max(2e-15, min(1e-3 * self.tol, 1e-9)) * size:
            return state._replace(ended=Status.STATIONARY)
        if state.fresh or state.misfit < 0.9 * state.previous:
            return state._replace(fresh=False)
        if state.rank >= self._limit(problem):
            return state._replace(ended=Status.STALLED)
        pairs, _ = self._outside(problem, state, 4)
        return self._append(problem, state, pairs, 1)

    def _limit(self, problem: Problem) -> int:
        """The largest rank to try: the one asked for, or the last with degrees ≤ m."""
        top = min(problem.shape)
        if self.rank is not None:
            return min(self.rank, top)
        if problem.lam > 0:
            return top
        (d1, d2), m = problem.shape, problem.m
        root = math.sqrt(max((d1 + d2) ** 2 - 4.0 * m, 0.0))
        return max(1, min(top, int((d1 + d2 - root) / 2)))

    # ---- λ > 0 ----

    def _penalised(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState:
        """Cut dead columns; at a nearly stationary point grow, or prove."""
        if state.rank and state.fall > 0.2 * self.tol * state.patience * state.objective:
            return _cut(state, 0.0)
        # A column this weak counts for nothing, and is often a dead one stuck at a saddle, out of
        # line with the pair it should be. Growth puts back what is needed, where it is needed.
        state = _cut(state, _WEAK * self.tol * state.objective / problem.lam)
        grown = self._grown(problem, state)
        if grown is not None:
            return grown
        certificate, y = certify_whitened(
            problem, _svd(state), effort=Effort(self.failure_probability, self.tol)
        )
        state = state._replace(certificate=certificate, y=y)
        if certificate.certified(self.tol):
            return state._replace(ended=Status.CERTIFIED)
        if state.rank >= self._limit(problem) and certificate.operator_norm > 1 + self.tol:
            return state._replace(ended=Status.RANK_TOO_SMALL)
        # Either the point is not stationary enough, or the search for growth did not look far.
        return state._replace(patience=0.25 * state.patience, depth=min(2 * state.depth, _DEEP))

    def _grown(self, problem: Problem, state: GaussNewtonState) -> GaussNewtonState | None:
        """With the singular pairs of −ℬ*(c) above λ that were seen; None where there are none."""
        room = self._limit(problem) - state.rank
        if room <= 0:
            return None
        pairs, above = self._outside(problem, state, 8)
        keep = int(np.sum(above > (1 + 0.1 * self.tol) * problem.lam))
        return self._append(problem, state, pairs, min(keep, room)) if keep else None

    # ---- changing the rank ----

    def _warm(
        self, problem: Problem, state: GaussNewtonState, start: FactorPair
    ) -> GaussNewtonState:
        pair, s = eqx.filter_jit(balance)(start)
        s = np.asarray(s)
        keep = max(1, min(int(np.sum(s > 1e-12 * s[0])), self._limit(problem)))
        width = _width(keep, self.rank)
        s = np.pad(s[:keep], (0, width - keep))
        return state._replace(pair=pair.resized(keep).resized(width), s=s, fresh=False)

    def _outside(
        self, problem: Problem, state: GaussNewtonState, count: int
    ) -> tuple[CompactSVD, np.ndarray]:
        """Top singular pairs of −ℬ*(c) outside the factors."""
        X = random_block(problem, count, state.rng)
        alive = jnp.asarray(state.s > 0)
        pairs = _residual_pairs(
            problem.whitened, problem.b, state.pair, alive, X, state.depth, 2 * X.shape[1]
        )
        return pairs, np.asarray(pairs.s)

    def _append(
        self, problem: Problem, state: GaussNewtonState, pairs: CompactSVD, count: int
    ) -> GaussNewtonState:
        """Add `count` pairs with the best common step."""
        if count == 0:
            return state
        rank = state.rank + count
        width = max(_width(rank, self.rank), state.pair.rank)
        chosen = CompactSVD(pairs.U[:, :count], pairs.s[:count], pairs.V[:, :count])
        base = state.pair.resized(state.rank)
        pair, s = _appended(problem.whitened, problem.b, jnp.asarray(problem.lam), base, chosen)
        return state._replace(
            pair=pair.resized(width), s=np.pad(np.asarray(s), (0, width - rank)), fresh=True
        )


def _width(rank: int, told: int | None) -> int:
    """The padded width for a rank: exact when the rank is told, else the next one of the ladder."""
    if told is not None and rank <= told <= 64:
        return told
    return padded_width(rank)


def _clear_of_bulk(s: np.ndarray, limit: int) -> int:
    """How many leading singular values stand apart from the ones after them; at least 1."""
    ratios = s[:-1] / np.maximum(s[1:], 1e-300)
    clear = np.flatnonzero(ratios > _CLEAR)
    return int(min(clear[-1] + 1 if clear.size else 1, limit))


def _cut(state: GaussNewtonState, weak: float) -> GaussNewtonState:
    """Zero the columns whose singular value is negligible or weak, and narrow the padding."""
    s = state.s
    keep = int(np.sum(s > max(1e-7 * s[0], weak))) if s.size and s[0] > 0 else 0
    width = min(padded_width(keep), state.pair.rank)
    pair = state.pair.resized(keep).resized(width)
    return state._replace(pair=pair, s=np.pad(s[:keep], (0, width - keep)))


@eqx.filter_jit
def _unit_columns(pair: FactorPair, s: Array) -> CompactSVD:
    scale = jnp.where(s > 0, 1.0 / jnp.sqrt(jnp.where(s > 0, s, 1.0)), 0.0)[None, :]
    return CompactSVD(pair.L * scale, s, pair.R * scale)


def _svd(state: GaussNewtonState) -> CompactSVD:
    """U, s, V of a balanced pair; the padding becomes zero columns."""
    return _unit_columns(state.pair, jnp.asarray(state.s))


@eqx.filter_jit
def _residual_pairs(
    B: Measurement, b: Array, pair: FactorPair, alive: Array, X: Array, depth: int, count: int
) -> CompactSVD:
    scale = jnp.where(alive, 1.0, 0.0)
    U = jnp.linalg.qr(pair.L)[0] * scale[None, :]
    V = jnp.linalg.qr(pair.R)[0] * scale[None, :]
    S = B.adjoint(b - B.forward(pair))
    return top_pairs(S, CompactSVD(U, scale, V), X, depth, count)


@eqx.filter_jit
def _appended(
    B: Measurement, b: Array, lam: Array, pair: FactorPair, new: CompactSVD
) -> tuple[FactorPair, Array]:
    """X + τ Σ (σᵢ − λ) uᵢvᵢᵀ with the τ that minimises the penalised objective along it."""
    weights = jnp.maximum(new.s - lam, 0.0)
    direction = FactorPair(new.U * weights[None, :], new.V)
    c, d = B.forward(pair) - b, B.forward(direction)
    tau = (-jnp.vdot(c, d) - lam * jnp.sum(weights)) / jnp.maximum(jnp.vdot(d, d), 1e-300)
    root = jnp.sqrt(jnp.maximum(tau, 0.0) * weights)
    joined = pair.beside(FactorPair(new.U * root[None, :], new.V * root[None, :]))
    return balance(joined)
