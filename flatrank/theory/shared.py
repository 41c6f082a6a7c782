"""Two ways to write balanced pairs, LᵀL = RᵀR: one that cannot fit, and the one that can.

    shared left    L = B C, R = B D,  B with orthonormal columns, C and D orthogonal k × k,
    shared right   L = U P, R = V P,  U and V with orthonormal columns, P any k × k.

The first needs d1 = d2, has RᵀR = LᵀL = I, and its product is L Rᵀ = B Q Bᵀ, Q = C Dᵀ orthogonal:
every singular value is 1. Therefore

    ‖B Q Bᵀ − M‖² = k + ‖M‖² − 2⟨B Q Bᵀ, M⟩ ≥ Σ_{i≤k} (σᵢ − 1)² + Σ_{i>k} σᵢ²,

σ the singular values of M, and with the best Q the loss is k + ‖M‖² − 2‖BᵀMB‖_*. The second writes
every balanced pair, and reaches Σ_{i>k} σᵢ², the least loss of any matrix of rank k.

Source: theory notes §1.9 (8) and §2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements.checks import checked_count


class BalancedFit(NamedTuple):
    """A balanced pair, its loss ‖L Rᵀ − M‖², and a number that no such pair gets below."""

    pair: FactorPair
    loss: float
    floor: float


def shared_left_fit(
    M: ArrayLike, k: int, *, starts: int = 10, steps: int = 500, seed: int = 0
) -> BalancedFit:
    """The best L = B C, R = B D found for a square M: it fits only singular values of 1.

    B and Q are improved in turn, and no turn makes the loss worse: Q is the orthogonal factor of
    BᵀMB, and B that of M B Qᵀ + MᵀB Q + 2σ₁B, for B ↦ ⟨B Q Bᵀ, M⟩ + σ₁‖B‖² is convex and its last
    term constant.

    Parameters
    ----------
    M : real array of shape (d, d)
        What is to be fitted, finite.
    k : int
        Columns, from 1 to d.
    starts, steps, seed : int
        Random starts, of which the best is kept; turns of each; of the starts.

    Raises
    ------
    ValueError
        If M is not square or not finite, or a number is out of range.

    Notes
    -----
    Cost: O(d² k) flops a turn. The floor is that of the first display; it is reached where M is
    positive semidefinite.
    """
    M, k = _checked(M, k)
    if M.shape[0] != M.shape[1]:
        raise ValueError(
            f"L = B C and R = B D have as many rows as B, so M must be square; got shape {M.shape}"
        )
    starts, steps = checked_count("starts", starts, 1), checked_count("steps", steps, 1)
    rng, s = np.random.default_rng(seed), np.linalg.svd(M, compute_uv=False)
    found = []
    for _ in range(starts):
        B = np.linalg.qr(rng.standard_normal((M.shape[0], k)))[0]
        for _ in range(steps):
            Q = _orthogonal(B.T @ M @ B)
            B = _orthogonal(M @ B @ Q.T + M.T @ B @ Q + 2 * s[0] * B)
        # L = B C, R = B D with C = Q, D = I.
        pair = FactorPair(B @ _orthogonal(B.T @ M @ B), B)
        found.append((_loss(pair, M), pair))
    loss, pair = min(found, key=lambda one: one[0])
    return BalancedFit(pair, loss, float(np.sum((s[:k] - 1) ** 2) + np.sum(s[k:] ** 2)))


def shared_right_fit(M: ArrayLike, k: int) -> BalancedFit:
    """The best L = U P, R = V P: singular vectors, and P = diag(σ)^½. Its loss is its floor."""
    M, k = _checked(M, k)
    U, s, Vt = np.linalg.svd(M, full_matrices=False)
    P = np.diag(np.sqrt(s[:k]))
    pair = FactorPair(U[:, :k] @ P, Vt[:k].T @ P)
    return BalancedFit(pair, _loss(pair, M), float(np.sum(s[k:] ** 2)))


def _checked(M: ArrayLike, k: int) -> tuple[Float[np.ndarray, "d1 d2"], int]:
    M = np.asarray(M, dtype=float)
    if M.ndim != 2 or not np.all(np.isfinite(M)):
        raise ValueError(f"M must be a matrix of finite numbers; got shape {M.shape}")
    if checked_count("k", k, 1) > min(M.shape):
        raise ValueError(f"k must be at most min(d1, d2) = {min(M.shape)}; got {k}")
    return M, k


def _orthogonal(X: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """The nearest matrix with orthonormal columns: the factor of the polar decomposition."""
    U, _, Vt = np.linalg.svd(X, full_matrices=False)
    return U @ Vt


def _loss(pair: FactorPair, M: Float[np.ndarray, "d1 d2"]) -> float:
    return float(np.sum((pair.L @ pair.R.T - M) ** 2))
