"""Completion: 𝒜(X) lists the entries of X at m given places."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp

import flatrank.kernels as kernels
from flatrank.arrays import Array, put, to_numpy, xp
from flatrank.arrays.shapes import Float, Int
from flatrank.factors import FactorPair, Weight
from flatrank.kernels import Compressed
from flatrank.measurements.base import (
    Adjoint,
    CoupledCurvature,
    Curvature,
    Measurement,
    of_kind,
)


class _SparseAdjoint(Adjoint):
    """S with the value y_p at the p-th place, stored in both orientations."""

    by_row: Compressed
    by_col: Compressed
    y_row: Float[Array, " m"]
    y_col: Float[Array, " m"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        return kernels.sparse_tall(self.by_row, self.y_row, R)

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        return kernels.sparse_tall(self.by_col, self.y_col, L)

    def size(self, D1: Weight, D2: Weight) -> Float[Array, ""]:
        """One product with the squares, where D1 and D2 are diagonal."""
        if D1.ndim == 2 or D2.ndim == 2:
            return super().size(D1, D2)
        squares = kernels.sparse_tall(self.by_row, self.y_row**2, (D2**2)[:, None])
        return xp.sqrt(xp.vdot(D1**2, squares[:, 0]))


class _EntriesCurvature(CoupledCurvature):
    """At one pair.

    The product is fused up to 16 columns: neither T nor its m values are stored. Beyond, what the
    fused pass saves in memory it spends on computing inner products twice.
    """

    A: SampledEntries
    pair: FactorPair
    residual: _SparseAdjoint | None

    def __call__(self, step: FactorPair) -> FactorPair:
        A, pair, (e_row, e_col) = self.A, self.pair, self._values()
        if pair.rank <= 16:
            product = kernels.curvature_product
            return FactorPair(
                product(A.by_row, pair.L, pair.R, step.L, step.R, e_row),
                product(A.by_col, pair.R, pair.L, step.R, step.L, e_col),
            )
        row, col = A.tangents(pair, step)
        if e_row is None or e_col is None:
            T = _SparseAdjoint(A.by_row, A.by_col, row, col)
            return FactorPair(T.right(pair.R), T.left(pair.L))
        pairs = kernels.sparse_tall_pair
        return FactorPair(
            pairs(A.by_row, row, pair.R, e_row, step.R),
            pairs(A.by_col, col, pair.L, e_col, step.L),
        )

    def blocks(self) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]]:
        """Σⱼ Rⱼ Rⱼᵀ over the entries of each row, and Σᵢ Lᵢ Lᵢᵀ over those of each column."""
        zeros = xp.zeros_like(self.A.order, dtype=self.pair.L.dtype)
        return (
            kernels.row_grams(self.A.by_row, self.pair.R, zeros)[0],
            kernels.row_grams(self.A.by_col, self.pair.L, zeros)[0],
        )

    def left_to_right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        _, e = self._values()
        return kernels.curvature_product(self.A.by_col, self.pair.R, self.pair.L, None, P, e)

    def right_to_left(self, Q: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        e, _ = self._values()
        return kernels.curvature_product(self.A.by_row, self.pair.L, self.pair.R, None, Q, e)

    def _values(self) -> tuple[Array | None, Array | None]:
        return (None, None) if self.residual is None else (self.residual.y_row, self.residual.y_col)


class SampledEntries(Measurement):
    """m sampled entries of a d1 × d2 matrix, m = number of distinct places.

    The pattern is held by rows and by columns. Measurements are numbered by rows (row by row,
    columns ascending); `order[q]` is the number of the q-th entry in column order.

    Notes
    -----
    Memory: 4 bytes an entry and orientation for the places, 4 for `order`, and a second copy of a
    data vector while an adjoint lives. Cost of `gradient`: about 8 k m flops.
    """

    by_row: Compressed
    by_col: Compressed
    order: Int[Array, " m"]
    orthonormal: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.by_row.n, self.by_col.n

    @property
    def m(self) -> int:
        """Number of observed entries."""
        return self.by_row.m

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """The observed entries of L Rᵀ."""
        return kernels.sampled_product(self.by_row, pair.L, pair.R)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """The sparse matrix with the values y at the observed places."""
        return _SparseAdjoint(self.by_row, self.by_col, y, kernels.gathered(y, self.order))

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """Two passes of the width of `forward`."""
        one, other = FactorPair(pair.L, step.R), FactorPair(step.L, pair.R)
        return self.forward(one) + self.forward(other)

    def tangents(self, pair: FactorPair, step: FactorPair) -> tuple[Array, Array]:
        """`tangent` in both orders, in one pass where the smaller factors are gathered."""
        if self.by_row.n >= self.by_col.n:
            t = kernels.tangent_product(self.by_row, pair.L, pair.R, step.L, step.R)
            return t, kernels.gathered(t, self.order)
        t = kernels.tangent_product(self.by_col, pair.R, pair.L, step.R, step.L)
        return put(xp.empty_like(t), self.order, t), t

    def grams(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Row counts nᵢ and column counts cⱼ: Σ AᵢAᵢᵀ and Σ AᵢᵀAᵢ are diagonal here."""
        return tuple(xp.diff(c.indptr).astype(xp.float64) for c in (self.by_row, self.by_col))

    def side_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Root of the sum of squares of each row's and each column's numbers."""
        d1, d2 = self.shape
        squares = self.adjoint(y * y)
        rows, cols = squares.right(xp.ones((d2, 1)))[:, 0], squares.left(xp.ones((d1, 1)))[:, 0]
        return xp.sqrt(rows), xp.sqrt(cols)

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """Exact: row i, column k of the first half is Σⱼ R_jk² over the entries j of row i."""
        seen = self.adjoint(xp.ones_like(self.order, dtype=pair.L.dtype))
        return FactorPair(seen.right(pair.R**2), seen.left(pair.L**2))

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> Curvature:
        """With its parts."""
        return _EntriesCurvature(self, pair, of_kind(residual, _SparseAdjoint))

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each measurement, as int32 arrays of length m (host)."""
        indptr, indices = to_numpy((self.by_row.indptr, self.by_row.indices))
        return np.repeat(np.arange(self.by_row.n, dtype=np.int32), np.diff(indptr)), indices


