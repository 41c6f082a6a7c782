"""The measurement protocol: what a linear map must offer, and what follows from it."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from flatrank.arrays import Array, Module, compiled, for_loop, to_numpy, unit_vectors, xp
from flatrank.arrays.shapes import Float, Int
from flatrank.factors import Cone, FactorPair, Weight, weighted

# Columns of the identity pushed through an operator at a time.
BLOCK = 64
# Steps at most in `right_inverse`, and its tolerance on both residuals of least squares.
_REPAIR_STEPS, _REPAIR_TOL = 500, 1e-14


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


class TangentMap(Module):
    """J: (P, Q) ↦ 𝒜(L Qᵀ + P Rᵀ) at one pair, with all that depends on the pair alone prepared."""

    @abstractmethod
    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """J (P, Q)."""

    @abstractmethod
    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """J* t = (𝒜*(t) R, 𝒜*(t)ᵀ L)."""


class Curvature(Module):
    """The curvature of a measurement at one pair, as an operator on steps.

    It is [A B; Bᵀ C] on (P, Q).
    """

    @abstractmethod
    def __call__(self, step: FactorPair) -> FactorPair:
        """One product."""

    def left_to_right(self, P: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Bᵀ P, where `curvature_blocks` gives A and C."""
        raise NotImplementedError(f"{type(self).__name__} has no blocks A and C")

    def right_to_left(self, Q: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """B Q, the same."""
        raise NotImplementedError(f"{type(self).__name__} has no blocks A and C")


class DirectCurvature(Curvature):
    """`Measurement.curvature` itself."""

    A: Measurement
    pair: FactorPair
    residual: Adjoint | None

    def __call__(self, step: FactorPair) -> FactorPair:
        """One product, as the measurement computes it."""
        return self.A.curvature(self.pair, step, self.residual)


class PreparedCurvature(Curvature):
    """The same from a prepared tangent map: J*J (P, Q) + (S Q, Sᵀ P)."""

    tangent: TangentMap
    residual: Adjoint | None

    def __call__(self, step: FactorPair) -> FactorPair:
        """One product with J and one with J*."""
        out = self.tangent.adjoint(self.tangent.forward(step))
        if self.residual is None:
            return out
        return FactorPair(out.L + self.residual.right(step.R), out.R + self.residual.left(step.L))


class Measurement(Module):
    """A linear map 𝒜 from d1 × d2 matrices to m numbers, used on factored matrices only.

    A new measurement supplies `shape`, `m`, `forward`, `adjoint` and `gram_diagonals`; the rest is
    derived here and may be replaced by a fused equivalent. It is finished when
    `check_measurement` passes.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""

    @property
    @abstractmethod
    def m(self) -> int:
        """Number of measurements."""

    @property
    def cone(self) -> Cone:
        """The matrices it can be asked about: all real ones here, or Hermitian ones."""
        return Cone.WHOLE

    @property
    def orders(self) -> tuple[int, int]:
        """Rows and columns of X itself: `shape`, and half of it where X is Hermitian."""
        d1, d2 = self.shape
        return self.cone.size(d1), self.cone.size(d2)

    @abstractmethod
    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(L Rᵀ)."""

    @abstractmethod
    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """𝒜*(y) = Σᵢ yᵢ Aᵢ, as an operator."""

    @abstractmethod
    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The diagonals of Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ."""

    def grams(self) -> tuple[Weight, Weight]:
        """Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ: vectors where they are diagonal, as here, else matrices."""
        return self.gram_diagonals()

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray] | None:
        """W1, W2 with WᵀW the Grams, from the Aᵢ stacked and without squaring them (host).

        They tell directions that the Aᵢ see a 1e-13 as strongly as the rest, Grams those seen a
        1e-6. None where Grams are all there is, as here.
        """
        return None

    def written(self) -> np.ndarray | None:
        """The Aᵢ, (m, d1, d2), where they are at hand or soon made (host); None here."""
        return None

    def gram_weights(self) -> Float[Array, " m"] | None:
        """The w with Σᵢ Aᵢ² = Σᵢ wᵢ Aᵢ where Aᵢ² = wᵢ Aᵢ, as for Aᵢ of rank one; None here."""
        return None

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """𝒜𝒜*(y), here from 𝒜*(y) a block of columns at a time."""
        S, d2 = self.adjoint(y), self.shape[1]

        def add(n: Array | int, total: Array) -> Array:
            E = identity_block(n, d2, y.dtype)
            return total + self.forward(FactorPair(S.right(E), E))

        return for_loop(0, -(-d2 // BLOCK), add, xp.zeros_like(y))

    def right_inverse(
        self, c: Float[Array, " m"], tol: float
    ) -> tuple[Adjoint, Float[Array, " m"]]:
        """A matrix N = 𝒜*(w) with 𝒜(N) = c, as nearly as there is one, and y = c − 𝒜(N) (host).

        By MINRES on 𝒜𝒜* w = c, which ends where ‖y‖ is at most `tol`, or 1e-14 ‖𝒜‖² ‖w‖; where c is
        outside the range of 𝒜 and ‖𝒜𝒜* y‖ ≤ 1e-14 ‖𝒜‖² ‖y‖: y is then what no matrix can fit; or
        after 500 steps. Where a y larger than c is left, N = 0.
        """
        c = left = to_numpy(c)
        w, steps = np.zeros(self.m), _REPAIR_STEPS
        while steps > 0 and np.linalg.norm(left) > tol:
            more, count = _least(lambda y: to_numpy(_normal(self, y)), left, steps)
            new = c - to_numpy(_normal(self, w + more))
            if not np.linalg.norm(new) < 0.5 * np.linalg.norm(left):
                break
            w, left, steps = w + more, new, steps - count
        return self.adjoint(w), left

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each measurement, where a measurement is an entry (host)."""
        raise TypeError(
            f"{type(self).__name__} does not sample entries: its measurements have no places"
        )

    @classmethod
    def argument_names(cls) -> tuple[str, ...]:
        """Names of the numbers and arrays it is made from, here those of its constructor."""
        return tuple(inspect.signature(cls).parameters)

    def arguments(self) -> dict[str, Any]:
        """What `from_arguments` makes it from again, here its attributes of those names (host)."""
        return {name: getattr(self, name) for name in self.argument_names()}

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> Measurement:
        """The measurement of `arguments`."""
        return cls(**arguments)

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """u1, u2 with diag(Σᵢ Aᵢ R Rᵀ Aᵢᵀ) ≈ u1·Σⱼ u2ⱼ‖Rⱼ‖², for preconditioning."""
        rows, cols = self.gram_diagonals()
        root = xp.sqrt(xp.sum(rows))
        return rows / root, cols / root

    def line_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Norms of the rows and columns of 𝒜*(y) where single ones stand out; here all alike."""
        d1, d2 = self.shape
        return xp.ones_like(y, shape=d1), xp.ones_like(y, shape=d2)

    def curvature_diagonal(self, pair: FactorPair) -> FactorPair:
        """The diagonal of `curvature` (Gauss–Newton), here by the model of `density`."""
        u1, u2 = self.density()
        weights = FactorPair((u2 @ pair.R**2)[None, :], (u1 @ pair.L**2)[None, :])
        return FactorPair(u1[:, None] * weights.L, u2[:, None] * weights.R)

    def right(self, y: Float[Array, " m"], R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """𝒜*(y) R."""
        return self.adjoint(y).right(R)

    def left(self, y: Float[Array, " m"], L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """𝒜*(y)ᵀ L."""
        return self.adjoint(y).left(L)

    def tangent(self, pair: FactorPair, step: FactorPair) -> Float[Array, " m"]:
        """The derivative of (L, R) ↦ 𝒜(L Rᵀ) along (P, Q): 𝒜(L Qᵀ + P Rᵀ)."""
        return self.forward(FactorPair(pair.L, step.R)) + self.forward(FactorPair(step.L, pair.R))

    def gradient(
        self, pair: FactorPair, b: Float[Array, " m"]
    ) -> tuple[FactorPair, Float[Array, ""]]:
        """Gradient (𝒜*(c) R, 𝒜*(c)ᵀ L) of ½‖c‖², c = 𝒜(L Rᵀ) − b, and ½‖c‖² itself."""
        c = self.forward(pair) - b
        S = self.adjoint(c)
        return FactorPair(S.right(pair.R), S.left(pair.L)), 0.5 * xp.vdot(c, c)

    def curvature_blocks(
        self, pair: FactorPair
    ) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]] | None:
        """Where each half of the Gauss–Newton matrix ties the numbers of one row only: its blocks.

        None where rows are tied to one another, as they are in general.
        """
        del pair
        return None

    def tangent_map(self, pair: FactorPair) -> TangentMap | None:
        """The tangent map at a pair, where preparing it makes many products cheaper; None here."""
        del pair
        return None

    def curvature_at(self, pair: FactorPair, residual: Adjoint | None = None) -> Curvature:
        """`curvature` at one pair as an operator, for many steps (P, Q)."""
        J = self.tangent_map(pair)
        return (
            DirectCurvature(self, pair, residual) if J is None else PreparedCurvature(J, residual)
        )

    def curvature(
        self, pair: FactorPair, step: FactorPair, residual: Adjoint | None = None
    ) -> FactorPair:
        """Hessian of ½‖𝒜(L Rᵀ) − b‖² applied to (P, Q); without `residual`, its Gauss–Newton part.

        With T = 𝒜*𝒜(L Qᵀ + P Rᵀ) and S = 𝒜*(c): (T R + S Q, Tᵀ L + Sᵀ P).
        """
        T = self.adjoint(self.tangent(pair, step))
        G, H = T.right(pair.R), T.left(pair.L)
        if residual is not None:
            G, H = G + residual.right(step.R), H + residual.left(step.L)
        return FactorPair(G, H)


@compiled
def _normal(A: Measurement, y: Array) -> Array:
    return A.normal(y)


def _least(
    normal: Callable[[np.ndarray], np.ndarray], c: np.ndarray, steps: int
) -> tuple[np.ndarray, int]:
    """A w of least ‖normal(w) − c‖, normal ⪰ 0, and how many steps it took."""
    from scipy.sparse.linalg import LinearOperator, minres  # only here: it takes long

    count = 0

    def product(y: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        return normal(y)

    operator = LinearOperator((c.size, c.size), matvec=product, dtype=np.float64)  # pyright: ignore
    w, _ = minres(operator, c, rtol=_REPAIR_TOL, maxiter=steps)
    return w, max(count, 1)


def triangular(pieces: Iterable[np.ndarray], d: int) -> np.ndarray:
    """W of d columns with WᵀW = Σ KᵀK over the pieces K, by QR: accurate column by column."""
    W = np.zeros((0, d))
    for piece in pieces:
        W = np.asarray(np.linalg.qr(np.vstack([W, piece]), mode="r"))
    return W


def identity_block(n: Int[Array, ""] | int, d: int, dtype: Any) -> Float[Array, "d block"]:
    """Columns n·BLOCK to (n + 1)·BLOCK of the d × d identity, zero beyond the last."""
    return unit_vectors(n * BLOCK + np.arange(BLOCK), d, dtype=dtype, axis=0)
