"""Measurements 𝒜(X)ᵢ = tr(Eᵢ X) of Hermitian matrices by Hermitian Eᵢ."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from flatrank.arrays import Array, to_numpy, xp
from flatrank.arrays.shapes import Complex, Float
from flatrank.factors import Cone, FactorPair, real_form
from flatrank.measurements.base import Adjoint, WithGrams


class HermitianAdjoint(Adjoint):
    """S as a complex n × n matrix, on the real factors with 2n rows that stand for complex ones."""

    S: Complex[Array, "n n"]

    def right(self, R: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """S R, in the type of R."""
        r = Cone.HERMITIAN.lift(R)
        return Cone.HERMITIAN.lower(self.S.astype(r.dtype, copy=False) @ r)

    def left(self, L: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """The same: S is Hermitian."""
        return self.right(L)


class OnHermitian(WithGrams):
    """𝒜 given by what it does to a complex n × n matrix.

    Factors are real with d = 2n rows, the real over the imaginary parts:
    𝒜(L Rᵀ)ᵢ = Re tr(Eᵢ R L*) with the complex L and R, and Aᵢ is the real form of Eᵢ,
    [[Re, −Im], [Im, Re]]. A subclass supplies `of_matrix` and `matrix`, and is `measured`
    with Σᵢ Eᵢ² in its real form. The n × n matrix is formed: it is small against the Eᵢ, or against
    their number.
    """

    @property
    def cone(self) -> Cone:
        """Hermitian matrices."""
        return Cone.HERMITIAN

    @abstractmethod
    def of_matrix(self, X: Complex[Array, "n n"]) -> Float[Array, " m"]:
        """Re tr(Eᵢ X), for any X."""

    @abstractmethod
    def matrix(self, y: Float[Array, " m"]) -> Complex[Array, "n n"]:
        """Σᵢ yᵢ Eᵢ."""

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Of the complex matrix R L*."""
        L, R = Cone.HERMITIAN.lift(pair.L), Cone.HERMITIAN.lift(pair.R)
        return self.of_matrix(R @ L.conj().T)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """Σᵢ yᵢ Eᵢ, as a matrix."""
        return HermitianAdjoint(self.matrix(y))

    def steepness(self) -> float:
        """A bound on ‖𝒜(u u*)‖² over unit vectors u: Σ (u*Eᵢu)² ≤ u* Σ Eᵢ² u (host)."""
        gram = to_numpy(self.gram1)
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
        self.effects, n = effects, effects.shape[1]
        G = effects.swapaxes(0, 1).reshape(n, -1) @ effects.reshape(-1, n)
        self.measured(len(effects), real_form(G))

    def of_matrix(self, X: Complex[Array, "n n"]) -> Float[Array, " m"]:
        """Re Σ (Eᵢ)*_pq X_pq, by two real products with the list of the Eᵢ: half the work."""
        E, g = self.effects.reshape(self.m, -1).astype(X.dtype, copy=False), X.reshape(-1)
        return xp.real(E) @ xp.real(g) + xp.imag(E) @ xp.imag(g)

    def matrix(self, y: Float[Array, " m"]) -> Complex[Array, "n n"]:
        """The sum of the list."""
        wide = xp.result_type(y.dtype, xp.complex64)
        E = self.effects.reshape(self.m, -1).astype(wide, copy=False)
        return (y @ xp.real(E) + 1j * (y @ xp.imag(E))).reshape(self.effects.shape[1:])
