"""The matrices a problem ranges over: all of them, the symmetric, the positive semidefinite ones.

Symmetric matrices are held as L = U E, R = U with E = diag(±1), so that L Rᵀ = U E Uᵀ; positive
semidefinite ones have E = I. A Hermitian n × n matrix U U* is held by the real 2n × k matrix of the
real over the imaginary parts of U: a real number and an imaginary one for each complex number, no
more. Everything about the column space is then done with the complex matrix (`lift`), and comes
back as the real one (`lower`).
"""

from __future__ import annotations

from enum import Enum

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Complex, Float, Inexact
from flatrank.factors.pair import FactorPair
from flatrank.factors.spectrum import CompactSVD, balance, balance_from_grams, compact_svd


class Cone(Enum):
    """What X may be."""

    WHOLE = "any matrix"
    SYMMETRIC = "a symmetric matrix"
    POSITIVE = "a positive semidefinite matrix"
    HERMITIAN = "a Hermitian positive semidefinite matrix"

    @property
    def positive(self) -> bool:
        """Whether no eigenvalue may be negative."""
        return self in (Cone.POSITIVE, Cone.HERMITIAN)

    def size(self, d: int) -> int:
        """The order of the matrix whose factor has d real rows: d/2 for a Hermitian one."""
        return d // 2 if self is Cone.HERMITIAN else d

    def degrees(self, d: int, r: int) -> int:
        """Degrees of freedom of rank r at d real rows.

        d r − r(r − 1)/2, and d r − r² = r(2n − r) for a Hermitian n × n matrix.
        """
        r = min(r, self.size(d))
        return d * r - (r * r if self is Cone.HERMITIAN else r * (r - 1) // 2)

    def lift(self, U: Float[Array, "d k"]) -> Inexact[Array, "n k"]:
        """The complex matrix that U stands for; U itself where there is none."""
        if self is not Cone.HERMITIAN:
            return U
        n = U.shape[0] // 2
        return U[:n] + 1j * U[n:]

    def lower(self, U: Inexact[Array, "n k"]) -> Float[Array, "d k"]:
        """Back from `lift`."""
        return xp.concatenate([xp.real(U), xp.imag(U)]) if self is Cone.HERMITIAN else U

    def inside(self, U: Float[Array, "d k"], X: Float[Array, "d n"]) -> Float[Array, "d n"]:
        """The part of X in the column space of U, whose (lifted) columns are orthonormal."""
        u = self.lift(U)
        return self.lower(u @ (u.conj().T @ self.lift(X)))

    def turning(self, U: Float[Array, "d k"], P: Float[Array, "d k"]) -> Float[Array, "d k"]:
        """The part U K of a step P with K skew: it turns U, and leaves U U* where it is."""
        u = self.lift(U)
        K = u.conj().T @ self.lift(P)
        return self.lower(u @ (0.5 * (K - K.conj().T)))

    def balance(
        self, pair: FactorPair, loose: bool = False
    ) -> tuple[FactorPair, Float[Array, " k"]]:
        """The balanced pair of a matrix of the cone, LᵀL = RᵀR = diag(s), s descending, and s.

        For `WHOLE` by Grams where `loose` (`balance_from_grams`).
        """
        if self is Cone.WHOLE:
            return balance_from_grams(pair) if loose else balance(pair)
        k = pair.rank
        if self.positive:
            u, root, _ = xp.linalg.svd(self.lift(pair.R), full_matrices=False)
            U = self.lower(u * root[None, :])
            return FactorPair(U, U).resized(k), xp.pad(root**2, (0, k - root.shape[0]))
        U, w = _eigenpairs(pair)
        s = xp.abs(w)
        U = U * xp.sqrt(s)[None, :]
        return FactorPair(U * xp.sign(w)[None, :], U).resized(k), xp.pad(s, (0, k - s.shape[0]))

    def nearest(self, pair: FactorPair) -> FactorPair:
        """The nearest matrix in the cone to L Rᵀ: its symmetric part, without negative eigenvalues.

        At most twice as many columns.
        """
        if self is Cone.WHOLE:
            return pair
        left, right = self.lift(pair.L), self.lift(pair.R)
        Q, T = xp.linalg.qr(xp.concatenate([left, right], axis=1))
        core = T[:, : pair.rank] @ T[:, pair.rank :].conj().T
        w, V = xp.linalg.eigh(0.5 * (core + core.conj().T))
        if self.positive:
            w = xp.maximum(w, 0.0)
        U = self.lower((Q @ V) * xp.sqrt(xp.abs(w))[None, :])
        return FactorPair(U * xp.where(w < 0, -1.0, 1.0)[None, :], U)

    def decompose(self, pair: FactorPair) -> CompactSVD:
        """U, s, V of a pair in the form of the cone, then V = ±U column by column."""
        if self is Cone.WHOLE:
            return compact_svd(pair)
        balanced, s = self.balance(pair)
        scale = xp.where(s > 0, 1.0 / xp.sqrt(xp.where(s > 0, s, 1.0)), 0.0)[None, :]
        return CompactSVD(balanced.L * scale, s, balanced.R * scale)


def _eigenpairs(pair: FactorPair) -> tuple[Float[Array, "d q"], Float[Array, " q"]]:
    """Eigenvectors and eigenvalues of a symmetric L Rᵀ, the largest in size first."""
    Q, T = xp.linalg.qr(pair.R)
    core = (Q.T @ pair.L) @ T.T
    w, V = xp.linalg.eigh(0.5 * (core + core.T))
    order = xp.argsort(-xp.abs(w))
    return Q @ V[:, order], w[order]


def complex_form(D: Float[Array, "d d"] | Float[Array, " d"]) -> Inexact[Array, "n n"] | Array:
    """The n × n matrix that `real_form` made D from; half of a diagonal."""
    n = D.shape[0] // 2
    return D[:n] if D.ndim == 1 else D[:n, :n] + 1j * D[n:, :n]


def real_form(G: Complex[Array, "n n"]) -> Float[Array, "d d"]:
    """[[Re, −Im], [Im, Re]]: what a Hermitian matrix does to real factors with 2n rows."""
    return xp.block([[xp.real(G), -xp.imag(G)], [xp.imag(G), xp.real(G)]])
