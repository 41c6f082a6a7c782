"""The algebra of measurements: each combination is a measurement again."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from flatrank.arrays import Array, static, to_numpy, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import Cone, FactorPair, Weight, complex_form, weighted
from flatrank.measurements.base import (
    Adjoint,
    CoupledCurvature,
    Curvature,
    Measurement,
    of_kind,
)


class ScaledAdjoint(Adjoint):
    """D1 S D2, each D a diagonal or a symmetric matrix."""

    inner: Adjoint
    scale1: Weight
    scale2: Weight

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """The inner product between the two scalings."""
        return weighted(self.scale1, self.inner.right(weighted(self.scale2, R)))

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """The same of the transpose."""
        return weighted(self.scale2, self.inner.left(weighted(self.scale1, L)))


class ScaledCurvature(Curvature):
    """The curvature of ℬ at (L, R), from that of 𝒜 at (D1⁻¹ L, D2⁻¹ R)."""

    inner: Curvature
    scale1: Weight
    scale2: Weight

    def __call__(self, step: FactorPair) -> FactorPair:
        """The inner one along the unscaled step, scaled back."""
        inner = self.inner(step.scaled(self.scale1, self.scale2))
        return inner.scaled(self.scale1, self.scale2)


class ScaledCoupledCurvature(ScaledCurvature, CoupledCurvature):
    """The same with its parts, where D is diagonal."""

    inner: CoupledCurvature  # pyright: ignore[reportIncompatibleVariableOverride]

    def blocks(self) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]]:
        """The inner ones, scaled twice."""
        A, C = self.inner.blocks()
        return self.scale1[:, None, None] ** 2 * A, self.scale2[:, None, None] ** 2 * C

    def left_to_right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """The inner one, between two scalings."""
        return weighted(self.scale2, self.inner.left_to_right(weighted(self.scale1, P)))

    def right_to_left(self, Q: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """The inner one, between two scalings."""
        return weighted(self.scale1, self.inner.right_to_left(weighted(self.scale2, Q)))


class Whitened(Measurement):
    """ℬ(X) = 𝒜(D1⁻¹ X D2⁻¹) for D1, D2 diagonal or symmetric.

    Parameters
    ----------
    inner : Measurement
        𝒜.
    scale1, scale2 : arrays of shape (d1,) or (d1, d1), and (d2,) or (d2, d2)
        D1⁻¹ and D2⁻¹, the pseudo-inverses where D is singular: ℬ then lives on the range of D.
    among : Cone
        The matrices it is asked about.
    """

    inner: Measurement
    scale1: Weight
    scale2: Weight
    among: Cone = static(default=Cone.WHOLE)

    @property
    def cone(self) -> Cone:
        """The matrices it is asked about."""
        return self.among

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.inner.shape

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.inner.m

    @property
    def diagonal(self) -> bool:
        """Whether D1 and D2 are."""
        return self.scale1.ndim == self.scale2.ndim == 1

    def unscaled(self, pair: FactorPair) -> FactorPair:
        """The pair of X = D1⁻¹ X̃ D2⁻¹."""
        return pair.scaled(self.scale1, self.scale2)

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(D1⁻¹ L (D2⁻¹ R)ᵀ)."""
        return self.inner.forward(self.unscaled(pair))

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """D1⁻¹ 𝒜*(y) D2⁻¹."""
        return ScaledAdjoint(self.inner.adjoint(y), self.scale1, self.scale2)

    def grams(self) -> tuple[Weight, Weight]:
        """Undefined in closed form; whiten the inner measurement once instead."""
        raise TypeError("a whitened measurement is not whitened again; start from its inner one")

    def written(self) -> np.ndarray | None:
        """D1⁻¹ Aᵢ D2⁻¹."""
        A = self.inner.written()
        if A is None:
            return None
        D1, D2 = to_numpy((self.scale1, self.scale2))
        A = A * D2 if D2.ndim == 1 else A @ D2
        return D1[:, None] * A if D1.ndim == 1 else D1 @ A

    def matrix(self, y: Float[Array, " m"]) -> Inexact[Array, "n1 n2"] | None:
        """D1⁻¹ 𝒜*(y) D2⁻¹."""
        S = self.inner.matrix(y)
        return None if S is None else self._scaled(S)

    def of_matrix(self, X: Inexact[Array, "n1 n2"]) -> Float[Array, " m"]:
        """𝒜(D1⁻¹ X D2⁻¹)."""
        return self.inner.of_matrix(self._scaled(X))

    def _scaled(self, X: Inexact[Array, "n1 n2"]) -> Inexact[Array, "n1 n2"]:
        D1, D2 = self.scale1, self.scale2
        if xp.iscomplexobj(X):
            D1, D2 = complex_form(D1), complex_form(D2).T
        return weighted(D2, weighted(D1, X).T).T

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The inner model, scaled on both sides: of D⁻¹ diag(u) D⁻¹ the diagonal."""
        u1, u2 = self.inner.density()
        return _squared(self.scale1, u1), _squared(self.scale2, u2)

    def side_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Those of the inner measurement: they are to be divided out, and so is the scale."""
        return self.inner.side_norms(y)

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """The inner one along the unscaled step."""
        return self.inner.tangent(self.unscaled(pair), self.unscaled(step))

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """The inner diagonal at the unscaled pair, scaled back twice; for dense D the model."""
        if not self.diagonal:
            return super().curvature_diagonal(pair)
        return self.unscaled(self.unscaled(self.inner.curvature_diagonal(self.unscaled(pair))))

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> Curvature:
        """The inner one at the unscaled pair, between two scalings."""
        scaled = of_kind(residual, ScaledAdjoint)
        inner = self.inner.curvature_at(
            self.unscaled(pair), None if scaled is None else scaled.inner
        )
        if self.diagonal and isinstance(inner, CoupledCurvature):
            return ScaledCoupledCurvature(inner, self.scale1, self.scale2)
        return ScaledCurvature(inner, self.scale1, self.scale2)


