"""Alternating least squares: each half step solves one small ridge regression a row.

    l_i = (Σⱼ wᵢⱼ² r_j r_jᵀ + λ I)⁻¹ Σⱼ wᵢⱼ b_ij r_j   over the observed j, then the same for
    columns.

Reference: Zhou, Wilkinson, Schreiber and Pan (2008). With the flat rescaling (smoothing 0) this is
their count-scaled ALS-WR, term for term. Start: the zero-filled truncated singular value
decomposition (from a random start it diverges on exact data). A plain baseline: linear convergence,
no rank growth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np

import flatrank.kernels as kernels
from flatrank.arrays import Array, cho_solve, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, balance
from flatrank.kernels import Compressed
from flatrank.measurements import SampledEntries
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Scope, Solver, check_scope
from flatrank.solvers.reference.rank_constrained import relative
from flatrank.solvers.solution import Counts
from flatrank.solvers.starts import leading_pairs, random_block
from flatrank.solvers.status import Status


class AlternatingState(NamedTuple):
    """The pair of X̃ and the relative misfits around the last sweep."""

    pair: FactorPair
    misfit: float
    previous: float
    sweeps: int


@dataclass(frozen=True)
class AlternatingLeastSquares(Solver[AlternatingState]):
    """Alternating least squares at a fixed rank, for sampled entries.

    Parameters
    ----------
    rank : int
        Columns of the factors.
    tol : float
        Stop when the misfit is below tol (λ = 0) or changes by less than tol/1000 of itself.

    Notes
    -----
    Cost of a sweep: m k² + (d1 + d2) k³/3 multiplications; extra memory (d1 + d2) k².
    """

    scope: ClassVar[Scope] = Scope(entries=True)

    rank: int = 10
    tol: float = 1e-6

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> AlternatingState:
        """From a pair of X̃ or the zero-filled singular value decomposition."""
        check_scope(self, problem)
        if start is None:
            start = _zero_filled(problem, min(self.rank, *problem.shape), seed)
        misfit = relative(problem.whitened.forward(start) - problem.b, problem.b)
        return AlternatingState(start, float(misfit), float("inf"), 0)

    def step(self, problem: Problem, state: AlternatingState) -> AlternatingState:
        """One sweep: rows, then columns, then back to the balanced gauge."""
        A, lam = cast(SampledEntries, problem.measurement), xp.asarray(problem.lam)
        pair, misfit = _sweep(A, problem.rescaling.inverse, problem.b, lam, state.pair)
        return AlternatingState(pair, float(misfit), state.misfit, state.sweeps + 1)

    def status(self, problem: Problem, state: AlternatingState) -> Status:
        """Stationary at the tolerance; stalled where exact data stop improving."""
        if not state.misfit < float("inf"):
            return Status.NONFINITE
        if problem.lam == 0 and state.misfit <= self.tol:
            return Status.STATIONARY
        if abs(state.previous - state.misfit) <= 1e-3 * self.tol * state.misfit:
            return Status.STATIONARY if problem.lam > 0 else Status.STALLED
        return Status.RUNNING

    def info(self, state: AlternatingState) -> dict[str, Any]:
        """Rank and relative misfit."""
        return {"rank": state.pair.rank, "misfit": state.misfit}

    def outcome(self, state: AlternatingState) -> Outcome:
        """The pair of X̃; products counted as one of each kind a half sweep."""
        n = state.sweeps
        return Outcome(state.pair, state.pair.rank, Counts(2 * n, 2 * n, n))


def _zero_filled(problem: Problem, k: int, seed: int) -> FactorPair:
    """The truncated singular value decomposition of the zero-filled matrix, over the density."""
    X = random_block(problem, k, np.random.default_rng(seed))
    pairs = leading_pairs(problem.whitened, problem.b, X, 4)
    density = xp.prod(xp.stack([xp.mean(u) for u in problem.whitened.density()]))
    return pairs._replace(s=pairs.s / xp.maximum(density, 1e-300)).pair().resized(k)


@compiled
def _sweep(
    A: SampledEntries,
    scales: tuple[Array, Array],
    b: Float[Array, " m"],
    lam: Array,
    pair: FactorPair,
) -> tuple[FactorPair, Array]:
    s1, s2 = scales
    L = _half(A.by_row, b, s1, s2[:, None] * pair.R, lam)
    R = _half(A.by_col, b[A.order], s2, s1[:, None] * L, lam)
    balanced, _ = balance(FactorPair(L, R))
    return balanced, relative(A.forward(balanced.scaled(s1, s2)) - b, b)


def _half(C: Compressed, b: Array, scale: Array, other: Array, lam: Array) -> Array:
    """Solve every row's ridge regression against the fixed, unscaled other factor."""
    grams, rhs = kernels.row_grams(C, other, b)
    k = other.shape[1]
    grams = scale[:, None, None] ** 2 * grams
    # λ = 0 and fewer entries than columns: a ridge at rounding level picks the shortest row.
    ridge = lam + 1e-14 * xp.trace(grams, axis1=1, axis2=2) + 1e-300
    system = grams + ridge[:, None, None] * xp.eye(k)[None]
    return cho_solve(xp.linalg.cholesky(system), (scale[:, None] * rhs)[..., None])[..., 0]
