"""ℬ on small matrices that are arrays, and the Schur complement of an interior-point step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from flatrank.arrays import to_numpy
from flatrank.factors import weighted
from flatrank.measurements import Measurement, QuadraticForms, RankOne, SampledEntries
from flatrank.measurements.explicit import written_out
from flatrank.problems import Problem

Blocks = tuple[np.ndarray, np.ndarray, np.ndarray]
"""W1, W2, X of the symmetric matrix [[W1, X], [Xᵀ, W2]]."""


class Rows(ABC):
    """The matrices Bᵢ of ℬ(X)ᵢ = ⟨Bᵢ, X⟩."""

    @abstractmethod
    def forward(self, X: np.ndarray) -> np.ndarray:
        """ℬ(X), of shape (m,)."""

    @abstractmethod
    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """ℬ*(y), of shape (d1, d2)."""

    @abstractmethod
    def gram(self) -> np.ndarray:
        """⟨Bᵢ, Bⱼ⟩, of shape (m, m)."""

    @abstractmethod
    def schur(self, P: Blocks, G: Blocks) -> np.ndarray:
        """½⟨Bᵢ, X Bⱼᵀ Y + Y Bⱼᵀ X + W1 Bⱼ G2 + G1 Bⱼ W2⟩, P = (W1, W2, X), G = (G1, G2, Y)."""


@dataclass(frozen=True)
class Pairs(Rows):
    """Bᵢ = aᵢcᵢᵀ for arrays of shape (m, d1) and (m, d2); `schur` costs 12 m² d flops."""

    a: np.ndarray
    c: np.ndarray

    def forward(self, X: np.ndarray) -> np.ndarray:
        """aᵢᵀ X cᵢ."""
        return np.einsum("ij,ij->i", self.a @ X, self.c)

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """Σ yᵢ aᵢcᵢᵀ."""
        return self.a.T @ (y[:, None] * self.c)

    def gram(self) -> np.ndarray:
        """(aᵢᵀaⱼ)(cᵢᵀcⱼ)."""
        return (self.a @ self.a.T) * (self.c @ self.c.T)

    def schur(self, P: Blocks, G: Blocks) -> np.ndarray:
        """Entry by entry."""
        (W1, W2, X), (G1, G2, Y) = P, G
        a, c = self.a, self.c
        M = (a @ X @ c.T) * (a @ Y @ c.T).T
        M += M.T
        M += (a @ W1 @ a.T) * (c @ G2 @ c.T)
        M += (a @ G1 @ a.T) * (c @ W2 @ c.T)
        return 0.5 * M


@dataclass(frozen=True)
class Matrices(Rows):
    """Stored Bᵢ, of shape (m, d1, d2); `schur` costs 16 m d³ + 2 m² d² flops for d × d matrices."""

    B: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """The Bᵢ as rows."""
        return self.B.reshape(self.B.shape[0], -1)

    def forward(self, X: np.ndarray) -> np.ndarray:
        """One product with the rows."""
        return self.flat @ X.reshape(-1)

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """One product with their transpose."""
        return (y @ self.flat).reshape(self.B.shape[1:])

    def gram(self) -> np.ndarray:
        """One product of the rows with themselves."""
        return self.flat @ self.flat.T

    def schur(self, P: Blocks, G: Blocks) -> np.ndarray:
        """In five large products."""
        (W1, W2, X), (G1, G2, Y) = P, G
        C = self._twice(np.hstack([X.T, Y.T]), np.vstack([Y, X]))
        C += self._twice(np.hstack([G2, W2]), np.vstack([W1, G1])).transpose(0, 2, 1)
        return 0.5 * (self.flat @ C.reshape(self.B.shape[0], -1).T)

    def _twice(self, pair: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(Bⱼ Q)ᵀ Z + (Bⱼ Q')ᵀ Z' for [Q, Q'] = pair and [Z; Z'] = other."""
        (m, d1, d2), q = self.B.shape, pair.shape[1] // 2
        both = (self.B.reshape(-1, d2) @ pair).reshape(m, d1, 2, q).transpose(0, 3, 2, 1)
        return (both.reshape(m * q, 2 * d1) @ other).reshape(m, q, -1)


def in_pairs(A: Measurement) -> bool:
    """Whether the Aᵢ are known to be of rank one: they are never written out then."""
    return isinstance(A, (SampledEntries, RankOne, QuadraticForms))


def rows_of(problem: Problem) -> Rows:
    """The Bᵢ of ℬ, of real matrices: pairs of vectors where `in_pairs`, else written out."""
    A, (d1, d2) = problem.measurement, problem.shape
    if isinstance(A, SampledEntries):
        rows, cols = A.places()
        a, c = np.eye(d1)[rows], np.eye(d2)[cols]
    elif isinstance(A, RankOne):
        a, c = to_numpy((A.a, A.c))
    elif isinstance(A, QuadraticForms):
        a = c = to_numpy(A.x)
    else:
        return Matrices(to_numpy(written_out(problem.whitened)).reshape(A.m, d1, d2))
    Q1, Q2 = to_numpy(problem.rescaling.inverse)
    return Pairs(weighted(Q1, a.T).T, weighted(Q2, c.T).T)
