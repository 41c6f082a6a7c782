"""Ids to codes: 0, 1, 2, ... in a stated order, with the text of each id as its label."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.entries import InputError

if TYPE_CHECKING:
    import polars as pl

Coded = tuple[NDArray[np.int32], NDArray[np.str_]]

_LABEL_BYTES = 2 << 30


def load_polars() -> Any:
    """The polars module, which reads text and parquet; `InputError` where it is not installed."""
    try:
        return importlib.import_module("polars")
    except ImportError as absent:
        raise InputError(
            "Reading text tables and parquet needs polars, which is not installed: "
            'pip install "flatrank[cli]". (MatrixMarket and npz files are read without it.)'
        ) from absent


def code_text(ids: pl.Series) -> Coded:
    """Number the ids in a column of text.

    Labels are sorted by number when all of them are integers, of any size, and as text otherwise.

    Parameters
    ----------
    ids
        (m,) text, none missing.

    Returns
    -------
    codes, labels
        (m,) int32 and (d,) str; O(m) hashing and O(d log d) sorting.

    Raises
    ------
    InputError
        If an overlong label would make the array enormous.
    """
    polars = load_polars()
    labels = ids.unique()
    numbers = labels.cast(polars.Int128, strict=False)
    order = ["label"] if numbers.null_count() else ["number", "label"]
    labels = polars.DataFrame({"number": numbers, "label": labels}).sort(order)["label"]
    codes = ids.cast(polars.Enum(labels)).to_physical().to_numpy()
    longest = int(labels.str.len_chars().max() or 0)
    if 4 * longest * labels.len() > _LABEL_BYTES:
        first = labels.filter(labels.str.len_chars() == longest)[0]
        raise InputError(
            f"An id is {longest} characters long, beginning {first[:60]!r}; is the separator right?"
        )
    return codes.astype(np.int32), np.array(labels.to_list(), dtype=f"<U{max(longest, 1)}")


def code_indices(index: NDArray[np.int64], size: int | None, base: int) -> Coded:
    """Number the indices that occur, in order; labels are the indices plus `base`.

    Parameters
    ----------
    index
        (m,) indices, at least 0.
    size
        Declared number of lines, or None.
    base
        What the first index is called: 0 or 1.

    Returns
    -------
    codes, labels
        (m,) int32 and (d,) str; O(m + size), or O(m log m) where the size is unknown or exceeds
        8 m.
    """
    if size is None or size > 8 * index.size + 1024:
        present, codes = np.unique(index, return_inverse=True)
        return codes.astype(np.int32), (present + base).astype(str)
    seen = np.zeros(size, dtype=bool)
    seen[index] = True
    codes = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    return codes[index], (np.flatnonzero(seen) + base).astype(str)
