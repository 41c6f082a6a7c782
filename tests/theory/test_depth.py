"""Depth (§1.7): Hadamard products of vectors, and products of matrices seen whole."""

import numpy as np
import pytest
from scipy.optimize import minimize

from flatrank import FactorPair
from flatrank.theory import (
    flattest_hadamard,
    flattest_product,
    hadamard_trace,
    least_hadamard_trace,
    least_product_trace,
    product_trace,
)


def trace_of_hessian(oracle, f, parts):
    """Over all numbers of the parts; in each of them f(parts) is quadratic, at any depth."""
    sizes = np.cumsum([p.size for p in parts])[:-1]

    def flat(z):
        return f([x.reshape(p.shape) for x, p in zip(np.split(z, sizes), parts, strict=True)])

    return oracle.diagonal(flat, np.concatenate([p.ravel() for p in parts])).sum()


def descend(oracle, f, n, seed):
    """The least value found by BFGS."""
    start = 0.3 * np.random.default_rng(seed).standard_normal(n)
    slope = lambda z: oracle.gradient(f, z)
    return minimize(f, start, jac=slope, method="BFGS", options={"gtol": 1e-9}).fun


@pytest.mark.parametrize("k", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_hadamard_products(oracle, k):
    """tr = 2 Σᵢ Σⱼ ‖aⱼ‖² Π_{l≠i} v_l(j)², least 2k Σ ‖aⱼ‖²|xⱼ|^{2−2/k} at |vᵢ| = |x|^{1/k}."""
    rng = np.random.default_rng(k)
    A, b, V = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((k, 3))
    V[0, 1] = 0  # a factor may vanish
    w = np.sum(A**2, axis=0)
    f = lambda v: np.sum((A @ np.prod(v[0], axis=0) - b) ** 2)
    assert hadamard_trace(w, V) == pytest.approx(trace_of_hessian(oracle, f, [V]), rel=1e-12)
    x = rng.standard_normal(3)
    best = flattest_hadamard(x, k)
    assert np.allclose(np.prod(best, axis=0), x)
    least = least_hadamard_trace(w, x, k)
    assert hadamard_trace(w, best) == pytest.approx(least, rel=1e-12)

    def trace(z):  # log|vᵢ|, the last from the product
        logs = z.reshape(k - 1, 3)
        last = np.log(np.abs(x)) - np.sum(logs, axis=0)
        return 2 * np.sum(w * x**2 * (np.sum(np.exp(-2 * logs), 0) + np.exp(-2 * last)))

    assert descend(oracle, trace, 3 * (k - 1), k) == pytest.approx(least, rel=1e-10)


def test_depth_loses_the_preference_for_sparse_vectors():
    """Of two vectors of one ℓ2 norm the sparse one is flatter at k = 2; the ratio tends to 1."""
    w, sparse, spread = np.ones(4), np.array([1.0, 0, 0, 0]), np.full(4, 0.5)
    ratios = [
        least_hadamard_trace(w, spread, k) / least_hadamard_trace(w, sparse, k)
        for k in (2, 3, 10, 1000)
    ]
    assert np.allclose(ratios, [4 ** (1 / k) for k in (2, 3, 10, 1000)])


@pytest.mark.parametrize("depth", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_products_of_matrices(oracle, depth):
    """tr = 2 Σᵢ ‖W_<i‖²‖W_>i‖², least 2N(d_0 d_N)^{1/N}‖X‖_*^{2(N−1)/N}: no factorisation is below
    it, descent over all of them ends there, and it is attained.
    """
    rng = np.random.default_rng(depth)
    shapes = [4, *[3] * (depth - 1), 5]
    W = [rng.standard_normal(s) for s in zip(shapes[:-1], shapes[1:], strict=True)]
    target = rng.standard_normal((4, 5))
    f = lambda parts: np.sum((np.linalg.multi_dot(parts) - target) ** 2)
    assert product_trace(W) == pytest.approx(trace_of_hessian(oracle, f, W), rel=1e-12)
    X = np.linalg.multi_dot(W)
    pair = FactorPair(W[0], np.linalg.multi_dot([*W[1:], np.eye(5)]).T)
    best, least = flattest_product(pair, depth), least_product_trace(pair, depth)
    assert np.allclose(np.linalg.multi_dot(best), X)
    assert product_trace(best) == pytest.approx(least, rel=1e-11)
    nuclear = np.linalg.norm(X, "nuc")
    assert least == pytest.approx(2 * depth * 20 ** (1 / depth) * nuclear ** (2 - 2 / depth))
    assert product_trace(W) > least

    def trace(z):  # Wᵢ ↦ B_{i−1}⁻¹ Wᵢ Bᵢ
        B = [np.eye(4), *(np.eye(3)[None] + z.reshape(-1, 3, 3)), np.eye(5)]
        moved = [np.linalg.solve(p, w @ q) for p, w, q in zip(B, W, B[1:], strict=False)]
        total = 0.0
        for i in range(depth):
            left, right = np.eye(4), np.eye(5)
            for w in moved[:i]:
                left = left @ w
            for w in reversed(moved[i + 1 :]):
                right = w @ right
            total += np.sum(left**2) * np.sum(right**2)
        return 2 * total

    assert descend(oracle, trace, 9 * (depth - 1), depth) == pytest.approx(least, rel=1e-8)


def test_wrong_depths_are_refused():
    x, pair = np.ones(3), FactorPair(np.ones((3, 1)), np.ones((2, 1)))
    zero = FactorPair(np.zeros((3, 1)), np.zeros((2, 1)))
    for call in (
        lambda: flattest_hadamard(x, 1),
        lambda: least_hadamard_trace(x, x, 1),
        lambda: least_product_trace(pair, 1),
        lambda: flattest_product(pair, 1),
    ):
        with pytest.raises(ValueError, match="depth must be a whole number >= 2; got 1"):
            call()
    with pytest.raises(ValueError, match="X = 0 has no flattest factors of equal terms"):
        flattest_product(zero, 3)
