"""A Newton step with R eliminated, where either half of the system ties single rows only.

    [ A   B ] [P]     [g_L]
    [ Bᵀ  C ] [Q] = − [g_R],    (A − B C⁻¹ Bᵀ) P = −g_L + B C⁻¹ g_R,    Q = −C⁻¹ (g_R + Bᵀ P)

Where measurements are entries A and C are block diagonal, a k × k block for each row. A product
with A − B C⁻¹ Bᵀ costs less than one with the whole: B and Bᵀ see the entries once each. With A for
its preconditioner conjugate gradients take half the steps that they take on the whole system with
A and C for theirs, and these are fewer than with the diagonals: near the limit of information a
row's few entries are far from their average.

References: Reid (1972) for the halving; Golub and Pereyra (1973) for the elimination.
"""

from __future__ import annotations

from flatrank.arrays import Array, Module, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.kernels import block_product, inverses
from flatrank.measurements import CoupledCurvature, Measurement, SampledEntries


class Blocks(Module):
    """Apply a k × k matrix to each row."""

    blocks: Float[Array, "d k k"]

    def __call__(self, x: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """Row i of the result is blocks_i x_i."""
        return block_product(self.blocks, x)


class Reduced(Module):
    """P ↦ (A − B C⁻¹ Bᵀ) P, and the way from g to its right-hand side and from P to Q."""

    H: CoupledCurvature
    A: Blocks
    inverse: Blocks

    def __call__(self, P: Float[Array, "d1 k"]) -> Float[Array, "d1 k"]:
        """One product."""
        return self.A(P) - self.H.right_to_left(self.inverse(self.H.left_to_right(P)))

    def gradient(self, g: FactorPair) -> Float[Array, "d1 k"]:
        """g_L − B C⁻¹ g_R."""
        return g.L - self.H.right_to_left(self.inverse(g.R))

    def completed(self, g: FactorPair, P: Float[Array, "d1 k"]) -> FactorPair:
        """(P, Q) with the second half of the system solved."""
        return FactorPair(P, -self.inverse(g.R + self.H.left_to_right(P)))


def worthwhile(inner: int, width: int) -> bool:
    """Whether a step on the whole system took so many inner steps that blocks would have paid.

    Measured: from 5 at 5 columns on, from 6 at 10, from 19 at 20, from 41 at 32.
    """
    return inner > max(6, width)


def affordable(measurement: Measurement, width: int) -> bool:
    """Whether rows stand alone, and factors are narrow enough for their blocks."""
    return isinstance(measurement, SampledEntries) and width <= 24


def eliminated(
    H: CoupledCurvature,
    blocks: tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]],
    ridge: FactorPair,
) -> tuple[Reduced, Blocks]:
    """The reduced system, and the inverse of A to precondition it.

    `blocks` are A and C without λ, and `ridge` (d, 1) what λ adds to each row's diagonal.
    Cost: 2 (d1 + d2) k³ flops; memory (d1 + d2) k².
    """
    A, C = map(_regular, blocks, (ridge.L, ridge.R))
    return Reduced(H, Blocks(A), Blocks(inverses(C))), Blocks(inverses(A))


def _regular(X: Float[Array, "d k k"], ridge: Float[Array, "d 1"]) -> Float[Array, "d k k"]:
    """The blocks with what λ adds, and 0 for rows that meet nothing but rounding: they stay.

    The inverse of such a block fits an entry whose row and column have both died away, at a length
    that drowns all others.
    """
    total = X + ridge[:, :, None] * xp.eye(X.shape[1], dtype=X.dtype)
    size = xp.trace(total, axis1=1, axis2=2)
    met = size > xp.finfo(X.dtype).eps ** 2 * xp.max(size)
    return xp.where(met[:, None, None], total, 0.0)
