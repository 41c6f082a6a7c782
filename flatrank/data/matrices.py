"""Sparse matrices on disk: MatrixMarket and npz. What is stored is observed, zeros included."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.errors import InputError
from flatrank.data.raw import Raw


@dataclass(frozen=True)
class Triplets:
    """Stored entries with 0-based indices.

    Parameters
    ----------
    rows, cols
        (m,) int64.
    values
        (m,) float64; empty where only positions were asked for.
    shape
        Declared (d1, d2), or None.
    base
        What the first line is called: 1 in MatrixMarket, 0 in npz.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    values: NDArray[np.float64]
    shape: tuple[int, int] | None
    base: int


def market_triplets(raw: Raw, *, with_values: bool = True) -> Triplets:
    """Read a MatrixMarket file; symmetric ones are unfolded, dense ones are observed everywhere.

    Parameters
    ----------
    raw
        The opened file.
    with_values
        Whether values are needed; a pattern has none.

    Returns
    -------
    Triplets
        Labels begin at 1, as in the file.

    Raises
    ------
    InputError
        If the file is damaged, contradicts its own shape, or has complex or no values.
    """
    from scipy import io as scipy_io  # only here: a tenth of a second

    header = raw.head.split(b"\n", 1)[0].lower().split()
    if with_values and b"pattern" in header:
        raise InputError(
            f"{raw.name}: is a pattern, positions without values; expected real or integer values."
        )
    if b"complex" in header or b"hermitian" in header:
        raise InputError(f"{raw.name}: values must be real, got complex ones.")
    try:
        matrix: Any = scipy_io.mmread(io.BytesIO(raw.read()))
    except (ValueError, OverflowError, TypeError) as damaged:
        raise InputError(
            f"{raw.name}: is not a valid MatrixMarket file ({damaged}); "
            "indices run from 1 to the shape in its second line."
        ) from damaged
    if isinstance(matrix, np.ndarray):
        rows, cols = (index.ravel() for index in np.indices(matrix.shape))
        values = matrix.ravel()
    else:
        matrix = matrix.tocoo()
        rows, cols, values = matrix.row, matrix.col, matrix.data
    return Triplets(
        rows.astype(np.int64), cols.astype(np.int64), values.astype(np.float64), matrix.shape, 1
    )


def npz_triplets(raw: Raw, wanted: dict[str, str | None]) -> Triplets:
    """Read an npz with `row`, `col`, `val` and, if it likes, `shape`; or a saved SciPy matrix.

    Nothing is ever unpickled. Without a shape the indices are just integer ids.

    Parameters
    ----------
    raw
        The opened file.
    wanted
        Names of the arrays by role ("row", "col", "value"); None for the usual ones.

    Returns
    -------
    Triplets
        Labels begin at 0.

    Raises
    ------
    InputError
        If the file is damaged, an array is absent or of the wrong kind or length, or an index is
        negative or outside the shape.
    """
    arrays = _arrays(raw)
    if "format" in arrays and "data" in arrays:
        return _scipy_triplets(raw)
    usual = {"row": "row", "col": "col", "value": "val"}
    names = {role: wanted[role] or usual[role] for role in wanted}
    for name in names.values():
        if name not in arrays:
            raise InputError(
                f"{raw.name}: expected arrays row, col, val and shape, found no {name!r} "
                f"among {', '.join(sorted(arrays)) or 'none'}."
            )
    rows = _indices(raw.name, names["row"], arrays[names["row"]])
    cols = _indices(raw.name, names["col"], arrays[names["col"]])
    values = _values(raw.name, names["value"], arrays[names["value"]]) if "value" in names else None
    lengths = {rows.size, cols.size} | ({values.size} if values is not None else set())
    if len(lengths) > 1:
        raise InputError(
            f"{raw.name}: {', '.join(names.values())} must be equally long, got "
            f"{', '.join(str(arrays[name].size) for name in names.values())}."
        )
    shape = _shape(raw.name, arrays["shape"]) if "shape" in arrays else None
    for name, index, size in zip(("row", "col"), (rows, cols), shape or (None, None), strict=True):
        _check_range(raw.name, name, index, size)
    return Triplets(rows, cols, np.empty(0) if values is None else values, shape, 0)


def _arrays(raw: Raw) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(raw.read()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError) as damaged:
        raise InputError(
            f"{raw.name}: the npz file is damaged or cut off ({damaged}); write it again."
        ) from damaged
    except ValueError as refused:
        raise InputError(
            f"{raw.name}: holds Python objects, which are never unpickled, or damaged arrays "
            f"({refused}); save plain numeric arrays."
        ) from refused


def _scipy_triplets(raw: Raw) -> Triplets:
    from scipy import sparse

    try:
        matrix: Any = sparse.load_npz(io.BytesIO(raw.read())).tocoo()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as damaged:
        raise InputError(
            f"{raw.name}: looks like a saved SciPy matrix but is not a valid one ({damaged})."
        ) from damaged
    rows = _indices(raw.name, "row", matrix.row)
    cols = _indices(raw.name, "col", matrix.col)
    _check_range(raw.name, "row", rows, matrix.shape[0])
    _check_range(raw.name, "col", cols, matrix.shape[1])
    return Triplets(rows, cols, _values(raw.name, "data", matrix.data), matrix.shape, 0)


def _indices(source: str, name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and bool(np.isfinite(array).all() and (array % 1 == 0).all())
    )
    if array.ndim != 1 or not whole:
        raise InputError(
            f"{source}: {name} must be a one-dimensional array of integers, "
            f"got {array.dtype} of shape {array.shape}."
        )
    if array.dtype.kind in "uf" and array.size and array.max() >= 2**63:
        raise InputError(f"{source}: {name} holds {array.max()}, beyond 64-bit integers.")
    return array.astype(np.int64)


def _values(source: str, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise InputError(
            f"{source}: {name} must be a one-dimensional array of real numbers, "
            f"got {array.dtype} of shape {array.shape}."
        )
    return array.astype(np.float64)


def _shape(source: str, array: NDArray[Any]) -> tuple[int, int]:
    if array.shape != (2,) or array.dtype.kind not in "iu" or array.min() < 1:
        raise InputError(
            f"{source}: shape must be two positive integers, got {array.tolist()} ({array.dtype})."
        )
    return int(array[0]), int(array[1])


def _check_range(source: str, name: str, index: NDArray[np.int64], size: int | None) -> None:
    if index.size == 0:
        return
    low, high = int(index.min()), int(index.max())
    if low < 0 or (size is not None and high >= size):
        allowed = "0 or more" if size is None else f"0..{size - 1} by its shape"
        raise InputError(f"{source}: {name} indices must be {allowed}, got {low}..{high}.")
