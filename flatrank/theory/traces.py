"""The trace of a symmetric operator known by its products: two estimators with error bars.

They are for functions without a closed form, and for checking the closed forms that this room has.
`product` is z ↦ H z on vectors of length n, H symmetric, such as a `Hessian`; `seed` is that of the
random vectors. Numbers that are not whole or too small raise ValueError.

Sources: Girard (1989) and Hutchinson (1990); Epperly, Tropp and Webber (2024), XTrace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flatrank.arrays import Array, compiled, mapped, normal, scope, solve_triangular, xp
from flatrank.arrays.shapes import Float
from flatrank.measurements.checks import checked_count

Product = Callable[[Float[Array, " n"]], Float[Array, " n"]]


@dataclass(frozen=True)
class TraceEstimate:
    """An unbiased estimate of a trace from so many products with the operator.

    `error` is its standard error, itself estimated from the spread of the samples.
    """

    value: float
    error: float
    products: int


def hutchinson(product: Product, n: int, *, products: int = 64, seed: int = 0) -> TraceEstimate:
    """The mean of zᵀHz over random signs z: variance 2(‖H‖² − Σ Hᵢᵢ²)/products, at least 2."""
    n, products, seed = _checked(n, products, seed, 2)
    with scope():
        z = np.random.default_rng(seed).choice([-1.0, 1.0], (products, n))
        value, error = _hutchinson(product, z)
        return TraceEstimate(float(value), float(error), products)


def xtrace(product: Product, n: int, *, products: int = 64, seed: int = 0) -> TraceEstimate:
    """Every random vector serves both to sketch and, left out of the sketch, to sample the rest.

    tr H ≈ mean over i of tr QᵢᵀHQᵢ + (n − s + 1) vᵢᵀHvᵢ/‖vᵢ‖², vᵢ = (I − QᵢQᵢᵀ)ωᵢ, Qᵢ spanning
    H ωⱼ for j ≠ i, s = products/2 vectors in all; at least 4 products, those above 2n left over.
    The error bar takes the s samples for independent, which they are not quite. Cost: products, and
    O(n products²) flops.
    """
    n, products, seed = _checked(n, products, seed, 4)
    s = min(products // 2, n)
    with scope():
        value, error = _xtrace(product, normal(seed, (s, n)))
        return TraceEstimate(float(value), float(error), 2 * s)


def _checked(n: int, products: int, seed: int, least: int) -> tuple[int, int, int]:
    n = checked_count("n", n, 2)
    return n, checked_count("products", products, least), checked_count("seed", seed, 0)


def _mean(samples: Float[Array, " s"]) -> tuple[Array, Array]:
    """The mean and its standard error."""
    return xp.mean(samples), xp.std(samples, ddof=1) / samples.size**0.5


@compiled
def _hutchinson(product: Product, z: Float[Array, "s n"]) -> tuple[Array, Array]:
    return _mean(xp.sum(z * mapped(product, z), axis=1))


@compiled
def _xtrace(product: Product, omega: Float[Array, "s n"]) -> tuple[Array, Array]:
    s, n = omega.shape
    Y = mapped(product, omega).T
    Q, R = xp.linalg.qr(Y)
    Z = mapped(product, Q.T).T
    # The direction of range(Q) that ωᵢ alone contributes: orthogonal to the other columns of R.
    # The shift is below rounding; it keeps R invertible where H has a rank below s.
    shift = 1e-16 * xp.max(xp.abs(R)) + xp.finfo(R.dtype).tiny ** 0.5
    own = solve_triangular(R + shift * np.eye(s), np.eye(s), trans=1)
    own = own / xp.linalg.norm(own, axis=0)[None, :]
    H, W = Q.T @ Z, Q.T @ omega.T
    caught = xp.trace(H) - xp.sum(own * (H @ own), axis=0)
    X = W - own * xp.sum(own * W, axis=0)[None, :]
    V, HV = omega.T - Q @ X, Y - Z @ X
    return _mean(caught + (n - s + 1) * xp.sum(V * HV, axis=0) / xp.sum(V * V, axis=0))
