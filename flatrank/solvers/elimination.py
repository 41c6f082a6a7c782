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
from flatrank.measurements import Curvature, PreparedCurvature

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
    rows: int = eqx.field(static=True)
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
        return self.H(FactorPair(P, jnp.zeros((self.rows, P.shape[1]), P.dtype))).R


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
    return Reduced(H, Blocks(inverse(C)), C.shape[0], lam), Blocks(inverse(A))


def inverse(A: Float[Array, "d k k"]) -> Float[Array, "d k k"]:
    """The inverse of each positive semidefinite block, by sweeping its pivots one after the other.

    Where a pivot is rounding its row and column are left out: a generalised inverse. LAPACK in a
    loop over blocks was seen to wait for ever beside large products (jaxlib 0.10.2, two cores).
    """
    k, small = A.shape[1], _PIVOT * jnp.finfo(A.dtype).eps
    d = jnp.diagonal(A, axis1=1, axis2=2)
    root = jnp.where(d > 0, jax.lax.rsqrt(jnp.where(d > 0, d, 1.0)), 0.0)
    A = A * root[:, :, None] * root[:, None, :]

    def sweep(i: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        A, swept = state
        column = jax.lax.dynamic_index_in_dim(A, i, 2, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(column, i, 1, keepdims=False)
        good, here = pivot > small, jnp.arange(k) == i
        over = jnp.where(good, 1.0 / jnp.where(good, pivot, 1.0), 0.0)
        # The formula A − a aᵀ/p of the other rows gives a/p and −1/p where e is added to a.
        out = jnp.where(here, 1.0, 0.0)[None, :]
        scaled = column * over[:, None]
        rest = jnp.where(here, 0.0, 1.0)[None, :]
        new = (
            (A - scaled[:, :, None] * column[:, None, :]) * (rest[:, :, None] * rest[:, None, :])
            + (scaled * rest)[:, :, None] * out[:, None, :]
            + out[:, :, None] * (scaled * rest)[:, None, :]
            - (over[:, None] * out)[:, :, None] * out[:, None, :]
        )
        return jnp.where(good[:, None, None], new, A), swept | (here[None, :] & good[:, None])

    A, swept = jax.lax.fori_loop(0, k, sweep, (A, jnp.zeros(d.shape, bool)))
    root = root * swept
    return -A * root[:, :, None] * root[:, None, :]
