"""ℬ on arrays, for problems so small that X itself may be one (host)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from flatrank.arrays import Array, compiled, mapped, to_numpy, unit_vectors
from flatrank.arrays.shapes import Float
from flatrank.factors import weighted
from flatrank.measurements.base import Measurement
from flatrank.measurements.compose import Whitened
from flatrank.measurements.entries import SampledEntries
from flatrank.measurements.quadratic import QuadraticForms
from flatrank.measurements.rank_one import RankOne

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

    def vectors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """a (m, d1) and c (m, d2) of B_i = aᵢcᵢᵀ; None where the B_i are not known to be such."""
        return None


@dataclass(frozen=True)
class ExplicitEntries(Explicit):
    """Entries (rows[i], cols[i]) of X, times weights[i]."""

    shape: tuple[int, int]
    rows: np.ndarray
    cols: np.ndarray
    weights: np.ndarray

    def forward(self, X: np.ndarray) -> np.ndarray:
        """The weighted entries."""
        return self.weights * X[self.rows, self.cols]

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """Zero where nothing is observed."""
        S = np.zeros(self.shape)
        S[self.rows, self.cols] = self.weights * y
        return S

    def squares(self) -> np.ndarray:
        """The squared weights."""
        return self.weights**2

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of two identities, the first weighted."""
        d1, d2 = self.shape
        return self.weights[:, None] * np.eye(d1)[self.rows], np.eye(d2)[self.cols]


@dataclass(frozen=True)
class ExplicitPairs(Explicit):
    """B_i = aᵢcᵢᵀ for arrays of shape (m, d1) and (m, d2)."""

    a: np.ndarray
    c: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(d1, d2)."""
        return self.a.shape[1], self.c.shape[1]

    def forward(self, X: np.ndarray) -> np.ndarray:
        """aᵢᵀ X cᵢ."""
        return np.einsum("ij,ij->i", self.a @ X, self.c)

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """Σ yᵢ aᵢcᵢᵀ."""
        return self.a.T @ (y[:, None] * self.c)

    def squares(self) -> np.ndarray:
        """‖aᵢ‖² ‖cᵢ‖²."""
        return np.sum(self.a**2, axis=1) * np.sum(self.c**2, axis=1)

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """As they are."""
        return self.a, self.c


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
    A, (d1, d2) = B.inner, B.shape
    D1, D2 = to_numpy((B.scale1, B.scale2))
    if isinstance(A, SampledEntries) and D1.ndim == D2.ndim == 1:
        rows, cols = A.places()
        return ExplicitEntries(B.shape, rows, cols, D1[rows] * D2[cols])
    if B.m * d1 * d2 > HELD:
        return None
    if isinstance(A, RankOne):
        a, c = to_numpy((A.a, A.c))
    elif isinstance(A, QuadraticForms) and not np.iscomplexobj(A.x):
        a = c = to_numpy(A.x)
    else:
        return ExplicitMatrices(B.shape, to_numpy(written_out(B)))
    return ExplicitPairs(weighted(D1, a.T).T, weighted(D2, c.T).T)


@compiled
def written_out(B: Measurement) -> Float[Array, "m cells"]:
    """B_i, row by row, in the rows."""
    E = np.eye(B.shape[1])

    def one(i: Array) -> Array:
        return B.adjoint(unit_vectors(i, B.m)).right(E).reshape(-1)

    return mapped(one, np.arange(B.m), like=B)
