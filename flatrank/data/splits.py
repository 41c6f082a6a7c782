"""Random hold-outs of entries, and which rows and columns the entries tie together."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph

from flatrank.data.entries import InputError


class Positioned(Protocol):
    """Anything that lists observed positions: `Entries`, `Instance`."""

    @property
    def rows(self) -> NDArray[np.int32]:
        """(m,) row of each entry."""
        ...

    @property
    def cols(self) -> NDArray[np.int32]:
        """(m,) column of each entry."""
        ...


def split(
    m_or_entries: int | Positioned | tuple[ArrayLike, ArrayLike],
    fraction: float,
    *,
    seed: int,
    keep_connected: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out a random fraction of the entries.

    By default the last training entry of a row or column is never held out: such an entry goes
    back to training and another one is drawn in its place, as long as there are others. (This
    keeps every line in training; it does not promise that a connected observation graph stays
    connected.)

    Parameters
    ----------
    m_or_entries
        The entries (anything with `rows` and `cols`), a pair (rows, cols), or just their number;
        with a number nothing is known of rows and columns, and `keep_connected` has no effect.
    fraction
        Share to hold out, 0 ≤ fraction < 1; round(fraction · m) entries.
    seed
        The same seed gives the same split.
    keep_connected
        Whether every row and column keeps an entry in training.

    Returns
    -------
    train, test
        Sorted indices into the entries, disjoint, covering all of them. At most one entry a row and
        one a column is given back, so fewer than asked are held out only when m - d1 - d2 is less.

    Raises
    ------
    InputError
        If the fraction is outside [0, 1).

    Notes
    -----
    O(m) time and memory for each of the few rounds of replacement.
    """
    if not 0.0 <= fraction < 1.0:
        raise InputError(f"The held-out fraction must be at least 0 and below 1, got {fraction}.")
    rows, cols, m = _positions(m_or_entries)
    order = np.random.default_rng(seed).permutation(m)
    wanted = round(fraction * m)
    held = np.zeros(m, dtype=bool)
    if rows is None or cols is None or not keep_connected:
        held[order[:wanted]] = True
    else:
        _hold_out(held, order, wanted, rows, cols)
    return np.flatnonzero(~held), np.flatnonzero(held)


def components(rows: ArrayLike, cols: ArrayLike, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Connected components of the graph with rows and columns as nodes and entries as edges.

    Entries between two components are not determined by the data, whatever the rank.

    Parameters
    ----------
    rows, cols
        (m,) positions of the entries.
    shape
        (d1, d2).

    Returns
    -------
    ndarray of int32
        (d1 + d2,): the component of each row, then of each column, numbered from 0 in order of
        falling size (rows plus columns); -1 for rows and columns without entries.

    Notes
    -----
    O(m + d1 + d2) time and memory.
    """
    d1, d2 = shape
    rows, cols = np.asarray(rows), np.asarray(cols)
    ones = np.ones(rows.size, dtype=np.int8)
    graph = sparse.coo_array((ones, (rows, cols.astype(np.int64) + d1)), shape=(d1 + d2, d1 + d2))
    found, labels = csgraph.connected_components(graph.tocsr(), directed=False)
    seen = np.zeros(d1 + d2, dtype=bool)
    seen[rows] = True
    seen[cols.astype(np.int64) + d1] = True
    sizes = np.bincount(labels[seen], minlength=found)
    rank = np.empty(found, dtype=np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(found, dtype=np.int32)
    return np.where(seen, rank[labels], np.int32(-1)).astype(np.int32)


def count_components(rows: ArrayLike, cols: ArrayLike, shape: tuple[int, int]) -> int:
    """Number of connected components that hold at least one entry; see `components`."""
    return int(components(rows, cols, shape).max(initial=-1)) + 1


def _positions(
    source: int | Positioned | tuple[ArrayLike, ArrayLike],
) -> tuple[NDArray[np.int32] | None, NDArray[np.int32] | None, int]:
    if isinstance(source, (int, np.integer)):
        if source < 0:
            raise InputError(f"The number of entries must be at least 0, got {source}.")
        return None, None, int(source)
    pair = source if isinstance(source, tuple) else (source.rows, source.cols)
    rows, cols = np.asarray(pair[0]), np.asarray(pair[1])
    if rows.shape != cols.shape or rows.ndim != 1:
        raise InputError(
            "rows and cols must be one-dimensional and equally long, "
            f"got {rows.shape} and {cols.shape}."
        )
    return rows, cols, rows.size


def _hold_out(
    held: NDArray[np.bool_],
    order: NDArray[np.int64],
    wanted: int,
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
) -> None:
    """Mark `wanted` entries in the given order, giving back those that empty a row or column."""
    drawn, missing = 0, wanted
    while missing > 0 and drawn < order.size:
        fresh = order[drawn : drawn + missing]
        drawn += fresh.size
        held[fresh] = True
        given_back = 0
        for lines in (rows, cols):
            left = np.bincount(lines[~held], minlength=int(lines.max()) + 1)
            latest_first = order[drawn - 1 :: -1]
            emptied = latest_first[(held & (left[lines] == 0))[latest_first]]
            # One entry of each emptied line is enough; the last one drawn keeps it random.
            rescued = emptied[np.unique(lines[emptied], return_index=True)[1]]
            held[rescued] = False
            given_back += rescued.size
        missing = given_back
