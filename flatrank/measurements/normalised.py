"""A measurement together with the trace of X."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Weight, weighted
from flatrank.measurements.base import Adjoint, Measurement, triangular


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

    Attributes
    ----------
    ones : array of shape (m,)
        𝒜(I).
    """

    inner: Measurement
    weight: Float[Array, ""]
    ones: Float[Array, " m"]

    def __init__(self, inner: Measurement, weight: Float[Array, ""]):
        self.inner, self.weight = inner, weight
        eye = np.eye(inner.shape[0])
        self.ones = inner.forward(FactorPair(eye, eye))

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
        return self._joined(self.inner.forward(pair), xp.vdot(pair.R, pair.L))

    def adjoint(self, y: Float[Array, " m1"]) -> Adjoint:
        """𝒜*(y) + w y₀ I."""
        one = np.ones(self.shape[0], y.dtype)
        return ShiftedAdjoint(self.inner.adjoint(y[:-1]), one, self.weight.astype(y.dtype) * y[-1])

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m1"]:
        """The inner one, and w (⟨L, Q⟩ + ⟨P, R⟩)."""
        trace = xp.vdot(pair.L, step.R) + xp.vdot(step.L, pair.R)
        return self._joined(self.inner.tangent(pair, step), trace)

    def normal(self, y: Float[Array, " m1"]) -> Float[Array, " m1"]:
        """From 𝒜𝒜*(y), 𝒜(I) and tr 𝒜*(y) = ⟨𝒜(I), y⟩."""
        w, ones, last = self.weight, self.ones, y[-1]
        trace = xp.vdot(ones, y[:-1]) + w * last * self.shape[0]
        return self._joined(self.inner.normal(y[:-1]) + w * last * ones, trace)

    def grams(self) -> tuple[Weight, Weight]:
        """Those of 𝒜 with w² more on the diagonal."""
        rows, cols = self.inner.grams()
        return self._shifted(rows), self._shifted(cols)

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of 𝒜 with w I below."""
        roots = self.inner.gram_roots()
        if roots is None:
            return None
        wide = [float(self.weight) * np.eye(d) for d in self.shape]
        W1, W2 = (triangular([W, one], len(one)) for W, one in zip(roots, wide, strict=True))
        return W1, W2

    def _shifted(self, G: Weight) -> Weight:
        return G + self.weight**2 * (xp.ones_like(G) if G.ndim == 1 else xp.eye(G.shape[0]))

    def gram_diagonals(self) -> tuple[Float[Array, " d"], Float[Array, " d"]]:
        """Their diagonals."""
        rows, cols = self.inner.gram_diagonals()
        return rows + self.weight**2, cols + self.weight**2

    def _joined(self, c: Float[Array, " m"], trace: Float[Array, ""]) -> Float[Array, " m1"]:
        return xp.concatenate([c, (self.weight.astype(c.dtype) * trace)[None]])
