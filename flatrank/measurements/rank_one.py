"""Bilinear sensing: bᵢ = aᵢᵀ X cᵢ, the matrices aᵢ cᵢᵀ never formed."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, to_numpy, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements.base import Adjoint, Measurement, TangentMap, triangular


class _RankOneAdjoint(Adjoint):
    """Σᵢ yᵢ aᵢ cᵢᵀ = aᵀ diag(y) c."""

    a: Float[Array, "m d1"]
    c: Float[Array, "m d2"]
    y: Float[Array, " m"]

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        return self.a.T @ (self.y[:, None] * (self.c @ R))

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        return self.c.T @ (self.y[:, None] * (self.a @ L))


class _RankOneTangentMap(TangentMap):
    """J with a L and c R prepared: half the products of the plain one."""

    a: Float[Array, "m d1"]
    c: Float[Array, "m d2"]
    aL: Float[Array, "m k"]
    cR: Float[Array, "m k"]

    def forward(self, step: FactorPair) -> Float[Array, " m"]:
        """aᵢᵀ(L Qᵀ + P Rᵀ)cᵢ."""
        return xp.sum(self.aL * (self.c @ step.R) + (self.a @ step.L) * self.cR, axis=1)

    def adjoint(self, t: Float[Array, " m"]) -> FactorPair:
        """(aᵀ diag(t) c R, cᵀ diag(t) a L)."""
        t = t[:, None]
        return FactorPair(self.a.T @ (t * self.cR), self.c.T @ (t * self.aL))


class RankOne(Measurement):
    """𝒜(X)ᵢ = aᵢᵀ X cᵢ.

    Parameters
    ----------
    a, c : arrays of shape (m, d1) and (m, d2)
        The vectors, a row each.

    Notes
    -----
    Memory: m (d1 + d2) numbers, and d1² + d2² for the Grams aᵀ diag(‖cᵢ‖²) a, cᵀ diag(‖aᵢ‖²) c,
    taken once. Cost: 2 k m (d1 + d2) flops a product with k columns.
    """

    a: Float[Array, "m d1"]
    c: Float[Array, "m d2"]
    gram1: Float[Array, "d1 d1"]
    gram2: Float[Array, "d2 d2"]

    def __init__(self, a: Float[Array, "m d1"], c: Float[Array, "m d2"]):
        self.a, self.c = a, c
        self.gram1, self.gram2 = _grams(a, c)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.a.shape[1], self.c.shape[1]

    @property
    def m(self) -> int:
        """Number of pairs of vectors."""
        return self.a.shape[0]

    def forward(self, pair: FactorPair) -> Float[Array, " m"]:
        """Row by row the inner products of a L and c R."""
        a, c = self._vectors(pair.L.dtype)
        return xp.sum((a @ pair.L) * (c @ pair.R), axis=1)

    def adjoint(self, y: Float[Array, " m"]) -> Adjoint:
        """aᵀ diag(y) c."""
        return _RankOneAdjoint(*self._vectors(y.dtype), y)

    def grams(self) -> tuple[Float[Array, "d1 d1"], Float[Array, "d2 d2"]]:
        """aᵀ diag(‖cᵢ‖²) a and cᵀ diag(‖aᵢ‖²) c."""
        return self.gram1, self.gram2

    def written(self) -> np.ndarray:
        """The aᵢ cᵢᵀ."""
        a, c = to_numpy((self.a, self.c))
        return a[:, :, None] * c[:, None, :]

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the ‖cᵢ‖ aᵢ, and the ‖aᵢ‖ cᵢ."""
        a, c = to_numpy((self.a, self.c))
        x, z = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, c))
        return triangular([z * a], a.shape[1]), triangular([x * c], c.shape[1])

    def gram_diagonals(self) -> tuple[Float[Array, " d1"], Float[Array, " d2"]]:
        """Their diagonals."""
        return xp.diagonal(self.gram1), xp.diagonal(self.gram2)

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """With a L and c R at hand."""
        a, c = self._vectors(pair.L.dtype)
        return _RankOneTangentMap(a, c, a @ pair.L, c @ pair.R)

    def _vectors(self, dtype: np.dtype) -> tuple[Array, Array]:
        return self.a.astype(dtype, copy=False), self.c.astype(dtype, copy=False)


def _grams(a: Array, c: Array) -> tuple[Array, Array]:
    return (
        a.T @ (xp.sum(c * c, axis=1)[:, None] * a),
        c.T @ (xp.sum(a * a, axis=1)[:, None] * c),
    )
