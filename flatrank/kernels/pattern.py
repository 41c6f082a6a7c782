"""One orientation of a sparse pattern: which places are seen, row by row."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from flatrank.arrays import Array, Module, added_at, static, xp


class Compressed(Module):
    """The places (i, j) of a sparse pattern, compressed by rows.

    Entry p lies in the row i with ``indptr[i] <= p < indptr[i + 1]`` and in the column
    ``indices[p]``. A pattern needed from both sides is held as two of these, by rows and by
    columns: no kernel then adds into a place another thread owns, and every sum is made in the same
    order each time.

    Parameters
    ----------
    indptr
        Row pointers, shape (n + 1,), non-decreasing from 0 to at most m; int64, so that m may pass
        2**31, or int32. Entries behind the last row are room for more, so that patterns of almost
        one length can share a program: no sum has them, and products there are 0.
    indices
        Column of each entry, shape (m,), int32, in [0, width). The compiled kernels believe this
        without looking. Columns may repeat within a row and need not be sorted.
    ids
        Row of each entry, n behind the last row, shape (m,), int32, or None. Only the reference
        path reads it; None saves m integers, and ids are derived from `indptr` when needed.
    width
        Number of columns.

    Raises
    ------
    ValueError
        When shapes or types are not those above.
    """

    indptr: Int[Array, " rows"]
    indices: Int[Array, " m"]
    ids: Int[Array, " m"] | None
    width: int = static()

    def __post_init__(self):
        types = {"indptr": ("int64", "int32"), "indices": ("int32",), "ids": ("int32",)}
        for name, allowed in types.items():
            x = getattr(self, name)
            if x is not None and (x.ndim != 1 or str(x.dtype) not in allowed):
                raise ValueError(
                    f"{name} must be a vector of {' or '.join(allowed)}; "
                    f"got shape {x.shape} of {x.dtype}."
                )
        if self.indptr.shape[0] < 1:
            raise ValueError("indptr must have at least one element, 0; got an empty vector.")
        if self.ids is not None and self.ids.shape != self.indices.shape:
            raise ValueError(
                f"ids must have the shape of indices, {self.indices.shape}; got {self.ids.shape}."
            )

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.indptr.shape[0] - 1

    @property
    def m(self) -> int:
        """Number of entries."""
        return self.indices.shape[0]

    def rows(self) -> Int[Array, " m"]:
        """Row of each entry, n behind the last row, stored or derived; O(m) work."""
        if self.ids is not None:
            return self.ids
        done = xp.ones_like(self.indptr[1:], dtype=np.int32)
        return xp.cumsum(added_at(self.indptr[1:], done, self.m + 1)[: self.m], dtype=np.int32)
