"""Files to entries: one door for all formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flatrank.data.coding import code_indices, code_text
from flatrank.data.collections import NAMED_SETS
from flatrank.data.entries import BadRow, Entries, assemble
from flatrank.data.errors import InputError
from flatrank.data.matrices import Triplets, market_triplets, npz_triplets
from flatrank.data.raw import Format, Raw, Source, format_of, open_raw
from flatrank.data.screening import (
    BadRows,
    Defect,
    Places,
    check_policy,
    id_defects,
    judge,
    number_defects,
    parse_values,
)
from flatrank.data.sniffing import sniff
from flatrank.data.tables import parquet_columns
from flatrank.data.text import Columns, fast_columns, kept, slow_columns


def read_entries(
    source: Source,
    *,
    row: str | None = None,
    col: str | None = None,
    value: str | None = None,
    bad_rows: BadRows = "error",
) -> Entries:
    """Read observed entries from a file, standard input or a named set.

    Text: csv, tsv, the `::` and tab layouts of MovieLens, semicolons, bars, blanks; quotes, gzip,
    any line ends, UTF-8 or UTF-16. Separator and header are found by looking (a first line whose
    value column is not a number is a header). Blank lines are passed over, columns that are not
    asked for ignored. Also parquet, MatrixMarket, and npz with `row`, `col`, `val`, `shape`. What
    is stored is observed: explicit zeros are entries.

    Ids may be anything; labels are their text, and codes follow the labels' order: by number when
    all of them are integers, else as text. Positions named more than once get the mean of their
    values, and are counted.

    Parameters
    ----------
    source
        A path, "-" for standard input (text), or "movielens_latest_small_2016" or "insteval".
    row, col, value
        Names of the columns; None for the first three, or the first that are left. Columns of
        text without a header go by position, "1", "2", ...; for npz these are the names of the
        arrays.
    bad_rows
        What to do with rows that have no row or column id, or no finite number as value, or the
        wrong number of fields: `"error"`, or `"skip"` and count them.

    Returns
    -------
    Entries
        Sorted row by row; the same set whatever the order of the lines.

    Raises
    ------
    InputError
        If the source cannot be used; the message says why, where, and what to do.

    Notes
    -----
    About a second for a million lines of csv. The first bad row makes it read line by line, three
    times as slow, to name the lines.
    """
    check_policy(bad_rows)
    wanted = {"row": row, "col": col, "value": value}
    name = str(source)
    if name in NAMED_SETS and not Path(name).exists():
        if any(wanted.values()):
            raise InputError(f"{name}: is a named set; its columns cannot be chosen.")
        return NAMED_SETS[name]()
    raw = open_raw(source)
    kind = format_of(raw)
    if kind in ("npz", "mtx"):
        return _from_triplets(raw.name, _triplets(raw, kind, wanted), bad_rows)
    if kind == "parquet":
        columns = parquet_columns(raw, wanted)
        return _from_columns(raw.name, columns, _examined(columns), bad_rows)
    layout = sniff(raw, wanted)
    columns = fast_columns(raw, layout)
    examined = _examined(columns) if columns is not None else None
    if columns is None or examined is None or examined.defects:
        columns = slow_columns(raw, layout)
        examined = _examined(columns)
    return _from_columns(raw.name, columns, examined, bad_rows)


def read_pairs(
    source: Source, *, row: str | None = None, col: str | None = None
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Read (row, column) pairs, in the order of the file, repeats included.

    Formats and conventions as in `read_entries`; two columns are enough. Without a value column a
    first line is taken for a header where its fields read like column names ("user", "item",
    "row", ...), or are text above numbers, or when `row` or `col` names one of them.

    Parameters
    ----------
    source
        A path, or "-" for standard input.
    row, col
        Names of the columns; None for the first two.

    Returns
    -------
    row_labels, col_labels
        (n,) arrays of str.

    Raises
    ------
    InputError
        If the source cannot be used or an id is missing.
    """
    raw = open_raw(source)
    kind = format_of(raw)
    wanted = {"row": row, "col": col}
    if kind in ("npz", "mtx"):
        found = _triplets(raw, kind, wanted)
        if found.rows.size == 0:
            raise InputError(f"{raw.name}: expected at least one pair, found none.")
        return (found.rows + found.base).astype(str), (found.cols + found.base).astype(str)
    if kind == "parquet":
        return _pairs(raw.name, parquet_columns(raw, wanted))
    layout = sniff(raw, wanted)
    columns = fast_columns(raw, layout)
    if columns is None or _examined(columns).defects:
        columns = slow_columns(raw, layout)
    return _pairs(raw.name, columns)


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


def _from_columns(source: str, columns: Columns, examined: _Examined, bad_rows: BadRows) -> Entries:
    dropped: tuple[BadRow, ...] = ()
    if examined.defects:
        assert columns.places is not None
        good, dropped = judge(source, examined.defects, columns.places, bad_rows)
        # Codes are made anew: a label that only bad rows used must not leave an empty line.
        examined = _examined(kept(columns, good))
    (rows, row_labels), (cols, col_labels) = examined.rows, examined.cols
    labels = (row_labels, col_labels)
    return assemble(rows, cols, examined.values, labels, source=source, dropped=dropped)


def _pairs(source: str, columns: Columns) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    examined = _examined(columns)
    if examined.defects:
        assert columns.places is not None
        judge(source, examined.defects, columns.places, "refuse")
    (rows, row_labels), (cols, col_labels) = examined.rows, examined.cols
    return row_labels[rows], col_labels[cols]


def _triplets(raw: Raw, kind: Format, wanted: dict[str, str | None]) -> Triplets:
    if kind == "npz":
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