def sample_entries(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> tuple[SampledEntries, np.ndarray]:
    """Sort entries into both orientations.

    Parameters
    ----------
    rows, cols : integer arrays of shape (m,)
        Places, each at most once, inside `shape`.
    values : array of shape (m,)
        The observed values.
    shape : (d1, d2)
        Of the matrix.

    Returns
    -------
    (SampledEntries, b)
        The measurement and the values in its own order, float64: `values` itself where they come
        so.

    Raises
    ------
    ValueError
        If a place occurs twice (the first few are named).

    Notes
    -----
    Cost: two linear-time transpositions, O(m + d1 + d2) time, one where the entries come in order
    already; at its peak about 40 bytes an entry, what is returned included, and 20 in order.
    """
    d1, d2 = shape
    values = values.astype(np.float64, copy=False)
    if _in_order(rows, cols):
        indptr = np.zeros(d1 + 1, dtype=_pointers(rows.size))
        np.cumsum(np.bincount(rows, minlength=d1), out=indptr[1:])
        by_row = _compressed(indptr, np.array(cols, dtype=np.int32), d2)
        return _of_rows(by_row), values
    csr = _by_rows(rows, cols, values, shape)
    return _of_rows(_compressed(csr.indptr, csr.indices, d2)), csr.data


def _in_order(rows: np.ndarray, cols: np.ndarray) -> bool:
    """Whether places come row by row, columns ascending, each once."""
    further = cols[1:] > cols[:-1]
    further &= rows[1:] == rows[:-1]
    further |= rows[1:] > rows[:-1]
    return bool(further.all())


def _by_rows(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> sp.csr_array:
    """The entries row by row, columns ascending; ValueError if a place occurs twice."""
    coo = sp.coo_array((values, (rows, cols)), shape=shape)
    coo.has_canonical_format = True  # keeps repeated places apart, so that they can be named
    csr = coo.tocsc().tocsr()  # the second transposition finds columns ascending
    same = np.flatnonzero(np.diff(csr.indices) == 0) + 1
    row = np.searchsorted(csr.indptr, same, side="right") - 1
    inside = same != csr.indptr[row]  # not the first of its row
    row, repeated = row[inside], same[inside]
    if repeated.size:
        named = ", ".join(
            f"({i}, {csr.indices[p]})" for i, p in zip(row[:3], repeated[:3], strict=True)
        )
        raise ValueError(
            f"{repeated.size} places are given more than once, first {named}; "
            'expected each entry once: give one value for each place, or say duplicates="mean" or '
            '"last" to flatrank.completion'
        )
    return csr


def _of_rows(by_row: Compressed) -> SampledEntries:
    """The measurement of a pattern held by rows, columns ascending."""
    # Numbers of measurements ride along as data.
    numbers = np.arange(by_row.m, dtype=_pointers(by_row.m))
    shape = (by_row.n, by_row.width)
    csc = sp.csr_array((numbers, by_row.indices, by_row.indptr), shape=shape).tocsc()
    return SampledEntries(by_row, _compressed(csc.indptr, csc.indices, by_row.n), csc.data)


def _compressed(indptr: np.ndarray, indices: np.ndarray, width: int) -> Compressed:
    pointers = indptr.astype(_pointers(indices.size), copy=False)
    return Compressed(pointers, indices.astype(np.int32, copy=False), width)


def _pointers(m: int) -> type[np.signedinteger]:
    """The integers that count m entries."""
    return np.int32 if m < 2**31 else np.int64
