"""Structured sensing: some Fourier coefficients of a real matrix with signs."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, added_at, xp
from flatrank.arrays.shapes import Float, Int
from flatrank.measurements.matrices import OnMatrices


class MaskedFourier(OnMatrices):
    """𝒜(X) = the real, then the imaginary parts of some coefficients of F1 (Σ ∘ X) F2ᵀ.

    F are unitary Fourier transforms and X is real, so that the coefficients are those of
    `numpy.fft.fft2(signs * X, norm="ortho")`, and data c of them are `[c.real, c.imag]` in one
    vector. The coefficients at (p, q) and (−p, −q) are conjugate: choose one of each pair, as
    `masked_transform` does, and 𝒜𝒜* = ½ I.

    Parameters
    ----------
    signs : array of shape (d1, d2)
        ±1: random ones spread every X over all coefficients. Ones for the transform alone.
    chosen : integer array of shape (count,)
        Which coefficients, numbered row by row; each at most once.

    Notes
    -----
    m is twice their number. Memory: d1 d2 numbers. Cost: O(d1 d2 log(d1 d2)) flops a product,
    whatever m; the Grams take 2 d1 d2 (d1 + d2) flops, once.
    """

    signs: Float[Array, "d1 d2"]
    chosen: Int[Array, " count"]

    def __init__(self, signs: Float[Array, "d1 d2"], chosen: Int[Array, " count"]):
        self.signs, self.chosen = signs, chosen
        self.gram1, self.gram2 = _grams(signs, chosen)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.signs.shape[0], self.signs.shape[1]

    @property
    def m(self) -> int:
        """Two for each coefficient."""
        return 2 * self.chosen.shape[0]

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Signs, transform, mask, parts."""
        spread = xp.fft.fft2(self.signs.astype(X.dtype, copy=False) * X, norm="ortho")
        c = spread.reshape(-1)[self.chosen]
        return xp.concatenate([c.real, c.imag])

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Parts, mask, transform back, the real part of it, signs."""
        (d1, d2), (u, v) = self.shape, y.reshape(2, -1)
        w = u + 1j * v
        spread = added_at(self.chosen, w, d1 * d2).reshape(d1, d2)
        return self.signs.astype(y.dtype, copy=False) * xp.fft.ifft2(spread, norm="ortho").real


def _grams(signs: Array, chosen: Array) -> tuple[Array, Array]:
    """Σ Aᵢ Aᵢᵀ = (Σ Σᵀ)/d2 ∘ Re Σ_p n_p f_p f_p*, n_p coefficients of row p being chosen.

    Of a complex Aᵢ the two real ones add up to Re Aᵢ Aᵢ*, and all its entries are of one size.
    """
    d1, d2 = signs.shape
    counts = added_at(chosen, np.ones(chosen.shape[0]), d1 * d2).reshape(d1, d2)

    def one_side(S: Array, n: Array) -> Array:
        """Re f_p f_p* has cos(2π p (i − k)/d)/d at (i, k): the transform of n at i − k."""
        d = n.size
        lag = np.arange(d)[:, None] - np.arange(d)[None, :]
        return (S @ S.T) * (xp.fft.ifft(n).real[lag % d] / S.shape[1])

    return one_side(signs, xp.sum(counts, axis=1)), one_side(signs.T, xp.sum(counts, axis=0))
