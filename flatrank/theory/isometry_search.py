"""Bounds on (δ1, δ2) from inside, tightened by search: the most and least visible matrices.

X = x Qᵀ with QᵀQ = I has ‖X‖_F = ‖x‖, so for a fixed Q both ends of ‖𝒜(x Qᵀ)‖/‖x‖ are an
eigenvalue problem in x. The two factors are improved in turn; no half step makes the value worse:

    ℓ2        x ← extreme Ritz vector of x ↦ 𝒜*(𝒜(x Qᵀ)) Q,
    ℓ1, most  x ← 𝒜*(sign 𝒜(x Qᵀ)) Q: a convex function lies above its linearisation,
    ℓ1, least x ← smallest Ritz vector with weights 1/|zᵢ|, z = 𝒜(x Qᵀ): |t| ≤ t²/2|zᵢ| + |zᵢ|/2.

What comes out is the value of an actual X of rank r: a bound, whether or not the search got far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from flatrank.arrays import Array, compiled, for_loop, normal, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Factors, given_pair
from flatrank.linalg import ritz_pair, svd_of_product
from flatrank.measurements import Measurement
from flatrank.measurements.checks import checked_count
from flatrank.theory.isometry import Isometry


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
        𝒜, whitened or not, of real matrices. Of all of them: symmetric Aᵢ do not see antisymmetric
        matrices, and δ1 = 0 from rank 2 on.
    rank : int
        r, from 1 to min(d1, d2).
    p : 1 or 2
        2, or 1 for heavy tails such as those of bilinear measurements.
    starts, sweeps, seed : int
        Random starts of each search, and turns of each factor, at least 1; of the starts.

    Raises
    ------
    ValueError
        If a number is out of range, or 𝒜 is of complex matrices.

    Notes
    -----
    Cost: at most 4·24·starts·sweeps products with 𝒜 and with 𝒜*, half as many again for p = 1.
    """
    rank, starts = checked_count("rank", rank, 1), checked_count("starts", starts, 1)
    sweeps, seed = checked_count("sweeps", sweeps, 1), checked_count("seed", seed, 0)
    d1, d2 = measurement.shape
    if rank > min(d1, d2):
        raise ValueError(
            f"rank={rank} exceeds min(d1, d2)={min(d1, d2)}, where the property already speaks of "
            "every matrix; lower rank"
        )
    _check_norm(p)
    if measurement.cone is Cone.HERMITIAN:
        raise ValueError(
            f"{type(measurement).__name__} measures Hermitian matrices: it sees nothing of i u u*, "
            "so that δ1 = 0 among complex matrices of every rank, and the search would not stay "
            "among Hermitian ones; expected a measurement of real matrices. `visibility` takes a "
            "pair of your own"
        )
    with scope():
        L, R = (normal(2 * seed + side, (starts, d, rank)) for side, d in enumerate((d1, d2)))
        pairs = [FactorPair(*factors) for factors in zip(L, R, strict=True)]
        ends = []
        for sign in (-1, 1):
            found = [_improved(measurement, pair, sign, 2, sweeps) for pair in pairs]
            if p == 1:
                # ‖·‖₁/m ≤ ‖·‖₂/√m: what is hardly visible in ℓ2 is no more so in ℓ1.
                found = [_improved(measurement, pair, sign, 1, sweeps) for pair in found]
            values = [float(_visibility(measurement, pair, p)) for pair in found]
            best = int(np.argmax(sign * np.array(values)))
            ends.append((values[best], found[best]))
        (low, least), (high, most) = ends
        return Isometry(rank, p, low, high), Witnesses(least, most)


def visibility(measurement: Measurement, pair: Factors, p: Literal[1, 2]) -> Float[Array, ""]:
    """‖𝒜(X)‖_p/(m^{1/p}‖X‖_F) of X = L Rᵀ ≠ 0, or L R* where 𝒜 is of complex matrices.

    Shapes that do not fit, factors that are not finite, or complex where X is real, and a p other
    than 1 and 2 raise ValueError.
    """
    _check_norm(p)
    with scope():
        given = given_pair(pair, measurement.shape, measurement.cone)
        return _visibility(measurement, given, p)


def _visibility(A: Measurement, pair: FactorPair, p: Literal[1, 2]) -> Float[Array, ""]:
    z = xp.abs(A.forward(pair))
    size = xp.mean(z) if p == 1 else xp.sqrt(xp.mean(z**2))
    return size / xp.linalg.norm(svd_of_product(*map(A.cone.lift, (pair.L, pair.R)))[1])


def _check_norm(p: int) -> None:
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, the norm on the measured side; got {p!r}")


@compiled
def _improved(
    A: Measurement, pair: FactorPair, sign: int, p: Literal[1, 2], sweeps: int
) -> FactorPair:
    """The pair after turns of either factor, the other one orthonormal: Q in X = x Qᵀ or Q xᵀ."""

    def half(pair: FactorPair, left: bool) -> FactorPair:
        own, other = (pair.L, pair.R) if left else (pair.R, pair.L)
        Q, T = xp.linalg.qr(other)

        def joined(x: Array) -> FactorPair:
            return FactorPair(x, Q) if left else FactorPair(Q, x)

        def forward(x: Array) -> Float[Array, " m"]:
            return A.forward(joined(x))

        def adjoint(y: Float[Array, " m"]) -> Array:
            S = A.adjoint(y)
            return S.right(Q) if left else S.left(Q)

        x = _turned(forward, adjoint, own @ T.T, sign, p)
        return joined(x / xp.linalg.norm(x))

    return for_loop(0, sweeps, lambda _, pair: half(half(pair, True), False), pair)


def _turned(
    forward: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    x: Array,
    sign: int,
    p: Literal[1, 2],
) -> Array:
    """A factor that is at least as visible (sign 1) or as hidden (sign −1) as x."""
    z = forward(x)
    if p == 1 and sign == 1:
        step = adjoint(xp.sign(z))
        return xp.where(xp.any(step != 0), step, x)  # zero where 𝒜(x Qᵀ) = 0
    weights: Array | float = 1.0
    if p == 1:
        # Values below 1e-8 of the largest are weighted as if they were that large.
        floor = 1e-8 * xp.max(xp.abs(z)) + xp.finfo(x.dtype).tiny ** 0.5
        weights = 1.0 / xp.maximum(xp.abs(z), floor)

    def product(v: Float[Array, " n"]) -> Float[Array, " n"]:
        return adjoint(weights * forward(v.reshape(x.shape))).reshape(-1)

    return ritz_pair(product, x.reshape(-1), sign)[1].reshape(x.shape)
