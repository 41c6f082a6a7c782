"""Matrix sensing with Gaussian matrices that are drawn again whenever they are wanted."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, for_loop, mapped, static, tree_map, xp
from flatrank.arrays.shapes import Float, Int, UInt64
from flatrank.factors import FactorPair
from flatrank.measurements.base import TangentMap
from flatrank.measurements.checks import checked_count, checked_shape
from flatrank.measurements.matrices import ListedTangentMap, OnMatrices, sum_grams


class RegeneratedGaussian(OnMatrices):
    """𝒜(X)ᵢ = ⟨Aᵢ, X⟩, entries of Aᵢ independent N(0, 1), made from a key and never stored.

    The numbers come from a counter, so any block of them can be drawn at any time, and every
    product sees the same ones. Make one by `gaussian`.

    Parameters
    ----------
    key : uint64 scalar
        Where the stream of numbers begins.
    shape : (d1, d2)
        Of X.
    m : int
        Number of matrices.

    Notes
    -----
    Memory: d1 d2 + m numbers, and k m (d1 + d2) while a tangent map lives. Cost of a product:
    m d1 d2 draws, some ten times what reading stored numbers takes.

    References: Steele, Lea and Flood (2014) for the bits, Box and Muller (1958) for the numbers.
    """

    key: UInt64[Array, ""]
    _block_shape: tuple[int, int, int] = static()

    def __init__(self, key: UInt64[Array, ""], shape: tuple[int, int], m: int):
        size = max(1, min(m, (1 << 18) // (shape[0] * shape[1])))
        self.key, self._block_shape = key, (size, *shape)
        blocks = (self._block(i // size)[: m - i] for i in range(0, m, size))
        self.measured(m, *sum_grams(blocks, shape))

    def _block(self, n: Int[Array, ""] | int) -> Float[Array, "size d1 d2"]:
        """The n-th block; the last may hold more matrices than are asked for."""
        return _drawn(self.key, self._block_shape, n)

    def _rows(self, n: Int[Array, ""] | int, dtype: np.dtype) -> Float[Array, "size cells"]:
        """The same, a row each."""
        return self._block(n).reshape(self._block_shape[0], -1).astype(dtype, copy=False)

    @property
    def _numbers(self) -> np.ndarray:
        """Those of the blocks."""
        return np.arange(-(-self.m // self._block_shape[0]))

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """⟨Aᵢ, X⟩, block by block."""
        parts = mapped(lambda n: self._rows(n, X.dtype) @ X.reshape(-1), self._numbers, like=X)
        return parts.reshape(-1)[: self.m]

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Σᵢ yᵢ Aᵢ, block by block."""
        (size, d1, d2), count = self._block_shape, len(self._numbers)
        parts = xp.pad(y, (0, count * size - self.m)).reshape(-1, size)

        def add(n: Array, total: Array) -> Array:
            return total + parts[n] @ self._rows(n, y.dtype)

        return for_loop(0, count, add, xp.zeros_like(y, shape=d1 * d2)).reshape(d1, d2)

    def tangent_map(self, pair: FactorPair) -> TangentMap:
        """Every Aᵢ R and Aᵢᵀ L, which spares drawing again, where they are fewer numbers."""
        if not ListedTangentMap.fits(pair):
            return super().tangent_map(pair)
        parts = mapped(
            lambda n: ListedTangentMap.of(self._block(n), pair), self._numbers, like=pair
        )
        return tree_map(lambda x: x.reshape(-1, *x.shape[2:])[: self.m], parts)


def gaussian(shape: tuple[int, int], m: int, *, seed: int = 0) -> RegeneratedGaussian:
    """Gaussian matrices that take no memory: the measurement for `fr.sensing` at larger sizes.

    Parameters
    ----------
    shape : (d1, d2)
        Of the unknown matrix.
    m : int
        Number of measurements.
    seed : int
        The same seed gives the same matrices.

    Raises
    ------
    ValueError
        If a number is not a whole number in range.

    Notes
    -----
    Cost: one pass over the matrices, m d1 d2 (1 + d1 + d2) operations, for their Grams.
    """
    shape = checked_shape(shape)
    m, seed = checked_count("m", m, 1), checked_count("seed", seed, 0)
    # Hashed, so that the streams of neighbouring seeds do not run a few numbers apart.
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    return RegeneratedGaussian(np.asarray(state, dtype=np.uint64), shape, m)


def _drawn(
    key: UInt64[Array, ""], block: tuple[int, int, int], n: Int[Array, ""] | int
) -> Float[Array, "size d1 d2"]:
    """The n-th block of shape `block`.

    Numbers 2p and 2p + 1 of the stream are √(−2 ln u) cos 2πv and √(−2 ln u) sin 2πv.
    """
    count = block[0] * block[1] * block[2]
    first = xp.asarray(n, dtype=np.uint64) * np.uint64(count + count % 2)
    start = first + np.arange(0, count, 2, dtype=np.uint64)
    u, v = _uniform(key, start), _uniform(key, start + np.uint64(1))
    radius, angle = xp.sqrt(-2.0 * xp.log(u)), 2.0 * xp.pi * v
    both = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1)
    return both.reshape(-1)[:count].reshape(block)


def _uniform(key: UInt64[Array, ""], counter: UInt64[Array, " n"]) -> Float[Array, " n"]:
    """Numbers in (0, 1): SplitMix64's finaliser of key + counter · ⌊2⁶⁴/φ⌋, its upper 53 bits."""
    z = key + counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> 30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> 27)) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> 31)
    return ((z >> 11).astype(np.float64) + 0.5) * 2.0**-53
