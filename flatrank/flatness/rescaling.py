"""D1 and D2: the weights that turn the trace of the Hessian into a nuclear norm."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.factors import FactorPair
from flatrank.measurements import Measurement


class Rescaling(eqx.Module):
    """Diagonal D1, D2 with D1² = (1/(m d2)) Σ AᵢAᵢᵀ and D2² = (1/(m d1)) Σ AᵢᵀAᵢ, smoothed.

    Parameters
    ----------
    D1, D2 : arrays of shape (d1,) and (d2,)
        The diagonals, ≥ 0; 0 for a row or column that no measurement touches.
    """

    D1: Float[Array, " d1"]
    D2: Float[Array, " d2"]
    inverse: tuple[Float[Array, " d1"], Float[Array, " d2"]]
    """Diagonals of the pseudo-inverses D1⁻¹, D2⁻¹."""

    def __init__(self, D1: Float[Array, " d1"], D2: Float[Array, " d2"]):
        self.D1, self.D2 = D1, D2
        self.inverse = (_reciprocal(D1), _reciprocal(D2))

    @classmethod
    def of(cls, measurement: Measurement, smoothing: float = 0.0) -> Rescaling:
        """D_θ² = (1−θ) D² + θ·mean(diag D²) on each side, θ = `smoothing`.

        θ = 0 is flat, θ = 1 norm-minimal (D a multiple of the identity).
        """
        d1, d2 = measurement.shape
        rows, cols = measurement.gram_diagonals()
        scale = 1.0 / max(measurement.m, 1)

        def root(square: Float[Array, " d"]) -> Float[Array, " d"]:
            return jnp.sqrt((1.0 - smoothing) * square + smoothing * jnp.mean(square))

        return cls(root(rows * (scale / d2)), root(cols * (scale / d1)))

    @property
    def kappa(self) -> Float[Array, ""]:
        """κ = α2/α1 with α1 I ≤ D1, D2 ≤ α2 I; infinite when one of them is singular."""
        both = jnp.concatenate([self.D1, self.D2])
        return jnp.max(both) / jnp.min(both)

    def apply(self, pair: FactorPair) -> FactorPair:
        """(D1 L, D2 R): the pair of D1 X D2."""
        return pair.scaled(self.D1, self.D2)

    def undo(self, pair: FactorPair) -> FactorPair:
        """(D1⁻¹ L, D2⁻¹ R)."""
        return pair.scaled(*self.inverse)


def _reciprocal(d: Float[Array, " d"]) -> Float[Array, " d"]:
    return jnp.where(d > 0, 1.0 / jnp.where(d > 0, d, 1.0), 0.0)
