"""A Newton step with R eliminated, where either half of the system ties single rows only.

    [ A   B ] [P]     [g_L]
    [ Bᵀ  C ] [Q] = − [g_R],    (A − B C⁻¹ Bᵀ) P = −g_L + B C⁻¹ g_R,    Q = −C⁻¹ (g_R + Bᵀ P)

Where measurements are entries A and C are block diagonal, a k × k block for each row. A product
with A − B C⁻¹ Bᵀ is one with either half of H, so that it costs what one with H does. With A for
its preconditioner conjugate gradients take half the steps that they take on the whole system with
A and C for theirs, and these are fewer than with the diagonals: near the limit of information a
row's few entries are far from their average.

References: Reid (1972) for the halving; Golub and Pereyra (1973) for the elimination.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.factors import FactorPair
from flatrank.measurements import Curvature, Measurement, PreparedCurvature, SampledEntries

#: Inner steps of one step on the whole system from which on elimination is worth its blocks.
MANY = 12
# Columns up to which inverting the blocks costs less than it saves.
_NARROW = 8
# A pivot of a block of unit diagonal, in units of rounding, that is rounding.
_PIVOT = 100.0


class Blocks(eqx.Module):
    """Apply a k × k matrix to each row."""

    blocks: Float[Array, "d k k"]

    def __call__(self, x: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """Row i of the result is blocks_i x_i."""
        return jnp.sum(self.blocks * x[:, None, :], axis=2)


class Reduced(eqx.Module):
    """P ↦ (A − B C⁻¹ Bᵀ) P, and the way from g to its right-hand side and from P to Q."""

    H: Curvature | PreparedCurvature
    inverse: Blocks
    lam: Float[Array, ""]

    def __call__(self, P: Float[Array, "d1 k"]) -> Float[Array, "d1 k"]:
        """One product."""
        Q = self.inverse(self._right(P))
        return self.H(FactorPair(P, -Q)).L + self.lam * P

    def gradient(self, g: FactorPair) -> Float[Array, "d1 k"]:
        """g_L − B C⁻¹ g_R."""
        Q = self.inverse(g.R)
        return g.L - self.H(FactorPair(jnp.zeros_like(g.L), Q)).L

    def completed(self, g: FactorPair, P: Float[Array, "d1 k"]) -> FactorPair:
        """(P, Q) with the second half of the system solved."""
        return FactorPair(P, -self.inverse(g.R + self._right(P)))

    def _right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Bᵀ P."""
        return self.H(FactorPair(P, jnp.zeros(self.inverse.blocks.shape[:2], P.dtype))).R


def affordable(measurement: Measurement, width: int) -> bool:
    """Whether rows stand alone, and factors are narrow enough for their blocks."""
    return isinstance(measurement, SampledEntries) and width <= _NARROW


def eliminated(
    H: Curvature | PreparedCurvature,
    blocks: tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]],
    lam: Float[Array, ""],
) -> tuple[Reduced, Blocks]:
    """The reduced system, and the inverse of A to precondition it.

    Parameters
    ----------
    H : operator
        The Hessian without its terms in λ.
    blocks : arrays of shape (d1, k, k) and (d2, k, k)
        Of its halves, A and C, without λ.
    lam : scalar
        λ ≥ 0.

    Returns
    -------
    (Reduced, Blocks)

    Notes
    -----
    Cost: (d1 + d2) k³ flops, one after the other in k; memory (d1 + d2) k².
    """
    A, C = (X + lam * jnp.eye(X.shape[1], dtype=X.dtype)[None] for X in blocks)
    return Reduced(H, Blocks(inverse(C)), lam), Blocks(inverse(A))


def inverse(A: Float[Array, "d k k"]) -> Float[Array, "d k k"]:
    """The inverse of each positive semidefinite block, by sweeping its pivots one after the other.

    With a the column of the pivot p and e its unit vector, a sweep is A ← A − (a − e)(a − e)ᵀ/p −
    2 e eᵀ; all of them leave −A⁻¹. Where a pivot is rounding its row and column are left out: a
    generalised inverse. Pivots of a unit diagonal are at most 1, so that a − e does not cancel.
    LAPACK, block by block, was seen to wait for ever beside large products (`uniqueness`).
    """
    k, small = A.shape[1], _PIVOT * jnp.finfo(A.dtype).eps
    d = jnp.diagonal(A, axis1=1, axis2=2)
    root = jnp.where(d > 0, jax.lax.rsqrt(jnp.where(d > 0, d, 1.0)), 0.0)
    A = A * root[:, :, None] * root[:, None, :]

    def sweep(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        A, swept = state
        e = jax.nn.one_hot(i, k, dtype=A.dtype)[None, :]
        a = jax.lax.dynamic_index_in_dim(A, i, 2, keepdims=False)
        p = jax.lax.dynamic_index_in_dim(a, i, 1, keepdims=False)[:, None, None]
        good, a = p > small, a - e
        p = jnp.where(good, p, 1.0)
        new = A - a[:, :, None] * a[:, None, :] / p - 2.0 * e[:, :, None] * e[:, None, :]
        return jnp.where(good, new, A), swept | ((e > 0) & good[:, :, 0])

    A, swept = jax.lax.fori_loop(0, k, sweep, (A, jnp.zeros(d.shape, bool)))
    root = root * swept
    return -A * root[:, :, None] * root[:, None, :]
