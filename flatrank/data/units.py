"""Between the values of a table and what a matrix of low rank is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatrank.data.offsets import Offsets
from flatrank.data.scales import Scales

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Units:
    """value = s (offset + x): x is fitted, offsets and scales s bring it back to a value.

    Parameters
    ----------
    offsets
        Of the values divided by the scales.
    scales
        One for each column or row, or none.
    """

    offsets: Offsets
    scales: Scales

    def remove(self, rows: ArrayLike, cols: ArrayLike, values: Vector) -> Vector:
        """The x behind values at places."""
        return values / self.scales.at(rows, cols) - self.offsets.at(rows, cols)

    def restore(self, rows: ArrayLike, cols: ArrayLike, x: ArrayLike) -> Vector:
        """The values at places whose fitted entries are x; −1 is an unknown row or column."""
        return self.scales.at(rows, cols) * (self.offsets.at(rows, cols) + np.asarray(x))

    def base(self, rows: ArrayLike, cols: ArrayLike) -> Vector:
        """The values where x = 0: what the offsets say alone."""
        return self.restore(rows, cols, 0.0)

    def refit(self, rows: ArrayLike, cols: ArrayLike, values: Vector) -> Units:
        """The same kinds, fitted to other entries of the same matrix."""
        scales = self.scales.refit(rows, cols, values, self.offsets.shape)
        return Units(self.offsets.refit(rows, cols, values / scales.at(rows, cols)), scales)
