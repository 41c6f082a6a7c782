"""Files to entries: one door for all formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.anndata import read_h5ad
from flatrank.data.columns import Head, choose_columns
from flatrank.data.databases import (
    database_of,
    read_query,
    refuse_without_query,
    without_password,
)
from flatrank.data.duplicates import Duplicates, checked_duplicates
from flatrank.data.entries import Entries, InputError
from flatrank.data.features import read_features, with_features
from flatrank.data.files import File, Source, open_file
from flatrank.data.markers import Markers
from flatrank.data.matrices import read_market, read_npz
from flatrank.data.packages import load_polars
from flatrank.data.sets import NAMED_SETS, is_bundle, open_release, with_titles
from flatrank.data.tables import BadRows, Reading, Table, assemble, code_text, read_frame
from flatrank.data.text import read_text

if TYPE_CHECKING:
    import polars as pl


def read_entries(  # noqa: PLR0913 - the command line's options, each named
    source: Source,
    *,
    query: str | None = None,
    row: str | None = None,
    col: str | None = None,
    value: str | None = None,
    bad_rows: BadRows = "error",
    duplicates: Duplicates = "mean",
    missing: Any = None,
    row_features: Source | None = None,
    col_features: Source | None = None,
) -> Entries:
    """Read observed entries from a file, standard input, a database or a named set.

    Text: csv, tsv, the `::` and tab layouts of MovieLens, semicolons, bars, blanks; quotes, gzip,
    any line ends, UTF-8 or UTF-16; decimal points, or decimal commas throughout. Separator and
    header are found by looking: a first line whose value column is not a number is a header. Blank
    lines, comments (#, %) at the top and titles above the header are passed over.
    Text may be compressed by gzip or zstandard. Also parquet, MatrixMarket, npz with `row`, `col`,
    `val`, `shape`, and AnnData (h5ad, with h5py), of which X is read. What is stored is observed:
    explicit zeros are entries.

    Ids may be anything; labels are their text, and codes follow the labels' order: by number when
    all of them are integers, else as text.

    Parameters
    ----------
    source
        A path (a MovieLens folder or zip too), "-" for standard input (text), a database (the file
        of one, SQLite or DuckDB, or an address such as "postgresql://user@host/name"), or the name
        of a set, "movielens_latest_small_2016" or "insteval".
    query
        What to ask a database: SQL that gives a row, a column and a value in each line.
    row, col, value
        Names of the columns; None for those whose names say so ("userId", "item", "rating"), and
        else for the first that are left, times and running numbers last. `Entries.columns` says
        which were taken. What that leaves open is refused, and so is a wide table. Columns of text
        without a header go by position, "1", "2", ...; for npz these are the names of the arrays.
    bad_rows
        What to do with rows that have no row or column id, or no finite number as value, or the
        wrong number of fields: `"error"`, or `"skip"` and count them.
    duplicates
        What a place gets that is named more than once: the `"mean"` of its values, their `"sum"` or
        the `"last"` of them, counted; or `"error"`.
    missing
        Values that stand for missing ones, one or several, numbers or texts, besides blanks and
        "NA": rows with them are left out, and counted.
    row_features, col_features
        Tables with what is known of rows and of columns, for `flatrank.data.read_features`; ids
        that only they have become rows and columns without entries.

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
    wanted = {"row": row, "col": col, "value": value}
    asked = _asked(bad_rows, duplicates, missing)
    found = _read(source, query, wanted, asked)
    keys = found.columns[:2] or (None, None)
    sides = zip((row_features, col_features), keys, strict=True)
    rows, cols = (None if path is None else read_features(path, key) for path, key in sides)
    return found if rows is None and cols is None else with_features(found, rows, cols)


def _read(
    source: Source, query: str | None, wanted: dict[str, str | None], asked: Reading
) -> Entries:
    """Entries alone."""
    name = str(source)
    if name in NAMED_SETS and not Path(name).is_file():
        if any(wanted.values()):
            raise InputError(f"{name}: is a named set; its columns cannot be chosen.")
        return NAMED_SETS[name]()
    if is_bundle(source):
        return load_movielens(name, bad_rows=asked.bad_rows)
    table, called = _table(source, query, wanted)
    return table.entries(called, asked)


def _table(source: Source, query: str | None, wanted: dict[str, str | None]) -> tuple[Table, str]:
    """What a file or a database holds, and what messages call it."""
    database = database_of(source)
    if database is not None:
        if query is None:
            refuse_without_query(database)
        frame = read_query(database, query)
        reader = f"polars.read_database({query!r}, ...)"
        return _of_frame(database.name, frame, wanted, reader), database.name
    if query is not None:
        raise InputError(
            f"{source}: is no database; --query (query=) is for an SQLite or DuckDB file, or an "
            "address such as postgresql://user@host/name."
        )
    file = open_file(source)
    return _READERS[file.format](file, wanted), file.name


def _asked(bad_rows: Any, duplicates: Any, missing: Any) -> Reading:
    if bad_rows not in ("error", "skip"):
        raise InputError(f'bad_rows must be "error" or "skip", got {bad_rows!r}.')
    try:
        return Reading(bad_rows, checked_duplicates(duplicates), Markers.of(missing))
    except ValueError as refused:
        raise InputError(f"{refused}.") from refused


def read_pairs(
    source: Source, *, row: str | None = None, col: str | None = None, query: str | None = None
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Read (row, column) pairs, in the order of the file, repeats included.

    Formats, conventions and errors as in `read_entries`; two columns are enough, and give two
    arrays of text. Without a value column a first line is taken for a header where its fields read
    like column names ("user", "item", "row", ...), or are text above numbers, or when `row` or
    `col` names one of them. A missing id raises `InputError`.
    """
    table, called = _table(source, query, {"row": row, "col": col})
    return table.pairs(called)


def read_clicks(
    source: Source,
    *,
    row: str | None = None,
    col: str | None = None,
    count: str | None = None,
    query: str | None = None,
    missing: Any = None,
) -> Entries:
    """Read clicks, plays or purchases: each line is one, or so many as its count says.

    Formats, conventions and errors as in `read_entries`; two columns are enough. Those of one place
    add up. `count` names the column with counts; None for one a line. `missing` marks counts that
    are not known: such lines are left out.

    Raises
    ------
    InputError
        As there; and where there are no counts to be marked.
    """
    if count is not None:
        return read_entries(
            source, query=query, row=row, col=col, value=count, duplicates="sum", missing=missing
        )
    if missing:
        raise InputError(f"{source}: --missing marks counts; name their column by --value.")
    pairs = read_pairs(source, row=row, col=col, query=query)
    polars = load_polars()
    (rows, row_labels), (cols, col_labels) = (code_text(polars.Series(ids)) for ids in pairs)
    labels = row_labels, col_labels
    return assemble(
        rows, cols, np.ones(rows.size), labels, "sum", source=without_password(str(source))
    )


def load_movielens(path: Source, *, bad_rows: BadRows = "error") -> Entries:
    """Read a MovieLens release: ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m or ml-latest.

    `path` is the unpacked folder, or the zip as it is downloaded, which is unpacked in memory;
    `bad_rows` as in `read_entries`. Rows are user ids; columns are titles with the year, in order
    of the film ids. Films that share a title, or have none, carry their id: "Hamlet (2000) [3598]",
    "film 108583". Without the file of films columns are ids. A path that is neither, or holds no
    ratings of a known layout, raises `InputError`.
    """
    ratings, titles = open_release(path)
    table = _READERS[ratings.format](ratings, dict.fromkeys(("row", "col", "value")))
    entries = table.entries(ratings.name, _asked(bad_rows, "mean", None))
    entries = replace(entries, source=str(path))
    return entries if titles is None else with_titles(entries, titles)


def _read_parquet(file: File, wanted: dict[str, str | None]) -> Table:
    """The columns asked for: ids as text, values as numbers (or as text where they are stored so).

    Whole-numbered float ids read "17", not "17.0"; dates are written in ISO form, booleans as
    true and false. `InputError` if the file is damaged or has no rows.
    """
    return _of_frame(file.name, read_frame(file), wanted, f"pandas.read_parquet({file.name!r})")


def _of_frame(
    source: str, frame: pl.DataFrame, wanted: dict[str, str | None], reader: str
) -> Table:
    """The columns asked for, of a data frame."""
    rows = [["" if x is None else str(x) for x in row] for row in frame.head(200).iter_rows()]
    picks = choose_columns(Head(source, frame.columns, rows, header=True, reader=reader), wanted)
    columns = [
        _values(source, frame.to_series(n)) if role == "value" else _ids(source, frame, n)
        for role, n in zip(wanted, picks, strict=True)
    ]

    table = Table([*columns], "row")
    table.name(frame.columns, picks)
    return table


def _ids(source: str, frame: pl.DataFrame, n: int) -> pl.Series:
    polars, ids = load_polars(), frame.to_series(n)
    kind: Any = ids.dtype
    if kind.is_nested() or kind in (polars.Binary, polars.Object):
        raise InputError(
            f"{source}: ids in column {ids.name!r} must be text, numbers or dates, got {kind}."
        )
    if kind.is_float() and ids.is_not_null().any():
        whole = ids.is_finite() & (ids.round() == ids) & (ids.abs() < 2.0**63)
        if whole.all():
            ids = ids.cast(polars.Int64)
    return ids.cast(polars.String).str.strip_chars()


def _values(source: str, values: pl.Series) -> pl.Series:
    polars = load_polars()
    kind: Any = values.dtype
    if kind.is_numeric() or kind == polars.Boolean:
        return values.cast(polars.Float64)
    if kind in (polars.String, polars.Categorical, polars.Enum):
        return values.cast(polars.String).str.strip_chars()
    raise InputError(f"{source}: values in column {values.name!r} must be numbers, got {kind}.")


_READERS = {
    "text": read_text,
    "parquet": _read_parquet,
    "mtx": read_market,
    "npz": read_npz,
    "h5ad": read_h5ad,
}
