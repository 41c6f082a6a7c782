"""Matrix sensing: bᵢ = ⟨Aᵢ, X⟩ with the Aᵢ stored."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from flatrank.arrays import Array, to_numpy
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements.base import TangentMap
from flatrank.measurements.matrices import ListedTangentMap, OnMatrices, roots_of, sum_grams


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
        self.measured(len(A), *sum_grams(self._blocks(), A.shape[1:]))

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """⟨Aᵢ, X⟩."""
        return self.A.reshape(self.m, -1).astype(X.dtype, copy=False) @ X.reshape(-1)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Σᵢ yᵢ Aᵢ."""
        return (y @ self.A.reshape(self.m, -1).astype(y.dtype, copy=False)).reshape(self.shape)

    def written(self) -> np.ndarray:
        """As stored."""
        return to_numpy(self.A)

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Aᵢ stacked."""
        return roots_of(map(to_numpy, self._blocks()), self.shape)

    def _blocks(self) -> Iterator[Float[Array, "_ d1 d2"]]:
        """The Aᵢ, some at a time: about 4 million numbers."""
        size = max(1, (1 << 22) // math.prod(self.A.shape[1:]))
        return (self.A[i : i + size] for i in range(0, len(self.A), size))

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """Every Aᵢ R and Aᵢᵀ L, where they are fewer numbers than the Aᵢ."""
        if not ListedTangentMap.fits(pair):
            return super().tangent_map(pair)
        return ListedTangentMap.of(self.A, pair)
