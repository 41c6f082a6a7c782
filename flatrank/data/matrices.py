"""Sparse matrices on disk: MatrixMarket and npz. What is stored is observed, zeros included."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.entries import InputError
from flatrank.data.files import File
from flatrank.data.tables import Table

Wanted = dict[str, str | None]


def read_market(file: File, wanted: Wanted) -> Table:
    """Read a MatrixMarket file; symmetric ones are unfolded, dense ones are observed everywhere.

    Labels begin at 1, as in the file.

    Raises
    ------
    InputError
        If the file is damaged, columns are named, or values are complex or absent.
    """
    from scipy import io as scipy_io  # only here: a tenth of a second

    if any(wanted.values()):
        raise InputError(f"{file.name}: a MatrixMarket file has no named columns to choose from.")
    header = file.data.split(b"\n", 1)[0].lower().split()
    if "value" in wanted and b"pattern" in header:
        raise InputError(
            f"{file.name}: is a pattern, positions without values; expected real or integer values."
        )
    if b"complex" in header or b"hermitian" in header:
        raise InputError(f"{file.name}: values must be real, got complex ones.")
    try:
        matrix: Any = scipy_io.mmread(io.BytesIO(file.data))
    except (ValueError, OverflowError, TypeError) as damaged:
        raise InputError(
            f"{file.name}: is not a valid MatrixMarket file ({damaged}); "
            "indices run from 1 to the shape in its second line."
        ) from damaged
    if isinstance(matrix, np.ndarray):
        arrays = *(index.ravel() for index in np.indices(matrix.shape)), matrix.ravel()
    else:
        matrix = matrix.tocoo()
        arrays = matrix.row, matrix.col, matrix.data
    kinds = (np.int64, np.int64, np.float64)
    columns = [array.astype(kind) for array, kind in zip(arrays, kinds, strict=True)]
    return Table(columns[: len(wanted)], "entry", matrix.shape, base=1)


def read_npz(file: File, wanted: Wanted) -> Table:
    """Read an npz with `row`, `col`, `val` and, if it likes, `shape`; or a saved SciPy matrix.

    `wanted` names the arrays by role ("row", "col", "value"), None for the usual ones; labels begin
    at 0. Nothing is ever unpickled. Without a shape the indices are just integer ids.

    Raises
    ------
    InputError
        If the file is damaged, or an array is absent, of the wrong kind or length.
    """
    arrays = npz_arrays(file)
    shape: tuple[int, int] | None = None
    if "format" in arrays and "data" in arrays:
        matrix = _scipy_matrix(file)
        arrays, shape = {"row": matrix.row, "col": matrix.col, "data": matrix.data}, matrix.shape
        names = ["row", "col", "data"][: len(wanted)]
    else:
        usual = {"row": "row", "col": "col", "value": "val"}
        names = [name or usual[role] for role, name in wanted.items()]
        if "shape" in arrays:
            shape = _shape(file.name, arrays["shape"])
    for name in names:
        if name not in arrays:
            raise InputError(
                f"{file.name}: expected arrays row, col, val and shape, found no {name!r} "
                f"among {', '.join(sorted(arrays)) or 'none'}."
            )
    sizes = shape or (None, None)
    columns: list[Any] = [
        _indices(file.name, name, arrays[name], size)
        for name, size in zip(names, sizes, strict=False)
    ]
    columns += [_values(file.name, name, arrays[name]) for name in names[2:]]
    if len({column.size for column in columns}) > 1:
        raise InputError(
            f"{file.name}: {', '.join(names)} must be equally long, got "
            f"{', '.join(str(column.size) for column in columns)}."
        )
    return Table(columns, "entry", shape)


def npz_arrays(file: File) -> dict[str, NDArray[Any]]:
    """All arrays of an npz by name; `InputError` if it is damaged or would have to be unpickled."""
    try:
        with np.load(io.BytesIO(file.data), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError) as damaged:
        raise InputError(
            f"{file.name}: the npz file is damaged or cut off ({damaged}); write it again."
        ) from damaged
    except ValueError as refused:
        raise InputError(
            f"{file.name}: holds Python objects, which are never unpickled, or damaged arrays "
            f"({refused}); save plain numeric arrays."
        ) from refused


def _scipy_matrix(file: File) -> Any:
    from scipy import sparse

    try:
        return sparse.load_npz(io.BytesIO(file.data)).tocoo()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as damaged:
        raise InputError(
            f"{file.name}: looks like a saved SciPy matrix but is not a valid one ({damaged})."
        ) from damaged


def _indices(source: str, name: str, array: NDArray[Any], size: int | None) -> NDArray[np.int64]:
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and bool(np.isfinite(array).all() and (array % 1 == 0).all())
    )
    if array.ndim != 1 or not whole:
        raise InputError(
            f"{source}: {name} must be a one-dimensional array of integers, "
            f"got {array.dtype} of shape {array.shape}."
        )
    low, high = (int(array.min()), int(array.max())) if array.size else (0, -1)
    if high >= 2**63:
        raise InputError(f"{source}: {name} holds {high}, beyond 64-bit integers.")
    if low < 0 or (size is not None and high >= size):
        allowed = "0 or more" if size is None else f"0..{size - 1} by its shape"
        raise InputError(f"{source}: {name} indices must be {allowed}, got {low}..{high}.")
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
