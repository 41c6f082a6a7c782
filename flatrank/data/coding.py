"""Ids to codes: 0, 1, 2, ... in a stated order, with the text of each id as its label."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_LABEL_BYTES = 2 << 30


def load_polars() -> Any:
    """The polars module, an optional dependency that reads text tables and parquet.

    Returns
    -------
    module
        polars.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return importlib.import_module("polars")
    except ImportError as absent:
        raise InputError(
            "Reading text tables and parquet needs polars, which is not installed: "
            'pip install "flatrank[cli]". (MatrixMarket and npz files are read without it.)'
        ) from absent


def code_text(ids: pl.Series) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Number the ids in a column of text; surrounding blanks do not count.

    Labels are the text of the file. They are sorted by number when all of them are integers, of
    any size, and as text otherwise. Empty ids get code -1.

    Parameters
    ----------
    ids
        (m,) text.

    Returns
    -------
    codes
        (m,) int32.
    labels
        (d,) str.

    Notes
    -----
    O(m) hashing and O(d log d) sorting.
    """
    polars = load_polars()
    written = ids.drop_nulls().unique()
    stripped = written.str.strip_chars()
    labels = stripped.filter(stripped != "").unique()
    numbers = labels.cast(polars.Int128, strict=False)
    keys = [labels] if numbers.null_count() else [numbers, labels]
    labels = polars.DataFrame({f"k{n}": key for n, key in enumerate([*keys, labels])})
    labels = labels.sort([f"k{n}" for n in range(len(keys))])[f"k{len(keys)}"]
    of_written = _looked_up(stripped, labels, np.arange(labels.len(), dtype=np.int32))
    return _looked_up(ids, written, of_written), text_array(labels.to_list())


def code_indices(
    index: NDArray[np.int64], size: int, *, base: int
) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Number the indices that occur, in order; labels are the indices plus `base`.

    Parameters
    ----------
    index
        (m,) indices in 0..size-1.
    size
        Declared number of lines.
    base
        What the first index is called: 0 or 1.

    Returns
    -------
    codes
        (m,) int32.
    labels
        (d,) str.

    Notes
    -----
    O(m + size) time and memory; O(m log m) and O(m) where size exceeds 8 m.
    """
    if size > 8 * index.size + 1024:
        present, codes = np.unique(index, return_inverse=True)
        return codes.astype(np.int32), (present + base).astype(str)
    seen = np.zeros(size, dtype=bool)
    seen[index] = True
    codes = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    return codes[index], (np.flatnonzero(seen) + base).astype(str)


def lookup(labels: NDArray[np.str_], asked: NDArray[np.str_]) -> NDArray[np.int64]:
    """Codes of the labels asked for, -1 for those that are not there.

    Parameters
    ----------
    labels
        (d,) distinct labels, the code of each being its place.
    asked
        (n,) labels, in any order, repeats allowed.

    Returns
    -------
    ndarray
        (n,) int64.

    Notes
    -----
    O((d + n) log d) comparisons.
    """
    if labels.size == 0:
        return np.full(asked.shape, -1, dtype=np.int64)
    order = np.argsort(labels)
    at = np.searchsorted(labels, asked, sorter=order)
    found = order[np.minimum(at, labels.size - 1)]
    return np.where(labels[found] == asked, found, -1)


def text_array(labels: list[str]) -> NDArray[np.str_]:
    """Labels as an array of str.

    Parameters
    ----------
    labels
        Python strings.

    Returns
    -------
    ndarray
        (d,) of fixed-width unicode.

    Raises
    ------
    InputError
        If one overlong label would make the array enormous.
    """
    longest = max(map(len, labels), default=0)
    if 4 * longest * len(labels) > _LABEL_BYTES:
        raise InputError(
            f"An id is {longest} characters long, beginning "
            f"{max(labels, key=len)[:60]!r}; is the separator right?"
        )
    return np.array(labels, dtype=f"<U{max(longest, 1)}")


def _looked_up(texts: pl.Series, known: pl.Series, codes: NDArray[np.int32]) -> NDArray[np.int32]:
    polars = load_polars()
    if known.len() == 0:
        return np.full(texts.len(), -1, dtype=np.int32)
    return texts.replace_strict(
        known, polars.Series(codes), default=-1, return_dtype=polars.Int32
    ).to_numpy()
