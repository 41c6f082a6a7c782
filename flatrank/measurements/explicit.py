"""ℬ held as an array, for problems so small that X itself may be one (host)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from flatrank.arrays import Array, compiled, mapped, to_numpy, unit_vectors
from flatrank.arrays.shapes import Float
from flatrank.measurements.base import Measurement
from flatrank.measurements.compose import Whitened
from flatrank.measurements.entries import SampledEntries

# Numbers of all B_i together that may be held.
HELD = 2e7


class Explicit(ABC):
    """ℬ on d1 × d2 arrays."""

    shape: tuple[int, int]

    @abstractmethod
    def forward(self, X: np.ndarray) -> np.ndarray:
        """ℬ(X), of shape (m,)."""

    @abstractmethod
    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """ℬ*(y), of shape (d1, d2)."""

    @abstractmethod
    def squares(self) -> np.ndarray:
        """The squared norm of each matrix B_i, of shape (m,): the diagonal of ℬℬ*."""


@dataclass(frozen=True)
class ExplicitEntries(Explicit):
    """Entry places[i] of X, counted row by row, times weights[i]."""

    shape: tuple[int, int]
    places: np.ndarray
    weights: np.ndarray

    def forward(self, X: np.ndarray) -> np.ndarray:
        """The weighted entries."""
        return self.weights * X.reshape(-1)[self.places]

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """Zero where nothing is observed."""
        S = np.zeros(self.shape)
        S.reshape(-1)[self.places] = self.weights * y
        return S

    def squares(self) -> np.ndarray:
        """The squared weights."""
        return self.weights**2


@dataclass(frozen=True)
class ExplicitMatrices(Explicit):
    """Row i of `matrix`, (m, d1 d2), is B_i."""

    shape: tuple[int, int]
    matrix: np.ndarray

    def forward(self, X: np.ndarray) -> np.ndarray:
        """One product with the matrix."""
        return self.matrix @ X.reshape(-1)

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """One product with its transpose."""
        return (y @ self.matrix).reshape(self.shape)

    def squares(self) -> np.ndarray:
        """Of the rows."""
        return np.einsum("ij,ij->i", self.matrix, self.matrix)


def explicit(B: Whitened) -> Explicit | None:
    """ℬ as an array; None where it has too many numbers and its measurements are no entries."""
    d1, d2 = B.shape
    scales = to_numpy((B.scale1, B.scale2))
    if isinstance(B.inner, SampledEntries) and all(d.ndim == 1 for d in scales):
        rows, cols = B.inner.places()
        places = rows.astype(np.int64) * d2 + cols
        return ExplicitEntries(B.shape, places, scales[0][rows] * scales[1][cols])
    if B.m * d1 * d2 > HELD:
        return None
    return ExplicitMatrices(B.shape, to_numpy(written_out(B)))


@compiled
def written_out(B: Measurement) -> Float[Array, "m cells"]:
    """B_i, row by row, in the rows."""
    E = np.eye(B.shape[1])

    def one(i: Array) -> Array:
        return B.adjoint(unit_vectors(i, B.m)).right(E).reshape(-1)

    return mapped(one, np.arange(B.m), like=B)
