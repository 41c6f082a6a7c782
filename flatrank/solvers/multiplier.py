"""The entries' half of a sweep of `AlternatingDirections`: the multiplier and the next Z, by tiles.

    A = Λ + μ(Y − X̂),   X̂ = αX + (1 − α)(Y − S),   Λ₊ = clip(A, ±λ),   S₊ = (A − Λ₊)/μ,
    Z₊ = Y − S₊ + Λ₊/μ₊,                           with Y − S = Z − Λ/μ.

S is not stored. Where nothing is observed Λ₊ = 0: S is free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flatrank.certificates import TILE, tiles

# α; between 1.5 and 1.8 is usual.
_RELAXED = 1.6


class Arrays(NamedTuple):
    """Y, Λ, Z, each (d1, d2), of one precision; and where Y is observed, None for everywhere."""

    Y: np.ndarray
    Lam: np.ndarray
    Z: np.ndarray
    mask: np.ndarray | None


class Sums(NamedTuple):
    """‖Y − X‖₁, ‖Y − X − S₊‖², ‖G − Λ₊‖², ⟨Y, Λ₊⟩, ‖Λ₊‖², with G = μ(Z − X) of norm ≤ 1.

    The first adds the observed entries alone.
    """

    errors: float
    misfit: float
    drift: float
    inner: float
    square: float


def update(
    arrays: Arrays,
    pair: tuple[np.ndarray, np.ndarray],
    penalties: tuple[float, float],
    level: float,
    measured: bool,
) -> Sums | None:
    """Λ and Z of (Y, Λ, Z) after X = L Rᵀ, in place; the sums where they are `measured`.

    `penalties` are μ of this sweep and the next, `level` is λ. The sums are half of the work.
    """
    buffer, sums = np.empty((4, TILE), arrays[0].dtype), np.zeros(5)
    for tile in tiles(arrays[0].shape):
        sums += _update_tile(arrays, pair, tile, buffer, (*penalties, level, measured))
    return Sums(*(float(x) for x in sums)) if measured else None


def _update_tile(
    arrays: Arrays,
    pair: tuple[np.ndarray, np.ndarray],
    tile: tuple[slice, slice],
    buffer: np.ndarray,
    numbers: tuple[float, float, float, bool],
) -> np.ndarray:
    """`update` on one tile, in `buffer`; its share of the sums."""
    (i, j), (mu, after, level, measured) = tile, numbers
    shape = i.stop - i.start, j.stop - j.start
    X, A, z, y = (part[: shape[0] * shape[1]].reshape(shape) for part in buffer)
    lam, sums = arrays[1][tile], np.zeros(5)
    np.copyto(y, arrays[0][tile])
    np.matmul(pair[0][i], pair[1][j].T, out=X)
    _relaxed((y, lam, arrays[2][tile]), X, mu, A, z)
    if measured:
        np.subtract(y, X, out=z)
        sums[0] = np.abs(z).sum(where=True if arrays.mask is None else arrays.mask[tile])
        np.subtract(arrays[2][tile], X, out=X)
        X *= mu
    np.clip(A, -level, level, out=lam)
    if arrays.mask is not None:
        lam *= arrays.mask[tile]
    if measured:
        X -= lam
        sums[2:] = np.vdot(X, X), np.vdot(y, lam), np.vdot(lam, lam)
    A -= lam
    A *= 1 / mu
    if measured:
        z -= A
        sums[1] = np.vdot(z, z)
    np.subtract(y, A, out=y)
    np.multiply(lam, 1 / after, out=A)
    np.add(y, A, out=arrays[2][tile])
    return sums


def _relaxed(
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    X: np.ndarray,
    mu: float,
    A: np.ndarray,
    z: np.ndarray,
) -> None:
    """A = (2 − α)Λ + μ(Y − αX − (1 − α)Z) of one tile (Y, Λ, Z); z is a buffer."""
    y, lam, Z = parts
    np.multiply(Z, _RELAXED - 1, out=A)
    A += y
    np.multiply(X, _RELAXED, out=z)
    A -= z
    A *= mu
    np.multiply(lam, 2 - _RELAXED, out=z)
    A += z


def level_of(
    arrays: Arrays,
    pair: tuple[np.ndarray, np.ndarray],
    mu: float,
    radius: float,
    level: float,
) -> float:
    """λ ≥ 0 with ‖S₊‖₁ = radius, that is Σ(|A| − λ)₊ = μ·radius, from a `level` to begin with.

    Newton's method: exact as soon as a step leaves the number of entries above λ as it was.
    """
    sizes, buffer = np.empty_like(arrays[0]), np.empty(TILE, arrays[0].dtype)
    for tile in tiles(sizes.shape):
        X, A = pair[0][tile[0]] @ pair[1][tile[1]].T, sizes[tile]
        parts = arrays[0][tile], arrays[1][tile], arrays[2][tile]
        _relaxed(parts, X, mu, A, buffer[: X.size].reshape(X.shape))
        np.abs(A, out=A)
        if arrays.mask is not None:
            A *= arrays.mask[tile]
    last = -1
    for _ in range(100):  # ties at the level, to rounding, could flip the number for ever
        total, count = -mu * radius, 0
        for part in np.array_split(sizes.reshape(-1), max(1, sizes.size >> 15)):
            above = np.maximum(part - level, 0.0)
            total, count = total + float(above.sum()), count + int(np.count_nonzero(above))
        if count == last:
            break
        level, last = (0.5 * level, -1) if count == 0 else (max(level + total / count, 0.0), count)
    return level
