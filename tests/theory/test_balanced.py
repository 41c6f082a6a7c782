"""The balanced problem min ‖𝒜(LRᵀ) − b‖² subject to LᵀL = RᵀR: what is true of it, and what not."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.arrays import scope, tree_map
from flatrank.factors import FactorPair, balance
from flatrank.solvers import BalancedDescent, loop
from flatrank.theory import BalancedPairs, Hessian


def orthonormal(rng, d, k):
    return np.linalg.qr(rng.standard_normal((d, k)))[0]


def product(pair):
    return np.asarray(pair.L) @ np.asarray(pair.R).T


def balanced(pair):
    L, R = np.asarray(pair.L), np.asarray(pair.R)
    return np.allclose(L.T @ L, R.T @ R, atol=1e-12)


def test_the_shared_left_factor_fixes_every_singular_value_at_one():
    """L = BC, R = BD with BᵀB = DᵀD = I is balanced only where CᵀC = I: then LRᵀ = B(CDᵀ)Bᵀ has
    singular values 1, and ‖LRᵀ − M‖² ≥ Σ_{i≤k} (σᵢ − 1)² + Σ_{i>k} σᵢ² for every choice.
    """
    rng = np.random.default_rng(0)
    M = rng.standard_normal((8, 3)) @ rng.standard_normal((3, 8))
    s = np.linalg.svd(M)[1]
    floor = np.sum((s[:3] - 1) ** 2) + np.sum(s[3:] ** 2)
    assert floor > 0.5 * np.sum(s**2)
    for _ in range(20):
        B, C, D = orthonormal(rng, 8, 3), orthonormal(rng, 3, 3), orthonormal(rng, 3, 3)
        L, R = B @ C, B @ D
        assert np.allclose(L.T @ L, R.T @ R)
        assert np.allclose(np.linalg.svd(L @ R.T)[1][:3], 1)
        assert np.sum((L @ R.T - M) ** 2) >= floor
        stretched = B @ (C * np.array([1.0, 2.0, 3.0]))
        assert not np.allclose(stretched.T @ stretched, R.T @ R)


@pytest.mark.parametrize("k", [3, 7, 11])
def test_a_shared_right_factor_gives_every_balanced_pair(k):
    """L = UP, R = VP, U and V orthonormal with q = min(k, d1, d2) columns, P of shape (q, k)."""
    rng = np.random.default_rng(1)
    q = min(k, 7)
    U, V, P = orthonormal(rng, 9, q), orthonormal(rng, 7, q), rng.standard_normal((q, k))
    L, R = U @ P, V @ P
    assert np.allclose(L.T @ L, R.T @ R)
    pair, _ = balance(FactorPair(*(np.asarray(rng.standard_normal((d, k))) for d in (9, 7))))
    L, R = np.asarray(pair.L), np.asarray(pair.R)
    Q = orthonormal(rng, k, k)
    L, R = L @ Q, R @ Q
    left, s, W = np.linalg.svd(L, full_matrices=False)
    right = R @ W.T / s[None, :]
    P = (s[:, None] * W)[:q]
    assert np.allclose(right[:, :q].T @ right[:, :q], np.eye(q))
    assert np.allclose(left[:, :q] @ P, L)
    assert np.allclose(right[:, :q] @ P, R)


def descend_upv(M, U, P, V, steps):
    """Plain Riemannian gradient descent on ½‖U P Pᵀ Vᵀ − M‖², ‖M‖ = 1, for a batch of starts."""
    U, P, V = U.copy(), P.copy(), V.copy()
    T = lambda X: np.swapaxes(X, 1, 2)
    for _ in range(steps):
        K = P @ T(P)
        E = U @ K @ T(V) - M
        t = 0.2 / np.maximum(np.linalg.norm(K, axis=(1, 2)), 1)[:, None, None] ** 2
        core, gradients = T(U) @ E @ V, (E @ V @ K, T(E) @ U @ K)
        for X, G in zip((U, V), gradients, strict=True):
            A = T(X) @ G
            X[...] = np.linalg.qr(X - t * (G - X @ (A + T(A)) / 2))[0]
        P = P - t * (core + T(core)) @ P
    errors = np.sum((U @ P @ T(P) @ T(V) - M) ** 2, axis=(1, 2))
    return errors, np.linalg.svd(P)[1][:, -1]


def full(M):
    """The problem of M seen everywhere, with D1 = D2 a multiple of the identity."""
    rows, cols = np.divmod(np.arange(M.size), M.shape[1])
    return fr.completion(rows, cols, M.ravel(), M.shape, smoothing=1.0)


def run(solver, problem, start=None):
    """The pair of X, the status and the history, without a certificate."""
    with scope():
        if start is not None:
            start = problem.whiten(FactorPair(*(np.asarray(x) for x in start)))
        found = loop.run(solver, problem, solver.init(problem, start), max_steps=1000)
        state, status, history = found
        return problem.unwhiten(solver.outcome(state).pair), status, history


def test_three_factors_lose_rank_and_stay_there_and_balanced_descent_never_does():
    """With L = UP, R = VP the middle PPᵀ grows only as +ttᵀ: where uᵀ(M − X)v < 0 for the direction
    that P has lost, nothing pulls it back. Free columns with rebalancing have no such plateau.
    """
    rng = np.random.default_rng(0)
    M = rng.standard_normal((8, 3)) @ rng.standard_normal((3, 7))
    M /= np.linalg.norm(M, 2)
    U, V = (np.stack([orthonormal(rng, d, 3) for _ in range(60)]) for d in (8, 7))
    P = 0.5 * rng.standard_normal((60, 3, 3))
    errors, smallest = descend_upv(M, U, P, V, 1500)
    stuck = (errors > 1e-3 * np.sum(M**2)) & (smallest < 1e-3)
    assert np.sum(stuck) >= 20
    problem = full(M)
    for i in range(60):
        pair, status, _ = run(
            BalancedDescent(rank=3, tol=1e-9), problem, (U[i] @ P[i], V[i] @ P[i])
        )
        assert status is fr.Status.STATIONARY
        assert np.sum((product(pair) - M) ** 2) <= 1e-12 * np.sum(M**2)


def gradient(A, pair, b):
    """Of ½‖𝒜(L Rᵀ) − b‖²."""
    S = A.adjoint(A.forward(pair) - b)
    return FactorPair(S.right(pair.R), S.left(pair.L))


def test_gradient_flow_conserves_the_imbalance():
    """d/dt (LᵀL − RᵀR) = 0 along the gradient flow of a function of LRᵀ; a step of length t changes
    it by t²(GᵀG − HᵀH) for the gradient (G, H), and no more.
    """
    rng = np.random.default_rng(2)
    problem = full(rng.standard_normal((9, 7)))
    pair = FactorPair(*(np.asarray(rng.standard_normal((d, 3))) for d in (9, 7)))
    g = gradient(problem.measurement, pair, problem.b)
    imbalance = lambda p: p.L.T @ p.L - p.R.T @ p.R
    changes = []
    for t in 2.0 ** -np.arange(4, 12):
        moved = tree_map(lambda x, d, t=t: x - t * d, pair, g)
        change = imbalance(moved) - imbalance(pair)
        assert np.allclose(change, t**2 * imbalance(g), atol=1e-12)
        changes.append(float(np.linalg.norm(change)))
    assert np.allclose(-np.diff(np.log2(changes)), 2, atol=1e-6)
    x = BalancedPairs().point(pair)
    g = gradient(problem.measurement, x.pair, problem.b)
    assert float(BalancedPairs().defect(x, g)) <= 1e-12 * float(np.linalg.norm(g.L))


def test_critical_pairs_are_choices_of_singular_triplets_and_all_but_the_top_are_saddles():
    """At (U_S Σ_S^½, V_S Σ_S^½) the gradient of ‖LRᵀ − M‖² is 0 for any set S of k triplets; with j
    in S and i < j outside D²f = −4σⱼ(σᵢ − σⱼ) along balanced pairs that turn triplet j into i.
    """
    rng = np.random.default_rng(6)
    s = np.array([4.0, 3.0, 2.0, 1.0, 0.5])
    U, V = orthonormal(rng, 8, 5), orthonormal(rng, 7, 5)
    A, b = fr.measurements.WholeMatrix(8, 7), ((U * s) @ V.T).ravel()
    for chosen, j, i in (((0, 2, 4), 1, 1), ((1, 2, 3), 0, 0), ((0, 1, 3), 2, 2)):
        S = list(chosen)
        L, R = U[:, S] * np.sqrt(s[S]), V[:, S] * np.sqrt(s[S])
        pair, data = FactorPair(np.asarray(L), np.asarray(R)), np.asarray(b)
        g = gradient(A, pair, data)
        assert max(float(np.abs(x).max()) for x in (g.L, g.R)) <= 1e-13
        P, Q = np.zeros((8, 3)), np.zeros((7, 3))
        root = np.sqrt(s[S[j]])
        P[:, j], Q[:, j] = root * U[:, i], root * V[:, i]
        step = FactorPair(np.asarray(P), np.asarray(Q))
        assert float(BalancedPairs().defect(BalancedPairs().point(pair), step)) <= 1e-12
        z = np.asarray(np.concatenate([P.ravel(), Q.ravel()]))
        curvature = float(z @ Hessian.at(A, pair, data)(z))
        assert curvature == pytest.approx(-4 * s[S[j]] * (s[i] - s[S[j]]), rel=1e-11)
        assert curvature < 0


def test_balanced_and_exact_does_not_mean_recovered():
    """With k ≥ min(d1, d2) every interpolant has a balanced pair of zero loss: the one that fills
    the gaps with noise lies far from the truth, which is proved to be the only flattest one.
    """
    rng = np.random.default_rng(3)
    u, v = rng.uniform(0.5, 1.5, (8, 1)), rng.uniform(0.5, 1.5, (8, 1))
    M = u @ v.T
    rows, cols = np.divmod(rng.permutation(64)[:40], 8)
    problem = fr.completion(rows, cols, M[rows, cols], (8, 8), smoothing=1.0)
    X = -2.0 * M * rng.random((8, 8))
    X[rows, cols] = M[rows, cols]
    pair, _ = balance(FactorPair(np.asarray(X), np.eye(8)))
    misfit = problem.measurement.forward(pair) - problem.b
    assert 0.5 * misfit @ misfit <= 1e-28 * np.sum(M**2)
    assert balanced(pair)
    assert np.linalg.norm(product(pair) - M) >= np.linalg.norm(M)
    other, status, _ = run(BalancedDescent(rank=8, tol=1e-12), problem, (pair.L, pair.R))
    assert status is fr.Status.STATIONARY
    assert np.allclose(product(other), X)
    proof = fr.certify(problem, (u, v))
    assert proof.certified(1e-8)
    assert proof.unique
    assert np.linalg.norm(X, "nuc") > 1.1 * np.linalg.norm(M, "nuc")


@pytest.mark.parametrize("k", [4, pytest.param(12, marks=pytest.mark.slow), 18])
def test_balanced_descent_reaches_the_tail_from_every_start(k):
    """min ‖LRᵀ − M‖² over balanced pairs = Σ_{i>k} σᵢ² (Eckart and Young), here from 100 of 100
    random starts: k below the rank 10 of M, above it, and above min(d1, d2) = 15.
    """
    rng = np.random.default_rng(5)
    s = 0.6 ** np.arange(10)
    M = (orthonormal(rng, 20, 10) * s) @ orthonormal(rng, 15, 10).T
    problem, tail = full(M), np.sum(s[k:] ** 2)
    unit = tail if tail else np.sum(s**2)
    for _ in range(100):
        start = rng.standard_normal((20, k)), rng.standard_normal((15, k))
        pair, status, _ = run(BalancedDescent(rank=k, tol=1e-7), problem, start)
        assert status is fr.Status.STATIONARY
        assert np.sum((product(pair) - M) ** 2) - tail <= 1e-12 * unit
        assert balanced(pair)
