"""Quadratic measurements: yᵢ = xᵢ* X xᵢ for symmetric X, the matrices xᵢxᵢ* never formed."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from flatrank.arrays import Array, to_numpy, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import Cone, Weight, real_form
from flatrank.measurements.base import WithGrams
from flatrank.measurements.rank_one import (
    OuterProducts,
    Stored,
    StoredProducts,
    Vectors,
    gram_root,
    outer_products,
)


class Forms(WithGrams, OuterProducts):
    """𝒜(X)ᵢ = xᵢ* X xᵢ, whatever way the vectors are held.

    Complex vectors of n numbers act on real factors with d = 2n rows, the real over the imaginary
    parts: 𝒜(L Rᵀ)ᵢ = Re Σⱼ (xᵢ* lⱼ)(xᵢ* rⱼ)*, so that Aᵢ is the real symmetric 2n × 2n form of
    xᵢxᵢ*.
    """

    @abstractmethod
    def gram_weights(self) -> Float[Array, " m"]:
        """‖xᵢ‖²."""


class QuadraticForms(Forms):
    """𝒜(X)ᵢ = xᵢᵀ X xᵢ, and xᵢ* X xᵢ for complex vectors (see `Forms`).

    Parameters
    ----------
    x : array of shape (m, n)
        The vectors, a row each, real or complex.

    Notes
    -----
    Memory: m n numbers, as many again for the rescaled vectors of a problem, and d² for the Gram
    Σᵢ ‖xᵢ‖² xᵢxᵢ*, taken once. Cost: 4 k m n flops a
    product with k columns, four times that for complex numbers.
    """

    x: Inexact[Array, "m n"]

    def __init__(self, x: Inexact[Array, "m n"]):
        self.x = x
        G = x.T @ (self.gram_weights()[:, None] * x.conj())
        self.measured(len(x), real_form(G) if xp.iscomplexobj(x) else G)

    @property
    def cone(self) -> Cone:
        """Hermitian matrices, of complex vectors."""
        return Stored(self.x).cone

    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """Themselves."""
        x = Stored(self.x).astype(dtype)
        return x, x

    def between(self, D1: Weight, D2: Weight) -> StoredProducts:
        """D1 xᵢ and D2 xᵢ, the same numbers where D1 is D2."""
        x = Stored(self.x)
        a = x.times(D1)
        return StoredProducts(a, a if D1 is D2 else x.times(D2))

    def gram_weights(self) -> Float[Array, " m"]:
        """‖xᵢ‖²."""
        return xp.sum(xp.real(self.x * self.x.conj()), axis=1)

    def written(self) -> np.ndarray:
        """The xᵢxᵢ*, in the real form of complex ones."""
        return outer_products(self._parts())

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the ‖xᵢ‖ xᵢ, in the real form of complex ones."""
        W = gram_root(self._parts())
        return W, W

    def _parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Lists of z with Σ zzᵀ the real form of xᵢxᵢ*: the xᵢ themselves where they are real."""
        x = to_numpy(self.x)
        re, im = np.real(x), np.imag(x)
        if not np.iscomplexobj(x):
            return [(x, x)]
        return [(z, z) for z in (np.hstack([re, im]), np.hstack([-im, re]))]
