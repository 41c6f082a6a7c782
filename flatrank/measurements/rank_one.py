"""Measurements yᵢ = aᵢ* X cᵢ, the matrices aᵢ cᵢ* never formed, however the vectors are held."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from flatrank.arrays import Array, Module, to_numpy, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import Cone, FactorPair
from flatrank.measurements.base import Adjoint, TangentMap, WithGrams, triangular


class Vectors(Module):
    """The vectors xᵢ as an operator, and how a real factor is seen by them."""

    @abstractmethod
    def see(self, U: Float[Array, "d k"]) -> Inexact[Array, "m k"]:
        """xᵢ* u for each column u."""

    @abstractmethod
    def back(self, t: Inexact[Array, "m k"]) -> Float[Array, "d k"]:
        """Σᵢ tᵢ xᵢ."""


class Stored(Vectors):
    """A row each; complex ones see real factors of twice as many rows."""

    x: Inexact[Array, "m n"]

    @property
    def cone(self) -> Cone:
        """What a real factor stands for."""
        return Cone.HERMITIAN if xp.iscomplexobj(self.x) else Cone.WHOLE

    # Conjugates and transposes fall on the narrow side: those of x would be copies of it.

    def see(self, U: Float[Array, "d k"]) -> Inexact[Array, "m k"]:
        """One product."""
        return (self.x @ self.cone.lift(U).conj()).conj()

    def back(self, t: Inexact[Array, "m k"]) -> Float[Array, "d k"]:
        """One product with the transpose."""
        return self.cone.lower((t.T @ self.x).T)


class _OuterAdjoint(Adjoint):
    """Σᵢ yᵢ aᵢ cᵢ*."""

    a: Vectors
    c: Vectors
    y: Float[Array, " m"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        return self.a.back(self.y[:, None] * self.c.see(R))

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        return self.c.back(self.y[:, None] * self.a.see(L))


class _OuterTangentMap(TangentMap):
    """J with a* L and c* R prepared: half the products of the plain one."""

    a: Vectors
    c: Vectors
    aL: Inexact[Array, "m k"]
    cR: Inexact[Array, "m k"]

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        return _inner(self.aL, self.c.see(step.R)) + _inner(self.a.see(step.L), self.cR)

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        t = t[:, None]
        return FactorPair(self.a.back(t * self.cR), self.c.back(t * self.aL))


class OuterProducts(WithGrams):
    """𝒜(X)ᵢ = aᵢ* X cᵢ = Re Σⱼ (aᵢ* lⱼ)(cᵢ* rⱼ)*; a subclass supplies `vectors`."""

    @abstractmethod
    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """The aᵢ and the cᵢ, in the width of a real type."""

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Row by row the inner products of a* L and c* R."""
        a, c = self.vectors(pair.L.dtype)
        return _inner(a.see(pair.L), c.see(pair.R))

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """Σᵢ yᵢ aᵢ cᵢ*."""
        return _OuterAdjoint(*self.vectors(y.dtype), y)

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """With a* L and c* R at hand."""
        a, c = self.vectors(pair.L.dtype)
        return _OuterTangentMap(a, c, a.see(pair.L), c.see(pair.R))


class RankOne(OuterProducts):
    """𝒜(X)ᵢ = aᵢᵀ X cᵢ.

    Parameters
    ----------
    a, c : arrays of shape (m, d1) and (m, d2)
        The vectors, a row each.

    Notes
    -----
    Memory: m (d1 + d2) numbers, and d1² + d2² for the Grams aᵀ diag(‖cᵢ‖²) a, cᵀ diag(‖aᵢ‖²) c,
    taken once. Cost: 2 k m (d1 + d2) flops a product with k columns.
    """

    a: Float[Array, "m d1"]
    c: Float[Array, "m d2"]

    def __init__(self, a: Float[Array, "m d1"], c: Float[Array, "m d2"]):
        self.a, self.c = a, c
        self.measured(len(a), _gram(a, c), _gram(c, a))

    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """Themselves."""
        return Stored(self.a.astype(dtype, copy=False)), Stored(self.c.astype(dtype, copy=False))

    def written(self) -> np.ndarray:
        """The aᵢ cᵢᵀ."""
        return outer_products([to_numpy((self.a, self.c))])

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the ‖cᵢ‖ aᵢ, and the ‖aᵢ‖ cᵢ."""
        a, c = to_numpy((self.a, self.c))
        return gram_root([(a, c)]), gram_root([(c, a)])


def outer_products(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Σ aᵢ cᵢᵀ over parts, for each i."""
    return sum(a[:, :, None] * c[:, None, :] for a, c in parts)  # pyright: ignore


def gram_root(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """W with WᵀW = Σ ‖cᵢ‖² aᵢ aᵢᵀ over the i and the parts."""
    pieces = (np.linalg.norm(c, axis=1, keepdims=True) * a for a, c in parts)
    return triangular(pieces, parts[0][0].shape[1])


def _gram(a: Array, c: Array) -> Array:
    return a.T @ (xp.sum(c * c, axis=1)[:, None] * a)


def _inner(a: Inexact[Array, "m k"], c: Inexact[Array, "m k"]) -> Float[Array, " m"]:
    """Re Σⱼ aᵢⱼ cᵢⱼ*."""
    return xp.sum(xp.real(a * c.conj()), axis=1)
