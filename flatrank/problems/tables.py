"""Tables as people hold them: which entries are observed, and what rows and columns are called."""

from __future__ import annotations

import warnings
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from flatrank.data.markers import Markers
from flatrank.problems.arguments import absent
from flatrank.problems.labels import Labels

#: From this share of zeros on, in a table without a gap, zeros are suspected to stand for gaps.
ZEROS = 0.5


class Observed(NamedTuple):
    """The entries of a table that are there: places and values (m,), its shape and names."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    labels: Labels | None = None


def observed(X: Any, missing: Any = None) -> Observed:
    """The entries of a table, and its names.

    Parameters
    ----------
    X : array, masked array, data frame of pandas or polars, SciPy sparse, or xarray.DataArray
        Of two dimensions. NaN, None and NA are gaps, and so is what a mask hides; of a sparse
        matrix what is stored is observed, zeros among it too.
    missing : number, or several, optional
        Values that stand for gaps too.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If a column holds no numbers, or a number is infinite.

    Warns
    -----
    UserWarning
        If nothing is missing and more than half of it is zero.
    """
    markers = checked_markers(missing)
    if hasattr(X, "tocoo") and hasattr(X, "nnz"):
        stored = X.tocoo()
        values = np.asarray(stored.data)
        if values.dtype.kind not in "fiub":
            raise ValueError(f"the table must hold real numbers; got {values.dtype}")
        rows, cols = (np.asarray(i) for i in (stored.row, stored.col))
        values = values.astype(np.float64, copy=False)
        if markers.numbers:
            seen = ~markers.among(values)
            rows, cols, values = rows[seen], cols[seen], values[seen]
        return Observed(rows, cols, values, tuple(X.shape))
    table, labels = _numbers(X)
    seen = ~(np.isnan(table) | markers.among(table))
    rows, cols = np.nonzero(seen)
    values = table[seen]
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        at = infinite[0]
        raise ValueError(
            f"{infinite.size} entries are infinite, the first in row {rows[at]}, column "
            f"{cols[at]}; leave them out, as NaN"
        )
    zero = np.count_nonzero(values == 0)
    if values.size == table.size and zero > ZEROS * values.size:
        warnings.warn(
            f"no entry of the table is missing, and {zero} of {values.size} are 0, which counts as "
            "a value like any other: where 0 stands for a gap, write NaN, say missing=0, or give a "
            "SciPy sparse matrix, of which only what is stored is observed",
            UserWarning,
            stacklevel=4,
        )
    return Observed(rows, cols, values, table.shape, labels)


def checked_markers(missing: Any) -> Markers:
    """Numbers that stand for gaps; ValueError if they are none."""
    markers = Markers.of(missing)
    if len(markers.texts) > len(markers.numbers):
        raise ValueError(f"missing must be a number, or several; got {missing!r}")
    return markers


def _numbers(X: Any) -> tuple[np.ndarray, Labels | None]:
    """A table as an array with NaN in its gaps, and its names."""
    if hasattr(X, "collect") and hasattr(X, "lazy"):
        raise TypeError("the table is a query that has not run: give X.collect()")
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        columns = [X.iloc[:, n] for n in range(X.shape[1])]
        table = _joined(
            X, columns, "X.set_index(...) what names the rows, X.drop(columns=...) the rest"
        )
        return table, Labels("pandas", X.index, X.columns)
    if hasattr(X, "get_columns") and hasattr(X, "schema"):
        return _joined(X, X.get_columns(), "X.drop(...)"), Labels("polars", None, X.columns)
    if hasattr(X, "data_vars"):
        raise TypeError("the table is an xarray.Dataset: give one of its variables")
    if hasattr(X, "dims") and hasattr(X, "coords"):
        along = {name: x for name, x in X.coords.items() if len(x.dims) < 2}
        return _array(X.values), Labels("xarray", along, X.dims)
    return _array(X), None


def _joined(X: Any, columns: list[Any], way: str) -> np.ndarray:
    """The columns of a data frame side by side; ValueError names those that hold no numbers."""
    table, odd = np.empty(X.shape), []
    for n, column in enumerate(columns):
        try:
            table[:, n] = _floats(column.to_numpy())
        except (TypeError, ValueError):
            odd.append(repr(column.name))
    if odd:
        named = ", ".join(odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise ValueError(f"every column of the table must hold numbers, but not {named}: {way}")
    return table


def _array(X: Any) -> np.ndarray:
    try:
        table = _floats(X)
    except (TypeError, ValueError):
        raise ValueError(
            f"the table must hold real numbers, NaN in its gaps; got {type(X).__name__}"
            + (f" of {X.dtype}" if hasattr(X, "dtype") else "")
        ) from None
    if table.ndim != 2:
        raise TypeError(
            "completion takes a table of two dimensions, or rows, cols, values and shape; got "
            f"{type(X).__name__} of shape {table.shape} alone"
        )
    return table


def _floats(X: Any) -> np.ndarray:
    """A new array of float64, NaN where a mask, None or NA says so; TypeError for text."""
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.filled(X.astype(np.float64), np.nan)
    x = np.asarray(X)
    if x.dtype.kind == "O":
        flat = [np.nan if absent(v) else v for v in x.flat]
        if not all(isinstance(v, Number) for v in flat):
            raise TypeError
        return np.array(flat, dtype=np.float64).reshape(x.shape)
    if x.dtype.kind not in "fiub":
        raise TypeError
    return x.astype(np.float64)
