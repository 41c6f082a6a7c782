"""Random measurements of small matrices, dense and in NumPy.

A cell of a figure asks for a few dozen solves of one small shape and never again: compiling a
program for the shape would cost more than the solves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Family = Literal["sensing", "bilinear", "completion", "quadratic"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Reals = NDArray[np.float64]
Blocks = tuple[Reals, Reals, Reals]
"""W1, W2, X of the symmetric matrix [[W1, X], [Xᵀ, W2]]."""


@dataclass(frozen=True)
class Matrices:
    """ℬ(X)ᵢ = ⟨Bᵢ, X⟩ for stored Bᵢ: an array of shape (m, d1, d2).

    Notes
    -----
    `schur` costs 16 m d³ + 2 m² d² flops for d × d matrices, in five large products.
    """

    A: Reals
    symmetric: ClassVar[bool] = False

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.A.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.A.shape[1], self.A.shape[2]

    @property
    def numbers(self) -> int:
        """How many are stored."""
        return self.A.size

    @property
    def dimension(self) -> int:
        """Of the space of matrices that X is from."""
        return self.shape[0] * self.shape[1]

    def rows(self) -> Reals:
        """The Bᵢ as rows."""
        return self.A.reshape(self.m, -1)

    def forward(self, X: Reals) -> Reals:
        """ℬ(X)."""
        return self.rows() @ X.reshape(-1)

    def matrix(self, y: Reals) -> Reals:
        """ℬ*(y)."""
        return (y @ self.rows()).reshape(self.shape)

    def gram(self) -> Reals:
        """⟨Bᵢ, Bⱼ⟩."""
        return self.rows() @ self.rows().T

    def grams(self) -> tuple[Reals, Reals]:
        """Σ BᵢBᵢᵀ and Σ BᵢᵀBᵢ."""
        wide = self.A.transpose(1, 0, 2).reshape(self.shape[0], -1)
        tall = self.A.reshape(-1, self.shape[1])
        return wide @ wide.T, tall.T @ tall

    def on_frames(self, U: Reals, V: Reals) -> tuple[Reals, Reals]:
        """Bᵢ V and Bᵢᵀ U."""
        return self.A @ V, np.matmul(U.T, self.A).transpose(0, 2, 1)

    def whitened(self, Q1: Reals, Q2: Reals) -> Matrices:
        """Q1 Bᵢ Q2."""
        return Matrices(np.matmul(Q1, self._times(Q2)))

    def schur(self, P: Blocks, G: Blocks) -> Reals:
        """½⟨Bᵢ, X Bⱼᵀ Y + Y Bⱼᵀ X + W1 Bⱼ G2 + G1 Bⱼ W2⟩, P = (W1, W2, X), G = (G1, G2, Y)."""
        (W1, W2, X), (G1, G2, Y) = P, G
        C = self._twice(np.hstack([X.T, Y.T]), np.vstack([Y, X]))
        D = self._twice(np.hstack([G2, W2]), np.vstack([W1, G1]))
        C += D.transpose(0, 2, 1)
        return 0.5 * (self.rows() @ C.reshape(self.m, -1).T)

    def _times(self, Q: Reals) -> Reals:
        return (self.A.reshape(-1, self.shape[1]) @ Q).reshape(self.m, self.shape[0], -1)

    def _twice(self, pair: Reals, other: Reals) -> Reals:
        """(Bⱼ Q)ᵀ Z + (Bⱼ Q')ᵀ Z' for [Q, Q'] = pair and [Z; Z'] = other."""
        d1, q = self.shape[0], pair.shape[1] // 2
        both = self._times(pair).reshape(self.m, d1, 2, q).transpose(0, 3, 2, 1)
        return (both.reshape(self.m * q, 2 * d1) @ other).reshape(self.m, q, -1)


@dataclass(frozen=True)
class Vectors:
    """ℬ(X)ᵢ = aᵢᵀ X cᵢ: arrays of shape (m, d1) and (m, d2). Entries are pairs of unit vectors.

    With `symmetric` the vectors of a pair are the same, and X is a symmetric matrix.

    Notes
    -----
    `schur` costs 12 m² d flops.
    """

    a: Reals
    c: Reals
    symmetric: bool = False

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.a.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.a.shape[1], self.c.shape[1]

    @property
    def numbers(self) -> int:
        """How many are stored."""
        return self.a.size + self.c.size

    @property
    def dimension(self) -> int:
        """Of the space of matrices that X is from."""
        d1, d2 = self.shape
        return d1 * (d1 + 1) // 2 if self.symmetric else d1 * d2

    def rows(self) -> Reals:
        """The Bᵢ as rows."""
        return (self.a[:, :, None] * self.c[:, None, :]).reshape(self.m, -1)

    def forward(self, X: Reals) -> Reals:
        """aᵢᵀ X cᵢ."""
        return np.einsum("ij,ij->i", self.a @ X, self.c)

    def matrix(self, y: Reals) -> Reals:
        """Σ yᵢ aᵢ cᵢᵀ."""
        return self.a.T @ (y[:, None] * self.c)

    def gram(self) -> Reals:
        """(aᵢᵀaⱼ)(cᵢᵀcⱼ)."""
        return (self.a @ self.a.T) * (self.c @ self.c.T)

    def grams(self) -> tuple[Reals, Reals]:
        """Σ ‖cᵢ‖² aᵢaᵢᵀ and Σ ‖aᵢ‖² cᵢcᵢᵀ."""
        a, c = self.a, self.c
        return a.T @ ((c * c).sum(1)[:, None] * a), c.T @ ((a * a).sum(1)[:, None] * c)

    def on_frames(self, U: Reals, V: Reals) -> tuple[Reals, Reals]:
        """aᵢ (cᵢᵀV) and cᵢ (aᵢᵀU)."""
        return (
            self.a[:, :, None] * (self.c @ V)[:, None, :],
            self.c[:, :, None] * (self.a @ U)[:, None, :],
        )

    def whitened(self, Q1: Reals, Q2: Reals) -> Vectors:
        """The pairs Q1 aᵢ, Q2 cᵢ."""
        return Vectors(self.a @ Q1, self.c @ Q2, self.symmetric)

    def schur(self, P: Blocks, G: Blocks) -> Reals:
        """As for `Matrices`, entry by entry."""
        (W1, W2, X), (G1, G2, Y) = P, G
        a, c = self.a, self.c
        E, F = a @ X @ c.T, a @ Y @ c.T
        M = E * F.T
        M += M.T
        M += (a @ W1 @ a.T) * (c @ G2 @ c.T)
        M += (a @ G1 @ a.T) * (c @ W2 @ c.T)
        M *= 0.5
        return M


@dataclass(frozen=True)
class Rescaled:
    """Q1 Aᵢ Q2 with symmetric Q1, Q2; the matrices are formed for interior points only.

    Notes
    -----
    A proof asks for products with a matrix and with frames of r columns, which the Aᵢ themselves
    give: forming all of them costs four times as much as the proof.
    """

    A: Matrices | Vectors
    Q1: Reals
    Q2: Reals

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.A.m

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.A.shape

    @property
    def symmetric(self) -> bool:
        """Whether X is symmetric."""
        return self.A.symmetric

    @property
    def dimension(self) -> int:
        """Of the space of matrices that X is from."""
        return self.A.dimension

    @cached_property
    def formed(self) -> Matrices | Vectors:
        """The same, formed."""
        return self.A.whitened(self.Q1, self.Q2)

    def rows(self) -> Reals:
        """The Bᵢ as rows."""
        return self.formed.rows()

    def forward(self, X: Reals) -> Reals:
        """𝒜(Q1 X Q2)."""
        return self.A.forward(self.Q1 @ X @ self.Q2)

    def matrix(self, y: Reals) -> Reals:
        """Q1 𝒜*(y) Q2."""
        return self.Q1 @ self.A.matrix(y) @ self.Q2

    def gram(self) -> Reals:
        """⟨Bᵢ, Bⱼ⟩."""
        return self.formed.gram()

    def on_frames(self, U: Reals, V: Reals) -> tuple[Reals, Reals]:
        """Bᵢ V and Bᵢᵀ U."""
        left, right = self.A.on_frames(self.Q1 @ U, self.Q2 @ V)
        return np.matmul(self.Q1, left), np.matmul(self.Q2, right)

    def schur(self, P: Blocks, G: Blocks) -> Reals:
        """As for `Matrices`."""
        return self.formed.schur(P, G)


Ensemble = Matrices | Vectors | Rescaled
"""ℬ on d1 × d2 matrices that are formed; all have the same methods."""


def draw(family: Family, d: int, size: float, rng: np.random.Generator) -> Matrices | Vectors:
    """Measurements of d × d matrices.

    Parameters
    ----------
    family : str
        "sensing": standard Gaussian matrices; "bilinear": aᵢcᵢᵀ, standard Gaussian;
        "completion": every entry with probability `size`, independently; "quadratic": xᵢxᵢᵀ,
        standard Gaussian, of symmetric matrices.
    d : int
        Rows and columns.
    size : float
        Their number m, or the probability.
    rng : numpy.random.Generator
        What is drawn from.

    Returns
    -------
    Matrices or Vectors
    """
    if family == "completion":
        rows, cols = np.nonzero(rng.random((d, d)) < size)
        return Vectors(np.eye(d)[rows], np.eye(d)[cols])
    m = int(size)
    if family == "sensing":
        return Matrices(rng.standard_normal((m, d, d)))
    if family == "quadratic":
        x = rng.standard_normal((m, d))
        return Vectors(x, x, symmetric=True)
    return Vectors(rng.standard_normal((m, d)), rng.standard_normal((m, d)))
