"""Numbers and names that the page lists, read off a finished completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flatrank.data import Entries
from flatrank.solvers.solution import Solution

if TYPE_CHECKING:
    from flatrank.selection import Completion, PathPoint

#: Entries looked at together, which bounds the memory.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class NamedEntry:
    """An entry with the names of its row and column, its value and what the model says."""

    row: str
    col: str
    actual: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted minus actual."""
        return self.predicted - self.actual


@dataclass(frozen=True)
class Coverage:
    """How well the rows, or the columns, are determined.

    Parameters
    ----------
    total, single, few
        Lines in all, with one entry, with fewer than five.
    below_rank
        With fewer entries than the rank: more unknowns than data.
    fewest
        Name and number of entries of the worst few.
    """

    total: int
    single: int
    few: int
    below_rank: int
    fewest: list[tuple[str, int]]


def singular_values(solution: Solution) -> NDArray[np.float64]:
    """Singular values of D1 X D2, descending; those that are zero to rounding left out."""
    if solution.rank == 0:
        return np.zeros(0)
    rescaling, pair = solution.problem.rescaling, solution.factors
    left = np.asarray(rescaling.D1)[:, None] * np.asarray(pair.L)
    right = np.asarray(rescaling.D2)[:, None] * np.asarray(pair.R)
    middle = np.linalg.qr(left).R @ np.linalg.qr(right).R.T
    s = np.linalg.svd(middle, compute_uv=False)
    return s[s > 1e-13 * s.max(initial=0.0)].astype(np.float64)


def chosen_point(completion: Completion) -> PathPoint | None:
    """The point of the path that won: the best one with the smoothing that was kept.

    Its λ is that of a fit to fewer entries; the final model takes over its share of λ max.
    """
    kind = completion.scales.side, completion.solution.problem.smoothing
    curve = [
        p for p in completion.path
        if (p.side, p.smoothing) == kind and np.isfinite(p.validation_rmse)
    ]  # fmt: skip
    return min(curve, key=lambda p: p.validation_rmse, default=None)


def baseline_error(completion: Completion) -> float | None:
    """Validation error of the offsets that were kept, alone: X = 0."""
    side = completion.scales.side
    return next(
        (p.validation_rmse for p in completion.path if p.rank == 0 and p.side == side), None
    )


def coverage(counts: NDArray[np.int64], labels: NDArray[np.str_], rank: int) -> Coverage:
    """Entries of each line, summed up.

    Parameters
    ----------
    counts : integer array of shape (d,)
        Entries of each line.
    labels : array of str
        Names of the lines.
    rank : int
        Of the answer.

    Returns
    -------
    Coverage
    """
    worst = np.argsort(counts, kind="stable")[:5]
    return Coverage(
        total=int(counts.size),
        single=int(np.sum(counts <= 1)),
        few=int(np.sum(counts < 5)),
        below_rank=int(np.sum(counts < rank)),
        fewest=[(str(labels[at]), int(counts[at])) for at in worst],
    )


def largest_residuals(
    completion: Completion, entries: Entries, count: int = 10
) -> list[NamedEntry]:
    """The entries that the final model misses by most, worst first.

    Parameters
    ----------
    completion : Completion
        What was found.
    entries : Entries
        What was read.
    count : int
        How many.

    Returns
    -------
    list of NamedEntry
    """
    worst: list[tuple[float, int, float]] = []
    for start in range(0, entries.m, _BLOCK):
        part = slice(start, start + _BLOCK)
        rows, cols = entries.rows[part], entries.cols[part]
        fitted = completion.predict(rows, cols)
        miss = np.abs(fitted - entries.values[part])
        top = np.argsort(-miss, kind="stable")[:count]
        worst += [(-float(miss[at]), start + int(at), float(fitted[at])) for at in top]
    return [_named(entries, at, fitted) for _, at, fitted in sorted(worst)[:count]]


def holdout_sample(completion: Completion, entries: Entries, count: int = 12) -> list[NamedEntry]:
    """A random few of the hold-out entries, predicted by the model that saw none of them.

    Parameters
    ----------
    completion : Completion
        What was found.
    entries : Entries
        What was read.
    count : int
        How many.

    Returns
    -------
    list of NamedEntry
    """
    if completion.holdout is None:
        return []
    index, predicted = (np.asarray(part) for part in completion.holdout)
    usable = np.flatnonzero(np.isfinite(predicted))
    rng = np.random.default_rng(completion.solution.seed)
    drawn = np.sort(rng.permutation(usable)[:count])
    return [_named(entries, int(index[at]), float(predicted[at])) for at in drawn]


def _named(entries: Entries, at: int, predicted: float) -> NamedEntry:
    return NamedEntry(
        str(entries.row_labels[entries.rows[at]]),
        str(entries.col_labels[entries.cols[at]]),
        float(entries.values[at]),
        predicted,
    )
