"""Upper bounds on ‖S‖ for S = ℬ*(y), exact or with a stated failure probability.

S is split along a subspace pair (U, V) on which it is already understood, with orthonormal columns:

    ‖S‖ ≤ ‖ [ ‖UᵀSV‖    ‖UᵀS(I−VVᵀ)‖ ]
            [ ‖(I−UUᵀ)SV‖    ‖W‖     ] ‖,     W = (I−UUᵀ) S (I−VVᵀ).

Three blocks are computed exactly. A Lanczos value θ ≤ ‖W‖² is a lower bound; started from a random
vector in dimension n, after q steps (Kuczyński and Woźniakowski 1992, Theorem 4.2a)

    P(θ ≤ (1−ε) ‖W‖²) ≤ 1.648 √n exp(−√ε (2q−1)),

so ‖W‖² ≤ θ/(1−ε) except with the chance δ for which ε = (ln(1.648 √n/δ)/(2q−1))². At a solution the
top singular values of S cluster at the allowed value; taking (U, V) out is what lets Lanczos see W.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matfree.decomp import tridiag_sym

from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint

# Below this size ‖W‖ is computed from the smaller Gram: n² memory and 2/3 n³ flops, about a second.
EXACT_SIZE = 1500
# Columns of the identity pushed through S at a time while the small Gram is formed.
_BLOCK = 128


class NormBound(NamedTuple):
    """An upper bound on ‖S‖, how it was obtained, and ‖W‖'s share of it."""

    value: float
    kind: str
    failure_probability: float
    off_tangent: float


def norm_bound(
    S: Adjoint,
    shape: tuple[int, int],
    basis: CompactSVD,
    *,
    enough: float,
    failure_probability: float,
    seed: int = 0,
    exact_size: int = EXACT_SIZE,
) -> NormBound:
    """Bound ‖S‖ from above.

    Parameters
    ----------
    S : Adjoint
        The matrix, (d1, d2).
    shape : (d1, d2)
    basis : CompactSVD
        U, V with orthonormal columns, to be split off.
    enough : float
        Lanczos stops as soon as the bound on ‖W‖ is at most this, or cannot become so.
    failure_probability : float
        Allowed chance that a probabilistic bound is too small; 0 demands the exact norm.
    seed : int
        Of the random start.
    exact_size : int
        Up to min(d1, d2) = exact_size the norm is computed exactly.

    Returns
    -------
    NormBound

    Notes
    -----
    Cost: two one-column products a Lanczos step, at most 256 steps, full reorthogonalisation
    (min(d1, d2) numbers a step). Exact: 2 min(d1, d2) columns and an eigenvalue problem.
    """
    d = min(shape)
    exact = failure_probability <= 0 or d <= exact_size
    if exact:
        bound = float(_exact_off_norm(S, basis.U, basis.V, shape))
    else:
        bound = _lanczos_bound(S, basis, shape, enough, failure_probability, seed)
    inner, a12, a21 = (float(x) for x in _blocks(S, basis.U, basis.V))
    value = float(np.linalg.norm([[inner, a12], [a21, bound]], ord=2))
    if exact:
        return NormBound(value, "exact", 0.0, bound)
    return NormBound(value, "probabilistic", failure_probability, bound)


def _lanczos_bound(
    S: Adjoint, basis: CompactSVD, shape: tuple[int, int], enough: float, delta: float, seed: int
) -> float:
    """‖W‖ ≤ bound with probability 1 − δ, with as few steps as `enough` allows."""
    bound = math.inf
    for steps in (32, 64, 128, 256):
        theta = float(_lanczos(S, basis.U, basis.V, steps, shape, seed))
        epsilon = (math.log(1.648 * math.sqrt(min(shape)) / delta) / (2 * steps - 1)) ** 2
        if epsilon < 1:
            bound = min(bound, math.sqrt(max(theta, 0.0) / (1 - epsilon)))
        if bound <= enough or math.sqrt(max(theta, 0.0)) > enough:
            break
    return bound


@eqx.filter_jit
def _blocks(S: Adjoint, U: Array, V: Array) -> tuple[Array, Array, Array]:
    SV, StU = S.right(V), S.left(U)
    core = U.T @ SV
    return (
        jnp.linalg.norm(core, ord=2),
        jnp.linalg.norm(_small(StU - V @ core.T), ord=2),
        jnp.linalg.norm(_small(SV - U @ core), ord=2),
    )


