"""Bounds on (δ1, δ2) from inside, tightened by search: the most and least visible matrices.

X = x Qᵀ with QᵀQ = I has ‖X‖_F = ‖x‖, so for a fixed Q both ends of ‖𝒜(x Qᵀ)‖/‖x‖ are an
eigenvalue problem in x, and then the other factor has its turn. No half step can lose:

    ℓ2        x ← extreme Ritz vector of x ↦ 𝒜*(𝒜(x Qᵀ)) Q,
    ℓ1, most  x ← 𝒜*(sign 𝒜(x Qᵀ)) Q: a convex function lies above its linearisation,
    ℓ1, least x ← smallest Ritz vector with weights 1/|zᵢ|, z = 𝒜(x Qᵀ): |t| ≤ t²/2|zᵢ| + |zᵢ|/2.

What comes out is the value of an actual X of rank r: a bound, whether or not the search got far.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.factors import FactorPair, compact_svd
from flatrank.flatness.isometry import Isometry
from flatrank.flatness.krylov import ritz
from flatrank.kernels import scope
from flatrank.measurements import Measurement
from flatrank.measurements.checks import checked_count

# Values |zᵢ| below this share of the largest are weighted as if they were that large.
_SMALLEST = 1e-8


class Witnesses(NamedTuple):
    """Matrices of the rank in question: X with the least and with the most of ‖𝒜(X)‖_p/‖X‖_F."""

    least: FactorPair
    most: FactorPair


def search_isometry(
    measurement: Measurement,
    rank: int,
    *,
    p: Literal[1, 2] = 2,
    starts: int = 8,
    sweeps: int = 20,
    seed: int = 0,
) -> tuple[Isometry, Witnesses]:
    """Certified bounds δ1 ≤ `delta1`, δ2 ≥ `delta2` of an ℓp/ℓ2 isometry, and what shows them.

    Parameters
    ----------
    measurement : Measurement
        𝒜, whitened or not.
    rank : int
        r, from 1 to min(d1, d2).
    p : 1 or 2
        2, or 1 for heavy tails such as those of bilinear measurements.
    starts : int
        Random starts of each search, at least 1.
    sweeps : int
        Turns of each factor, at least 1.
    seed : int
        Of the starts.

    Returns
    -------
    (Isometry, Witnesses)

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Cost: at most 2·24·2·starts·sweeps products with 𝒜 and as many with 𝒜*.
    """
    rank, starts = checked_count("rank", rank, 1), checked_count("starts", starts, 1)
    sweeps, seed = checked_count("sweeps", sweeps, 1), checked_count("seed", seed, 0)
    d1, d2 = measurement.shape
    if rank > min(d1, d2):
        raise ValueError(
            f"rank={rank} exceeds min(d1, d2)={min(d1, d2)}, where the property already speaks of "
            "every matrix; lower rank"
        )
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, the norm on the measured side; got {p!r}")
    with scope():
        keys = jax.random.split(jax.random.key(seed), 2)
        begin = FactorPair(
            *(jax.random.normal(k, (starts, d, rank)) for k, d in zip(keys, (d1, d2), strict=True))
        )
        low, least = _search(measurement, begin, (-1, p), jnp.asarray(sweeps))
        high, most = _search(measurement, begin, (1, p), jnp.asarray(sweeps))
        return Isometry(rank, p, float(low), float(high)), Witnesses(least, most)


def visibility(measurement: Measurement, pair: FactorPair, p: Literal[1, 2]) -> Float[Array, ""]:
    """‖𝒜(X)‖_p/(m^{1/p}‖X‖_F) of X = L Rᵀ."""
    z = jnp.abs(measurement.forward(pair))
    size = jnp.mean(z) if p == 1 else jnp.sqrt(jnp.mean(z**2))
    return size / jnp.linalg.norm(compact_svd(pair).s)


@eqx.filter_jit
def _search(
    A: Measurement, starts: FactorPair, end: tuple[int, Literal[1, 2]], sweeps: Array
) -> tuple[Float[Array, ""], FactorPair]:
    """The best of all starts towards one end: sign 1 for the most, −1 for the least."""
    sign, p = end

    def one(pair: FactorPair) -> tuple[Array, FactorPair]:
        def sweep(_: Array, x: FactorPair) -> FactorPair:
            return _half(A, _half(A, x, end, 0), end, 1)

        pair = jax.lax.fori_loop(0, sweeps, sweep, pair)
        return visibility(A, pair, p), pair

    values, pairs = jax.lax.map(one, starts)
    best = jnp.argmax(sign * values)
    return values[best], FactorPair(pairs.L[best], pairs.R[best])


def _half(
    A: Measurement, pair: FactorPair, end: tuple[int, Literal[1, 2]], side: int
) -> FactorPair:
    """Improve one factor, L for side 0 and R for side 1, beside an orthonormal other."""
    sign, p = end
    own, other = (pair.L, pair.R) if side == 0 else (pair.R, pair.L)
    Q, T = jnp.linalg.qr(other)
    x = own @ T.T

    def joined(x: Array) -> FactorPair:
        return FactorPair(x, Q) if side == 0 else FactorPair(Q, x)

    def back(y: Array) -> Array:
        return A.right(y, Q) if side == 0 else A.left(y, Q)

    z = A.forward(joined(x))
    if p == 1 and sign > 0:
        step = back(jnp.sign(z))
        # Zero where nothing is seen at all.
        x = jnp.where(jnp.any(step != 0), step, x)
    else:
        sizes = jnp.abs(z)
        floor = _SMALLEST * jnp.max(sizes) + jnp.finfo(x.dtype).tiny ** 0.5
        weights = jnp.ones_like(z) if p == 2 else 1.0 / jnp.maximum(sizes, floor)

        def product(v: Float[Array, " n"]) -> Float[Array, " n"]:
            return back(weights * A.forward(joined(v.reshape(x.shape)))).reshape(-1)

        x = ritz(product, x.reshape(-1), sign).vector.reshape(x.shape)
    return joined(x / jnp.linalg.norm(x))
