"""Flatness of deeper products: Hadamard products of vectors, and products of matrices.

Arrays are `weights` ‖aⱼ‖² (n,), the squared norms of the columns of A, x (n,), `factors` v₁ … v_k
in rows (k, n) or W₁ … W_N of shapes (d_{i−1}, d_i); pairs are FactorPair, Solution or (L, R) of a
real X = L Rᵀ, (d_0, k) and (d_N, k). What is not real and finite, or does not fit, and a `depth`
that is not a whole number >= 2 raise ValueError.

Source: Ding, Drusvyatskiy, Fazel and Harchaoui (2024), §9, for the question; the lower bounds are
the inequality of arithmetic and geometric means.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Factors, compact_svd, given_pair
from flatrank.measurements.checks import checked_count


def hadamard_trace(weights: Float[Array, " n"], factors: Float[Array, "k n"]) -> float:
    """The trace of D²f, f(v₁ … v_k) = ‖A(v₁ ∘ … ∘ v_k) − b‖²: 2 Σᵢ Σⱼ ‖aⱼ‖² Π_{l≠i} v_l(j)².

    At every point, whatever b: f is quadratic in each single factor.
    """
    weights, factors = _real("weights", weights, 1), _real("factors", factors, 2)
    _of_one_length(weights, factors)
    # Without division: factors may vanish.
    others = [np.prod(np.delete(factors, i, axis=0) ** 2, axis=0) for i in range(len(factors))]
    return 2.0 * float(np.sum(weights * others))


def flattest_hadamard(x: Float[Array, " n"], depth: int) -> Float[Array, "k n"]:
    """The flattest v₁ … v_k with product x: |vᵢ| = |x|^{1/k}, the sign on the first."""
    depth = checked_count("depth", depth, 2)
    x = _real("x", x, 1)
    factors = np.tile(np.abs(x) ** (1.0 / depth), (depth, 1))
    factors[0] *= np.sign(x)
    return factors


def least_hadamard_trace(weights: Float[Array, " n"], x: Float[Array, " n"], depth: int) -> float:
    """Least `hadamard_trace` over factors with product x: 2k Σⱼ ‖aⱼ‖² |xⱼ|^{2−2/k}.

    k = 2 is a weighted ℓ1 norm, which favours sparse x; as k grows the exponent tends to 2, and
    that preference is lost.
    """
    depth = checked_count("depth", depth, 2)
    weights, x = _real("weights", weights, 1), _real("x", x, 1)
    _of_one_length(weights, x)
    return 2.0 * depth * float(weights @ np.abs(x) ** (2.0 - 2.0 / depth))


def product_trace(factors: Sequence[Float[Array, "_ _"]]) -> float:
    """The trace of D²f, f(W₁ … W_N) = ‖W₁ ⋯ W_N − M‖²: 2 Σᵢ ‖W_{<i}‖² ‖W_{>i}‖².

    W_{<i} = W₁ ⋯ W_{i−1} and W_{>i} = W_{i+1} ⋯ W_N, identities at the ends (squared norms d_0 and
    d_N). At every point, whatever M.

    Raises
    ------
    ValueError
        Also if there is no factor, or they do not multiply.
    """
    shapes = [np.shape(W) for W in factors]
    pairs = zip(shapes, shapes[1:], strict=False)
    fits = all(len(shape) == 2 for shape in shapes) and all(a[1] == c[0] for a, c in pairs)
    if not shapes or not fits:
        raise ValueError(
            "factors must be matrices that multiply, of shapes (d0, d1), (d1, d2), ...; "
            f"got {', '.join(map(str, shapes)) or 'none'}"
        )
    real = [_real("factors", W, 2) for W in factors]
    before = accumulate([np.eye(shapes[0][0]), *real[:-1]], np.matmul)
    after = accumulate([np.eye(shapes[-1][1]), *real[:0:-1]], lambda S, W: W @ S)
    pairs = zip(before, reversed([*after]), strict=True)
    return 2.0 * sum(float(np.vdot(P, P) * np.vdot(S, S)) for P, S in pairs)


def least_product_trace(pair: Factors, depth: int) -> float:
    """Least `product_trace` over W₁ ⋯ W_N = X: 2N (d_0 d_N)^{1/N} ‖X‖_*^{2(N−1)/N}.

    A power of the nuclear norm at every depth. By the means of the N terms, and ‖P‖‖S‖ ≥ ‖PS‖_* at
    every cut X = PS; inner widths at least the rank of X.
    """
    depth, pair = checked_count("depth", depth, 2), given_pair(pair)
    with scope():
        nuclear = float(xp.sum(compact_svd(pair).s))
    d0, dN = pair.shape
    return 2.0 * depth * float(d0 * dN) ** (1 / depth) * nuclear ** (2 * (depth - 1) / depth)


def flattest_product(pair: Factors, depth: int) -> list[Float[Array, "_ _"]]:
    """Factors that attain `least_product_trace`: c₁UΣ^{1/2}, multiples of I, c_N Σ^{1/2}Vᵀ.

    Every term is the same t = (d_0 d_N)^{1/N}‖X‖_*^{2(N−1)/N}: c₁² = d_0‖X‖_*/t,
    c_N² = d_N‖X‖_*/t, and ‖X‖_*/√t in between; the inner widths are min(k, d_0, d_N).

    Raises
    ------
    ValueError
        Also if X = 0.
    """
    depth, pair = checked_count("depth", depth, 2), given_pair(pair)
    t = least_product_trace(pair, depth) / (2 * depth)
    if t == 0:
        raise ValueError("X = 0 has no flattest factors of equal terms; expected X other than zero")
    with scope():
        U, s, V = compact_svd(pair)
        nuclear, root = xp.sum(s), xp.sqrt(s)
        first, last = (xp.sqrt(d * nuclear / t) for d in pair.shape)
        middle = nuclear / t**0.5 * np.eye(s.size)
        return [
            U * (first * root)[None, :],
            *[middle] * (depth - 2),
            (V * (last * root)[None, :]).T,
        ]


def _real(name: str, given: ArrayLike, ndim: int) -> Float[Array, "..."]:
    """In double precision, checked: moduli would give a number to complex ones too, a wrong one."""
    x = np.asarray(given)
    if x.ndim != ndim or x.dtype.kind not in "fiub" or not np.all(np.isfinite(x)):
        raise ValueError(
            f"{name} must be {'a vector' if ndim == 1 else 'rows'} of finite real numbers, for "
            f"real parameters is what these traces are of; got shape {x.shape} of {x.dtype}"
        )
    return x.astype(np.float64, copy=False)


def _of_one_length(weights: Float[Array, " n"], x: Float[Array, "... n"]) -> None:
    if weights.shape[-1] != x.shape[-1]:
        raise ValueError(
            "weights must hold one number for each entry of a factor; "
            f"got {weights.shape[-1]} for {x.shape[-1]}"
        )
