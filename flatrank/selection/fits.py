"""The fits of one run: parts of a table as problems, solved as its choice says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from flatrank.data import Entries, Units
from flatrank.problems import Problem, completion
from flatrank.selection.choice import Choice, StoppedError
from flatrank.selection.trail import Best
from flatrank.solvers import NoisyDataWarning, ProximalPoint, Solution, largest_lam, solve
from flatrank.solvers.proximal_point import may_hold

# Beside the largest value, a remainder this small after the offsets is rounding.
_NOTHING = 1e-12
# From this share of the smaller side on, where d1 d2 min(d1, d2) is at most so much, X is an array.
_HIGH, _HELD = 0.08, 3e8
# Share of the tolerance that X as an array is brought to before its proof.
_MARGIN = 0.1
# λ_max is known from below, to about 1e-6: from here on X = 0 is optimal for certain.
_BEYOND = 1 + 1e-5


class Fits:
    """Problems of parts of a table, and their solutions."""

    def __init__(self, entries: Entries, choice: Choice):
        self.entries, self.choice = entries, choice

    def problem(self, part: np.ndarray, units: Units, theta: float) -> Problem:
        """Completion from some of the entries, without what the units take away."""
        e = self.entries
        rows, cols = e.rows[part], e.cols[part]
        b = units.remove(rows, cols, e.values[part])
        return completion(rows, cols, b, e.shape, smoothing=theta)

    def remains(self, problem: Problem) -> bool:
        """Whether the offsets leave anything to fit."""
        size = np.max(np.abs(self.entries.values))
        return bool(np.max(np.abs(np.asarray(problem.b)), initial=0.0) > _NOTHING * size)

    def at(
        self,
        best: Best,
        problem: Problem,
        tol: float,
        max_seconds: float | None,
        method: Callable[..., Solution] = solve,
    ) -> Solution:
        """A fit at the λ given, or at the same share of λ_max as the best."""
        lam = self.choice.lam
        if lam is None:
            share = best.share if best.share < 1 else _BEYOND
            lam = share * largest_lam(problem, self.choice.seed)
        start = (best.L, best.R) if best.L.shape[1] and lam > 0 else None
        method = solve if lam == 0 else method
        return self.solve(method, problem.with_lam(lam), tol, start, max_seconds, ("refit", 0))

    def solve(
        self,
        method: Callable[..., Solution],
        problem: Problem,
        tol: float,
        start: Any,
        seconds: float | None,
        at: tuple[str, int],
    ) -> Solution:
        """Solve, telling of each step; Ctrl-C there is not for the solver to answer."""

        def tell(record: dict[str, Any]) -> None:
            try:
                self.say(*at, "fitting", record)
            except KeyboardInterrupt:
                raise StoppedError from None

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoisyDataWarning)  # the run says it in its own words
            return method(
                problem, tol=tol, start=start, rank=self.choice.rank, seed=self.choice.seed,
                max_seconds=seconds, progress=tell,
                solver=self._solver(problem, tol, start, prove=method is solve),
            )  # fmt: skip

    def _solver(
        self, problem: Problem, tol: float, start: Any, *, prove: bool
    ) -> ProximalPoint | None:
        """X as an array, where that is affordable and the rank is high; else the default."""
        rank = 0 if start is None else start[0].shape[1]
        high = self.choice.rank is None and rank >= _HIGH * min(problem.shape)
        if not (high and may_hold(problem, _HELD)):
            return None
        return ProximalPoint(tol=tol, margin=_MARGIN if prove else 1.0)

    def say(
        self, stage: str, step: int, message: str, numbers: dict[str, Any] | None = None
    ) -> None:
        """Tell the monitor."""
        record = {"stage": stage, "step": step, "of": None, "message": message}
        self.choice.monitor(record | (numbers or {}))


def fitted_entries(solution: Solution, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Entries of X; 0, the offsets alone, where no entry ties the place to the data.

    A run predicts so. Only with λ = 0, between unconnected blocks.
    """
    return np.nan_to_num(np.asarray(solution.entries(rows, cols)))


def rmse(error: np.ndarray) -> float:
    """Root of the mean square; NaN of none."""
    return float(np.sqrt(np.mean(np.square(error)))) if error.size else float("nan")
