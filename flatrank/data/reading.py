"""Files to entries: one door for all formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flatrank.data.collections import NAMED_SETS
from flatrank.data.entries import Entries
from flatrank.data.errors import InputError
from flatrank.data.intake import entries_of, pairs_of
from flatrank.data.movielens import load_movielens
from flatrank.data.raw import Source, is_bundle, open_raw
from flatrank.data.screening import BadRows, check_policy


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
    any line ends, UTF-8 or UTF-16; decimal points, or decimal commas throughout. Separator and
    header are found by looking: a first line whose value column is not a number is a header. Blank
    lines, comments (#, %) at the top and titles above the header are passed over.
    Also parquet, MatrixMarket, and npz with `row`, `col`, `val`, `shape`. What is stored is
    observed: explicit zeros are entries.

    Ids may be anything; labels are their text, and codes follow the labels' order: by number when
    all of them are integers, else as text. Positions named more than once get the mean of their
    values, and are counted.

    Parameters
    ----------
    source
        A path (a MovieLens folder or zip too), "-" for standard input (text), or the name of a
        set, "movielens_latest_small_2016" or "insteval".
    row, col, value
        Names of the columns; None for those whose names say so ("userId", "item", "rating"), and
        else for the first that are left, times and running numbers last. `Entries.columns` says
        which were taken. What that leaves open is refused, and so is a wide table. Columns of text
        without a header go by position, "1", "2", ...; for npz these are the names of the arrays.
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
    One or two seconds for a million lines of csv.
    """
    check_policy(bad_rows)
    wanted = {"row": row, "col": col, "value": value}
    name = str(source)
    if name in NAMED_SETS and not Path(name).is_file():
        if any(wanted.values()):
            raise InputError(f"{name}: is a named set; its columns cannot be chosen.")
        return NAMED_SETS[name]()
    if is_bundle(source):
        return load_movielens(name, bad_rows=bad_rows)
    return entries_of(open_raw(source), wanted, bad_rows)


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
        Names of the columns; None as in `read_entries`.

    Returns
    -------
    row_labels, col_labels
        (n,) arrays of str.

    Raises
    ------
    InputError
        If the source cannot be used or an id is missing.
    """
    return pairs_of(open_raw(source), {"row": row, "col": col})
