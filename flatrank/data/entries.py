"""Observed entries of a matrix with the names of its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class InputError(ValueError):
    """Input that cannot be used: the message says what was expected, what came, what to do."""


@dataclass(frozen=True)
class BadRow:
    """One kind of defect among the rows of a file: how often, where first, and an example."""

    #: What is wrong, e.g. "missing row id", and how many rows have this defect.
    reason: str
    count: int
    #: The first few: 1-based lines of a text, otherwise 1-based entry numbers.
    lines: tuple[int, ...]
    #: The offending text of the first of them.
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
