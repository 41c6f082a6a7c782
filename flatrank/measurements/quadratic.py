"""Quadratic measurements: yᵢ = xᵢ* X xᵢ for symmetric X, the matrices xᵢxᵢ* never formed."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from flatrank.arrays import Array, Module, to_numpy, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import Cone, FactorPair, real_form
from flatrank.measurements.base import Adjoint, Measurement, TangentMap, triangular


class Vectors(Module):
    """The vectors xᵢ as an operator, and how a real factor is seen by them."""

    @property
    @abstractmethod
    def cone(self) -> Cone:
        """What a real factor stands for."""

    @abstractmethod
    def see(self, U: Float[Array, "d k"]) -> Inexact[Array, "m k"]:
        """xᵢ* u for each column u."""

    @abstractmethod
    def back(self, t: Inexact[Array, "m k"]) -> Float[Array, "d k"]:
        """Σᵢ tᵢ xᵢ."""


class _Stored(Vectors):
    """A row each."""

    x: Inexact[Array, "m n"]

    @property
    def cone(self) -> Cone:
        return Cone.HERMITIAN if xp.iscomplexobj(self.x) else Cone.POSITIVE

    # Conjugates and transposes fall on the narrow side: those of x would be copies of it.

    def see(self, U: Float[Array, "d k"]) -> Inexact[Array, "m k"]:
        return (self.x @ self.cone.lift(U).conj()).conj()

    def back(self, t: Inexact[Array, "m k"]) -> Float[Array, "d k"]:
        return self.cone.lower((t.T @ self.x).T)


class _QuadraticAdjoint(Adjoint):
    """Σᵢ yᵢ xᵢxᵢ*."""

    vectors: Vectors
    y: Float[Array, " m"]

    def right(self, R: Float[Array, "d k"]) -> Float[Array, "d k"]:
        return self.vectors.back(self.y[:, None] * self.vectors.see(R))

    def left(self, L: Float[Array, "d k"]) -> Float[Array, "d k"]:
        return self.right(L)


class _QuadraticTangentMap(TangentMap):
    """J with x* L and x* R prepared."""

    vectors: Vectors
    xL: Inexact[Array, "m k"]
    xR: Inexact[Array, "m k"]

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        see = self.vectors.see
        return _inner(self.xL, see(step.R)) + _inner(see(step.L), self.xR)

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        back = self.vectors.back
        return FactorPair(back(t[:, None] * self.xR), back(t[:, None] * self.xL))


class Forms(Measurement):
    """𝒜(X)ᵢ = xᵢ* X xᵢ, whatever way the vectors are held.

    Complex vectors of n numbers act on real factors with d = 2n rows, the real over the imaginary
    parts: 𝒜(L Rᵀ)ᵢ = Re Σⱼ (xᵢ* lⱼ)(xᵢ* rⱼ)*, so that Aᵢ is the real symmetric 2n × 2n form of
    xᵢxᵢ*.
    """

    @abstractmethod
    def vectors(self, dtype: np.dtype) -> Vectors:
        """The vectors, in the width of a real type."""

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Row by row the inner products of x* L and x* R."""
        vectors = self.vectors(pair.L.dtype)
        return _inner(vectors.see(pair.L), vectors.see(pair.R))

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """Σᵢ yᵢ xᵢxᵢ*."""
        return _QuadraticAdjoint(self.vectors(y.dtype), y)

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """With x* L and x* R at hand."""
        vectors = self.vectors(pair.L.dtype)
        return _QuadraticTangentMap(vectors, vectors.see(pair.L), vectors.see(pair.R))


class QuadraticForms(Forms):
    """𝒜(X)ᵢ = xᵢᵀ X xᵢ, and xᵢ* X xᵢ for complex vectors (see `Forms`).

    Parameters
    ----------
    x : array of shape (m, n)
        The vectors, a row each, real or complex.

    Notes
    -----
    Memory: m n numbers, and d² for the Gram Σᵢ ‖xᵢ‖² xᵢxᵢ*, taken once. Cost: 4 k m n flops a
    product with k columns, four times that for complex numbers; `normal` 4 m n² (16 m n²).
    """

    x: Inexact[Array, "m n"]
    gram: Float[Array, "d d"]

    def __init__(self, x: Inexact[Array, "m n"]):
        self.x = x
        self.gram = _gram(x)

    @property
    def shape(self) -> tuple[int, int]:
        """(d, d)."""
        d = self.gram.shape[0]
        return d, d

    @property
    def m(self) -> int:
        """Number of vectors."""
        return self.x.shape[0]

    @property
    def cone(self) -> Cone:
        """Hermitian matrices, of complex vectors."""
        return Cone.HERMITIAN if xp.iscomplexobj(self.x) else Cone.WHOLE

    def vectors(self, dtype: np.dtype) -> Vectors:
        """Themselves."""
        wide = xp.result_type(dtype, xp.complex64) if xp.iscomplexobj(self.x) else dtype
        return _Stored(self.x.astype(wide, copy=False))

    def grams(self) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
        """Σᵢ Aᵢ² = Σᵢ ‖xᵢ‖² Aᵢ, twice."""
        return self.gram, self.gram

    def written(self) -> np.ndarray:
        """The xᵢxᵢ*, in the real form of complex ones."""
        rows = np.stack(_real_rows(to_numpy(self.x)))
        return np.sum(rows[:, :, :, None] * rows[:, :, None, :], axis=0)

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the ‖xᵢ‖ xᵢ, in the real form of complex ones."""
        x = to_numpy(self.x)
        W = triangular(_real_rows(np.linalg.norm(x, axis=1, keepdims=True) * x), self.shape[0])
        return W, W

    def gram_diagonals(self) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Its diagonal, twice."""
        return xp.diagonal(self.gram), xp.diagonal(self.gram)

    def gram_weights(self) -> Float[Array, " m"]:
        """‖xᵢ‖²."""
        return _squares(self.x)

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """xᵢ* S xᵢ with S = Σⱼ yⱼ xⱼxⱼ* written out; twice that for complex vectors.

        There Aᵢ is the real form, which holds every number twice.
        """
        wide = xp.result_type(y.dtype, xp.complex64) if xp.iscomplexobj(self.x) else y.dtype
        x = self.x.astype(wide, copy=False)
        S = x.T @ (y[:, None] * x.conj())
        return (2.0 if xp.iscomplexobj(x) else 1.0) * _inner(x @ S.conj(), x)


def _inner(a: Inexact[Array, "m k"], c: Inexact[Array, "m k"]) -> Float[Array, " m"]:
    """Re Σⱼ aᵢⱼ cᵢⱼ*."""
    return xp.sum(xp.real(a * c.conj()), axis=1)


def _real_rows(x: np.ndarray) -> list[np.ndarray]:
    """Lists of z with Σ zzᵀ the real form of xᵢxᵢ*: the xᵢ themselves where they are real."""
    if not np.iscomplexobj(x):
        return [x]
    re, im = np.real(x), np.imag(x)
    return [np.hstack([re, im]), np.hstack([-im, re])]


def _squares(x: Inexact[Array, "m n"]) -> Float[Array, " m"]:
    return xp.sum(xp.real(x * x.conj()), axis=1)


def _gram(x: Inexact[Array, "m n"]) -> Float[Array, "d d"]:
    """Σᵢ ‖xᵢ‖² xᵢxᵢ*, in its real form."""
    G = x.T @ (_squares(x)[:, None] * x.conj())
    return real_form(G) if xp.iscomplexobj(x) else G
