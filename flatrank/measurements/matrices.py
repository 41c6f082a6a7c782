"""Measurements that act on the whole matrix X, which is then small against the Aᵢ themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from flatrank.arrays import Array, static, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, Weight, weighted
from flatrank.measurements.base import Adjoint, TangentMap, WithGrams, triangular


class DenseAdjoint(Adjoint):
    """S as a matrix."""

    S: Float[Array, "d1 d2"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """S R."""
        return self.S @ R

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Sᵀ L."""
        return self.S.T @ L

    def size(self, D1: Weight, D2: Weight) -> Float[Array, ""]:
        """‖D1 S D2‖_F."""
        return xp.linalg.norm(weighted(D2, weighted(D1, self.S).T))


class OnMatrices(WithGrams):
    """𝒜 given by what it does to a d1 × d2 matrix.

    A subclass supplies `of_matrix` and `matrix`, and is `measured` when it is made. X is formed,
    which is allowed where it is the smallest thing in sight: d1 d2 numbers against the
    m d1 d2 of the Aᵢ, or against a transform of that length.
    """

    @abstractmethod
    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """𝒜(X)."""

    @abstractmethod
    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """𝒜*(y)."""

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(L Rᵀ)."""
        return self.of_matrix(pair.L @ pair.R.T)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """𝒜*(y), as a matrix."""
        return DenseAdjoint(self.matrix(y))


class WholeMatrix(OnMatrices):
    """The identity map, row by row, m = d1 d2: X is formed, because the data are as large as it.

    Parameters
    ----------
    d1, d2 : int
        Shape of X.
    """

    d1: int = static()
    d2: int = static()
    orthonormal: ClassVar[bool] = True

    def __init__(self, d1: int, d2: int):
        self.d1, self.d2 = d1, d2
        self.measured(d1 * d2, np.full(d1, float(d2)), np.full(d2, float(d1)))

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Its entries."""
        return X.reshape(-1)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """The numbers laid out as a matrix."""
        return y.reshape(self.shape)


class ListedTangentMap(TangentMap):
    """J with its rows vec(Aᵢ R), vec(Aᵢᵀ L) written out: k (d1 + d2) numbers a measurement."""

    left: Float[Array, "m d1 k"]
    right: Float[Array, "m d2 k"]

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """⟨Aᵢ R, P⟩ + ⟨Aᵢᵀ L, Q⟩."""
        m = self.left.shape[0]
        P, Q = step.L.reshape(-1), step.R.reshape(-1)
        return self.left.reshape(m, -1) @ P + self.right.reshape(m, -1) @ Q

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """Σᵢ tᵢ (Aᵢ R, Aᵢᵀ L)."""
        m, d1, k = self.left.shape
        P, Q = t @ self.left.reshape(m, -1), t @ self.right.reshape(m, -1)
        return FactorPair(P.reshape(d1, k), Q.reshape(-1, k))

    @staticmethod
    def fits(pair: FactorPair) -> bool:
        """Whether its numbers are fewer than those of the Aᵢ."""
        d1, d2 = pair.shape
        return pair.rank * (d1 + d2) < d1 * d2

    @classmethod
    def of(cls, A: Float[Array, "m d1 d2"], pair: FactorPair) -> ListedTangentMap:
        """Every Aᵢ R and Aᵢᵀ L."""
        m, d1, d2 = A.shape
        A = A.astype(pair.L.dtype, copy=False)
        right = (A.reshape(-1, d2) @ pair.R).reshape(m, d1, -1)
        return cls(right, xp.matmul(A.swapaxes(1, 2), pair.L))


def roots_of(blocks: Iterable[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """`Measurement.gram_roots` from the Aᵢ, a block of them at a time."""
    d1, d2 = shape
    W1, W2 = np.zeros((0, d1)), np.zeros((0, d2))
    for A in blocks:
        W1 = triangular([W1, A.transpose(0, 2, 1).reshape(-1, d1)], d1)
        W2 = triangular([W2, A.reshape(-1, d2)], d2)
    return W1, W2


def sum_grams(
    blocks: Iterable[Float[Array, "_ d1 d2"]], shape: tuple[int, int]
) -> tuple[Float[Array, "d1 d1"], Float[Array, "d2 d2"]]:
    """Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ from blocks of Aᵢ; 2 m d1 d2 (d1 + d2) flops."""
    d1, d2 = shape
    gram1, gram2 = np.zeros((d1, d1)), np.zeros((d2, d2))
    for A in blocks:
        wide, tall = A.swapaxes(0, 1).reshape(d1, -1), A.reshape(-1, d2)
        gram1, gram2 = gram1 + wide @ wide.T, gram2 + tall.T @ tall
    return gram1, gram2
