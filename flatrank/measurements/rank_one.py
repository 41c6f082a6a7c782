"""Measurements yᵢ = aᵢ* X cᵢ, the matrices aᵢ cᵢ* never formed, however the vectors are held."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from flatrank.arrays import Array, Module, product, to_numpy, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import Cone, FactorPair, Weight, complex_form
from flatrank.measurements.base import Adjoint, Measurement, TangentMap, WithGrams, triangular
from flatrank.measurements.hermitian import HermitianAdjoint
from flatrank.measurements.matrices import DenseAdjoint


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

    def times(self, D: Weight) -> Stored:
        """The D xᵢ."""
        D = complex_form(D) if self.cone is Cone.HERMITIAN else D
        return Stored(self.x * D if D.ndim == 1 else product(self.x, D.T))

    def astype(self, dtype: Any) -> Stored:
        """In another width."""
        wide = xp.result_type(dtype, xp.complex64) if xp.iscomplexobj(self.x) else dtype
        return Stored(self.x.astype(wide, copy=False))

    # Conjugates and transposes fall on the narrow side: those of x would be copies of it.

    def see(self, U: Float[Array, "d k"]) -> Inexact[Array, "m k"]:
        """One product."""
        return product(self.x, self.cone.lift(U).conj()).conj()

    def back(self, t: Inexact[Array, "m k"]) -> Float[Array, "d k"]:
        """One product with the transpose."""
        return self.cone.lower(product(t.T, self.x).T)


class _OuterAdjoint(Adjoint):
    """Σᵢ yᵢ aᵢ cᵢ*."""

    a: Vectors
    c: Vectors
    y: Float[Array, " m"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        return self.a.back(self.y[:, None] * self.c.see(R))

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        return self.c.back(self.y[:, None] * self.a.see(L))

    def formed(self) -> Adjoint:
        """As an array, where it is no larger than the lists of the vectors."""
        S = self.array()
        if S is None:
            return self
        return HermitianAdjoint(S) if xp.iscomplexobj(S) else DenseAdjoint(S)

    def array(self) -> Inexact[Array, "n1 n2"] | None:
        """By one product of stored vectors; None where it would be larger than they are."""
        if not (isinstance(self.a, Stored) and isinstance(self.c, Stored)):
            return None
        if min(self.a.x.shape[1], self.c.x.shape[1]) > self.a.x.shape[0]:
            return None
        return product((self.y[:, None] * self.a.x).T, self.c.x.conj())


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


class OuterProducts(Measurement):
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

    def matrix(self, y: Float[Array, " m"]) -> Inexact[Array, "n1 n2"] | None:
        """Where the vectors are stored, and more than it has rows or columns."""
        return _OuterAdjoint(*self.vectors(y.dtype), y).array()

    def of_matrix(self, X: Inexact[Array, "n1 n2"]) -> Float[Array, " m"]:
        """aᵢ* X cᵢ, of stored vectors."""
        a, c = self.vectors(np.dtype(np.float64))
        if not (isinstance(a, Stored) and isinstance(c, Stored)):
            return super().of_matrix(X)
        return xp.sum(xp.real(product(a.x.conj(), X) * c.x), axis=1)

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """With a* L and c* R at hand."""
        a, c = self.vectors(pair.L.dtype)
        return _OuterTangentMap(a, c, a.see(pair.L), c.see(pair.R))


class StoredProducts(OuterProducts):
    """Of lists of vectors, whatever they are; their Grams are not taken."""

    a: Stored
    c: Stored

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2), of complex vectors twice their length."""
        factor = 2 if self.cone is Cone.HERMITIAN else 1
        return factor * self.a.x.shape[1], factor * self.c.x.shape[1]

    @property
    def m(self) -> int:
        """One for each pair of vectors."""
        return self.a.x.shape[0]

    @property
    def cone(self) -> Cone:
        """Hermitian matrices, of complex vectors."""
        return self.a.cone

    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """Themselves."""
        return self.a.astype(dtype), self.c.astype(dtype)

    def grams(self) -> tuple[Weight, Weight]:
        """Not taken."""
        raise TypeError("Grams of vectors already rescaled are not taken: ask the measurement")


class RankOne(WithGrams, OuterProducts):
    """𝒜(X)ᵢ = aᵢᵀ X cᵢ.

    Parameters
    ----------
    a, c : arrays of shape (m, d1) and (m, d2)
        The vectors, a row each.

    Notes
    -----
    Memory: m (d1 + d2) numbers, as many again for the rescaled vectors of a problem, and d1² + d2²
    for the Grams aᵀ diag(‖cᵢ‖²) a, cᵀ diag(‖aᵢ‖²) c, taken once.
    Cost: 2 k m (d1 + d2) flops a product with k columns.
    """

    a: Float[Array, "m d1"]
    c: Float[Array, "m d2"]

    def __init__(self, a: Float[Array, "m d1"], c: Float[Array, "m d2"]):
        self.a, self.c = a, c
        self.measured(len(a), _gram(a, c), _gram(c, a))

    def vectors(self, dtype: np.dtype) -> tuple[Vectors, Vectors]:
        """Themselves."""
        return Stored(self.a).astype(dtype), Stored(self.c).astype(dtype)

    def between(self, D1: Weight, D2: Weight) -> StoredProducts:
        """D1 aᵢ and D2 cᵢ."""
        return StoredProducts(Stored(self.a).times(D1), Stored(self.c).times(D2))

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
