"""Singular values and vectors of L Rᵀ from thin factorisations of L and R."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, solve_triangular, xp
from flatrank.arrays.shapes import Float
from flatrank.factors.pair import FactorPair
from flatrank.linalg import svd_of_product


class CompactSVD(NamedTuple):
    """X = U diag(s) Vᵀ with at most k terms, s descending, U and V with orthonormal columns."""

    U: Float[Array, "d1 q"]
    s: Float[Array, " q"]
    V: Float[Array, "d2 q"]

    @property
    def rank(self) -> int:
        """How many singular values are above zero (host)."""
        return int(np.count_nonzero(self.s > 0))

    def narrow(self, terms: int | None = None) -> CompactSVD:
        """The first of its terms; by default those that are not zero (host)."""
        r = self.rank if terms is None else terms
        return CompactSVD(self.U[:, :r], self.s[:r], self.V[:, :r])

    def pair(self) -> FactorPair:
        """(U diag(s)^½, V diag(s)^½), the balanced pair of X."""
        root = xp.sqrt(self.s)[None, :]
        return FactorPair(self.U * root, self.V * root)


def compact_svd(pair: FactorPair) -> CompactSVD:
    """Singular value decomposition of L Rᵀ, of min(k, d1, d2) terms (`linalg.svd_of_product`)."""
    return CompactSVD(*svd_of_product(pair.L, pair.R))


def balance(pair: FactorPair) -> tuple[FactorPair, Float[Array, " k"]]:
    """The balanced pair of the same product, and its singular values.

    L = U diag(s)^½, R = V diag(s)^½, so LᵀL = RᵀR = diag(s): the norm-minimal factorisation of X,
    in the gauge where both Grams are diagonal. It keeps its k columns (zero ones at the end).
    """
    svd, k = compact_svd(pair), pair.rank
    return svd.pair().resized(k), xp.pad(svd.s, (0, k - svd.s.shape[0]))


def balance_from_grams(pair: FactorPair) -> tuple[FactorPair, Float[Array, " k"]]:
    """`balance`, from LᵀL = T1ᵀT1 and RᵀR = T2ᵀT2 (Cholesky) in place of QR.

    T1 T2ᵀ = U0 diag(s) V0ᵀ; L T1⁻¹ U0 diag(s)^½ and R T2⁻¹ V0 diag(s)^½, k ≤ min(d1, d2). The
    product is the same to rounding; columns of singular value s are orthogonal to the others to
    1e-15 s₁/s only. A fifth of the time of `balance`. The shift keeps zero columns apart from
    failure; it moves the gauge, not the product.
    """

    def triangle(X: Array) -> Array:
        G = X.T @ X
        return xp.linalg.cholesky(G + 1e-15 * xp.trace(G) * xp.eye(G.shape[0])).T

    T1, T2 = triangle(pair.L), triangle(pair.R)
    U0, s, V0t = xp.linalg.svd(T1 @ T2.T, full_matrices=False)
    root = xp.sqrt(s)[None, :]
    A = solve_triangular(T1, U0 * root)
    B = solve_triangular(T2, V0t.T * root)
    return FactorPair(pair.L @ A, pair.R @ B), s
