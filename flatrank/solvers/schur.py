"""The Schur complement of an interior-point step."""

from __future__ import annotations

import numpy as np

from flatrank.measurements import Explicit
from flatrank.measurements.explicit import ExplicitMatrices

Blocks = tuple[np.ndarray, np.ndarray, np.ndarray]
"""W1, W2, X of the symmetric matrix [[W1, X], [Xᵀ, W2]]."""


def schur(B: Explicit, P: Blocks, G: Blocks) -> np.ndarray:
    """½⟨Bᵢ, X Bⱼᵀ Y + Y Bⱼᵀ X + W1 Bⱼ G2 + G1 Bⱼ W2⟩, P = (W1, W2, X), G = (G1, G2, Y).

    Cost: 12 m² d flops where Bᵢ = aᵢcᵢᵀ, entry by entry; 16 m d³ + 2 m² d² for d × d matrices, in
    five large products.
    """
    (W1, W2, X), (G1, G2, Y) = P, G
    if isinstance(B, ExplicitMatrices):
        C = _twice(B, np.hstack([X.T, Y.T]), np.vstack([Y, X]))
        C += _twice(B, np.hstack([G2, W2]), np.vstack([W1, G1])).transpose(0, 2, 1)
        return 0.5 * (B.matrix @ C.reshape(B.matrix.shape[0], -1).T)
    a, c = B.vectors()  # pyright: ignore[reportGeneralTypeIssues]
    M = (a @ X @ c.T) * (a @ Y @ c.T).T
    M += M.T
    M += (a @ W1 @ a.T) * (c @ G2 @ c.T)
    M += (a @ G1 @ a.T) * (c @ W2 @ c.T)
    return 0.5 * M


def gram(B: Explicit) -> np.ndarray:
    """⟨Bᵢ, Bⱼ⟩, of shape (m, m)."""
    if isinstance(B, ExplicitMatrices):
        return B.matrix @ B.matrix.T
    a, c = B.vectors()  # pyright: ignore[reportGeneralTypeIssues]
    return (a @ a.T) * (c @ c.T)


def _twice(B: ExplicitMatrices, pair: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(Bⱼ Q)ᵀ Z + (Bⱼ Q')ᵀ Z' for [Q, Q'] = pair and [Z; Z'] = other."""
    (d1, d2), q = B.shape, pair.shape[1] // 2
    m = B.matrix.shape[0]
    both = (B.matrix.reshape(-1, d2) @ pair).reshape(m, d1, 2, q).transpose(0, 3, 2, 1)
    return (both.reshape(m * q, 2 * d1) @ other).reshape(m, q, -1)
