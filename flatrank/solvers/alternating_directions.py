"""Alternating directions for robust PCA, with thin singular value decompositions.

    min ‖X‖_* + λ‖S‖₁  s.t.  X + S = Y.     With penalty μ and multiplier Λ, one sweep is
    X ← shrink(Z, 1/μ) on singular values,                Z = Y − S + Λ/μ,
    A ← Λ + μ(Y − X̂),                                     X̂ = αX + (1 − α)(Y − S),
    Λ ← clip(A, ±λ) on entries,                           S ← (A − Λ)/μ.

Λ always obeys ‖Λ‖_∞ ≤ λ and its norm tends to 1; for the proof what exceeds 1 is cut. With a
radius, once the sweeps at the level λ of `Separation` have settled, λ is the one for which
‖S‖₁ = radius. μ starts small, so that X grows from rank 0, and is then balanced; only singular
values above 1/μ are computed, from the subspace of the sweep before. Sweeps are in single precision
until the residuals are small. Where proved, the pair is moved on to agree with Y exactly off the
errors (`restored`).

Where nothing is observed Y and Λ are zero, and S is free: the sweep fills X in there.

Dense arrays: tiles in the cache, BLAS for the products.
Reference: Lin, Chen, Ma (2010), for the growing penalty; Boyd et al. (2011), §3.4.1, for balancing
and §3.4.3 for over-relaxation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from flatrank.certificates import Certificate, certify_separation, tiles
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.problems import Problem, Separation
from flatrank.solvers.loop import Outcome, Proof, Scope, Solver
from flatrank.solvers.multiplier import Arrays, Sums, level_of, update
from flatrank.solvers.shrinkage import shrink
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class Residuals(NamedTuple):
    """Of the last sweep that was measured.

    misfit : ‖Y − X − S‖ relative to ‖Y‖.
    drift : ‖μ(Z − X) − Λ‖ relative to ‖Λ‖.
    slack : relative gap of the pair as if ‖Λ‖ were 1.
    """

    misfit: float = math.inf
    drift: float = math.inf
    slack: float = math.inf


class DirectionsState(NamedTuple):
    """Where the iteration stands.

    problem : what is solved.
    arrays : Y, Λ and Z, the last two changed in place, and the mask, in one precision.
    Q, L, R : the basis of the last decomposition, and the pair of X.
    size : ‖Y‖.
    mu, level, tied : μ, λ, and whether the radius rules it.
    residuals : see there.
    looked, best, stuck : the drift at the last proof, the least residual, and steps since.
    proof, ended, counts : as for every solver.
    """

    problem: Separation
    arrays: Arrays
    Q: np.ndarray
    L: np.ndarray
    R: np.ndarray
    size: float
    mu: float
    level: float
    tied: bool = False
    residuals: Residuals = Residuals()
    looked: float = math.inf
    best: float = math.inf
    stuck: int = 0
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()


@dataclass(frozen=True)
class AlternatingDirections(Solver[DirectionsState]):
    """The solver of robust PCA.

    Parameters
    ----------
    rank : int, optional
        Rank limit; found by default.
    tol : float
        Relative duality gap to prove.
    sweeps : int
        Sweeps in one step; in the first two steps μ may change after each.
    growth : float
        Factor of μ.
    balance : float
        μ is raised while the misfit exceeds this share of the drift, lowered at a fifth of it.
    settled : float
        Residual below which a radius, in place of a level, rules the sparse part.
    coarse : float
        Residual from which on double precision is worth its time.
    stagnation : int
        Steps without progress after which the search is given up.

    Notes
    -----
    Cost: about 8 d1 d2 k flops a sweep for the rank k, which exceeds the final one by a sixth.
    Memory: Y, Λ and Z, a third array with a radius, two more while a certificate is made.
    """

    scope: ClassVar[Scope] = Scope(penalised=False, separates=True)

    rank: int | None = None
    tol: float = 1e-6
    sweeps: int = 5
    growth: float = 1.5
    balance: float = 0.05
    settled: float = 1e-2
    coarse: float = 1e-3
    stagnation: int = 100

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> DirectionsState:
        """Λ = clip(μ(Y − X), ±λ) at μ = 5/(2‖Y‖), X from `start` or zero."""
        if not isinstance(problem, Separation):
            raise ValueError(
                "AlternatingDirections separates a whole matrix (robust_pca); got "
                f"{type(problem).__name__}. Use Auto"
            )
        Y, rng = problem.Y.astype(np.float32), np.random.default_rng(seed)
        (d1, d2), size = Y.shape, float(np.linalg.norm(problem.Y))
        first = problem.zero(0) if start is None else start
        L, R = np.array(first.L, Y.dtype), np.array(first.R, Y.dtype)
        Q = rng.standard_normal((min(d1, d2), min(8, d1, d2))).astype(Y.dtype)
        mu = 2.5 / _rough_norm(Y, rng) if size else 1.0
        Lam = problem.seen(np.clip(mu * (Y - L @ R.T), -problem.level, problem.level))
        arrays = Arrays(Y, Lam, L @ R.T + Lam * ((1 + 1 / self.growth) / mu), problem.mask)
        state = DirectionsState(
            problem, arrays, Q, L, R, size, self.growth * mu, problem.level,
            counts=Counts(adjoint=7),
        )  # fmt: skip
        return state if size else state._replace(ended=Status.STATIONARY)

    def step(self, problem: Problem, state: DirectionsState) -> DirectionsState:
        """Five sweeps, and the proof where it may succeed."""
        del problem
        rank = state.L.shape[1]
        for _ in range(self.sweeps):
            state = self._sweep(state)
        misfit, drift, slack = state.residuals
        worst = max(misfit, drift)
        if not math.isfinite(worst):
            return state._replace(ended=Status.NONFINITE)
        if slack <= 0.8 * self.tol and drift <= min(100 * self.tol, 0.7 * state.looked):
            state = self._prove(state, state.L.shape[1] == rank)
        gained = worst < 0.99 * state.best
        if state.ended is Status.RUNNING and (worst < self.coarse or not gained):
            state = _in_double(state)
        if gained:
            return state._replace(best=worst, stuck=0)
        if state.stuck < self.stagnation or state.ended is not Status.RUNNING:
            return state._replace(stuck=state.stuck + 1)
        limited = self.rank is not None and state.L.shape[1] >= self.rank
        return state._replace(ended=Status.RANK_TOO_SMALL if limited else Status.STALLED)

    def _sweep(self, state: DirectionsState) -> DirectionsState:
        problem, arrays, mu = state.problem, state.arrays, state.mu
        Z = arrays.Z
        wide = Z.shape[0] <= Z.shape[1]
        near, far, s, Q = shrink(Z if wide else Z.T, state.Q, 1 / mu, self.rank)
        L, R = (near, far) if wide else (far, near)
        after, (misfit, drift, _) = self._penalty(state), state.residuals
        tied = state.tied or (problem.radius is not None and max(misfit, drift) < self.settled)
        level = state.level
        if tied:
            level = level_of(arrays, (L, R), mu, problem.radius or 0.0, level)
        sweeps = state.counts.steps + 1
        state = state._replace(
            Q=Q,
            L=L,
            R=R,
            mu=after,
            level=level,
            tied=tied,
            counts=state.counts + Counts(forward=1, adjoint=3, steps=1),
        )
        measured = sweeps <= 2 * self.sweeps or sweeps % self.sweeps == 0
        sums = update(arrays, (L, R), (mu, after), level, measured)
        return state if sums is None else _judged(state, sums, float(s.sum()))

    def _penalty(self, state: DirectionsState) -> float:
        """μ for the next sweep: raised while the misfit leads, lowered while the drift does."""
        mu, done, few = state.mu, state.counts.steps, self.sweeps
        every = 1 if done <= 2 * few else few if done < 100 else 10 * few
        if done % every:
            return mu
        misfit, level = state.residuals.misfit, self.balance * state.residuals.drift
        if misfit > level or not done:
            return self.growth * mu
        return mu / self.growth if 5 * misfit < level else mu

    def _prove(self, state: DirectionsState, settled: bool) -> DirectionsState:
        """Certify the pair, or better, once its rank is settled, the one equal to Y off errors."""
        found = restored(state) if settled else None
        drift = state.residuals.drift
        state, Lam = state._replace(looked=drift), _cut(state, 0.1 * self.tol)
        for L, R in filter(None, (found, (state.L, state.R))):
            certificate, y = _certified(state.problem, L, R, Lam)
            if certificate.certified(self.tol):
                proof = Proof(certificate, y)
                return state._replace(L=L, R=R, proof=proof, ended=Status.CERTIFIED)
        return state

    def info(self, state: DirectionsState) -> dict[str, Any]:
        """Rank, penalty, level, the gap before Λ is scaled, and both residuals."""
        known = state.proof.certificate
        return {
            "rank": state.L.shape[1],
            "penalty": state.mu,
            "level": state.level,
            "relative_gap": known.relative_gap if known else None,
            "estimated_gap": state.residuals.slack,
            "misfit": state.residuals.misfit,
            "drift": state.residuals.drift,
        }

    def outcome(self, state: DirectionsState) -> Outcome:
        """The balanced pair, its certificate, and S: Y − X where Λ is at its bound, else 0."""
        problem, L, R = state.problem, state.L, state.R
        Lam, (certificate, y) = state.arrays.Lam, state.proof
        if certificate is None:
            certificate, y = _certified(problem, L, R, Lam)
        U, s, V = _svd_of(L, R)
        root = np.sqrt(s)[None, :]
        S, Y = np.empty(problem.shape), problem.Y
        least = 1e-10 * float(np.max(np.abs(Y), initial=0.0))
        for tile in tiles(Y.shape):
            E = Y[tile] - L[tile[0]] @ R[tile[1]].T
            found = (np.abs(Lam[tile]) >= state.level) & (np.abs(E) > least)
            S[tile] = np.where(found, E, 0.0)
        pair = FactorPair(U * root, V * root)
        return Outcome(pair, s.size, state.counts, y, certificate, {"sparse": S})


def _in_double(state: DirectionsState) -> DirectionsState:
    """The same state in double precision."""
    arrays = state.arrays
    if arrays.Y.dtype == np.float64:
        return state
    given = (arrays.Lam, arrays.Z, state.Q, state.L, state.R)
    Lam, Z, Q, L, R = (x.astype(np.float64) for x in given)
    bound = np.abs(arrays.Lam) >= state.level
    Lam[bound] = np.copysign(state.level, Lam[bound])
    return state._replace(arrays=Arrays(state.problem.Y, Lam, Z, arrays.mask), Q=Q, L=L, R=R)


def _judged(state: DirectionsState, sums: Sums, nuclear: float) -> DirectionsState:
    """The residuals of the last sweep, and the gap of the pair as if ‖Λ‖ were 1."""
    level, radius = state.level, state.problem.radius
    if radius is None:
        primal, dual = nuclear + level * sums.errors, sums.inner
    else:
        primal = nuclear + level * max(sums.errors - radius, 0.0)
        dual = sums.inner - radius * level
    misfit = math.sqrt(sums.misfit) / state.size
    drift = math.sqrt(sums.drift / (sums.square or 1.0))
    slack = abs(primal - dual) / primal if primal else 0.0
    return state._replace(residuals=Residuals(misfit, drift, slack))


def _cut(state: DirectionsState, slack: float) -> np.ndarray:
    """Λ nearer to ‖Λ‖ ≤ 1, still with ‖Λ‖_∞ ≤ λ: only the few singular values above 1 pay.

    Itself where none exceeds 1 by more than the slack. Half as much again as the excess is cut, for
    clipping puts some back.
    """
    Lam, level = state.arrays.Lam, state.level
    wide = Lam.shape[0] <= Lam.shape[1]
    near, far, s, _ = shrink(Lam if wide else Lam.T, state.Q, 1.0, None)
    if np.max(s, initial=0.0) <= slack:
        return Lam
    near, found = near * -1.5, np.empty_like(Lam)
    for tile in tiles(Lam.shape):
        L, R = (near[tile[0]], far[tile[1]]) if wide else (far[tile[0]], near[tile[1]])
        np.matmul(L, R.T, out=found[tile])
        found[tile] += Lam[tile]
        np.clip(found[tile], -level, level, out=found[tile])
    return state.problem.seen(found)


def restored(state: DirectionsState) -> tuple[np.ndarray, np.ndarray] | None:
    """The pair of the same rank that equals Y off the errors, if there is one near by.

    X ← the best rank-r approximation of (Y off the errors, X on them), by one subspace step each
    time: linear convergence at ‖P_T P_Ω‖², Ω the errors. None where the misfit does not fall to
    rounding, or where rank r has more freedom than there are entries off the errors.
    """
    Y, L, R = (x.astype(np.float64, copy=False) for x in (state.problem.Y, state.L, state.R))
    (d1, d2), r = Y.shape, L.shape[1]
    errors = np.abs(state.arrays.Lam) >= state.level
    if state.problem.mask is not None:
        errors |= ~state.problem.mask  # as free as the errors are
    if r == 0 or r * (d1 + d2 - r) >= errors.size - int(errors.sum()):
        return None
    wide, M = d1 <= d2, np.empty_like(Y)
    misfit = last = math.inf
    for _ in range(100):
        square = 0.0
        for tile in tiles(Y.shape):
            X = L[tile[0]] @ R[tile[1]].T
            E = np.where(errors[tile], 0.0, Y[tile] - X)
            np.add(X, E, out=M[tile])
            square += float(np.vdot(E, E))
        misfit = math.sqrt(square) / state.size
        if misfit <= 1e-13 or not misfit < 0.8 * last:
            break
        last, near = misfit, M if wide else M.T
        Q = np.linalg.qr(near @ (near.T @ (L if wide else R)))[0]
        L, R = (Q, near.T @ Q) if wide else (near.T @ Q, Q)
    return (L, R) if misfit <= 1e-13 else None


def _certified(
    problem: Separation, L: np.ndarray, R: np.ndarray, Lam: np.ndarray
) -> tuple[Certificate, Any]:
    y = Lam.astype(np.float64, copy=False).reshape(-1)
    return certify_separation(problem, _svd_of(L, R), np.asarray(y))


def _svd_of(L: np.ndarray, R: np.ndarray) -> CompactSVD:
    """In double precision."""
    return compact_svd(FactorPair(*(x.astype(np.float64, copy=False) for x in (L, R))))


def _rough_norm(Y: np.ndarray, rng: np.random.Generator) -> float:
    """‖Y‖ from below, by six power steps."""
    x = rng.standard_normal(Y.shape[1]).astype(Y.dtype)
    for _ in range(6):
        x = Y.T @ (Y @ (x / np.linalg.norm(x)))
    return math.sqrt(float(np.linalg.norm(x)))
