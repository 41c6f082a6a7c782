"""D1 and D2: the weights that turn the trace of the Hessian into a nuclear norm."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.factors import FactorPair, Weight
from flatrank.kernels import Kept
from flatrank.measurements import Measurement

# Eigenvalues of D² below this share of the largest are rounding: D is singular there.
_RANK_FLOOR = 1e-13


class Rescaling(Kept):
    """D1, D2 with D1² = (1/(m d2)) Σ AᵢAᵢᵀ and D2² = (1/(m d1)) Σ AᵢᵀAᵢ, smoothed.

    Each is held as its diagonal where it is diagonal, else as the symmetric root. Where D is
    singular no measurement sees the directions of its null space: the problem is the one
    restricted to the range, and D⁻¹ the pseudo-inverse.

    Parameters
    ----------
    D1, D2 : arrays of shape (d1,) or (d1, d1), and (d2,) or (d2, d2)
        Positive semidefinite; for entries 0 for a row or column that none touches.
    inverse : pair of arrays, optional
        D1⁻¹ and D2⁻¹; by default those of diagonal D1, D2.
    """

    D1: Weight
    D2: Weight
    inverse: tuple[Weight, Weight]
    """The pseudo-inverses D1⁻¹, D2⁻¹, in the form of D1, D2."""

    def __init__(self, D1: Weight, D2: Weight, inverse: tuple[Weight, Weight] | None = None):
        self.D1, self.D2 = D1, D2
        self.inverse = (_reciprocal(D1), _reciprocal(D2)) if inverse is None else inverse

    @classmethod
    def of(cls, measurement: Measurement, smoothing: float = 0.0) -> Rescaling:
        """D_θ² = (1−θ) D² + θ·mean(diag D²) on each side, θ = `smoothing`.

        θ = 0 is flat, θ = 1 norm-minimal (D a multiple of the identity, held as its diagonal).
        Cost: for dense Grams one eigenvalue decomposition a side, O(d³).
        """
        d1, d2 = measurement.shape
        scale = 1.0 / max(measurement.m, 1)
        rows, cols = measurement.grams()
        D1, inverse1 = _root(rows * (scale / d2), smoothing)
        D2, inverse2 = _root(cols * (scale / d1), smoothing)
        return cls(D1, D2, (inverse1, inverse2))

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.D1.shape[0], self.D2.shape[0]

    @property
    def extremes(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """(α1, α2), tight, with α1 I ≤ D1, D2 ≤ α2 I; α1 = 0 when one of them is singular."""
        with jax.enable_x64(True):
            both = jnp.concatenate(
                [D if D.ndim == 1 else jnp.linalg.eigvalsh(D) for D in (self.D1, self.D2)]
            )
            top, low = jnp.max(both), jnp.min(both)
            return jnp.where(low > _RANK_FLOOR**0.5 * top, low, 0.0), top

    @property
    def kappa(self) -> Float[Array, ""]:
        """κ = α2/α1 (`extremes`); infinite when D1 or D2 is singular."""
        with jax.enable_x64(True):
            low, top = self.extremes
            return top / low

    def apply(self, pair: FactorPair) -> FactorPair:
        """(D1 L, D2 R): the pair of D1 X D2."""
        return pair.scaled(self.D1, self.D2)

    def undo(self, pair: FactorPair) -> FactorPair:
        """(D1⁻¹ L, D2⁻¹ R)."""
        return pair.scaled(*self.inverse)


def _root(square: Weight, smoothing: float) -> tuple[Weight, Weight]:
    """D_θ and its pseudo-inverse from D²."""
    if square.ndim == 1:
        D = jnp.sqrt((1.0 - smoothing) * square + smoothing * jnp.mean(square))
        return D, _reciprocal(D)
    diagonal = jnp.diagonal(square)
    if smoothing == 1.0:
        return _root(diagonal, 1.0)
    if bool(jnp.all(square == jnp.diag(diagonal))):
        return _root(diagonal, smoothing)
    return _symmetric_root(square, jnp.asarray(smoothing))


@eqx.filter_jit
def _symmetric_root(square: Array, smoothing: Array) -> tuple[Array, Array]:
    w, Q = jnp.linalg.eigh(square)
    w = jnp.where(w > _RANK_FLOOR * w[-1], w, 0.0)
    root = jnp.sqrt((1.0 - smoothing) * w + smoothing * jnp.mean(w))
    return (Q * root[None, :]) @ Q.T, (Q * _reciprocal(root)[None, :]) @ Q.T


def _reciprocal(d: Float[Array, " d"]) -> Float[Array, " d"]:
    return jnp.where(d > 0, 1.0 / jnp.where(d > 0, d, 1.0), 0.0)
