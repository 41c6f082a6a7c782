"""Alternating least squares for implicit feedback, where every cell counts.

Half a sweep solves, for every row i with the columns' factors R fixed,

    (RᵀR + λI + Σⱼ (cᵢⱼ − 1) r_j r_jᵀ) l_i = Σⱼ cᵢⱼ r_j     over the clicks j of the row.

What the rows share, RᵀR + λI = T Tᵀ, is factored once. With y_j = T⁻¹ r_j and z = Tᵀ l_i it reads

    (I + Σⱼ (cᵢⱼ − 1) y_j y_jᵀ) z = Σⱼ cᵢⱼ y_j,

the identity plus one term for each click: a few conjugate gradient steps from the last z go far,
and cost O(k) a click. Then the same for columns.

References: Hu, Koren, Volinsky (2008), for the shared Gram matrix; Takács, Pilászy, Tikk (2011),
for conjugate gradients from the last iterate. Departure from both: the shared part is the
preconditioner, and so leaves the iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

import flatrank.kernels as kernels
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.kernels import Compressed
from flatrank.measurements import SampledEntries
from flatrank.problems import ImplicitFeedback, Problem
from flatrank.solvers.loop import Outcome, Scope, Solver
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class Side(NamedTuple):
    """The clicks by rows, or by columns: where, their confidence c, and c − 1."""

    places: Compressed
    c: Float[np.ndarray, " m"]
    more: Float[np.ndarray, " m"]


class ImplicitState(NamedTuple):
    """Where the sweeps stand.

    rows, cols : the clicks from either side, in the precision of the factors.
    L, R : the factors.
    gram : LᵀL.
    objective, fall : after the last sweep, and by what share of itself it fell.
    sweeps, ended : how many, and why no more.
    """

    rows: Side
    cols: Side
    L: Float[np.ndarray, "d1 k"]
    R: Float[np.ndarray, "d2 k"]
    gram: Float[np.ndarray, "k k"]
    objective: float = np.inf
    fall: float = np.inf
    sweeps: int = 0
    ended: Status = Status.RUNNING


@dataclass(frozen=True)
class ImplicitLeastSquares(Solver[ImplicitState]):
    """The solver of implicit feedback, at a fixed width of the factors.

    Parameters
    ----------
    rank : int
        k, columns of the factors; at most min(d1, d2) are used.
    sweeps : int
        Sweeps at most, each of both sides; 15 are enough for recommendations.
    steps : int
        Conjugate gradient steps for each row in a sweep.
    tol : float
        Relative duality gap wanted: sweeps end where the objective falls by less than (tol/10)² of
        itself. The gap is of first order in what is left of the slope, the fall of second.
    coarse : float
        Relative fall of the objective from which on double precision is worth its time.

    Notes
    -----
    Cost of a sweep: 8 m k (steps + 1) flops for the clicks and 8 (d1 + d2) k² for what rows share.
    Memory: 16 bytes a click and two copies of the factors in single precision, twice as much in
    double.
    """

    scope: ClassVar[Scope] = Scope(exact=False, entries=True, clicks=True)

    rank: int = 64
    sweeps: int = 1000
    steps: int = 3
    tol: float = 1e-6
    coarse: float = 1e-5

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ImplicitState:
        """From L at random with columns of length one, or from a pair.

        Raises
        ------
        ValueError
            If the problem is another one, or a setting is out of range.
        """
        if not isinstance(problem, ImplicitFeedback):
            raise ValueError(
                "ImplicitLeastSquares solves problems of flatrank.implicit; got "
                f"{type(problem).__name__}"
            )
        for name, least in (("rank", 1), ("sweeps", 0), ("steps", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}; got {value!r}")
        (d1, d2), k = problem.shape, min(self.rank, *problem.shape)
        rng = np.random.default_rng(seed)
        L = rng.standard_normal((d1, k), np.float32) / np.float32(np.sqrt(d1))
        R = np.zeros((d2, k), np.float32)
        if start is not None:
            near = start.resized(min(k, start.rank))
            L[:, : near.rank], R[:, : near.rank] = near.L, near.R
        return ImplicitState(*_sides(problem, L.dtype), L, R, L.T @ L)

    def step(self, problem: Problem, state: ImplicitState) -> ImplicitState:
        """One sweep: columns, then rows."""
        lam, s = problem.lam, state
        if s.fall < self.coarse and s.L.dtype == np.float32:
            s = _doubled(problem, s)
        R = ridge_rows(s.cols, s.R, s.L, s.gram, lam, self.steps)
        gram = R.T @ R
        L = ridge_rows(s.rows, s.L, R, gram, lam, self.steps)
        other = L.T @ L
        objective = _objective(s.rows, L, R, (other, gram), lam)
        fall = (s.objective - objective) / objective if np.isfinite(s.objective) else np.inf
        sweeps, ended = s.sweeps + 1, Status.RUNNING
        if not np.isfinite(objective):
            ended = Status.NONFINITE
        elif fall <= (0.1 * self.tol) ** 2 and L.dtype == np.float64:
            ended = Status.STATIONARY
        return ImplicitState(s.rows, s.cols, L, R, other, objective, fall, sweeps, ended)

    def status(self, problem: Problem, state: ImplicitState) -> Status:
        """Stationary at the tolerance, or out of sweeps."""
        del problem
        done = state.ended is Status.RUNNING and state.sweeps >= self.sweeps
        return Status.MAX_STEPS if done else state.ended

    def info(self, state: ImplicitState) -> dict[str, Any]:
        """Width, objective and what it fell by."""
        return {"rank": state.L.shape[1], "objective": state.objective, "fall": state.fall}

    def outcome(self, state: ImplicitState) -> Outcome:
        """The pair in double precision; a product with the clicks on either side a CG step."""
        n = state.sweeps * (self.steps + 1)
        pair = FactorPair(state.L.astype(np.float64), state.R.astype(np.float64))
        return Outcome(pair, pair.rank, Counts(n, n, state.sweeps))


def ridge_rows(
    side: Side,
    X: Float[np.ndarray, "n k"],
    Y: Float[np.ndarray, "width k"],
    gram: Float[np.ndarray, "k k"],
    lam: float,
    steps: int,
) -> Float[np.ndarray, "n k"]:
    """The factors of all rows of a side, given those of the other and their Gram matrix YᵀY.

    Conjugate gradients from X; k steps are exact but for rounding.
    """
    T = _root(gram.astype(np.float64), lam, 10 * float(np.finfo(gram.dtype).eps))
    if T is None:
        return np.full_like(X, np.nan)
    inverse = solve_triangular(T, np.eye(Y.shape[1]), lower=True)
    T, inverse = (np.ascontiguousarray(x, X.dtype) for x in (T, inverse))
    # BLAS on one thread: its others would spin on after each product, in the way of the kernel's.
    near = Y @ inverse.T
    Z = kernels.ridge_steps(side.places, X @ T, near, side.c, side.more, steps)
    return Z @ inverse


def _root(
    gram: Float[np.ndarray, "k k"], lam: float, rounding: float
) -> Float[np.ndarray, "k k"] | None:
    """T with T Tᵀ = G + λI; where rounding of G exceeds λ, with λ as large as that; None of NaN."""
    for shift in (lam, lam + rounding * np.trace(gram)):
        try:
            return cholesky(gram + shift * np.eye(gram.shape[0]), lower=True)
        except (LinAlgError, ValueError):
            continue
    return None


def sided(places: Compressed, c: np.ndarray, dtype: Any) -> Side:
    """The clicks from one side, confidences in their order there."""
    return Side(places, c.astype(dtype), (c - 1).astype(dtype))


def _doubled(problem: Problem, s: ImplicitState) -> ImplicitState:
    """The state in double precision."""
    L, R = s.L.astype(np.float64), s.R.astype(np.float64)
    sides = _sides(problem, L.dtype)
    return ImplicitState(*sides, L, R, L.T @ L, s.objective, np.inf, s.sweeps)


def _sides(problem: Problem, dtype: Any) -> tuple[Side, Side]:
    """The clicks from either side, in a precision."""
    A, c = cast(SampledEntries, problem.measurement), np.asarray(problem.b)
    return sided(A.by_row, c, dtype), sided(A.by_col, c[A.order], dtype)


def _objective(
    side: Side, L: np.ndarray, R: np.ndarray, grams: tuple[np.ndarray, np.ndarray], lam: float
) -> float:
    """½ Σ c (p − X)² + λ/2 (‖L‖² + ‖R‖²), from X at the clicks and the Gram matrices."""
    x = kernels.sampled_product(side.places, L, R)
    one, other = (G.astype(np.float64) for G in grams)
    clicks = side.c * (1 - x) ** 2 - x * x
    square = np.vdot(one, other) + np.sum(clicks, dtype=np.float64)
    return float(0.5 * square + 0.5 * lam * (np.trace(one) + np.trace(other)))
