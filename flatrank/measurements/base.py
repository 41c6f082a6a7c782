"""The measurement protocol: what a linear map must offer, and what follows from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

import numpy as np

from flatrank.arrays import Array, Module, compiled, for_loop, static, to_numpy, unit_vectors, xp
from flatrank.arrays.shapes import Float, Inexact, Int
from flatrank.factors import Cone, FactorPair, Weight, weighted

# Columns of the identity pushed through an operator at a time.
BLOCK = 64
S = TypeVar("S", bound="Adjoint")


class Adjoint(Module):
    """The d1 × d2 matrix S = 𝒜*(y), known by its products with tall matrices."""

    @abstractmethod
    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """S R."""

    @abstractmethod
    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Sᵀ L."""

    def size(self, D1: Weight, D2: Weight) -> Float[Array, ""]:
        """‖D1 S D2‖_F, here a block of columns at a time."""
        d2 = D2.shape[0]

        def add(n: Array | int, total: Array) -> Array:
            E = identity_block(n, d2, D2.dtype)
            part = weighted(D1, self.right(weighted(D2, E)))
            return total + xp.vdot(part, part)

        return xp.sqrt(for_loop(0, -(-d2 // BLOCK), add, xp.zeros_like(D2, shape=())))

    def formed(self) -> Adjoint:
        """The same as an array, where making it takes fewer products than it has columns."""
        return self


class TangentMap(Module):
    """J: (P, Q) ↦ 𝒜(L Qᵀ + P Rᵀ) at one pair, with all that depends on the pair alone prepared."""

    @abstractmethod
    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """J (P, Q)."""

    @abstractmethod
    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """J* t = (𝒜*(t) R, 𝒜*(t)ᵀ L)."""


class DerivedTangentMap(TangentMap):
    """J from 𝒜 and 𝒜*, nothing prepared."""

    A: Measurement
    pair: FactorPair

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """As the measurement computes it."""
        return self.A.tangent(self.pair, step)

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """Both products with 𝒜*(t)."""
        T = self.A.adjoint(t)
        return FactorPair(T.right(self.pair.R), T.left(self.pair.L))


class Curvature(Module):
    """The Hessian [A B; Bᵀ C] of ½‖𝒜(L Rᵀ) − b‖² at one pair, as an operator on steps (P, Q)."""

    @abstractmethod
    def __call__(self, step: FactorPair) -> FactorPair:
        """One product."""


class TangentCurvature(Curvature):
    """J*J (P, Q) + (S Q, Sᵀ P), S = 𝒜*(c); without S its Gauss–Newton part."""

    J: TangentMap
    residual: Adjoint | None

    def __call__(self, step: FactorPair) -> FactorPair:
        """One product with J and one with J*."""
        out = self.J.adjoint(self.J.forward(step))
        if self.residual is None:
            return out
        return FactorPair(out.L + self.residual.right(step.R), out.R + self.residual.left(step.L))


class CoupledCurvature(Curvature):
    """A curvature whose A and C tie the numbers of one row only: k × k blocks, and B between."""

    @abstractmethod
    def blocks(self) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]]:
        """A and C, a block for each row."""

    @abstractmethod
    def left_to_right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Bᵀ P."""

    @abstractmethod
    def right_to_left(self, Q: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """B Q."""


class Measurement(Module):
    """A linear map 𝒜 from d1 × d2 matrices to m numbers, used on factored matrices only.

    A new measurement supplies `shape`, `m`, `forward`, `adjoint` and `grams`; the rest is derived
    here and may be replaced by a fused equivalent. It is finished when `check_measurement` passes.
    """

    orthonormal: ClassVar[bool] = False
    """Whether 𝒜𝒜* is the identity."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""

    @property
    @abstractmethod
    def m(self) -> int:
        """Number of measurements."""

    @abstractmethod
    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(L Rᵀ)."""

    @abstractmethod
    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """𝒜*(y) = Σᵢ yᵢ Aᵢ, as an operator."""

    @abstractmethod
    def grams(self) -> tuple[Weight, Weight]:
        """Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ: vectors where they are diagonal, else matrices."""

    @property
    def cone(self) -> Cone:
        """The matrices it can be asked about: all real ones here, or Hermitian ones."""
        return Cone.WHOLE

    @property
    def orders(self) -> tuple[int, int]:
        """Rows and columns of X itself: `shape`, and half of it where X is Hermitian."""
        d1, d2 = self.shape
        return self.cone.size(d1), self.cone.size(d2)

    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The diagonals of `grams`."""
        rows, cols = (G if G.ndim == 1 else xp.diagonal(G) for G in self.grams())
        return rows, cols

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray] | None:
        """W1, W2 with WᵀW the Grams, from the Aᵢ stacked and without squaring them (host).

        They resolve directions that the Aᵢ see 1e-13 times as strongly as the rest, Grams only
        those seen 1e-6 times as strongly. None where Grams are all there is, as here.
        """
        return None

    def written(self) -> np.ndarray | None:
        """The Aᵢ, (m, d1, d2), where they are at hand or soon made (host); None here."""
        return None

    def gram_weights(self) -> Float[Array, " m"] | None:
        """The w with Σᵢ Aᵢ² = Σᵢ wᵢ Aᵢ where Aᵢ² = wᵢ Aᵢ, as for Aᵢ of rank one; None here."""
        return None

    def between(self, D1: Weight, D2: Weight) -> Measurement | None:
        """X ↦ 𝒜(D1 X D2), where that is one of the kind and as quick; None here."""
        del D1, D2
        return None

    def matrix(self, y: Float[Array, " m"]) -> Inexact[Array, "n1 n2"] | None:
        """𝒜*(y) as an array, where X may be one; None here. Of Hermitian X the complex one."""
        del y
        return None

    def of_matrix(self, X: Inexact[Array, "n1 n2"]) -> Float[Array, " m"]:
        """𝒜(X) of such an array."""
        del X
        raise TypeError(f"{type(self).__name__} takes matrices by their factors only")

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """𝒜𝒜*(y): by way of a matrix, or from 𝒜*(y) a block of columns at a time.

        In real forms every product of two matrices counts twice.
        """
        if self.orthonormal:
            return y
        S = self.matrix(y)
        if S is not None:
            return (2.0 if xp.iscomplexobj(S) else 1.0) * self.of_matrix(S)
        T, d2 = self.adjoint(y), self.shape[1]

        def add(n: Array | int, total: Array) -> Array:
            E = identity_block(n, d2, y.dtype)
            return total + self.forward(FactorPair(T.right(E), E))

        return for_loop(0, -(-d2 // BLOCK), add, xp.zeros_like(y))

    def right_inverse(
        self, c: Float[Array, " m"], tol: float
    ) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """w with 𝒜(𝒜*(w)) = c, as nearly as there is one, and y = c − 𝒜(𝒜*(w)) (host).

        By MINRES on 𝒜𝒜* w = c, which ends where ‖y‖ is at most `tol`, or 1e-14 ‖𝒜‖² ‖w‖; where c is
        outside the range of 𝒜 and ‖𝒜𝒜* y‖ ≤ 1e-14 ‖𝒜‖² ‖y‖: y is then what no matrix can fit; or
        after 500 steps. Where a y larger than c is left, w = 0.
        """
        from scipy.sparse.linalg import LinearOperator, minres  # only here: it takes long

        if self.orthonormal:
            return c, xp.zeros_like(c)
        steps = 500

        def product(y: np.ndarray) -> np.ndarray:
            nonlocal steps
            steps -= 1
            return to_numpy(_normal(self, y))

        operator = LinearOperator((self.m, self.m), matvec=product, dtype=np.float64)  # pyright: ignore
        c = left = to_numpy(c)
        w, least = np.zeros(self.m), 1e-14
        reach = max(least, tol / max(float(np.linalg.norm(c)), tol))  # no further than asked for
        while steps > 0 and np.linalg.norm(left) > tol:
            more, _ = minres(operator, left, rtol=reach, maxiter=steps)
            new = c - to_numpy(_normal(self, w + more))
            if np.linalg.norm(new) < 0.5 * np.linalg.norm(left):
                w, left = w + more, new
            elif reach == least:
                break
            else:
                reach = least
        return w, left

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each measurement, where a measurement is an entry (host)."""
        raise TypeError(
            f"{type(self).__name__} does not sample entries: its measurements have no places"
        )

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """u1, u2 with diag(Σᵢ Aᵢ R Rᵀ Aᵢᵀ) ≈ u1·Σⱼ u2ⱼ‖Rⱼ‖², for preconditioning."""
        rows, cols = self.gram_diagonals()
        root = xp.sqrt(xp.sum(rows))
        return rows / root, cols / root

    def side_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Norms of the rows and columns of 𝒜*(y) where single ones stand out; here all alike."""
        d1, d2 = self.shape
        return xp.ones_like(y, shape=d1), xp.ones_like(y, shape=d2)

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """The diagonal of the Gauss–Newton matrix, here by the model of `density`."""
        u1, u2 = self.density()
        return FactorPair(xp.outer(u1, u2 @ pair.R**2), xp.outer(u2, u1 @ pair.L**2))

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """The derivative of (L, R) ↦ 𝒜(L Rᵀ) along (P, Q): 𝒜(L Qᵀ + P Rᵀ), the columns joined."""
        return self.forward(FactorPair(pair.L, step.R).plus(FactorPair(step.L, pair.R)))

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """The same at one pair for many steps, where they are cheaper so."""
        return DerivedTangentMap(self, pair)

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> Curvature:
        """The Hessian of ½‖𝒜(L Rᵀ) − b‖² at one pair; without `residual`, its Gauss–Newton part.

        With T = 𝒜*𝒜(L Qᵀ + P Rᵀ) and S = 𝒜*(c), as `adjoint` returns it: (T R + S Q, Tᵀ L + Sᵀ P).
        Where it is a `CoupledCurvature` its parts are to be had one by one.
        """
        return TangentCurvature(self.tangent_map(pair), residual)


class WithGrams(Measurement):
    """A measurement whose number and Grams are taken once, when it is made.

    Parameters
    ----------
    count : int
        m.
    gram1, gram2 : arrays of shape (d, d), or (d,) where they are diagonal
        Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ; the second is None where it is the first.
    """

    count: int = static()
    gram1: Weight
    gram2: Weight | None

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.count

    def measured(self, m: int, gram1: Weight, gram2: Weight | None = None) -> None:
        """Set what a subclass found when it was made."""
        self.count, self.gram1, self.gram2 = m, gram1, gram2

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        one, other = self.grams()
        return one.shape[0], other.shape[0]

    def grams(self) -> tuple[Weight, Weight]:
        """As they were taken."""
        return self.gram1, self.gram1 if self.gram2 is None else self.gram2


@compiled
def _normal(A: Measurement, y: Array) -> Array:
    return A.normal(y)


def of_kind(residual: Adjoint | None, kind: type[S]) -> S | None:
    """A residual as the `adjoint` of the measurement at hand returns it, or none.

    Raises
    ------
    TypeError
        If it is of another measurement.
    """
    if residual is None or isinstance(residual, kind):
        return residual
    raise TypeError(
        f"residual must be what the measurement's own adjoint returns, {kind.__name__}; "
        f"got {type(residual).__name__}"
    )


def triangular(pieces: Iterable[np.ndarray], d: int) -> np.ndarray:
    """W of d columns with WᵀW = Σ KᵀK over the pieces K, by QR: accurate column by column."""
    W = np.zeros((0, d))
    for piece in pieces:
        W = np.asarray(np.linalg.qr(np.vstack([W, piece]), mode="r"))
    return W


def identity_block(n: Int[Array, ""] | int, d: int, dtype: Any) -> Float[Array, "d block"]:
    """Columns n·BLOCK to (n + 1)·BLOCK of the d × d identity, zero beyond the last."""
    return unit_vectors(n * BLOCK + np.arange(BLOCK), d, dtype=dtype, axis=0)
