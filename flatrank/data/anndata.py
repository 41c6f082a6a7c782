"""AnnData files: the stored entries of a sparse X, with the names of its rows and columns."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from flatrank.data.entries import InputError
from flatrank.data.files import File
from flatrank.data.packages import load
from flatrank.data.tables import Table


def read_h5ad(file: File, wanted: dict[str, str | None]) -> Table:
    """Read the sparse matrix X of an h5ad file; rows are named by `obs`, columns by `var`.

    What is stored is observed, zeros among it too.

    Raises
    ------
    InputError
        If h5py is not installed, the file is damaged or no AnnData, X is dense, names are repeated,
        or columns are named.
    """
    if any(wanted.values()):
        raise InputError(f"{file.name}: an h5ad file has no named columns to choose from.")
    h5py = load("h5py", f"{file.name}: reading AnnData", "h5py")
    try:
        with h5py.File(io.BytesIO(file.data), "r") as held:
            kind = _kind(held["X"])
            found = _stored(held, kind) if kind in ("csr", "csc") else None
    except (OSError, KeyError, IndexError, ValueError, TypeError) as damaged:
        raise InputError(
            f"{file.name}: is no AnnData file, or is damaged ({damaged}); write it again with "
            "adata.write_h5ad."
        ) from damaged
    if found is None:
        raise InputError(
            f"{file.name}: X is dense, so that every zero would count as observed; store what is "
            "observed alone: adata.X = scipy.sparse.csr_matrix(adata.X), or give the numbers as "
            "they are with flatrank.complete(adata.X)."
        )
    columns, shape, titles = found
    for side, names in zip(("obs", "var"), titles, strict=True):
        if len(set(names)) < len(names):
            raise InputError(
                f"{file.name}: names of {side} are repeated, and entries of one would be taken for "
                f"those of another: adata.{side}_names_make_unique()."
            )
    return Table(columns[: len(wanted)], "entry", shape, titles=titles)


def _kind(X: Any) -> str:
    """How X is stored: "csr", "csc", or else."""
    kind = X.attrs.get("encoding-type", X.attrs.get("h5sparse_format", ""))
    return (kind.decode() if isinstance(kind, bytes) else str(kind))[:3]


def _stored(
    held: Any, kind: str
) -> tuple[list[np.ndarray], tuple[int, int], tuple[list[str], list[str]]]:
    """Places and values of X, its shape, and names; ValueError or TypeError where they misfit."""
    from scipy import sparse

    X = held["X"]
    d1, d2 = (int(d) for d in X.attrs["shape" if "shape" in X.attrs else "h5sparse_shape"])
    parts = X["data"][:], X["indices"][:], X["indptr"][:]
    build = sparse.csr_array if kind == "csr" else sparse.csc_array
    stored = build(parts, shape=(d1, d2)).tocoo()
    columns: list[np.ndarray] = [x.astype(np.int64) for x in (stored.row, stored.col)]
    columns.append(np.asarray(stored.data).astype(np.float64, casting="same_kind"))
    return columns, (d1, d2), (_names(held, "obs", d1), _names(held, "var", d2))


def _names(held: Any, side: str, d: int) -> list[str]:
    """The index of `obs` or `var`; KeyError or ValueError where there is none."""
    table = held[side]
    if hasattr(table, "dtype"):  # before version 0.7 one compound array
        index = table["index" if "index" in table.dtype.names else table.dtype.names[0]]
    else:
        index = table[table.attrs["_index"]][:]
    names = [x.decode() if isinstance(x, bytes) else str(x) for x in np.asarray(index).tolist()]
    if len(names) != d:
        raise ValueError(f"{side} has {len(names)} names for {d} of X")
    return names
