"""Observed entries of a matrix with the names of its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class InputError(ValueError):
    """Input that cannot be used: the message says what was expected, what came, what to do."""


@dataclass(frozen=True)
class BadRow:
    """One kind of defect among the rows of a file: how often, where first, and an example.

    Parameters
    ----------
    reason
        What is wrong, e.g. "missing row id".
    count
        How many rows have this defect.
    lines
        The first few line numbers (text: 1-based lines of the file; otherwise 1-based entry
        numbers).
    example
        The offending text of the first of them.
    """

    reason: str
    count: int
    lines: tuple[int, ...]
    example: str


@dataclass(frozen=True)
class Entries:
    """Observed entries: codes, values, labels. Every row and every column has at least one entry.

    Parameters
    ----------
    rows, cols
        (m,) int32 codes, in row-major order, no position twice.
    values
        (m,) float64, finite.
    row_labels, col_labels
        (d1,) and (d2,) arrays of str: the name of each code.
    duplicates
        How many entries were merged away: repeated positions hold the mean of their values.
    dropped
        Rows of the file that were skipped, one item per kind of defect.
    empty_rows, empty_cols
        Lines that a declared shape has but no entry names; they have no code here.
    source
        Where the entries come from.
    columns
        Names, or positions, of the columns read as row, column and value; empty where the source
        has no such columns.
    unused
        Those of the columns that were left aside.
    opening
        How many comments and titles above the table were passed over.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    values: NDArray[np.float64]
    row_labels: NDArray[np.str_]
    col_labels: NDArray[np.str_]
    duplicates: int = 0
    dropped: tuple[BadRow, ...] = ()
    empty_rows: int = 0
    empty_cols: int = 0
    source: str = ""
    columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    opening: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.row_labels.size, self.col_labels.size

    @property
    def m(self) -> int:
        """Number of entries."""
        return int(self.values.size)

    @property
    def dropped_count(self) -> int:
        """How many rows of the file were skipped."""
        return sum(kind.count for kind in self.dropped)


def assemble(
    rows: NDArray[Any],
    cols: NDArray[Any],
    values: NDArray[np.float64],
    labels: tuple[NDArray[np.str_], NDArray[np.str_]],
    *,
    source: str,
    **counts: Any,
) -> Entries:
    """Sort entries row by row and merge repeated positions into the mean of their values.

    Parameters
    ----------
    rows, cols, values
        (m,) codes into the labels, and finite values.
    labels
        Row labels and column labels, each used by at least one entry.
    source, counts
        Further fields of `Entries`, such as `dropped` and `empty_rows`.

    Returns
    -------
    Entries
        The same set whatever the order of the input; O(m log m) time, O(m) memory.

    Raises
    ------
    InputError
        If there are no entries.
    """
    if values.size == 0:
        raise InputError(f"{source}: expected at least one entry, found none.")
    key = rows.astype(np.int64) * labels[1].size + cols
    if not (key[1:] > key[:-1]).all():
        order = np.argsort(key, kind="stable")
        key, values = key[order], values[order]
    first = np.empty(key.size, dtype=bool)
    first[0] = True
    np.not_equal(key[1:], key[:-1], out=first[1:])
    duplicates = int(key.size - np.count_nonzero(first))
    if duplicates:
        values = _means(values, np.flatnonzero(first))
        key = key[first]
    row_codes, col_codes = np.divmod(key, labels[1].size)
    return Entries(
        row_codes.astype(np.int32),
        col_codes.astype(np.int32),
        np.ascontiguousarray(values, dtype=np.float64),
        labels[0],
        labels[1],
        duplicates=duplicates,
        source=source,
        **counts,
    )


def _means(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    lengths = np.diff(np.append(starts, values.size))
    # Dividing before adding: the mean of two values near the largest float is one too.
    return np.add.reduceat(values / np.repeat(lengths, lengths), starts)
