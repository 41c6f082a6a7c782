"""The regularisation path, from X = 0 on: λ downwards, or the two numbers of robust PCA."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flatrank.certificates import dense_norm
from flatrank.problems import Problem, Separation, as_problem
from flatrank.solvers import Solution, largest_lam, solve

# A default grid begins this far below the value from which on X = 0 is optimal, and ends at this
# share of it.
_FIRST, _LAST = 0.95, 0.02
# Sparsity weights end at this multiple of 1/√max(d1, d2).
_MULTIPLE = 2.0


def path(
    problem: Problem,
    lams: Sequence[float] | None = None,
    *,
    sparsities: Sequence[float] | None = None,
    radii: Sequence[float] | None = None,
    count: int = 30,
    smallest: float | None = None,
    **options: Any,
) -> list[Solution]:
    """Solve at every value of a grid, each from the solution before it, beginning near X = 0.

    Parameters
    ----------
    problem : Problem
        Its own λ is ignored; of robust PCA, its own sparsity or radius.
    lams : sequence of float, optional
        Values of λ, taken largest first. By default geometric, from 0.95 λ_max to 0.02 λ_max, at
        which X = 0 is optimal.
    sparsities : sequence of float, optional
        For robust PCA, taken smallest first. By default, unless the problem has a radius,
        geometric, from 1/(0.95 ‖sign Y‖), near which X leaves 0, to twice the usual 1/√max(d1, d2).
    radii : sequence of float, optional
        For robust PCA, taken largest first. By default, where the problem has a radius, geometric,
        from 0.95 ‖Y‖₁, below which X leaves 0, to 0.02 ‖Y‖₁.
    count : int
        Number of values of a default grid.
    smallest : float, optional
        Where a default grid ends in place of 0.02, in (0, 1); for sparsities the reciprocal of the
        weight, relative to ‖sign Y‖.
    **options
        Passed on to `solve` (tol, rank, max_seconds for each value, ...).

    Returns
    -------
    list of Solution
        In the order of the grid; each with its own certificate.

    Raises
    ------
    ValueError
        If the problem is none, a value is not positive, or numbers are given that this problem does
        not have.
    """
    given = {"lams": lams, "sparsities": sparsities, "radii": radii}
    at, grid = _grid(as_problem(problem), given, count, smallest)
    start, solutions = options.pop("start", None), []
    for value in grid:
        solution = solve(at(float(value)), start=start, **options)
        if solution.rank:
            start = solution.factors
        solutions.append(solution)
    return solutions


def _grid(
    problem: Problem,
    given: dict[str, Sequence[float] | None],
    count: int,
    smallest: float | None,
) -> tuple[Callable[[float], Problem], np.ndarray]:
    """What makes the problem at a value, and the values."""
    check_count(count)
    number = isinstance(smallest, (int, float, np.integer, np.floating))
    if smallest is not None and not (number and 0 < smallest < 1):
        raise ValueError(f"smallest must be a number between 0 and 1; got {smallest!r}")
    asked = [name for name, values in given.items() if values is not None]
    if len(asked) > 1:
        raise ValueError(f"give one of {' and '.join(asked)}: a path changes one number")
    if not isinstance(problem, Separation):
        if asked and asked[0] != "lams":
            raise ValueError(
                f"{asked[0]} are for problems of robust_pca; this one has a lam: give lams"
            )
        if asked:
            return problem.with_lam, _checked("lams", given["lams"])[::-1]
        return problem.with_lam, falling(largest_lam(problem), count, smallest)
    if asked == ["lams"]:
        raise ValueError(
            "robust PCA has no lam: lams would weigh a least-squares misfit. Give sparsities "
            "(weights of the sparse part) or radii (sizes of it), or neither for a default grid"
        )
    if asked == ["sparsities"]:
        return problem.with_sparsity, _checked("sparsities", given["sparsities"])
    if asked == ["radii"]:
        return problem.with_radius, _checked("radii", given["radii"])[::-1]
    if problem.radius is not None:
        return problem.with_radius, falling(float(np.abs(problem.Y).sum()), count, smallest)
    return problem.with_sparsity, _weights(problem, count, smallest)


def _checked(name: str, values: Any) -> np.ndarray:
    """Ascending, if they are positive numbers."""
    try:
        grid = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.size == 0 or not np.all(np.isfinite(grid) & (grid > 0)):
        use = "; use solve for lam = 0" if name == "lams" else ""
        raise ValueError(f"{name} must be positive numbers, at least one{use}; got {values!r}")
    return grid


def check_count(count: int) -> None:
    """Refuse what is no number of values."""
    if not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"count must be a whole number >= 1; got {count!r}")


def falling(top: float, count: int, smallest: float | None) -> np.ndarray:
    """`count` values, geometric, from just below the top."""
    last = _LAST if smallest is None else smallest
    if not top > 0:
        raise ValueError("the data are zero: X = 0 is the answer everywhere, and there is no path")
    return top * np.geomspace(max(_FIRST, last), last, count)


def _weights(problem: Separation, count: int, smallest: float | None) -> np.ndarray:
    """X = 0 is optimal while w‖sign Y‖ ≤ 1: the path of 1/w falls from ‖sign Y‖. At 1, S = 0."""
    top = dense_norm(np.sign(problem.Y))
    if smallest is None and top > 0:
        smallest = min(math.sqrt(max(problem.shape)) / (_MULTIPLE * top), _FIRST)
    return np.minimum(1.0 / falling(top, count, smallest), 1.0)
