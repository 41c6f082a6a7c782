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

from jaxtyping import Float

from flatrank.arrays import Array, Module, Scalar, xp
from flatrank.factors import FactorPair
from flatrank.kernels import inverses
from flatrank.measurements import Curvature, Measurement, SampledEntries

# Elimination is worth its blocks from 5 inner steps on the whole system at 5 columns, from 6 at 10,
# from 19 at 20, from 41 at 32: about as many as there are columns, up to as many as these.
_LEAST, _NARROW = 6, 24


class Blocks(Module):
    """Apply a k × k matrix to each row."""

    blocks: Float[Array, "d k k"]

    def __call__(self, x: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """Row i of the result is blocks_i x_i."""
        return xp.einsum("iab,ib->ia", self.blocks, x)


class Reduced(Module):
    """P ↦ (A − B C⁻¹ Bᵀ) P, and the way from g to its right-hand side and from P to Q."""

    H: Curvature
    inverse: Blocks
    lam: Scalar

    def __call__(self, P: Float[Array, "d1 k"]) -> Float[Array, "d1 k"]:
        """One product."""
        Q = self.inverse(self._right(P))
        return self.H(FactorPair(P, -Q)).L + self.lam * P

    def gradient(self, g: FactorPair) -> Float[Array, "d1 k"]:
        """g_L − B C⁻¹ g_R."""
        Q = self.inverse(g.R)
        return g.L - self.H(FactorPair(xp.zeros_like(g.L), Q)).L

    def completed(self, g: FactorPair, P: Float[Array, "d1 k"]) -> FactorPair:
        """(P, Q) with the second half of the system solved."""
        return FactorPair(P, -self.inverse(g.R + self._right(P)))

    def _right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Bᵀ P."""
        return self.H(FactorPair(P, xp.zeros(self.inverse.blocks.shape[:2], P.dtype))).R


def dear(inner: int, width: int) -> bool:
    """Whether a step on the whole system took so many inner steps that blocks would have paid."""
    return inner > max(_LEAST, width)


def affordable(measurement: Measurement, width: int) -> bool:
    """Whether rows stand alone, and factors are narrow enough for their blocks."""
    return isinstance(measurement, SampledEntries) and width <= _NARROW


def eliminated(
    H: Curvature,
    blocks: tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]],
    lam: Scalar,
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
    Cost: 2 (d1 + d2) k³ flops; memory (d1 + d2) k².
    """
    A, C = (X + lam * xp.eye(X.shape[1], dtype=X.dtype)[None] for X in blocks)
    return Reduced(H, Blocks(inverses(C)), lam), Blocks(inverses(A))
