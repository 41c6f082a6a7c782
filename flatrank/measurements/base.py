"""The measurement protocol: what a linear map must offer, and what follows from it."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from flatrank.factors import FactorPair


class Adjoint(eqx.Module):
    """The d1 × d2 matrix S = 𝒜*(y), known by its products with tall matrices."""

    @abstractmethod
    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """S R."""

    @abstractmethod
    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Sᵀ L."""


class Measurement(eqx.Module):
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

    @abstractmethod
    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """𝒜(L Rᵀ)."""

    @abstractmethod
    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """𝒜*(y) = Σᵢ yᵢ Aᵢ, as an operator."""

    @abstractmethod
    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """The diagonals of Σᵢ Aᵢ Aᵢᵀ and Σᵢ Aᵢᵀ Aᵢ."""

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of each measurement, where a measurement is an entry (host)."""
        raise TypeError(f"{type(self).__name__} does not sample entries; it has no places")

    def density(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """u1, u2 with diag(Σᵢ Aᵢ R Rᵀ Aᵢᵀ) ≈ u1·Σⱼ u2ⱼ‖Rⱼ‖², for preconditioning."""
        rows, cols = self.gram_diagonals()
        root = jnp.sqrt(jnp.sum(rows))
        return rows / root, cols / root

    def line_norms(self, y: Float[Array, " m"]) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Norms of the rows and columns of 𝒜*(y) where single ones stand out; here all alike."""
        d1, d2 = self.shape
        del y
        return jnp.ones(d1), jnp.ones(d2)

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
        return FactorPair(S.right(pair.R), S.left(pair.L)), 0.5 * jnp.vdot(c, c)

    def curvature_blocks(
        self, pair: FactorPair
    ) -> tuple[Float[Array, "d1 k k"], Float[Array, "d2 k k"]] | None:
        """Where each half of the Gauss–Newton matrix ties the numbers of one row only: its blocks.

        None where rows are tied to one another, as they are in general.
        """
        del pair
        return None

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
