"""The pair (L, R) with X = L Rᵀ."""

from __future__ import annotations

from flatrank.arrays import Array, Module, product, xp
from flatrank.arrays.shapes import Float, Inexact

Weight = Float[Array, " _"] | Float[Array, "_ _"]
"""A weight on one side of X: a diagonal, as a vector, or a matrix."""


def weighted(
    D: Inexact[Array, " d"] | Inexact[Array, "d d"], X: Inexact[Array, "d k"]
) -> Inexact[Array, "d k"]:
    """D X for D given by its diagonal or as a matrix."""
    return D[:, None] * X if D.ndim == 1 else product(D, X)


class FactorPair(Module):
    """X = L Rᵀ, held as its two factors; X itself is never formed.

    Parameters
    ----------
    L : Float[Array, "d1 k"]
        Left factor, one row per row of X.
    R : Float[Array, "d2 k"]
        Right factor, one row per column of X.
    """

    L: Float[Array, "d1 k"]
    R: Float[Array, "d2 k"]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2), the shape of X."""
        return self.L.shape[0], self.R.shape[0]

    @property
    def rank(self) -> int:
        """k, the number of columns: an upper bound on the rank of X."""
        return self.L.shape[1]

    def scaled(self, left: Weight, right: Weight) -> FactorPair:
        """The pair of D1 X D2ᵀ, each D a vector (the diagonal) or a matrix (`weighted`)."""
        return type(self)(weighted(left, self.L), weighted(right, self.R))

    def plus(self, other: FactorPair) -> FactorPair:
        """The pair of the sum of the two matrices: columns side by side."""
        return type(self)(
            xp.concatenate([self.L, other.L], axis=1), xp.concatenate([self.R, other.R], axis=1)
        )

    def resized(self, k: int) -> FactorPair:
        """Exactly k columns: cut on the right, or filled with zero columns (same X)."""
        if k <= self.rank:
            return type(self)(self.L[:, :k], self.R[:, :k])
        fill = ((0, 0), (0, k - self.rank))
        return type(self)(xp.pad(self.L, fill), xp.pad(self.R, fill))

    def squared_norm(self) -> Float[Array, ""]:
        """‖L‖² + ‖R‖² (Frobenius)."""
        return xp.vdot(self.L, self.L) + xp.vdot(self.R, self.R)


class ComplexPair(FactorPair):
    """X = L R* of complex L and R, each held as the real over the imaginary parts.

    What is linear in the real numbers is that of the real pair: products with 𝒜, with D1 and D2,
    norms. What asks for singular vectors is not, and is to use the complex factors (`Cone.lift`).

    Parameters
    ----------
    L : Float[Array, "d1 k"]
        Twice as many rows as X has.
    R : Float[Array, "d2 k"]
        Twice as many rows as X has columns.
    """
