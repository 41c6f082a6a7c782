"""Balanced pairs, B_k = {(L, R): LᵀL = RᵀR}, on their smooth part and modulo O(k).

    tangent      sym(LᵀA) = sym(RᵀB)                           (A, B) ∈ T B_k
    normal       (L Z, −R Z), Z symmetric
    vertical     (L Ω, R Ω), Ω skew: X does not move along these
    projection   (A − L(Z + Ω), B + R(Z − Ω)),  G = LᵀL = RᵀR,
                 G Z + Z G = sym(LᵀA) − sym(RᵀB),  G Ω + Ω G = skew(LᵀA) + skew(RᵀB)

with pseudo-inverses where G is singular. (d1 + d2)k − k(k+1)/2 dimensions where L and R have full
column rank; the horizontal vectors among them, orthogonal to the gauge orbit, are k(d1 + d2 − k).
Elsewhere (always when k > min(d1, d2)) the set has a corner: the projection still holds for the
linearised constraint, and no retraction can follow all of it.

The gradient of a function of L Rᵀ is tangent and horizontal as it stands, so no curvature of the
set enters its Hessian: it is the Hessian on pairs, projected.

References: theory notes §2 (projection); Meyer, Bonnabel and Sepulchre (2011).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, static, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, balance
from flatrank.measurements import Adjoint
from flatrank.theory.manifold import Manifold, combine, inner


class BalancedPoint(NamedTuple):
    """A balanced pair and the eigenvalues and eigenvectors of its Gram, G = W diag(s) Wᵀ."""

    pair: FactorPair
    s: Float[Array, " k"]
    W: Float[Array, "k k"]


def align(pair: FactorPair, target: FactorPair) -> tuple[FactorPair, Float[Array, "k k"]]:
    """The pair (L Q, R Q), Q in O(k), nearest to `target`, and Q: a Procrustes problem."""
    C = pair.L.T @ target.L + pair.R.T @ target.R
    U, _, Vt = xp.linalg.svd(C)
    Q = U @ Vt
    return FactorPair(pair.L @ Q, pair.R @ Q), Q


class BalancedPairs(Manifold[BalancedPoint]):
    """Balanced pairs with the metric ‖A‖² + ‖B‖² of pairs.

    Parameters
    ----------
    quotient : bool
        Whether tangent vectors are kept orthogonal to the gauge orbit, which makes this B_k/O(k):
        the matrices of rank k, in another metric than `FixedRank`.

    Notes
    -----
    Memory O((d1 + d2) k). A projection costs two Grams and products of k × k matrices.
    """

    quotient: bool = static(default=True)

    def point(self, pair: FactorPair) -> BalancedPoint:
        """The balanced pair of L Rᵀ in the gauge where G is diagonal."""
        balanced, s = balance(pair)
        return BalancedPoint(balanced, s, xp.eye(pair.rank))

    def pair(self, point: BalancedPoint) -> FactorPair:
        """The pair itself."""
        return point.pair

    def project(self, point: BalancedPoint, vector: FactorPair) -> FactorPair:
        """(A − L(Z + Ω), B + R(Z − Ω)): without its normal and vertical parts."""
        M = self._constraints(point, vector)
        Z, Omega = _sylvester(point, 0.5 * (M + M.T)), _sylvester(point, 0.5 * (M - M.T))
        L, R = point.pair.L, point.pair.R
        return FactorPair(vector.L - L @ (Z + Omega), vector.R + R @ (Z - Omega))

    def _constraints(self, point: BalancedPoint, vector: FactorPair) -> Float[Array, "k k"]:
        """sym(LᵀA) − sym(RᵀB) + skew(LᵀA) + skew(RᵀB); without the skew part off the quotient."""
        K, N = point.pair.L.T @ vector.L, point.pair.R.T @ vector.R
        M = K - N.T
        return M if self.quotient else 0.5 * (M + M.T)

    def curvature_term(self, point: BalancedPoint, S: Adjoint, vector: FactorPair) -> FactorPair:
        """(S B, SᵀA): the residual's part of the Hessian on pairs."""
        del point
        return FactorPair(S.right(vector.R), S.left(vector.L))

    def retract(self, point: BalancedPoint, vector: FactorPair) -> BalancedPoint:
        """Rebalance (L + A, R + B) in the nearest gauge: its product stays, at every rank and k."""
        moved = combine(point.pair, 1.0, vector)
        balanced, s = balance(moved)
        pair, Q = align(balanced, moved)
        return BalancedPoint(pair, s, Q.T)

    def precondition(self, point: BalancedPoint, vector: FactorPair) -> FactorPair:
        """Π (A G⁻¹, B G⁻¹) of a tangent vector: the Gauss–Newton Hessian is near (A G, B G)."""
        s = xp.maximum(point.s, 1e-14 * xp.max(point.s))
        inverse = (point.W / s[None, :]) @ point.W.T
        return self.project(point, FactorPair(vector.L @ inverse, vector.R @ inverse))

    def defect(self, point: BalancedPoint, vector: FactorPair) -> Float[Array, ""]:
        """‖sym(LᵀA) − sym(RᵀB)‖, and with it ‖skew(LᵀA) + skew(RᵀB)‖ on the quotient."""
        return xp.linalg.norm(self._constraints(point, vector))

    def violation(self, point: BalancedPoint) -> Float[Array, ""]:
        """‖LᵀL − RᵀR‖/‖LᵀL‖."""
        G = point.pair.L.T @ point.pair.L
        return xp.linalg.norm(G - point.pair.R.T @ point.pair.R) / xp.linalg.norm(G)

    def retraction_error(
        self, point: BalancedPoint, vector: FactorPair, new: BalancedPoint
    ) -> Float[Array, ""]:
        """The norm of (L' − L − A, R' − R − B)."""
        off = combine(new.pair, -1.0, combine(point.pair, 1.0, vector))
        return xp.sqrt(inner(off, off))

    def random_gauge(self, rank: int, rng: np.random.Generator) -> Float[Array, "k k"]:
        """A random element of O(k)."""
        return np.linalg.qr(rng.standard_normal((rank, rank)))[0]

    def rotate(self, point: BalancedPoint, Q: Float[Array, "k k"]) -> BalancedPoint:
        """(L Q, R Q), G = (QᵀW) diag(s) (QᵀW)ᵀ."""
        return BalancedPoint(FactorPair(point.pair.L @ Q, point.pair.R @ Q), point.s, Q.T @ point.W)


def _sylvester(point: BalancedPoint, M: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """The Z of least norm with G Z + Z G = M: Z_ij = M_ij/(s_i + s_j) in the eigenbasis of G."""
    sums = point.s[:, None] + point.s[None, :]
    safe = sums > 1e-14 * xp.max(sums)
    Z = xp.where(safe, point.W.T @ M @ point.W / xp.where(safe, sums, 1.0), 0.0)
    return point.W @ Z @ point.W.T
