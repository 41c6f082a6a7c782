"""The regularisation path, from λ_max downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flatrank.problems import Problem
from flatrank.solvers import Solution, largest_lam, solve


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
        If a λ is not positive, or count < 1.
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
    grid = (
        default_grid(problem, count, smallest) if lams is None else np.sort(np.asarray(lams))[::-1]
    )
    if grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        raise ValueError("lams must be positive numbers, at least one; use solve for lam = 0")
    for lam in grid:
        solution = solve(problem.with_lam(float(lam)), start=start, **options)
        if solution.rank:
            start = solution.factors
        yield solution


def default_grid(problem: Problem, count: int, smallest: float) -> np.ndarray:
    """`count` values of λ, geometric, from 0.95 λ_max to smallest·λ_max."""
    if count < 1:
        raise ValueError(f"count must be at least 1; got {count}")
    return largest_lam(problem) * np.geomspace(0.95, smallest, count)
