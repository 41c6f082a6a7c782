"""Structured sensing: some coefficients of an orthogonal transform with random signs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from flatrank.arrays import Array, added_at, compiled, dctn, for_loop, idctn, static, xp
from flatrank.arrays.shapes import Float, Int
from flatrank.measurements.base import Adjoint
from flatrank.measurements.checks import checked_count, checked_shape
from flatrank.measurements.fourier import MaskedFourier
from flatrank.measurements.matrices import DenseAdjoint, OnMatrices
from flatrank.measurements.walsh import walsh_hadamard

TRANSFORMS = ("cosine", "hadamard", "fourier")


class MaskedTransform(OnMatrices):
    """𝒜(X) = m coefficients of C1 (Σ ∘ X) C2ᵀ: random signs Σ, orthonormal transforms C.

    Rows of an orthogonal map: 𝒜𝒜* = I. The signs spread every X over all coefficients, so that m
    of them tell it about as well as m Gaussian numbers do. Make one by `masked_transform`.

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

    def __init__(
        self, signs: Float[Array, "d1 d2"], chosen: Int[Array, " m"], transform: str = "cosine"
    ):
        self.signs, self.chosen, self.transform = signs, chosen, transform
        self.gram1, self.gram2 = _grams(signs, chosen, transform)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.signs.shape[0], self.signs.shape[1]

    @property
    def m(self) -> int:
        """Number of coefficients."""
        return self.chosen.shape[0]

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Signs, transform, mask."""
        spread = _spread(self.signs.astype(X.dtype, copy=False) * X, self.transform)
        return spread.reshape(-1)[self.chosen]

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Mask, transform back, signs."""
        d1, d2 = self.shape
        spread = added_at(self.chosen, y, d1 * d2).reshape(d1, d2)
        return self.signs.astype(y.dtype, copy=False) * _gathered(spread, self.transform)

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """𝒜𝒜* is the identity."""
        return y

    def right_inverse(
        self, c: Float[Array, " m"], tol: float
    ) -> tuple[Adjoint, Float[Array, " m"]]:
        """𝒜*(c)."""
        del tol
        return DenseAdjoint(self.matrix(c)), xp.zeros_like(c)


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
    if transform not in TRANSFORMS:
        raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}; got {transform!r}")
    if transform == "hadamard" and (d1 & (d1 - 1) or d2 & (d2 - 1)):
        raise ValueError(
            f"the Walsh-Hadamard transform wants powers of two; got shape {(d1, d2)}. Use "
            'transform="cosine", which takes any shape'
        )
    free = _half(d1, d2) if transform == "fourier" else np.arange(d1 * d2)
    if m > free.size:
        what = "one of each conjugate pair" if transform == "fourier" else "d1 d2"
        raise ValueError(
            f"m must be at most {free.size}, the number of coefficients ({what}); got {m}"
        )
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (d1, d2))
    places = free[np.sort(rng.choice(free.size, m, replace=False))]
    if transform == "fourier":
        return MaskedFourier(signs, places)
    return MaskedTransform(signs, places, transform)


def _half(d1: int, d2: int) -> np.ndarray:
    """Of each pair (p, q), (−p, −q) of places the first; none that is its own partner."""
    place = np.arange(d1 * d2)
    p, q = np.divmod(place, d2)
    return place[place < (-p % d1) * d2 + -q % d2]


def _spread(X: Float[Array, "d1 d2"], transform: str) -> Float[Array, "d1 d2"]:
    """C1 X C2ᵀ. Of a matrix written row by row the Hadamard transform is that of both sides."""
    if transform == "cosine":
        return dctn(X, norm="ortho")
    return walsh_hadamard(X.reshape(1, -1)).reshape(X.shape) / X.size**0.5


def _gathered(X: Float[Array, "d1 d2"], transform: str) -> Float[Array, "d1 d2"]:
    """C1ᵀ X C2; the Hadamard transform is its own inverse."""
    return idctn(X, norm="ortho") if transform == "cosine" else _spread(X, transform)


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
