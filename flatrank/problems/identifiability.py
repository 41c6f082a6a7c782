"""What measurements cannot determine, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from flatrank.arrays import to_numpy
from flatrank.measurements import Measurement, SampledEntries

# Entries joined at a time, or as many as there are columns.
JOINS = 1 << 16


@dataclass(frozen=True, eq=False)
class Unidentifiable:
    """Rows and columns that the measurements say too little about.

    Parameters
    ----------
    row_counts, col_counts : int arrays of shape (d1,) and (d2,)
        Observed entries, or measurements, of each row and column.
    row_component, col_component : int arrays of shape (d1,) and (d2,)
        Connected component of the observation graph (rows and columns are its nodes, entries its
        edges); −1 for an empty row or column.
    components : int
        Number of components that hold at least one entry. With more than one, entries that join
        two of them are tied to the data by nothing.
    """

    row_counts: np.ndarray
    col_counts: np.ndarray
    row_component: np.ndarray
    col_component: np.ndarray
    components: int

    @classmethod
    def of(cls, measurement: Measurement) -> Unidentifiable:
        """Of entries their pattern; else the rows and columns that some measurement touches."""
        if isinstance(measurement, SampledEntries):
            return cls._of_entries(measurement)
        rows, cols = (x > 0 for x in to_numpy(measurement.gram_diagonals()))
        if not rows.any():
            raise ValueError("every measurement is zero; expected at least one that is not")
        return cls._of_mixed(rows, cols, measurement.m)

    @classmethod
    def of_all(cls, d1: int, d2: int, m: int) -> Unidentifiable:
        """Where m measurements see every row and column."""
        return cls._of_mixed(np.ones(d1, dtype=bool), np.ones(d2, dtype=bool), m)

    @classmethod
    def _of_mixed(cls, rows: np.ndarray, cols: np.ndarray, m: int) -> Unidentifiable:
        n, c = np.where(rows, m, 0), np.where(cols, m, 0)
        return cls(n, c, np.where(rows, 0, -1), np.where(cols, 0, -1), 1)

    @classmethod
    def _of_entries(cls, A: SampledEntries) -> Unidentifiable:
        """Read the pattern; O(m + d1 log d1 + d2)."""
        n, c = (np.diff(to_numpy(x.indptr)) for x in (A.by_row, A.by_col))
        begins, cols = to_numpy((A.by_row.indptr, A.by_row.indices))
        begins = begins[:-1][n > 0]
        label = _joined(begins, cols, c.size)
        of_row = label[cols[begins]]
        # Numbered in the order in which rows come to them; the last is that of an empty one.
        seen, first = np.unique(of_row, return_index=True)
        number = np.full(c.size + 1, -1, dtype=np.int32)
        number[seen[np.argsort(first)]] = np.arange(seen.size)
        rows = np.full(n.size, -1, dtype=np.int32)
        rows[n > 0] = number[of_row]
        return cls(n, c, rows, number[np.where(c > 0, label, -1)], seen.size)

    @property
    def empty(self) -> tuple[int, int]:
        """How many rows and columns have no entry at all."""
        return int(np.sum(self.row_counts == 0)), int(np.sum(self.col_counts == 0))

    def rows(self, rank: int = 1) -> np.ndarray:
        """Rows with fewer than `rank` entries: they leave a row of a rank-r factor undetermined."""
        return np.flatnonzero(self.row_counts < max(rank, 1))

    def cols(self, rank: int = 1) -> np.ndarray:
        """Columns with fewer than `rank` entries."""
        return np.flatnonzero(self.col_counts < max(rank, 1))

    def undetermined(
        self, rows: np.ndarray, cols: np.ndarray, rank: int, *, across: bool
    ) -> np.ndarray:
        """Which entries nothing determines; `across` counts those between components."""
        out = (self.row_counts[rows] < max(rank, 1)) | (self.col_counts[cols] < max(rank, 1))
        if across:
            out |= self.row_component[rows] != self.col_component[cols]
        return out


def _joined(begins: np.ndarray, cols: np.ndarray, d2: int) -> np.ndarray:
    """The component of each column, where a row joins each of its entries to the next.

    `begins` is where rows begin in the list `cols`. Taken by portions: what one joins is one node
    to the next, so that the graph takes no more memory than a portion, or the columns.
    """
    follows = np.ones(cols.size, dtype=bool)
    follows[begins] = False
    label, count, step = np.arange(d2, dtype=np.int32), d2, max(JOINS, d2)
    for first in range(1, cols.size, step):
        p = np.flatnonzero(follows[first : first + step]) + first
        places = label[cols[p]], label[cols[p - 1]]
        ones = np.ones(p.size, dtype=bool)
        joins = sp.coo_array((ones, places), shape=(count, count))
        count, component = connected_components(joins, directed=False)
        label = component[label]
    return label
