"""The algebra of measurements: each combination is a measurement again."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, static, to_numpy, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Weight, weighted
from flatrank.measurements.base import Adjoint, Curvature, Measurement
from flatrank.measurements.matrices import OnMatrices


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

    def written(self) -> np.ndarray | None:
        """D1⁻¹ Aᵢ D2⁻¹."""
        A = self.inner.written()
        if A is None:
            return None
        D1, D2 = to_numpy((self.scale1, self.scale2))
        A = A * D2 if D2.ndim == 1 else A @ D2
        return D1[:, None] * A if D1.ndim == 1 else D1 @ A

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """Through the matrix, where the inner measurement has it."""
        if not isinstance(self.inner, OnMatrices):
            return super().normal(y)
        S = self.inner.matrix(y)
        for scale in (self.scale1, self.scale1):
            S = weighted(scale, S)
        for scale in (self.scale2, self.scale2):
            S = weighted(scale, S.T).T
        return self.inner.of_matrix(S)

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

    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Undefined in closed form; whiten the inner measurement once instead."""
        raise TypeError("a whitened measurement is not whitened again; start from its inner one")

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The inner model, scaled on both sides: of D⁻¹ diag(u) D⁻¹ the diagonal."""
        u1, u2 = self.inner.density()
        return _squared(self.scale1, u1), _squared(self.scale2, u2)

    def line_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Those of the inner measurement: they are to be divided out, and so is the scale."""
        return self.inner.line_norms(y)

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """The inner diagonal at the unscaled pair, scaled back twice; for dense D the model."""
        if not self.diagonal:
            return super().curvature_diagonal(pair)
        return self.unscaled(self.unscaled(self.inner.curvature_diagonal(self.unscaled(pair))))

    def gradient(
        self, pair: FactorPair, b: Float[Array, " m"]
    ) -> tuple[FactorPair, Float[Array, ""]]:
        """The inner gradient at the unscaled pair, scaled back (chain rule)."""
        G, loss = self.inner.gradient(self.unscaled(pair), b)
        return self.unscaled(G), loss

    def curvature_blocks(
        self, pair: FactorPair
    ) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]] | None:
        """The inner blocks at the unscaled pair, scaled back twice, where D is diagonal."""
        if not self.diagonal:
            return None
        blocks = self.inner.curvature_blocks(self.unscaled(pair))
        if blocks is None:
            return None
        A, C = blocks
        return self.scale1[:, None, None] ** 2 * A, self.scale2[:, None, None] ** 2 * C

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> ScaledCurvature:
        """The inner one at the unscaled pair, between two scalings."""
        inner = residual.inner if isinstance(residual, ScaledAdjoint) else None
        curvature = self.inner.curvature_at(self.unscaled(pair), inner)
        return ScaledCurvature(curvature, self.scale1, self.scale2)

    def curvature(
        self, pair: FactorPair, step: FactorPair, residual: Adjoint | None = None
    ) -> FactorPair:
        """The inner curvature along the unscaled step, scaled back.

        `residual` is the adjoint of the *whitened* measurement, as `adjoint` returns it.
        """
        inner = residual.inner if isinstance(residual, ScaledAdjoint) else None
        return self.unscaled(self.inner.curvature(self.unscaled(pair), self.unscaled(step), inner))


def _squared(D: Weight, u: Float[Array, " d"]) -> Float[Array, " d"]:
    """The diagonal of D diag(u) D."""
    return u * D**2 if D.ndim == 1 else xp.matmul(D**2, u)
