"""Structured sensing: some coefficients of an orthogonal transform of a matrix with signs."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from flatrank.arrays import Array, added_at, compiled, dctn, for_loop, idctn, static, xp
from flatrank.arrays.shapes import Float, Int
from flatrank.measurements.checks import checked_count, checked_shape
from flatrank.measurements.matrices import OnMatrices
from flatrank.measurements.walsh import walsh_hadamard


class MaskedTransform(OnMatrices):
    """𝒜(X) = m coefficients of C1 (Σ ∘ X) C2ᵀ: random signs Σ, orthonormal transforms C.

    Rows of an orthogonal map: 𝒜𝒜* = I. The signs spread every X over all coefficients, so that m
    of them determine it about as well as m Gaussian numbers do. Make one by `masked_transform`.

    Parameters
    ----------
    signs : array of shape (d1, d2)
        ±1.
    chosen : integer array of shape (m,)
        Which coefficients, numbered row by row; each at most once.
    transform : "cosine" or "hadamard"
        Cosine transforms of type II, so that any d1, d2 will do; or those of Walsh and Hadamard,
        for powers of two: signs and sums alone.

    Notes
    -----
    Memory: d1 d2 numbers. Cost: O(d1 d2 log(d1 d2)) flops a product, whatever m; the Grams take
    2 d1 d2 (d1² + d2²) flops, once.
    """

    signs: Float[Array, "d1 d2"]
    chosen: Int[Array, " m"]
    transform: str = static()
    orthonormal: ClassVar[bool] = True

    def __init__(
        self, signs: Float[Array, "d1 d2"], chosen: Int[Array, " m"], transform: str = "cosine"
    ):
        self.signs, self.chosen, self.transform = signs, chosen, transform
        self.measured(len(chosen), *_grams(signs, chosen, transform))

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Signs, transform, mask."""
        spread = _spread(self.signs.astype(X.dtype, copy=False) * X, self.transform)
        return spread.reshape(-1)[self.chosen]

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Mask, transform back, signs; the Hadamard transform is its own inverse."""
        spread = added_at(self.chosen, y, self.signs.size).reshape(self.shape)
        back = idctn(spread, norm="ortho") if self.transform == "cosine" else _hadamard(spread)
        return self.signs.astype(y.dtype, copy=False) * back


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
        self.measured(2 * len(chosen), *_fourier_grams(signs, chosen))

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Signs, transform, mask, parts."""
        spread = xp.fft.fft2(self.signs.astype(X.dtype, copy=False) * X, norm="ortho")
        c = spread.reshape(-1)[self.chosen]
        return xp.concatenate([c.real, c.imag])

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Parts, mask, transform back, the real part of it, signs."""
        u, v = y.reshape(2, -1)
        spread = added_at(self.chosen, u + 1j * v, self.signs.size).reshape(self.shape)
        return self.signs.astype(y.dtype, copy=False) * xp.fft.ifft2(spread, norm="ortho").real


def masked_transform(
    shape: tuple[int, int],
    m: int,
    *,
    transform: Literal["cosine", "hadamard", "fourier"] = "cosine",
    seed: int = 0,
) -> MaskedTransform | MaskedFourier:
    """Some m coefficients, drawn at random, of a transform with random signs.

    Parameters
    ----------
    shape : (d1, d2)
        Of the unknown matrix.
    m : int
        Number of coefficients, at most d1 d2; of Fourier coefficients, of which each is two
        measurements, the real and the imaginary part, at most one of each conjugate pair.
    transform : "cosine", "hadamard" or "fourier"
        Two-dimensional and orthonormal. "hadamard" wants powers of two.
    seed : int
        Of the signs and of the choice.

    Returns
    -------
    MaskedTransform or MaskedFourier
        The latter for "fourier"; the few coefficients that are real are never chosen.

    Raises
    ------
    ValueError
        If a number is not a whole number in range, or the transform does not fit the shape.
    """
    d1, d2 = checked_shape(shape)
    m, seed = checked_count("m", m, 1), checked_count("seed", seed, 0)
    names = ("cosine", "hadamard", "fourier")
    if transform not in names:
        raise ValueError(f"transform must be one of {', '.join(names)}; got {transform!r}")
    if transform == "hadamard" and (d1 & (d1 - 1) or d2 & (d2 - 1)):
        raise ValueError(
            f"the Walsh-Hadamard transform wants powers of two; got shape {(d1, d2)}. Use "
            'transform="cosine", which takes any shape'
        )
    free, what = np.arange(d1 * d2), "d1 d2"
    if transform == "fourier":  # of each pair (p, q), (−p, −q) the first
        p, q = np.divmod(free, d2)
        free, what = free[free < (-p % d1) * d2 + -q % d2], "one of each conjugate pair"
    if m > free.size:
        raise ValueError(
            f"m must be at most {free.size}, the number of coefficients ({what}); got {m}"
        )
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (d1, d2))
    places = free[np.sort(rng.choice(free.size, m, replace=False))]
    if transform == "fourier":
        return MaskedFourier(signs, places)
    return MaskedTransform(signs, places, transform)


def _spread(X: Float[Array, "d1 d2"], transform: str) -> Float[Array, "d1 d2"]:
    """C1 X C2ᵀ."""
    return dctn(X, norm="ortho") if transform == "cosine" else _hadamard(X)


def _hadamard(X: Float[Array, "d1 d2"]) -> Float[Array, "d1 d2"]:
    """H1 X H2: of a matrix written row by row the transform is that of both sides."""
    return walsh_hadamard(X.reshape(1, -1)).reshape(X.shape) / X.size**0.5


def _matrix(d: int, transform: str) -> Float[Array, "d d"]:
    """C."""
    if transform == "cosine":
        return dctn(np.eye(d), axes=[0], norm="ortho")
    return walsh_hadamard(np.eye(d)) / d**0.5


@compiled
def _grams(signs: Array, places: Array, transform: str) -> tuple[Array, Array]:
    """Σ Aᵢ Aᵢᵀ = Σ_p (c_p c_pᵀ) ∘ (Σ diag(w_p) Σᵀ), w_p = Σ_q c'_q² over the q chosen in row p."""
    d1, d2 = signs.shape
    chosen = added_at(places, np.ones(places.shape[0]), d1 * d2).reshape(d1, d2)
    C1, C2 = _matrix(d1, transform), _matrix(d2, transform)

    def one_side(C: Array, other: Array, mask: Array, S: Array) -> Array:
        W = mask @ other**2

        def add(p: Array, total: Array) -> Array:
            return total + xp.outer(C[p], C[p]) * ((S * W[p][None, :]) @ S.T)

        return for_loop(0, len(C), add, xp.zeros_like(C))

    return one_side(C1, C2, chosen, signs), one_side(C2, C1, chosen.T, signs.T)


def _fourier_grams(signs: Array, chosen: Array) -> tuple[Array, Array]:
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