class Absorbed(Whitened):
    """ℬ as a measurement of the kind of 𝒜, which has taken D1⁻¹ and D2⁻¹ in.

    Parameters
    ----------
    within : Measurement
        `inner.between(scale1, scale2)`.
    """

    within: Measurement = field(kw_only=True)

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Its own."""
        return self.within.forward(pair)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """Its own."""
        return self.within.adjoint(y)

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """Its own."""
        return self.within.normal(y)

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """Its own."""
        return self.within.tangent(pair, step)

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> Curvature:
        """Its own."""
        return self.within.curvature_at(pair, residual)


def whitened(inner: Measurement, scale1: Weight, scale2: Weight, among: Cone) -> Whitened:
    """ℬ, in the quickest form there is."""
    within = inner.between(scale1, scale2)
    if within is None:
        return Whitened(inner, scale1, scale2, among)
    return Absorbed(inner, scale1, scale2, among, within=within)


def _squared(D: Weight, u: Float[Array, " d"]) -> Float[Array, " d"]:
    """The diagonal of D diag(u) D."""
    return u * D**2 if D.ndim == 1 else xp.matmul(D**2, u)


class ShiftedAdjoint(Adjoint):
    """S + t D, D symmetric."""

    inner: Adjoint
    D: Weight
    shift: Float[Array, ""]

    def right(self, R: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """S R + t D R."""
        return self.inner.right(R) + self.shift * weighted(self.D, R)

    def left(self, L: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """Sᵀ L + t D L."""
        return self.inner.left(L) + self.shift * weighted(self.D, L)


class WithTrace(Measurement):
    """𝒜 with w tr X as one more number, the last.

    Parameters
    ----------
    inner : Measurement
        𝒜, of square matrices.
    weight : array of shape ()
        w.
    """

    inner: Measurement
    weight: Float[Array, ""]

    @property
    def shape(self) -> tuple[int, int]:
        """That of 𝒜."""
        return self.inner.shape

    @property
    def cone(self) -> Cone:
        """That of 𝒜."""
        return self.inner.cone

    @property
    def m(self) -> int:
        """One more."""
        return self.inner.m + 1

    def forward(self, pair: FactorPair) -> Float[Array, " m1"]:
        """𝒜(L Rᵀ) and w ⟨L, R⟩."""
        c = self.inner.forward(pair)
        trace = self.weight.astype(c.dtype) * xp.vdot(pair.R, pair.L)
        return xp.concatenate([c, trace[None]])

    def adjoint(self, y: Float[Array, " m1"]) -> Adjoint:
        """𝒜*(y) + w y₀ I."""
        one = np.ones(self.shape[0], y.dtype)
        return ShiftedAdjoint(self.inner.adjoint(y[:-1]), one, self.weight.astype(y.dtype) * y[-1])

    def matrix(self, y: Float[Array, " m1"]) -> Inexact[Array, "n n"] | None:
        """𝒜*(y) + w y₀ I."""
        S = self.inner.matrix(y[:-1])
        return None if S is None else S + self.weight * y[-1] * xp.eye(S.shape[0])

    def of_matrix(self, X: Inexact[Array, "n n"]) -> Float[Array, " m1"]:
        """𝒜(X) and w tr X."""
        c = self.inner.of_matrix(X)
        trace = self.weight.astype(c.dtype) * xp.sum(xp.real(xp.diagonal(X)))
        return xp.concatenate([c, trace[None]])

    def grams(self) -> tuple[Weight, Weight]:
        """Those of 𝒜 with w² more on the diagonal."""
        rows, cols = (
            G + self.weight**2 * (xp.ones_like(G) if G.ndim == 1 else xp.eye(G.shape[0]))
            for G in self.inner.grams()
        )
        return rows, cols
