"""Every manifold obeys the laws, each law can fail, and projections are what matrices say."""

import numpy as np
import pytest

from flatrank import FactorPair, check_manifold, completion
from flatrank.arrays import tree_map
from flatrank.solvers.reference import FixedRank
from flatrank.theory import BalancedPairs, combine, inner

MANIFOLDS = {
    "fixed rank": FixedRank(),
    "balanced, quotient": BalancedPairs(),
    "balanced": BalancedPairs(quotient=False),
}


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    rows, cols = np.divmod(rng.choice(63, 45, replace=False), 7)
    return completion(rows, cols, rng.standard_normal(45), (9, 7))


def draw(shape, k, seed=0):
    rng = np.random.default_rng(seed)
    return FactorPair(*(rng.standard_normal((d, k)) for d in shape))


@pytest.mark.parametrize("manifold", MANIFOLDS.values(), ids=MANIFOLDS)
@pytest.mark.parametrize("rank", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_laws_hold(problem, manifold, rank):
    check_manifold(manifold, problem.whitened, rank=rank)


class Oblique(FixedRank):
    def project(self, point, vector):
        return FactorPair(vector.L, vector.R - point.V @ (np.ones_like(point.V).T @ vector.R))


class Scaled(FixedRank):
    def project(self, point, vector):
        return tree_map(lambda x: 1.001 * x, super().project(point, vector))


class Slow(FixedRank):
    def retract(self, point, vector):
        return super().retract(point, tree_map(lambda x: 0.99 * x, vector))


class Drifting(BalancedPairs):
    def retract(self, point, vector):
        return point._replace(pair=combine(point.pair, 1.0, vector))


class Flat(FixedRank):
    def curvature_term(self, point, S, vector):
        del point, S
        return tree_map(np.zeros_like, vector)


class Still(FixedRank):
    def transport(self, point, vector, new):
        del point, new
        return vector


class Lazy(FixedRank):
    def gradient(self, point, S):
        return tree_map(lambda x: 1.5 * x, super().gradient(point, S))


class Pinned(BalancedPairs):
    def curvature_term(self, point, S, vector):
        good = super().curvature_term(point, S, vector)
        return FactorPair(good.L * np.arange(1.0, 4.0)[None, :], good.R)


@pytest.mark.parametrize(
    ("manifold", "law"),
    [
        (Oblique(), "self-adjoint|idempotent"),
        (Scaled(), "idempotent"),
        (Slow(), "retraction is first order; error has slope 1"),
        (Drifting(), "stays on the manifold"),
        (Still(), "transport is tangent"),
        (Lazy(), "gradient; error has slope 1"),
        (Flat(), "Hessian; error has slope 2"),
        (Pinned(), "Hessian is self-adjoint"),
    ],
    ids=lambda x: type(x).__name__ if not isinstance(x, str) else x,
)
def test_a_broken_law_is_named(problem, manifold, law):
    with pytest.raises(AssertionError, match=law):
        check_manifold(manifold, problem.measurement)


def test_a_gauge_that_moves_the_matrix_is_caught(problem):
    class Sheared(BalancedPairs):
        def rotate(self, point, Q):
            good = super().rotate(point, Q)
            return good._replace(pair=FactorPair(good.pair.L, -good.pair.R))

    with pytest.raises(AssertionError, match="the gauge leaves f alone"):
        check_manifold(Sheared(), problem.measurement)


def test_the_metric_of_fixed_rank_is_that_of_matrices():
    """‖P Vᵀ + U Qᵀ‖ = ‖(P, Q)‖, and Π is U Uᵀ Z + Z V Vᵀ − U Uᵀ Z V Vᵀ of the matrix Z."""
    manifold, x = FixedRank(), FixedRank().point(draw((9, 7), 3))
    Z = np.random.default_rng(2).standard_normal((9, 7))
    U, V = x.U, x.V
    xi = manifold.project(x, FactorPair(Z @ V, Z.T @ U))
    matrix = xi.L @ x.V.T + x.U @ xi.R.T
    expected = U @ U.T @ Z + Z @ V @ V.T - U @ U.T @ Z @ V @ V.T
    assert np.allclose(matrix, expected, atol=1e-13)
    assert float(inner(xi, xi)) == pytest.approx(np.sum(matrix**2), rel=1e-13)


def test_the_second_retraction_of_fixed_rank_is_the_nearest_matrix():
    manifold, x = FixedRank(), FixedRank().point(draw((9, 7), 3))
    xi = manifold.project(x, draw((9, 7), 3, 1))
    X = (x.U * x.s[None, :]) @ x.V.T + xi.L @ x.V.T + x.U @ xi.R.T
    new = manifold.retract(x, xi)
    assert np.allclose(new.s, np.linalg.svd(X)[1][:3], rtol=1e-12)
    assert float(manifold.retraction_error(x, xi, new)) == pytest.approx(
        np.linalg.norm(np.linalg.svd(X)[1][3:]), rel=1e-10
    )


@pytest.mark.parametrize(("rank", "nonzero"), [(3, 3), (8, 3)])
@pytest.mark.parametrize("quotient", [False, True])
def test_dimension_is_the_trace_of_the_projection(rank, nonzero, quotient):
    """(d1+d2)k − k(k+1)/2, and k(d1+d2−k) on the quotient; at singular points as many conditions
    fewer as there are symmetric (skew) matrices that vanish on the range of G.
    """
    d1, d2 = 9, 7
    manifold = BalancedPairs(quotient=quotient)
    x = manifold.point(draw((d1, d2), nonzero).resized(rank))

    def project(e):
        v = FactorPair(e[: d1 * rank].reshape(d1, rank), e[d1 * rank :].reshape(d2, rank))
        out = manifold.project(x, v)
        return np.concatenate([out.L.ravel(), out.R.ravel()])

    Pi = np.stack([project(e) for e in np.eye((d1 + d2) * rank)])
    conditions = lambda k: k * (k + 1) // 2 + (k * (k - 1) // 2 if quotient else 0)
    assert np.allclose(Pi, Pi.T, atol=1e-12)
    assert np.allclose(Pi @ Pi, Pi, atol=1e-12)
    expected = (d1 + d2) * rank - conditions(rank) + conditions(rank - nonzero)
    assert np.trace(Pi) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rank", [3, 8])
def test_retractions_balance_and_leave_the_product(rank):
    manifold = BalancedPairs()
    x, step = manifold.point(draw((9, 7), rank)), draw((9, 7), rank, 1)
    new, moved = manifold.retract(x, step), combine(x.pair, 1.0, step)
    X, Y = (p.L @ p.R.T for p in (moved, new.pair))
    assert np.linalg.norm(X - Y) <= 1e-13 * np.linalg.norm(X)
    assert float(manifold.violation(new)) <= 1e-13
    G = (new.W * new.s[None, :]) @ new.W.T
    assert np.allclose(G, new.pair.L.T @ new.pair.L, atol=1e-12)


def test_the_rank_safe_retraction_survives_dead_columns_and_large_condition_numbers():
    manifold = BalancedPairs()
    pair = draw((9, 7), 3)
    pair = FactorPair(pair.L * np.array([1.0, 1e-9, 0.0])[None, :], pair.R)
    x = manifold.point(pair)
    new = manifold.retract(x, tree_map(np.zeros_like, pair))
    X, Y = (p.L @ p.R.T for p in (pair, new.pair))
    assert np.linalg.norm(X - Y) <= 1e-15 * 10 * np.linalg.norm(X)
    assert float(manifold.violation(new)) <= 1e-14
