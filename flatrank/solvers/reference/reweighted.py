"""Iteratively reweighted least squares for the rank: a smoothed log-determinant, exact data.

    min Σ log max(σᵢ(X), ε)  s.t.  P(X) = b (roughly; below ε quadratic), ε → 0. Each step solves
    X⁺ = argmin ⟨X, Σ_L⁻¹ X Σ_R⁻¹⟩  s.t.  P(X) = b,     Σ_L = U max(diag s, ε) Uᵀ + ε (I − U Uᵀ),
and Σ_R likewise with V, from the triplets of the last X above ε; then
    ε ← min(ε, σ_{r+1}(X⁺)).

With PP* = I the step has a closed form outside the tangent space T of (U, V):
    (W + J*J) γ = J* b,     X⁺ = J γ + P*(b − P J γ)     (J: coordinates of T to P of the matrix),
    W = ε²/(σᵢσⱼ − ε²) on the σᵢ, σⱼ part, ε/(σᵢ − ε) on the rest of a row or column of T,
a system whose conditioning does not grow as ε falls. X⁺ is a pair of 2r columns plus a sparse
matrix, and interpolates at every step: what converges is its rank.

Reference: Kümmerle and Mayrink Verdun (2021), Algorithm 1, (5)–(8), Theorem 2.3 for quadratic
convergence; weights of the geometric mean, which make no saddle of their own. Departures: P is
taken of D1 X D2, whose entries are those of X times known numbers; the system is solved from the
last X onwards, with a preconditioner; the decomposition is that of a warm-started space. Without a
rank, r is the largest at which a matrix has no more degrees of freedom than there are data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

from flatrank.arrays import Array, Module, Scalar, compiled, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.linalg import truncated_cg
from flatrank.measurements import SampledEntries
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Scope, Solver, check_scope
from flatrank.solvers.ranks import largest_rank
from flatrank.solvers.ranks import resized as cut
from flatrank.solvers.reference.fixed_rank import FixedRank
from flatrank.solvers.reference.proximal import PairPlus, block_width, resized
from flatrank.solvers.reference.rank_constrained import relative
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import random_block
from flatrank.solvers.status import Status


class ReweightedState(NamedTuple):
    """Leading triplets of X⁺, the entries of X̃ seen, ε, and the rank and misfit of those kept.

    `marks` are the ε so far.
    """

    svd: CompactSVD
    b: Float[Array, " m"]
    epsilon: float
    rank: int
    counts: Counts
    misfit: float = math.inf
    inner: int = 0
    marks: tuple[float, ...] = ()


class Tangent(Module):
    """The system (W + J*J) γ = … in coordinates γ = (P, Q) of P Vᵀ + U Qᵀ, VᵀQ = 0.

    Columns of U and V beyond the rank are zero, and so are those of P and Q.
    """

    A: SampledEntries
    point: CompactSVD
    core: Float[Array, "r r"]
    line: Float[Array, " r"]
    density: Scalar

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """J γ."""
        return FixedRank().derivative(self.A, self.point, step)

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """J* t."""
        return FixedRank().gradient(self.point, self.A.adjoint(t))

    def weighted(self, step: FactorPair, core: Array, line: Array) -> FactorPair:
        """One weight on the part of P within U, another on the rest of P and on Q."""
        U = self.point.U
        M = U.T @ step.L
        rest = (step.L - U @ M) * line[None, :]
        return FactorPair(U @ (core * M) + rest, step.R * line[None, :])

    def __call__(self, step: FactorPair) -> FactorPair:
        """(W + J*J) γ."""
        W = self.weighted(step, self.core, self.line)
        return tree_map(xp.add, W, self.adjoint(self.forward(step)))

    def inverse(self, step: FactorPair) -> FactorPair:
        """γ over W plus the share of entries that are seen, which J*J is on average."""
        return self.weighted(step, 1 / (self.core + self.density), 1 / (self.line + self.density))


@dataclass(frozen=True)
class Reweighted(Solver[ReweightedState]):
    """Iteratively reweighted least squares, for exact sampled entries (λ = 0).

    Parameters
    ----------
    rank : int, optional
        r, where it is known; at most min(d1, d2) is looked for.
    tol : float
        The misfit of the matrix of rank r is brought to tol/1000.
    inner_tol : float
        Relative tolerance of the inner solves, in the preconditioned norm.
    max_inner : int
        Inner steps at most in one step.
    decay : float
        Rank unknown: what ε is multiplied by where the spectrum lowers it by less than 5 %.
    window : int
        Stalled where ε falls by less than 10 % within so many steps.

    Notes
    -----
    Cost of a step: one tangent product and one two-sided product of r columns an inner step, four
    two-sided products with r columns and a few. Memory O(m + (d1 + d2) r).
    """

    scope: ClassVar[Scope] = Scope(penalised=False, entries=True)

    rank: int | None = None
    tol: float = 1e-6
    inner_tol: float = 1e-3
    max_inner: int = 500
    decay: float = 0.8
    window: int = 60

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ReweightedState:
        """From a pair of X̃, or from ε = ∞: the interpolant of least Frobenius norm."""
        check_scope(self, problem)
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"rank must be a whole number >= 1; got {self.rank}")
        A = cast(SampledEntries, problem.measurement)
        rows, cols = A.places()
        D1, D2 = (np.asarray(d) for d in (problem.rescaling.D1, problem.rescaling.D2))
        r, b = self._limit(problem), problem.b * D1[rows] * D2[cols]  # entries of X̃ = D1 X D2
        width = block_width(problem, r)
        block = random_block(problem, width, np.random.default_rng(seed))
        if start is None:
            first = PairPlus(problem.zero(1), A.adjoint(b), xp.ones(()))  # P*(b)
            svd = first.leading(_smaller(A, first.leading(block)))
        else:
            svd = resized(compact_svd(start), width)
        rank, epsilon = self._next(np.asarray(svd.s), r, math.inf)
        return ReweightedState(svd, b, epsilon, rank, Counts(0, 4), marks=(epsilon,))

    def _limit(self, problem: Problem) -> int:
        """r: the known rank, or the largest with no more degrees of freedom than data."""
        most = largest_rank(problem.shape, problem.m)
        return most if self.rank is None else min(self.rank, *problem.shape)

    def step(self, problem: Problem, state: ReweightedState) -> ReweightedState:
        """One weighted least-squares problem, its leading triplets, the next ε."""
        A, limit = cast(SampledEntries, problem.measurement), self._limit(problem)
        points = resized(state.svd, limit), _smaller(A, state.svd)
        how = self.inner_tol, self.max_inner
        svd, inner = reweighted_step(A, state.b, points, state.epsilon, how)
        rank, epsilon = self._next(np.asarray(svd.s), limit, state.epsilon)
        kept, inner = cut(svd.pair(), rank, svd.s.shape[0]), int(inner)
        misfit = float(relative(A.forward(kept) - state.b, state.b))
        counts = state.counts + Counts(inner + 3, inner + 6, 1)
        marks = (*state.marks, epsilon)
        return ReweightedState(svd, state.b, epsilon, rank, counts, misfit, inner, marks)

    def _next(self, s: np.ndarray, limit: int, epsilon: float) -> tuple[int, float]:
        """The rank that the spectrum shows, and the next ε."""
        s = np.append(s, 0.0)[: limit + 1]
        if self.rank is not None:
            return limit, min(epsilon, float(s[limit]))
        ratios = s[:-1] / np.maximum(s[1:], 1e-16 * s[0])
        rank = int(np.argmax(ratios)) + 1
        # Where the edge shown brings ε no further down, it was not the edge.
        low = min(epsilon, float(s[rank]))
        return rank, low if low <= 0.95 * epsilon else max(self.decay * epsilon, float(s[limit]))

    def status(self, problem: Problem, state: ReweightedState) -> Status:
        """Stationary where the kept triplets fit alone, stalled where ε no longer falls."""
        del problem
        if not math.isfinite(state.epsilon) or math.isnan(state.misfit):
            return Status.NONFINITE
        if state.misfit <= max(2e-15, min(1e-3 * self.tol, 1e-9)):
            return Status.STATIONARY
        marks, window = state.marks, self.window
        stalled = len(marks) > window and marks[-1] > 0.9 * marks[-1 - window]
        return Status.STALLED if stalled else Status.RUNNING

    def info(self, state: ReweightedState) -> dict[str, Any]:
        """Rank, ε, misfit and the inner steps of the last step."""
        names = "rank", "epsilon", "misfit", "inner"
        return {name: getattr(state, name) for name in names}

    def outcome(self, state: ReweightedState) -> Outcome:
        """The pair of X̃ from the triplets kept; there is no certificate."""
        pair, width = state.svd.pair(), state.svd.s.shape[0]
        return Outcome(cut(pair, state.rank, width), state.rank, state.counts)


@compiled
def reweighted_step(
    A: SampledEntries,
    b: Float[Array, " m"],
    last: tuple[CompactSVD, Array],
    epsilon: Scalar,
    how: tuple[Scalar, int | Array],
) -> tuple[CompactSVD, int | Array]:
    """The triplets of X⁺ from those of X and a block to start from, and the inner steps taken."""
    (U, s, V), block = last
    above = s > epsilon
    U, V, s = U * above[None, :], V * above[None, :], xp.where(above, s, 0.0)
    core, density = _over(s[:, None] * s[None, :], epsilon**2), xp.asarray(A.m / math.prod(A.shape))
    H = Tangent(A, CompactSVD(U, s, V), core, _over(s, epsilon), density)
    x = FactorPair(U * s[None, :], xp.zeros_like(V))
    e = b - H.forward(x)
    r = tree_map(xp.subtract, H.adjoint(e), H.weighted(x, H.core, H.line))
    step, taken = truncated_cg(H, r, H.inverse, *how)
    x = tree_map(xp.add, x, step)
    P, Q = x.L, x.R
    e = b - H.forward(x)
    Y = FactorPair(xp.concatenate([P, U], axis=1), xp.concatenate([V, Q], axis=1))
    return PairPlus(Y, A.adjoint(e), xp.ones(())).leading(block), taken


def _smaller(A: SampledEntries, svd: CompactSVD) -> Float[Array, "d w"]:
    """The singular vectors on the smaller side."""
    return svd.U if A.shape[0] <= A.shape[1] else svd.V


def _over(high: Array, low: Scalar) -> Array:
    """low/(high − low); where high ≤ low, beyond the rank, any weight does, as γ is zero there."""
    return xp.where(high > low, low / xp.where(high > low, high - low, 1.0), 1.0)
