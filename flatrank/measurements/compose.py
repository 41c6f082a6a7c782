"""The algebra of measurements: each combination is a measurement again."""

from __future__ import annotations

from jaxtyping import Array, Float

from flatrank.factors import FactorPair
from flatrank.measurements.base import Adjoint, Measurement


class ScaledAdjoint(Adjoint):
    """diag(scale1) S diag(scale2)."""

    inner: Adjoint
    scale1: Float[Array, " d1"]
    scale2: Float[Array, " d2"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """The inner product between the two scalings."""
        return self.scale1[:, None] * self.inner.right(self.scale2[:, None] * R)

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """The same of the transpose."""
        return self.scale2[:, None] * self.inner.left(self.scale1[:, None] * L)


class Whitened(Measurement):
    """ℬ(X) = 𝒜(D1⁻¹ X D2⁻¹) for diagonal D1, D2.

    Parameters
    ----------
    inner : Measurement
        𝒜.
    scale1, scale2 : arrays of shape (d1,) and (d2,)
        The diagonals of D1⁻¹ and D2⁻¹ (0 where D is singular: ℬ then lives on the range of D).
    """

    inner: Measurement
    scale1: Float[Array, " d1"]
    scale2: Float[Array, " d2"]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.inner.shape

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.inner.m

    def _unscaled(self, pair: FactorPair) -> FactorPair:
        return pair.scaled(self.scale1, self.scale2)

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(D1⁻¹ L (D2⁻¹ R)ᵀ)."""
        return self.inner.forward(self._unscaled(pair))

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """D1⁻¹ 𝒜*(y) D2⁻¹."""
        return ScaledAdjoint(self.inner.adjoint(y), self.scale1, self.scale2)

    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Undefined in closed form; whiten the inner measurement once instead."""
        raise TypeError("a whitened measurement is not whitened again; start from its inner one")

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The inner model, scaled on both sides."""
        u1, u2 = self.inner.density()
        return u1 * self.scale1**2, u2 * self.scale2**2

    def line_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Those of the inner measurement: they are to be divided out, and so is the scale."""
        return self.inner.line_norms(y)

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """The inner diagonal at the unscaled pair, scaled back twice."""
        return self._unscaled(self._unscaled(self.inner.curvature_diagonal(self._unscaled(pair))))

    def gradient(
        self, pair: FactorPair, b: Float[Array, " m"]
    ) -> tuple[FactorPair, Float[Array, ""]]:
        """The inner gradient at the unscaled pair, scaled back (chain rule)."""
        G, loss = self.inner.gradient(self._unscaled(pair), b)
        return self._unscaled(G), loss

    def curvature_blocks(
        self, pair: FactorPair
    ) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]] | None:
        """The inner blocks at the unscaled pair, scaled back twice."""
        blocks = self.inner.curvature_blocks(self._unscaled(pair))
        if blocks is None:
            return None
        A, C = blocks
        return self.scale1[:, None, None] ** 2 * A, self.scale2[:, None, None] ** 2 * C

    def curvature(
        self, pair: FactorPair, step: FactorPair, residual: Adjoint | None = None
    ) -> FactorPair:
        """The inner curvature along the unscaled step, scaled back.

        `residual` is the adjoint of the *whitened* measurement, as `adjoint` returns it.
        """
        inner = residual.inner if isinstance(residual, ScaledAdjoint) else None
        return self._unscaled(
            self.inner.curvature(self._unscaled(pair), self._unscaled(step), inner)
        )
