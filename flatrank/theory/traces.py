"""The trace of a symmetric operator known by its products: three estimators with error bars.

They are for functions without a closed form, and for checking the closed forms that this room has.

Sources: Girard (1989) and Hutchinson (1990); Meyer, Musco, Musco and Woodruff (2021), Hutch++;
Epperly, Tropp and Webber (2024), XTrace.
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
    """An unbiased estimate of a trace.

    Parameters
    ----------
    value : float
        The estimate.
    error : float
        Its standard error, itself estimated from the spread of the samples.
    products : int
        Products with the operator.
    """

    value: float
    error: float
    products: int


def hutchinson(product: Product, n: int, *, products: int = 64, seed: int = 0) -> TraceEstimate:
    """The mean of zᵀHz over random signs z: variance 2(‖H‖² − Σ Hᵢᵢ²)/products.

    Parameters
    ----------
    product : callable
        z ↦ H z on vectors of length n, H symmetric; such as a `Hessian`.
    n : int
        Order of H.
    products : int
        At least 2.
    seed : int
        Of the signs.

    Returns
    -------
    TraceEstimate

    Raises
    ------
    ValueError
        If a number is not a whole number in range.
    """
    n, products, seed = _checked(n, products, seed, 2)
    with scope():
        value, error = _hutchinson(product, _signs(seed, products, n))
        return TraceEstimate(float(value), float(error), products)


def hutch_plus_plus(
    product: Product, n: int, *, products: int = 64, seed: int = 0
) -> TraceEstimate:
    """Exact on what a sketch catches: tr QᵀHQ + mean of zᵀ(I − QQᵀ)H(I − QQᵀ)z.

    Q spans H times random signs, a third of the products; a third are spent on Q, the rest on what
    is left. Given Q the estimate is unbiased, and `error` is that of its second part.

    Parameters
    ----------
    product, n, seed
        As in `hutchinson`.
    products : int
        At least 6.

    Returns
    -------
    TraceEstimate

    Raises
    ------
    ValueError
        If a number is not a whole number in range.

    Notes
    -----
    Cost: products, and O(n products²) flops for Q.
    """
    n, products, seed = _checked(n, products, seed, 6)
    width = min(products // 3, n)
    with scope():
        z = _signs(seed, products - width, n)
        value, error = _hutch_plus_plus(product, z[:width], z[width:])
        return TraceEstimate(float(value), float(error), products)


def xtrace(product: Product, n: int, *, products: int = 64, seed: int = 0) -> TraceEstimate:
    """Every random vector serves both to sketch and, left out of the sketch, to sample the rest.

    tr H ≈ mean over i of tr QᵢᵀHQᵢ + (n − s + 1) vᵢᵀHvᵢ/‖vᵢ‖², vᵢ = (I − QᵢQᵢᵀ)ωᵢ, Qᵢ spanning
    H ωⱼ for j ≠ i, s = products/2 vectors in all.

    Parameters
    ----------
    product, n, seed
        As in `hutchinson`.
    products : int
        At least 4; an odd one is left over, as are those above 2n.

    Returns
    -------
    TraceEstimate
        Its error bar takes the s samples for independent, which they are not quite.

    Raises
    ------
    ValueError
        If a number is not a whole number in range.

    Notes
    -----
    Cost: products, and O(n products²) flops.
    """
    n, products, seed = _checked(n, products, seed, 4)
    s = min(products // 2, n)
    with scope():
        value, error = _xtrace(product, normal(seed, (s, n)))
        return TraceEstimate(float(value), float(error), 2 * s)


def _checked(n: int, products: int, seed: int, least: int) -> tuple[int, int, int]:
    n = checked_count("n", n, 2)
    return n, checked_count("products", products, least), checked_count("seed", seed, 0)


def _signs(seed: int, count: int, n: int) -> Float[Array, "count n"]:
    return np.random.default_rng(seed).choice([-1.0, 1.0], (count, n))


def _mean(samples: Float[Array, " s"]) -> tuple[Array, Array]:
    """The mean and its standard error."""
    return xp.mean(samples), xp.std(samples, ddof=1) / samples.size**0.5


@compiled
def _hutchinson(product: Product, z: Float[Array, "s n"]) -> tuple[Array, Array]:
    return _mean(xp.sum(z * mapped(product, z), axis=1))


@compiled
def _hutch_plus_plus(
    product: Product, sketch: Float[Array, "q n"], z: Float[Array, "s n"]
) -> tuple[Array, Array]:
    Q = xp.linalg.qr(mapped(product, sketch).T)[0]
    caught = xp.sum(Q.T * mapped(product, Q.T))
    rest = z - (z @ Q) @ Q.T
    value, error = _mean(xp.sum(rest * mapped(product, rest), axis=1))
    return caught + value, error


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
