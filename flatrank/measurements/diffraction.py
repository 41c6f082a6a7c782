"""Coded diffraction: the sizes of the Fourier transforms of a signal seen through masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, mapped, on_device, xp
from flatrank.arrays.shapes import Complex, Float
from flatrank.factors import Cone, Weight
from flatrank.measurements.checks import checked_count
from flatrank.measurements.quadratic import Forms
from flatrank.measurements.rank_one import Vectors


class _Masked(Vectors):
    """xᵢ* u is coefficient p of the Fourier transform of d_l ∘ u, i = l n + p."""

    masks: Complex[Array, "count n"]

    def see(self, U: Float[Array, "d k"]) -> Complex[Array, "m k"]:
        u = self.masks[:, :, None] * Cone.HERMITIAN.lift(U)[None, :, :]
        return xp.fft.fft(u, axis=1).reshape(-1, U.shape[1])

    def back(self, t: Complex[Array, "m k"] | Float[Array, "m k"]) -> Float[Array, "d k"]:
        count, n = self.masks.shape
        spread = n * xp.fft.ifft(t.reshape(count, n, -1), axis=1)
        return Cone.HERMITIAN.lower(xp.sum(self.masks.conj()[:, :, None] * spread, axis=0))


class CodedDiffraction(Forms):
    """𝒜(X) = diag(F_l X F_l*), F_l u the Fourier transform of d_l ∘ u: of z z* the |F(d_l ∘ z)|².

    Mask after mask, and in each the coefficients in the order of `numpy.fft.fft`. Real forms as for
    complex `QuadraticForms`. Make one by `coded_diffraction`, or from masks of your own.

    Parameters
    ----------
    masks : array of shape (count, n)
        The d_l, a row each, real or complex.

    Raises
    ------
    ValueError
        If they are something else.

    Notes
    -----
    m = count·n. Memory: the masks; D is diagonal, Σᵢ ‖xᵢ‖² xᵢxᵢ* = n Σ_l ‖d_l‖² diag|d_l|². Cost:
    O(m k log n) a product with k columns; `normal` O(count² n log n), 𝒜𝒜* being made of circulants.

    Reference: Candès, Li, Soltanolkotabi (2015), Phase retrieval from coded diffraction patterns.
    """

    masks: Complex[Array, "count n"]

    def __init__(self, masks: ArrayLike | Complex[Array, "count n"]):
        self.masks = _checked(masks)
        square, n = xp.abs(self.masks) ** 2, self.masks.shape[1]
        gram = n * xp.sum(xp.sum(square, axis=1)[:, None] * square, axis=0)
        self.measured(square.size, xp.concatenate([gram, gram]))

    @property
    def cone(self) -> Cone:
        """Hermitian matrices."""
        return Cone.HERMITIAN

    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """Behind masks and transforms."""
        x = _Masked(self.masks.astype(xp.result_type(dtype, xp.complex64), copy=False))
        return x, x

    def gram_weights(self) -> Float[Array, " m"]:
        """‖d_l‖², for each coefficient."""
        return xp.repeat(xp.sum(xp.abs(self.masks) ** 2, axis=1), self.masks.shape[1])

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """2 Σ_l' |F(d_l ∘ d_l'*)|² ⊛ y_l', a circular convolution for each pair of masks."""
        masks = self.masks.astype(xp.result_type(y.dtype, xp.complex64), copy=False)
        spread = xp.fft.fft(y.reshape(masks.shape), axis=1)

        def of_mask(mask: Complex[Array, " n"]) -> Float[Array, " n"]:
            kernels = xp.abs(xp.fft.fft(mask[None, :] * masks.conj(), axis=1)) ** 2
            return xp.fft.ifft(xp.sum(xp.fft.fft(kernels, axis=1) * spread, axis=0)).real

        return 2.0 * mapped(of_mask, masks).reshape(-1)

    def between(self, D1: Weight, D2: Weight) -> CodedDiffraction | None:
        """Masks times D1 = D2, the same for real and imaginary parts."""
        del D2
        return CodedDiffraction(self.masks * D1[: self.masks.shape[1]]) if D1.ndim == 1 else None


def _checked(masks: Any) -> Complex[Array, "count n"]:
    """A copy, complex, a row each; arrays on a device as they are."""
    if on_device(masks) and masks.ndim == 2:
        return masks
    try:
        given = np.array(masks, dtype=np.complex128)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.ndim != 2 or not given.size or not np.all(np.isfinite(given)):
        raise ValueError(
            "masks must be an array (count, n) of finite numbers, a mask in each row; "
            f"got {type(masks).__name__} of shape {np.shape(given)}"
        )
    return given


def coded_diffraction(n: int, count: int = 12, *, seed: int = 0) -> CodedDiffraction:
    """Diffraction behind random octanary masks.

    Each number of a mask is b₁ b₂, b₁ one of 1, −1, i, −i, and b₂ is √(1/2) with chance 4/5, √3
    with chance 1/5; all are independent. E|d|² = 1, and E|d|⁴ = 2 as for a Gaussian number.

    Parameters
    ----------
    n : int
        Length of the signal.
    count : int
        Number of masks.
    seed : int
        Of the masks.

    Raises
    ------
    ValueError
        If a number is not a whole number in range.

    Reference: Candès, Li, Soltanolkotabi (2015), section 2.2.
    """
    n, count = checked_count("n", n, 1), checked_count("count", count, 1)
    rng = np.random.default_rng(checked_count("seed", seed, 0))
    phase = rng.choice(np.array([1, -1, 1j, -1j]), (count, n))
    size = rng.choice(np.sqrt([0.5, 3.0]), (count, n), p=[0.8, 0.2])
    return CodedDiffraction(phase * size)
