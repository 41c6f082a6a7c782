"""Parquet tables: columns of any type to text ids and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.data.coding import load_polars
from flatrank.data.columns import Table, choose_columns
from flatrank.data.errors import InputError
from flatrank.data.raw import Raw
from flatrank.data.screening import Places
from flatrank.data.text import Columns, named_columns

if TYPE_CHECKING:
    import polars as pl

# Rows that are looked at to tell which columns are meant.
_SAMPLE = 200


def parquet_columns(raw: Raw, wanted: dict[str, str | None]) -> Columns:
    """The columns asked for: ids as text, values as numbers (or as text where they are stored so).

    Whole-numbered float ids read "17", not "17.0"; dates are written in ISO form, booleans as
    true and false.

    Parameters
    ----------
    raw
        The opened file.
    wanted
        Column name, or None for the first that is left, by role.

    Returns
    -------
    Columns
        One column a role; places are 1-based row numbers.

    Raises
    ------
    InputError
        If the file is damaged, has no rows, lacks a column, or holds nested or dated values.
    """
    polars = load_polars()
    try:
        source = raw.path if raw.path is not None else raw.read()
        table = polars.read_parquet(source)
    except (polars.exceptions.PolarsError, OSError) as damaged:
        reason = str(damaged).splitlines()[0]
        raise InputError(
            f"{raw.name}: the parquet file is damaged or cut off ({reason}); write it again."
        ) from damaged
    if table.height == 0:
        raise InputError(f"{raw.name}: has no rows; expected at least one entry.")
    head = [["" if x is None else str(x) for x in row] for row in table.head(_SAMPLE).iter_rows()]
    reader = f"pandas.read_parquet({raw.name!r})"
    picks = choose_columns(Table(raw.name, table.columns, head, header=True, reader=reader), wanted)
    columns = [
        _numeric(raw.name, column) if role == "value" else _text(raw.name, column)
        for role, column in zip(wanted, (table.to_series(n) for n in picks), strict=True)
    ]

    def example(at: int) -> str:
        return ", ".join(str(column[at]) for column in columns)

    rows = np.arange(1, table.height + 1, dtype=np.int64)
    return Columns(columns, Places("row", rows, example), [], *named_columns(table.columns, picks))


def _text(source: str, ids: pl.Series) -> pl.Series:
    polars = load_polars()
    kind: Any = ids.dtype
    if kind.is_nested() or kind in (polars.Binary, polars.Object):
        raise InputError(
            f"{source}: ids in column {ids.name!r} must be text, numbers or dates, got {kind}."
        )
    if kind.is_float():
        present = ids.drop_nulls()
        whole = bool((present.is_finite() & (present.round() == present)).all())
        if whole and present.len() and bool((present.abs() < 2.0**63).all()):
            return ids.cast(polars.Int64).cast(polars.String)
    return ids.cast(polars.String)


def _numeric(source: str, values: pl.Series) -> pl.Series:
    polars = load_polars()
    kind: Any = values.dtype
    if kind.is_numeric() or kind == polars.Boolean:
        return values.cast(polars.Float64)
    if kind in (polars.String, polars.Categorical, polars.Enum):
        return values.cast(polars.String)
    raise InputError(f"{source}: values in column {values.name!r} must be numbers, got {kind}.")