def _small(tall: Float[Array, "n k"]) -> Float[Array, "q k"]:
    """The triangular factor: the same singular values, k × k."""
    return jnp.linalg.qr(tall, mode="r")


def _off(S: Adjoint, U: Array, V: Array):
    """W and Wᵀ as functions of tall matrices."""

    def right(X: Array) -> Array:
        Y = S.right(X - V @ (V.T @ X))
        return Y - U @ (U.T @ Y)

    def left(X: Array) -> Array:
        Y = S.left(X - U @ (U.T @ X))
        return Y - V @ (V.T @ Y)

    return right, left


@eqx.filter_jit
def _lanczos(S: Adjoint, U: Array, V: Array, steps: int, shape: tuple[int, int], seed: int) -> Array:
    """Largest Ritz value of WᵀW or WWᵀ (the smaller one) after `steps` steps."""
    right, left = _off(S, U, V)
    tall = shape[0] < shape[1]

    def gram(v: Array) -> Array:
        return (right(left(v[:, None])) if tall else left(right(v[:, None])))[:, 0]

    start = jax.random.normal(jax.random.key(seed), (min(shape),), dtype=U.dtype)
    steps = min(steps, min(shape) - 1)
    T = tridiag_sym(steps, reortho="full")(gram, start).J_small
    return jnp.linalg.eigvalsh(T)[-1]


@eqx.filter_jit
def _exact_off_norm(S: Adjoint, U: Array, V: Array, shape: tuple[int, int]) -> Array:
    """‖W‖ from the smaller of WWᵀ and WᵀW, formed a block of columns at a time."""
    d = min(shape)
    wide = shape[0] <= shape[1]
    blocks = -(-d // _BLOCK)
    starts = jnp.arange(blocks) * _BLOCK
    right, left = _off(S, U, V)

    def columns(start: Array) -> Array:
        E = jax.nn.one_hot(start + jnp.arange(_BLOCK), d, dtype=jnp.float64, axis=0)
        return right(left(E)) if wide else left(right(E))

    gram = jnp.moveaxis(jax.lax.map(columns, starts), 0, 1).reshape(d, -1)[:, :d]
    gram = 0.5 * (gram + gram.T)
    return jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(gram)[-1], 0.0))


@eqx.filter_jit
def top_pairs(
    S: Adjoint, basis: CompactSVD, count: int, steps: int, key: Array
) -> CompactSVD:
    """Approximate top singular triplets of W = (I−UUᵀ) S (I−VVᵀ).

    Block Lanczos: an orthonormal basis of span{X, WᵀW X, …} for a random block X, then the singular
    values of W on it. Values are lower bounds.

    Parameters
    ----------
    S : Adjoint
        The matrix, (d1, d2).
    basis : CompactSVD
        U, V to leave out (zero columns leave nothing out).
    count : int
        Triplets wanted; the block has this width.
    steps : int
        Products with WᵀW.
    key : PRNG key
        Of the random block.

    Returns
    -------
    CompactSVD
        `count` triplets, values descending.

    Notes
    -----
    Cost: `steps` + 1 two-sided products with `count` columns, (d1 + d2)·count·(steps + 1) memory.
    """
    right, left = _off(S, basis.U, basis.V)
    X = jax.random.normal(key, (basis.V.shape[0], count), dtype=basis.V.dtype)
    Q = jnp.linalg.qr(X - basis.V @ (basis.V.T @ X))[0]
    blocks = [Q]
    for _ in range(min(steps, X.shape[0] // count - 1)):
        X = left(right(blocks[-1]))
        span = jnp.concatenate(blocks, axis=1)
        for _ in range(2):  # twice is enough (Kahan, Parlett)
            X = X - span @ (span.T @ X)
        blocks.append(jnp.linalg.qr(X)[0])
    # A block that ran out of new directions holds rounding; one more QR keeps the span orthonormal.
    span = jnp.linalg.qr(jnp.concatenate(blocks, axis=1))[0]
    U, s, Vt = jnp.linalg.svd(right(span), full_matrices=False)
    return CompactSVD(U[:, :count], s[:count], span @ Vt[:count].T)
