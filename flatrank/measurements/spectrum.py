"""𝒜 written out and decomposed, where it is small: least squares without iterations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flatrank.arrays.shapes import Float
from flatrank.measurements.base import Measurement


class Spectrum(NamedTuple):
    """𝒜 = U diag(s) V as an m × d1 d2 matrix, to its rank (host).

    Singular values below max(m, d1 d2) ε of the largest are rounding of the Aᵢ, and left out.
    """

    U: Float[np.ndarray, "m q"]
    s: Float[np.ndarray, " q"]
    V: Float[np.ndarray, "q n"]

    def outside(self, c: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """The part of c that no matrix fits, y = c − U Uᵀ c with 𝒜*(y) = 0."""
        for _ in range(2):  # the second time takes away what rounding left
            c = c - self.U @ (self.U.T @ c)
        return c

    def least(self, c: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
        """The smallest matrix, row by row, that fits the rest of c."""
        return ((self.U.T @ c) / self.s) @ self.V


def affordable(A: Measurement) -> bool:
    """Whether `spectrum_of` takes no more than half a minute of one core or two, and 1 GB."""
    d1, d2 = A.shape
    low, high = sorted((A.m, d1 * d2))
    flops = low * low * (2 * high + 20 * low)
    return A.m <= 3000 and low * high <= 3e7 and flops <= 6e11


def spectrum_of(written: Float[np.ndarray, "m d1 d2"]) -> Spectrum:
    """By QR of the longer side, which keeps small singular values, and an SVD.

    Cost: about 2 q² max(m, d1 d2) + 20 q³ flops for q = min(m, d1 d2).
    """
    M = written.reshape(len(written), -1)
    tall = M.T if M.shape[0] < M.shape[1] else M
    Q, R = np.linalg.qr(tall)
    W, s, Vh = np.linalg.svd(R)
    keep = s > max(M.shape) * np.finfo(np.float64).eps * s[0]
    left, right = (Q @ W)[:, keep], Vh[keep]
    return Spectrum(right.T, s[keep], left.T) if tall is not M else Spectrum(left, s[keep], right)
