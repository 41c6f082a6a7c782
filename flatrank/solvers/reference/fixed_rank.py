"""Matrices of rank exactly k, as an embedded submanifold of all d1 × d2 matrices.

Point X = U diag(s) Vᵀ, tangent vector ξ = P Vᵀ + U Qᵀ with VᵀQ = 0. The two terms are then
orthogonal, ‖ξ‖² = ‖P‖² + ‖Q‖²: the metric of matrices is that of pairs, each ξ has exactly one
(P, Q), and the condition number of X appears nowhere to first order. That is why this geometry was
preferred to the quotients of L Rᵀ by all invertible matrices, whose metrics carry it.

Reference: Vandereycken, "Low-rank matrix completion by Riemannian optimization" (2013), §2–3; the
Hessian is his Proposition 2.3. Departure: (P, Q) in place of (M, U_p, V_p), with P = U M + U_p.
"""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.measurements import Adjoint
from flatrank.theory import Manifold


def _off(X: Float[Array, "d k"], basis: Float[Array, "d k"]) -> Float[Array, "d k"]:
    """The part of X orthogonal to the columns of `basis`."""
    return X - basis @ (basis.T @ X)


class FixedRank(Manifold[CompactSVD]):
    """Rank-k matrices; a point is (U, s, V), of dimension k(d1 + d2 − k).

    Notes
    -----
    Memory O((d1 + d2) k). A retraction costs thin QRs of 2k columns and one SVD of size 2k.
    """

    def point(self, pair: FactorPair) -> CompactSVD:
        """The compact singular value decomposition of L Rᵀ."""
        return compact_svd(pair)

    def pair(self, point: CompactSVD) -> FactorPair:
        """The balanced pair (U s^½, V s^½)."""
        return point.pair()

    def frame(self, point: CompactSVD) -> FactorPair:
        """(U, V)."""
        return FactorPair(point.U, point.V)

    def project(self, point: CompactSVD, vector: FactorPair) -> FactorPair:
        """(P, Q − V VᵀQ)."""
        return FactorPair(vector.L, _off(vector.R, point.V))

    def curvature_term(self, point: CompactSVD, S: Adjoint, vector: FactorPair) -> FactorPair:
        """((I − UUᵀ) S Q s⁻¹, Sᵀ (I − UUᵀ) P s⁻¹)."""
        inverse = xp.where(point.s > 0, 1.0 / xp.where(point.s > 0, point.s, 1.0), 0.0)[None, :]
        return FactorPair(
            _off(S.right(vector.R * inverse), point.U),
            S.left(_off(vector.L, point.U) * inverse),
        )

    def retract(self, point: CompactSVD, vector: FactorPair) -> CompactSVD:
        """The nearest matrix of rank k to X + ξ: a retraction of second order."""
        U, s, V = point
        moved = FactorPair(
            xp.concatenate([U * s[None, :] + vector.L, U], axis=1),
            xp.concatenate([V, vector.R], axis=1),
        )
        return CompactSVD(*(x[..., : s.size] for x in compact_svd(moved)))

    def transport(self, point: CompactSVD, vector: FactorPair, new: CompactSVD) -> FactorPair:
        """The projection of ξ: (ξ V', (I − V'V'ᵀ) ξᵀ U'), by k × k products only."""
        (U, _, V), (P, Q) = point, (vector.L, vector.R)
        return FactorPair(
            P @ (V.T @ new.V) + U @ (Q.T @ new.V),
            _off(V @ (P.T @ new.U) + Q @ (U.T @ new.U), new.V),
        )

    def defect(self, point: CompactSVD, vector: FactorPair) -> Float[Array, ""]:
        """‖VᵀQ‖."""
        return xp.linalg.norm(point.V.T @ vector.R)

    def violation(self, point: CompactSVD) -> Float[Array, ""]:
        """‖UᵀU − I‖ + ‖VᵀV − I‖, infinite where the rank is less than k."""
        eye = xp.eye(point.s.shape[0])
        off = sum(xp.linalg.norm(X.T @ X - eye) for X in (point.U, point.V))
        return xp.where(xp.all(point.s > 0), off, xp.inf)

    def retraction_error(
        self, point: CompactSVD, vector: FactorPair, new: CompactSVD
    ) -> Float[Array, ""]:
        """Frobenius norm of X' − X − ξ, from thin factors of the difference."""
        U, s, V = point
        left = [new.U * new.s[None, :], -(U * s[None, :] + vector.L), -U]
        right = [new.V, V, vector.R]
        both = FactorPair(xp.concatenate(left, axis=1), xp.concatenate(right, axis=1))
        return xp.linalg.norm(compact_svd(both).s)

    def random_gauge(self, rank: int, rng: np.random.Generator) -> Float[Array, "k k"]:
        """Signs: with distinct singular values nothing else leaves (U, s, V) a decomposition."""
        return np.diag(rng.choice([-1.0, 1.0], rank))

    def rotate(self, point: CompactSVD, Q: Float[Array, "k k"]) -> CompactSVD:
        """(U Q, s, V Q)."""
        return CompactSVD(point.U @ Q, point.s, point.V @ Q)
