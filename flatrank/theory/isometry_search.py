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

from flatrank.arrays import Array, Module, compiled, for_loop, normal, scope, static, xp
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
    starts : int
        Random starts of each search, at least 1.
    sweeps : int
        Turns of each factor, at least 1.
    seed : int
        Of the starts.

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
        least, most = (
            [_by_eigenvectors(measurement, pair, sign, 2, sweeps) for pair in pairs]
            for sign in (-1, 1)
        )
        if p == 1:
            # ‖·‖₁/m ≤ ‖·‖₂/√m: what is hardly visible in ℓ2 is no more so in ℓ1.
            least = [_by_eigenvectors(measurement, pair, -1, 1, sweeps) for pair in least]
            most = [_by_signs(measurement, pair, sweeps) for pair in most]
        (low, least), (high, most) = (
            _best(measurement, found, sign, p) for found, sign in ((least, -1), (most, 1))
        )
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


def _best(
    A: Measurement, pairs: list[FactorPair], sign: int, p: Literal[1, 2]
) -> tuple[float, FactorPair]:
    """The most visible of several (sign 1), or the least (sign −1)."""
    values = [float(_visibility(A, pair, p)) for pair in pairs]
    best = int(np.argmax(sign * np.array(values)))
    return values[best], pairs[best]


@compiled
def _by_eigenvectors(
    A: Measurement, pair: FactorPair, sign: int, p: Literal[1, 2], sweeps: int
) -> FactorPair:
    """Turns of an eigenvalue problem in one factor, weighted for p = 1 (least only)."""

    def improve(half: _Half, x: Array) -> Array:
        weights: Array | float = 1.0
        if p == 1:
            sizes = xp.abs(half.forward(x))
            floor = 1e-8 * xp.max(sizes) + xp.finfo(x.dtype).tiny ** 0.5
            weights = 1.0 / xp.maximum(sizes, floor)

        def product(v: Float[Array, " n"]) -> Float[Array, " n"]:
            return half.adjoint(weights * half.forward(v.reshape(x.shape))).reshape(-1)

        return ritz_pair(product, x.reshape(-1), sign)[1].reshape(x.shape)

    return _sweep(A, pair, improve, sweeps)


@compiled
def _by_signs(A: Measurement, pair: FactorPair, sweeps: int) -> FactorPair:
    """Turns of x ← 𝒜*(sign 𝒜(x Qᵀ)) Q."""

    def improve(half: _Half, x: Array) -> Array:
        step = half.adjoint(xp.sign(half.forward(x)))
        return xp.where(xp.any(step != 0), step, x)  # zero where 𝒜(x Qᵀ) = 0

    return _sweep(A, pair, improve, sweeps)


class _Half(Module):
    """x ↦ 𝒜(x Qᵀ), or 𝒜(Q xᵀ) on the right side."""

    A: Measurement
    Q: Float[Array, "d q"]
    left: bool = static()

    def joined(self, x: Float[Array, "_ q"]) -> FactorPair:
        return FactorPair(x, self.Q) if self.left else FactorPair(self.Q, x)

    def forward(self, x: Float[Array, "_ q"]) -> Float[Array, " m"]:
        return self.A.forward(self.joined(x))

    def adjoint(self, y: Float[Array, " m"]) -> Float[Array, "_ q"]:
        S = self.A.adjoint(y)
        return S.right(self.Q) if self.left else S.left(self.Q)


def _sweep(
    A: Measurement, pair: FactorPair, improve: Callable[[_Half, Array], Array], sweeps: int
) -> FactorPair:
    """`improve` each factor in turn, the other one orthonormal."""

    def half(pair: FactorPair, left: bool) -> FactorPair:
        own, other = (pair.L, pair.R) if left else (pair.R, pair.L)
        Q, T = xp.linalg.qr(other)
        at = _Half(A, Q, left)
        x = improve(at, own @ T.T)
        return at.joined(x / xp.linalg.norm(x))

    def both(_: Array, pair: FactorPair) -> FactorPair:
        return half(half(pair, True), False)

    return for_loop(0, sweeps, both, pair)
