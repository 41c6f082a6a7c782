"""Matrix sensing: bᵢ = ⟨Aᵢ, X⟩ with the Aᵢ stored."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float, Int

from flatrank.arrays import Array, xp
from flatrank.factors import FactorPair
from flatrank.measurements.base import TangentMap
from flatrank.measurements.matrices import (
    ListedTangentMap,
    OnMatrices,
    block_count,
    roots_of,
    sum_grams,
)

# Numbers in a block while the Grams are summed.
_NUMBERS = 1 << 22


class DenseMatrices(OnMatrices):
    """𝒜(X)ᵢ = ⟨Aᵢ, X⟩ for stored matrices Aᵢ, Gaussian or any.

    Parameters
    ----------
    A : array of shape (m, d1, d2)
        The matrices, float64.

    Notes
    -----
    Memory: m d1 d2 numbers, and k m (d1 + d2) while a tangent map lives. Cost: 2 m d1 d2 flops a
    product; 4 k m (d1 + d2) a curvature product once the tangent map is there.
    """

    A: Float[Array, "m d1 d2"]

    def __init__(self, A: Float[Array, "m d1 d2"]):
        self.A = A
        m, d1, d2 = A.shape
        size = max(1, min(m, _NUMBERS // (d1 * d2)))
        self.gram1, self.gram2 = sum_grams(partial(_block, A, size), block_count(m, size), (d1, d2))

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.A.shape[1], self.A.shape[2]

    @property
    def m(self) -> int:
        """Number of matrices."""
        return self.A.shape[0]

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """⟨Aᵢ, X⟩."""
        return self.A.reshape(self.m, -1).astype(X.dtype) @ X.reshape(-1)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Σᵢ yᵢ Aᵢ."""
        return (y @ self.A.reshape(self.m, -1).astype(y.dtype)).reshape(self.shape)

    def written(self) -> np.ndarray:
        """As stored."""
        return np.asarray(self.A)

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Aᵢ stacked."""
        A = np.asarray(self.A)
        size = max(1, _NUMBERS // A[0].size)
        return roots_of((A[i : i + size] for i in range(0, self.m, size)), self.shape)

    def tangent_map(self, pair: FactorPair) -> TangentMap | None:
        """Every Aᵢ R and Aᵢᵀ L, where they are fewer numbers than the Aᵢ."""
        (d1, d2), k = self.shape, pair.rank
        if k * (d1 + d2) >= d1 * d2:
            return None
        A = self.A.astype(pair.L.dtype)
        return ListedTangentMap(
            xp.einsum("ipj,jk->ipk", A, pair.R), xp.einsum("ipj,pk->ijk", A, pair.L)
        )


def _block(
    A: Float[Array, "m d1 d2"], size: int, n: Int[Array, ""] | int
) -> Float[Array, "size d1 d2"]:
    return xp.take(A, n * size + xp.arange(size), axis=0, mode="fill", fill_value=0)
