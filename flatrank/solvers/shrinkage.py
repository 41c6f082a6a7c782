"""The proximal map of the nuclear norm, from a thin decomposition kept from call to call."""

from __future__ import annotations

import numpy as np


def shrink(
    Z: np.ndarray, Q: np.ndarray, threshold: float, limit: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Factors of Σ (σᵢ − threshold)₊ uᵢ vᵢᵀ, its singular values, and the basis for the next call.

    One subspace step Q ← orth(Z Zᵀ Q) and Rayleigh–Ritz on Qᵀ Z Zᵀ Q; the basis grows by half until
    it holds two values below the threshold, and is cut a sixth above them. Where that would cost
    more, the eigenvectors of Z Zᵀ. Z is (d, D) with d ≤ D, `Q` (d, k) a basis near the leading left
    singular vectors or a random one, `limit` the most values kept. The first factor, (d, r), has
    orthonormal columns; the other is (D, r).
    """
    d, D = Z.shape
    rng = np.random.default_rng(Q.shape[1])
    while True:
        k = Q.shape[1]
        whole = d <= 64 or k >= d or d * (10 * d + D) < 6 * D * k
        if whole:
            Q, W = np.eye(d, dtype=Z.dtype), Z.T
            squares, E = np.linalg.eigh(Z @ Z.T)
        else:
            Q = np.linalg.qr(Z @ (Z.T @ Q))[0]
            W = Z.T @ Q
            squares, E = np.linalg.eigh(W.T @ W)
        s, E = np.sqrt(np.maximum(squares[::-1], 0.0)), E[:, ::-1]
        r = int(np.sum(s > threshold))
        if whole or r <= k - 2:
            break
        more = rng.standard_normal((d, min(d, k + k // 2 + 4) - k))
        Q = np.hstack([Q, more.astype(Q.dtype)])
    keep = min(d, max(8, r + r // 6 + 4))
    r = r if limit is None else min(r, limit)
    basis = E if whole else Q @ E
    near, far = basis[:, :r], W @ (E[:, :r] * (1 - threshold / s[:r]))
    return near, far, s[:r] - threshold, basis[:, :keep]
