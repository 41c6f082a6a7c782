"""One orientation of a sparse pattern: which places are seen, row by row."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, Module, added_at, on_device, static, xp
from flatrank.arrays.shapes import Int


class Compressed(Module):
    """The places (i, j) of a sparse pattern, compressed by rows.

    Entry p lies in the row i with ``indptr[i] <= p < indptr[i + 1]`` and in the column
    ``indices[p]``. A pattern needed from both sides is held as two of these, by rows and by
    columns: no kernel then adds into a place another thread owns, and every sum is made in the same
    order each time.

    Parameters
    ----------
    indptr
        Row pointers, shape (n + 1,), non-decreasing from 0 to m; int64, so that m may pass 2**31,
        or int32.
    indices
        Column of each entry, shape (m,), int32, in [0, width). The compiled kernels believe this
        without looking. Columns may repeat within a row and need not be sorted.
    width
        Number of columns.

    Raises
    ------
    ValueError
        When shapes or types are not those above, or the pointers do not go from 0 to m.
    """

    indptr: Int[Array, " rows"]
    indices: Int[Array, " m"]
    width: int = static()

    def __post_init__(self):
        types = {"indptr": ("int64", "int32"), "indices": ("int32",)}
        for name, allowed in types.items():
            x = getattr(self, name)
            if x.ndim != 1 or str(x.dtype) not in allowed:
                raise ValueError(
                    f"{name} must be a vector of {' or '.join(allowed)}; "
                    f"got shape {x.shape} of {x.dtype}."
                )
        if self.indptr.shape[0] < 1:
            raise ValueError("indptr must have at least one element, 0; got an empty vector.")
        ends = [] if on_device(self.indptr) else [int(self.indptr[i]) for i in (0, -1)]
        if ends and ends != [0, self.m]:
            raise ValueError(
                f"indptr must go from 0 to {self.m}, the number of indices; got {ends}."
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
        """Row of each entry; O(m) work."""
        if on_device(self.indptr):  # a program must know the length
            begun = self.indptr[1:-1]
            return xp.cumsum(added_at(begun, xp.ones_like(begun, np.int32), self.m))
        return np.repeat(np.arange(self.n, dtype=np.int32), np.diff(self.indptr))
