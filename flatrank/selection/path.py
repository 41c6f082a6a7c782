"""The regularisation path, from λ_max downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flatrank.measurements.checks import checked_count
from flatrank.problems import Problem, as_problem
from flatrank.solvers import Solution, largest_lam, solve

# The grid begins just below λ_max, where X = 0.
_FIRST = 0.95


def path(
    problem: Problem,
    lams: Sequence[float] | None = None,
    *,
    count: int = 30,
    smallest: float = 0.02,
    **options: Any,
) -> list[Solution]:
    """Solve at every λ of a decreasing grid, each from the solution before it.

    Parameters
    ----------
    problem : Problem
        Its own λ is ignored.
    lams : sequence of float, optional
        The grid; by default `count` values, geometric from just below λ_max to smallest·λ_max.
    count : int
        Number of values when `lams` is not given.
    smallest : float
        Last λ relative to λ_max when `lams` is not given.
    **options
        Passed on to `solve` (tol, rank, max_seconds for each λ, ...).

    Returns
    -------
    list of Solution
        Largest λ first; each with its own certificate.

    Raises
    ------
    ValueError
        If the problem is none, a λ is not positive, count < 1, `smallest` is out of range, or the
        data are zero and `lams` is not given.
    """
    return list(follow(problem, lams, count=count, smallest=smallest, **options))


def follow(
    problem: Problem,
    lams: Sequence[float] | None = None,
    *,
    count: int = 30,
    smallest: float = 0.02,
    start: Any = None,
    **options: Any,
) -> Iterator[Solution]:
    """`path`, one solution at a time, so that a caller may stop early."""
    problem = as_problem(problem)
    grid = default_grid(problem, count, smallest) if lams is None else _descending(lams)
    for lam in grid:
        solution = solve(problem.with_lam(float(lam)), start=start, **options)
        if solution.rank:
            start = solution.factors
        yield solution


def default_grid(problem: Problem, count: int, smallest: float) -> np.ndarray:
    """`count` values of λ, geometric, from 0.95 λ_max to smallest·λ_max."""
    count = checked_count("count", count, 1)
    if not (isinstance(smallest, (int, float, np.number)) and 0 < smallest <= _FIRST):
        raise ValueError(
            f"smallest must be a share of the largest lam, above 0 and up to {_FIRST}; "
            f"got {smallest!r}"
        )
    largest = largest_lam(problem)
    if not largest > 0:
        raise ValueError(
            "every lam has X = 0 for its answer, for the largest that matters is "
            f"{largest}: the data are zero; use solve"
        )
    return largest * np.geomspace(_FIRST, smallest, count)


def _descending(lams: Sequence[float]) -> np.ndarray:
    grid = np.asarray(lams)
    if grid.ndim != 1 or grid.dtype.kind not in "fiu" or not grid.size:
        raise ValueError(
            f"lams must be a sequence of positive numbers, such as [0.5, 0.1]; got {lams!r}"
        )
    if not np.all(np.isfinite(grid) & (grid > 0)):
        raise ValueError("lams must be positive numbers, at least one; use solve for lam = 0")
    return np.sort(grid)[::-1]
