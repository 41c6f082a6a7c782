"""From what the formats deliver to entries: codes, values, bad rows, duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flatrank.data.coding import code_indices, code_text
from flatrank.data.entries import BadRow, Entries, assemble
from flatrank.data.errors import InputError
from flatrank.data.matrices import Triplets, market_triplets, npz_triplets
from flatrank.data.raw import Raw, format_of
from flatrank.data.screening import (
    BadRows,
    Defect,
    Places,
    id_defects,
    judge,
    number_defects,
    parse_values,
)
from flatrank.data.sniffing import sniff
from flatrank.data.tables import parquet_columns
from flatrank.data.text import Columns, kept, text_columns

Labels = tuple[NDArray[np.str_], NDArray[np.str_]]


def entries_of(raw: Raw, wanted: dict[str, str | None], bad_rows: BadRows) -> Entries:
    """Entries of an opened source of any format.

    Parameters
    ----------
    raw
        The opened source.
    wanted
        Column name, or None, for the roles "row", "col" and "value".
    bad_rows
        "error" or "skip".

    Returns
    -------
    Entries
        As `read_entries` describes.
    """
    if format_of(raw) in ("npz", "mtx"):
        return _from_triplets(raw.name, _triplets(raw, wanted), bad_rows)
    return _from_columns(raw.name, _columns(raw, wanted), bad_rows)


def pairs_of(raw: Raw, wanted: dict[str, str | None]) -> Labels:
    """Row and column labels of an opened source, in its order.

    Parameters
    ----------
    raw
        The opened source.
    wanted
        Column name, or None, for the roles "row" and "col".

    Returns
    -------
    row_labels, col_labels
        (n,) arrays of str.

    Raises
    ------
    InputError
        If there are no pairs, or an id is missing.
    """
    if format_of(raw) in ("npz", "mtx"):
        found = _triplets(raw, wanted)
        if found.rows.size == 0:
            raise InputError(f"{raw.name}: expected at least one pair, found none.")
        return (found.rows + found.base).astype(str), (found.cols + found.base).astype(str)
    columns = _columns(raw, wanted)
    examined = _examined(columns)
    if examined.defects:
        judge(raw.name, examined.defects, columns.places, "refuse")
    (rows, row_labels), (cols, col_labels) = examined.rows, examined.cols
    return row_labels[rows], col_labels[cols]


@dataclass(frozen=True)
class _Examined:
    """Columns turned into codes and numbers, with everything that is wrong with them."""

    rows: tuple[NDArray[np.int32], NDArray[np.str_]]
    cols: tuple[NDArray[np.int32], NDArray[np.str_]]
    values: NDArray[np.float64]
    defects: list[Defect]


def _examined(columns: Columns) -> _Examined:
    rows, cols = code_text(columns.texts[0]), code_text(columns.texts[1])
    defects = [*columns.broken, *id_defects((rows[0], cols[0]))]
    values = np.empty(0)
    if len(columns.texts) > 2:
        values, wrong = parse_values(columns.texts[2])
        defects += wrong
    return _Examined(rows, cols, values, defects)


def _columns(raw: Raw, wanted: dict[str, str | None]) -> Columns:
    if format_of(raw) == "parquet":
        return parquet_columns(raw, wanted)
    return text_columns(raw, sniff(raw, wanted))


def _from_columns(source: str, columns: Columns, bad_rows: BadRows) -> Entries:
    examined = _examined(columns)
    dropped: tuple[BadRow, ...] = ()
    if examined.defects:
        good, dropped = judge(source, examined.defects, columns.places, bad_rows)
        # Codes are made anew: a label that only bad rows used must not leave an empty line.
        examined = _examined(kept(columns, good))
    (rows, row_labels), (cols, col_labels) = examined.rows, examined.cols
    labels = (row_labels, col_labels)
    return assemble(
        rows,
        cols,
        examined.values,
        labels,
        source=source,
        dropped=dropped,
        columns=columns.names,
        unused=columns.unused,
        opening=columns.opening,
    )


def _triplets(raw: Raw, wanted: dict[str, str | None]) -> Triplets:
    if format_of(raw) == "npz":
        return npz_triplets(raw, wanted)
    if any(wanted.values()):
        raise InputError(f"{raw.name}: a MatrixMarket file has no named columns to choose from.")
    return market_triplets(raw, with_values="value" in wanted)


def _from_triplets(source: str, found: Triplets, bad_rows: BadRows) -> Entries:
    rows, cols, values = found.rows, found.cols, found.values
    if values.size == 0:
        raise InputError(f"{source}: expected at least one entry, found none.")
    dropped: tuple[BadRow, ...] = ()
    defects = number_defects(values)
    if defects:

        def example(at: int) -> str:
            return f"{rows[at] + found.base}, {cols[at] + found.base}, {values[at]}"

        places = Places("entry", np.arange(1, values.size + 1), example)
        good, dropped = judge(source, defects, places, bad_rows)
        rows, cols, values = rows[good], cols[good], values[good]
    sizes = found.shape or (int(rows.max()) + 1, int(cols.max()) + 1)
    row_codes, row_labels = code_indices(rows, sizes[0], base=found.base)
    col_codes, col_labels = code_indices(cols, sizes[1], base=found.base)
    # Without a declared shape indices are mere ids, and a gap between them means nothing.
    declared = found.shape or (row_labels.size, col_labels.size)
    return assemble(
        row_codes,
        col_codes,
        values,
        (row_labels, col_labels),
        source=source,
        dropped=dropped,
        empty_rows=declared[0] - row_labels.size,
        empty_cols=declared[1] - col_labels.size,
    )
