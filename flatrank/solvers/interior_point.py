"""The flattest interpolant of small problems by a primal–dual interior-point method.

    min ‖X̃‖_*  s.t.  ℬ(X̃) = b.  As a pair of semidefinite programs, with
    P = [[W1, X], [Xᵀ, W2]] and Z = [[I, −S], [−Sᵀ, I]],

    min ½ tr P  s.t.  ℬ(X) = b, P ⪰ 0        max bᵀy  s.t.  S = ℬ*(y), Z ⪰ 0

and the gap is ½⟨P, Z⟩. Both sides are feasible from the start: X the shortest matrix that fits,
W1 = W2 = tI with t above ‖X‖, and y = 0. It takes about a dozen steps whatever the rank, and
wherever the answer lies: what it costs is an m × m Schur complement in each.

Paper: Helmberg, Rendl, Vanderbei, Wolkowicz, An interior-point method for semidefinite programming
(SIAM J. Optim. 6, 1996), with the predictor and corrector of Mehrotra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, eigh, solve_triangular

from flatrank.certificates import Effort, certify_whitened
from flatrank.factors import CompactSVD, Cone, FactorPair
from flatrank.measurements import Explicit, QuadraticForms, RankOne, SampledEntries, explicit
from flatrank.problems import Problem, Separation, Tomography
from flatrank.solvers.loop import Outcome, Proof, Scope, Solver
from flatrank.solvers.schur import Blocks, gram, schur
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class InteriorPointState(NamedTuple):
    """Where the iteration stands.

    B : ℬ as an array.
    P, y, S : the primal matrix, the dual point, and ℬ*(y).
    gap : ½⟨P, Z⟩ / ½ tr P.
    proof, ended, counts : as for every solver.
    """

    B: Explicit
    P: np.ndarray
    y: np.ndarray
    S: np.ndarray
    gap: float = 1.0
    proof: Proof = Proof()
    ended: Status = Status.RUNNING
    counts: Counts = Counts()

    @property
    def Z(self) -> np.ndarray:
        """[[I, −S], [−Sᵀ, I]]."""
        return np.eye(self.P.shape[0]) - off_diagonal(self.S)


@dataclass(frozen=True)
class InteriorPoint(Solver[InteriorPointState]):
    """Solve small problems with λ = 0, whose measurements are independent, for the flattest X.

    Parameters
    ----------
    tol : float
        Relative duality gap to prove.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    margin : float
        Share of `tol` that the gap is brought to, where rounding allows it.
    cut : float
        Share of `tol`: singular values that add up to no more of ‖X̃‖_* are no part of the rank.
    boundary : float
        Share of the way to the boundary of the cone that a step takes at least.
    shortest : float
        A step shorter than this is the last.
    most, widest : int
        Measurements, and d1 + d2, up to which it is taken.
    written : float
        The same for the numbers in all matrices Bᵢ together, where they are not of rank one.

    Notes
    -----
    Cost of a step: m³/3 flops and the Schur complement (12 m² (d1 + d2) flops for entries and
    measurements of rank one), and O((d1 + d2)³). Memory: a few m × m arrays.
    """

    scope: ClassVar[Scope] = Scope(penalised=False)

    tol: float = 1e-6
    failure_probability: float = 1e-9
    margin: float = 1e-3
    cut: float = 1e-2
    boundary: float = 0.9
    shortest: float = 1e-4
    most: int = 1000
    widest: int = 200
    written: float = 2e6

    def suits(self, problem: Problem) -> bool:
        """Whether the problem is one with λ = 0, X any or any symmetric matrix, and small."""
        odd = isinstance(problem, (Separation, Tomography))
        open_cone = problem.cone in (Cone.WHOLE, Cone.SYMMETRIC)
        (d1, d2), m, A = problem.shape, problem.m, problem.measurement
        small = m <= self.most and d1 + d2 <= self.widest
        small &= isinstance(A, (SampledEntries, RankOne, QuadraticForms)) or (
            m * d1 * d2 <= self.written
        )
        return problem.lam == 0 and open_cone and small and not odd

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> InteriorPointState:
        """The shortest matrix that fits, and y = 0; stalled where measurements are dependent.

        Raises
        ------
        ValueError
            If λ > 0, X must be positive or Hermitian, or the problem is too large.
        """
        del start, seed  # a start near the boundary is worse than none; nothing is drawn
        B = explicit(problem.whitened) if self.suits(problem) else None
        if B is None:
            raise ValueError(
                "InteriorPoint needs lam = 0, a matrix that need not be positive, at most "
                f"{self.most} measurements and d1 + d2 at most {self.widest}; leave solver out "
                "for anything else"
            )
        b = np.asarray(problem.b, dtype=np.float64)
        X = shortest_fit(B, b)
        ended = Status.RUNNING if np.all(np.isfinite(X)) else Status.STALLED
        X = np.where(np.isfinite(X), X, 0.0)
        size = float(np.linalg.norm(X))
        t = float(np.linalg.norm(X, 2)) + 2 * size / min(X.shape) ** 0.5
        P = t * np.eye(sum(X.shape)) + off_diagonal(X)
        return InteriorPointState(B, P, np.zeros(b.size), np.zeros(X.shape), ended=ended)

    def step(self, problem: Problem, state: InteriorPointState) -> InteriorPointState:
        """One predictor and corrector; at the end the proof."""
        b = np.asarray(problem.b, dtype=np.float64)
        if not np.any(b):
            return self._proved(problem, b, state._replace(P=np.zeros_like(state.P)))
        try:
            new, length = self._moved(b, state)
        except LinAlgError:
            return self._proved(problem, b, state)
        if not np.isfinite(new.gap) or length < self.shortest:
            return self._proved(problem, b, state)
        return self._proved(problem, b, new) if new.gap <= self.margin * self.tol else new

    def info(self, state: InteriorPointState) -> dict[str, Any]:
        """The gap between the two programs."""
        return {"relative_gap": state.gap}

    def outcome(self, state: InteriorPointState) -> Outcome:
        """The pair of X̃, and its certificate where there is one."""
        pair = self._decomposed(corner(state)).pair()
        return Outcome(pair, pair.rank, state.counts, **state.proof._asdict())

    def _proved(
        self, problem: Problem, b: np.ndarray, state: InteriorPointState
    ) -> InteriorPointState:
        """With X fitted to rounding, symmetric where it must be, and of the rank that counts."""
        X = corner(state)
        # An antisymmetric part is seen neither by ℬ nor, to first order, by the norm.
        X = 0.5 * (X + X.T) if problem.cone is Cone.SYMMETRIC else X
        X = X + shortest_fit(state.B, b - state.B.forward(X))
        svd = problem.cone.decompose(self._decomposed(X, state.B, b).pair())
        effort = Effort(self.failure_probability)  # nothing lost to bounds by parts
        certificate, dual = certify_whitened(problem, svd, state.y, effort)
        P = state.P.copy()
        d1 = X.shape[0]
        P[:d1, d1:] = (np.asarray(svd.U) * svd.s) @ np.asarray(svd.V).T
        proved = certificate.certified(self.tol) and certificate.feasibility <= self.cut * self.tol
        return state._replace(
            P=P,
            proof=Proof(certificate, dual),
            ended=Status.CERTIFIED if proved else Status.STALLED,
        )

    def _decomposed(
        self, X: np.ndarray, B: Explicit | None = None, b: np.ndarray | None = None
    ) -> CompactSVD:
        """Without the singular values that do not count, in ‖X̃‖_* nor, with b, in the fit."""
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        beyond = np.cumsum(s[::-1])[::-1]  # sᵢ + sᵢ₊₁ + …
        least = self.cut * self.tol
        k = int(np.sum(beyond > least * s.sum()))
        if B is not None and b is not None:
            while np.linalg.norm(B.forward(U[:, k:] * s[k:] @ Vt[k:])) > least * np.linalg.norm(b):
                k += 1
        return CompactSVD(U[:, :k], s[:k], Vt[:k].T)

    def _moved(self, b: np.ndarray, state: InteriorPointState) -> tuple[InteriorPointState, float]:
        """One predictor and corrector; the shorter of the two step lengths."""
        B, P, y, S = state.B, state.P, state.y, state.S
        d1, Z, n = S.shape[0], state.Z, P.shape[0]
        LP, LZ = (cholesky(matrix, lower=True, check_finite=False) for matrix in (P, Z))
        inverse = cho_solve((LZ, True), np.eye(n), check_finite=False)
        factor = _factor(schur(B, _blocks(P, d1), _blocks(inverse, d1)))
        mu = float(np.vdot(P, Z)) / n

        def direction(target: float, corrector: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """From ΔP + sym(P ΔZ Z⁻¹) = target Z⁻¹ − P − corrector and ℬ(X + ΔX) = b."""
            wanted = target * inverse - corrector
            dy = cho_solve((factor, True), b - B.forward(wanted[:d1, d1:]), check_finite=False)
            dS = B.adjoint(dy)
            return wanted - P + symmetric(P @ off_diagonal(dS) @ inverse), dy, dS

        dP, _, dS = direction(0.0, 0.0)
        dZ = -off_diagonal(dS)
        a, c = _length(LP, dP, 1.0), _length(LZ, dZ, 1.0)
        share = (float(np.vdot(P + a * dP, Z + c * dZ)) / n / mu) ** 3
        keep = self.boundary + (0.99 - self.boundary) * min(a, c)
        dP, dy, dS = direction(share * mu, symmetric(dP @ dZ @ inverse))
        a, c = _length(LP, dP, keep), _length(LZ, -off_diagonal(dS), keep)
        new = state._replace(
            P=P + a * dP, y=y + c * dy, S=S + c * dS, counts=state.counts + Counts(3, 3, 1)
        )
        gap = float(np.vdot(new.P, new.Z) / np.trace(new.P))
        return new._replace(gap=gap), min(a, c)


def shortest_fit(B: Explicit, b: np.ndarray) -> np.ndarray:
    """ℬ⁺(b), the matrix of least Frobenius norm that fits; infinite where the Bᵢ are dependent."""
    try:
        return B.adjoint(cho_solve(cho_factor(gram(B), lower=True), b))
    except LinAlgError:
        return np.full(B.adjoint(b).shape, np.inf)


def corner(state: InteriorPointState) -> np.ndarray:
    """X, the upper right block of P."""
    d1 = state.S.shape[0]
    return state.P[:d1, d1:]


def off_diagonal(S: np.ndarray) -> np.ndarray:
    """[[0, S], [Sᵀ, 0]]."""
    d1, d2 = S.shape
    whole = np.zeros((d1 + d2, d1 + d2))
    whole[:d1, d1:], whole[d1:, :d1] = S, S.T
    return whole


def symmetric(Y: np.ndarray) -> np.ndarray:
    """½(Y + Yᵀ)."""
    return 0.5 * (Y + Y.T)


def _blocks(P: np.ndarray, d1: int) -> Blocks:
    return P[:d1, :d1], P[d1:, d1:], P[:d1, d1:]


def _factor(M: np.ndarray) -> np.ndarray:
    """The Cholesky factor, of a slightly larger matrix where rounding leaves no other."""
    size = float(np.trace(M)) / M.shape[0]
    for ridge in (0.0, 1e-14, 1e-12, 1e-10):
        try:
            return cholesky(M + ridge * size * np.eye(M.shape[0]), lower=True, check_finite=False)
        except LinAlgError:
            continue
    raise LinAlgError("the Schur complement is indefinite")


def _length(L: np.ndarray, D: np.ndarray, keep: float) -> float:
    """The longest step a ≤ 1 for which L Lᵀ + a D / keep stays positive semidefinite."""
    half = solve_triangular(L, D, lower=True, check_finite=False)
    whole = solve_triangular(L, half.T, lower=True, check_finite=False)
    low = float(eigh(whole, eigvals_only=True, subset_by_index=[0, 0], check_finite=False)[0])
    return min(1.0, keep / -low) if low < 0 else 1.0
