"""Measurements 𝒜(X)ᵢ = tr(Eᵢ X) of Hermitian matrices by Hermitian Eᵢ."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from flatrank.arrays import Array, to_numpy, xp
from flatrank.arrays.shapes import Complex, Float, Inexact
from flatrank.factors import Cone, FactorPair, Weight, real_form
from flatrank.measurements.base import Adjoint, Measurement, triangular

_CONE = Cone.HERMITIAN


class HermitianAdjoint(Adjoint):
    """S as a complex n × n matrix, on the real factors with 2n rows that stand for complex ones."""

    S: Complex[Array, "n n"]

    def right(self, R: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """S R, in the type of R."""
        r = _CONE.lift(R)
        return _CONE.lower(self.S.astype(r.dtype, copy=False) @ r)

    def left(self, L: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """The same: S is Hermitian."""
        return self.right(L)


class OnHermitian(Measurement):
    """𝒜 given by what it does to a complex n × n matrix.

    Factors are real with d = 2n rows, the real over the imaginary parts:
    𝒜(L Rᵀ)ᵢ = Re tr(Eᵢ R L*) with the complex L and R, and Aᵢ is the real form of Eᵢ,
    [[Re, −Im], [Im, Re]]. A subclass supplies `m`, `of_hermitian` and `hermitian`, and sets `gram`
    when it is made. The n × n matrix is formed: it is small beside the Eᵢ, or beside their number.

    Parameters
    ----------
    gram : array of shape (d, d), or (d,) where it is diagonal
        Σᵢ Eᵢ² in its real form.
    """

    gram: Weight

    @property
    def shape(self) -> tuple[int, int]:
        """(2n, 2n)."""
        d = self.gram.shape[0]
        return d, d

    @property
    def cone(self) -> Cone:
        """Hermitian matrices."""
        return Cone.HERMITIAN

    @abstractmethod
    def of_hermitian(self, G: Complex[Array, "n n"]) -> Float[Array, " m"]:
        """Re tr(Eᵢ G), for any G."""

    @abstractmethod
    def hermitian(self, y: Float[Array, " m"]) -> Complex[Array, "n n"]:
        """Σᵢ yᵢ Eᵢ."""

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Of the complex matrix R L*."""
        return self.of_hermitian(_product(pair.R, pair.L))

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """Σᵢ yᵢ Eᵢ, as a matrix."""
        return HermitianAdjoint(self.hermitian(y))

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """𝒜(L Qᵀ + P Rᵀ) in one application."""
        return self.of_hermitian(_product(step.R, pair.L) + _product(pair.R, step.L))

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """𝒜(𝒜*(y)): in the real form twice tr(Eᵢ Σⱼ yⱼ Eⱼ)."""
        return 2.0 * self.of_hermitian(self.hermitian(y))

    def grams(self) -> tuple[Weight, Weight]:
        """Σᵢ Aᵢ², twice."""
        return self.gram, self.gram

    def gram_diagonals(self) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Its diagonal, twice."""
        diagonal = self.gram if self.gram.ndim == 1 else xp.diagonal(self.gram)
        return diagonal, diagonal

    def steepness(self) -> float:
        """A bound on ‖𝒜(u u*)‖² over unit vectors u: Σ (u*Eᵢu)² ≤ u* Σ Eᵢ² u (host)."""
        gram = to_numpy(self.gram)
        return float(np.max(gram) if gram.ndim == 1 else np.linalg.eigvalsh(gram)[-1])


class HermitianEffects(OnHermitian):
    """𝒜(X)ᵢ = tr(Eᵢ X) with the Eᵢ stored.

    Parameters
    ----------
    effects : complex array of shape (m, n, n)
        Hermitian.

    Notes
    -----
    Memory: m n² complex numbers. Cost: 8 m n² flops a product, whatever the columns, and 8 m n³
    for the Gram, once.
    """

    effects: Complex[Array, "m n n"]

    def __init__(self, effects: Complex[Array, "m n n"]):
        self.effects = effects
        self.gram = _gram(effects)

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Eᵢ stacked."""
        W = _root(to_numpy(self.effects))
        return W, W

    @property
    def m(self) -> int:
        """Number of effects."""
        return self.effects.shape[0]

    def of_hermitian(self, G: Complex[Array, "n n"]) -> Float[Array, " m"]:
        """Re Σ (Eᵢ)*_pq G_pq, by a product with the list of the Eᵢ."""
        flat = self.effects.reshape(self.m, -1).astype(G.dtype, copy=False)
        # Re(E* ∘ G) from real parts alone: half the work of the complex product.
        real, imaginary = (
            xp.real(flat) @ xp.real(G).reshape(-1),
            xp.imag(flat) @ xp.imag(G).reshape(-1),
        )
        return real + imaginary

    def hermitian(self, y: Float[Array, " m"]) -> Complex[Array, "n n"]:
        """The sum of the list."""
        flat = self.effects.reshape(self.m, -1).astype(_wide(y), copy=False)
        return (y @ xp.real(flat) + 1j * (y @ xp.imag(flat))).reshape(self.effects.shape[1:])


def _root(effects: np.ndarray) -> np.ndarray:
    """W with WᵀW the real form of Σ Eᵢ²."""
    E = effects.reshape(-1, effects.shape[-1])
    re, im = np.real(E), np.imag(E)
    parts = [np.hstack([re, -im]), np.hstack([im, re])]
    return triangular(parts, 2 * E.shape[1])


def _product(A: Float[Array, "d k"], B: Float[Array, "d k"]) -> Complex[Array, "n n"]:
    """A B* of the complex matrices."""
    return _CONE.lift(A) @ _CONE.lift(B).conj().T


def _wide(x: Inexact[Array, "..."]) -> np.dtype:
    """The complex type of a real one."""
    return xp.result_type(x.dtype, xp.complex64)


def _gram(effects: Complex[Array, "m n n"]) -> Float[Array, "d d"]:
    n = effects.shape[1]
    return real_form(effects.swapaxes(0, 1).reshape(n, -1) @ effects.reshape(-1, n))
