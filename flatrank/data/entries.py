"""Observed entries of a matrix with the names of its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class InputError(ValueError):
    """Input that cannot be used: the message says what was expected, what came, what to do."""


class WideTableError(InputError):
    """A table of one line a row where a list of entries was expected."""


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
    """Observed entries: codes, values, labels.

    Every row and column has at least one entry, but for those that only `features` know.
    """

    #: (m,) codes, in row-major order, no position twice.
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    #: (m,), finite.
    values: NDArray[np.float64]
    #: (d1,) and (d2,): the name of each code.
    row_labels: NDArray[np.str_]
    col_labels: NDArray[np.str_]
    #: How many entries were merged away: repeated positions hold the mean of their values, or the
    #: last.
    duplicates: int = 0
    #: How many rows of the file were left out for a value that marks a missing one.
    missing: int = 0
    #: Rows of the file that were skipped, one item per kind of defect.
    dropped: tuple[BadRow, ...] = ()
    #: Rows and columns that a declared shape has but no entry names; they have no code here.
    empty_rows: int = 0
    empty_cols: int = 0
    #: Where the entries come from.
    source: str = ""
    #: Names, or positions, of the columns read as row, column and value; empty where the source has
    #: none. Those that were left aside.
    columns: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    #: How many comments and titles above the table were passed over.
    opening: int = 0
    #: Of rows, (d1, p), and of columns, (d2, q): numbers that say which are alike; None without.
    features: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None)

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
