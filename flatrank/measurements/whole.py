"""The whole matrix: 𝒜(X) lists every entry, row by row."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, static
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements.base import Adjoint, Measurement
from flatrank.measurements.matrices import DenseAdjoint


class WholeMatrix(Measurement):
    """The identity map, m = d1 d2: L Rᵀ is formed, because the data are as large as it.

    Parameters
    ----------
    d1, d2 : int
        Shape of X.
    """

    d1: int = static()
    d2: int = static()

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.d1, self.d2

    @property
    def m(self) -> int:
        """d1 d2."""
        return self.d1 * self.d2

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """The entries of L Rᵀ, row by row."""
        return (pair.L @ pair.R.T).reshape(-1)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """The numbers y laid out as a matrix."""
        return DenseAdjoint(y.reshape(self.shape))

    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Σ AᵢAᵢᵀ = d2 I and Σ AᵢᵀAᵢ = d1 I."""
        return np.full(self.d1, float(self.d2)), np.full(self.d2, float(self.d1))
