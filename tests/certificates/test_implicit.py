"""The duality gap of implicit feedback, against dense matrices and an independent solver."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import flatrank as fr
from flatrank.certificates import Effort, certify_whitened
from flatrank.factors import FactorPair, compact_svd

ALPHA, LAM = 2.0, 3.0


def drawn(d1, d2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.poisson(
        np.exp(rng.standard_normal((d1, 3)) @ rng.standard_normal((3, d2)) * 0.7 - 1.5)
    )


def objective(r, X):
    C, P = 1 + ALPHA * r, r > 0
    return 0.5 * np.sum(C * (P - X) ** 2) + LAM * np.linalg.svd(X, compute_uv=False).sum()


def dual_value(r, Z):
    C, P = 1 + ALPHA * r, r > 0
    return np.sum(P * Z - Z * Z / (2 * C))


def by_proximal_gradient(r, steps=4000):
    """Accelerated proximal gradient on the whole matrix."""
    C, P = 1 + ALPHA * r, (r > 0).astype(float)
    X = Z = np.zeros(r.shape)
    t, size = 1.0, C.max()
    for _ in range(steps):
        U, s, V = np.linalg.svd(Z + C * (P - Z) / size, full_matrices=False)
        new = (U * np.maximum(s - LAM / size, 0)) @ V
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        if np.vdot(Z - new, new - X) > 0:  # restart
            after = 1.0
        Z, X, t = new + (t - 1) / after * (new - X), new, after
    return X


@pytest.fixture(scope="module")
def solved():
    r = drawn(40, 30)
    problem = fr.implicit(sp.csr_array(r), alpha=ALPHA, lam=LAM)
    return r, problem, by_proximal_gradient(r)


def pair_of(X, k=None):
    U, s, V = np.linalg.svd(X, full_matrices=False)
    root = np.sqrt(s[:k])
    return U[:, :k] * root, V[:k].T * root


def test_the_optimum_of_another_solver_is_certified(solved):
    r, problem, X = solved
    found = fr.certify(problem, pair_of(X))
    assert found.certified(1e-9)
    assert found.unique
    np.testing.assert_allclose(found.primal, objective(r, X), rtol=1e-12)
    np.testing.assert_allclose(found.operator_norm, 1.0, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_bounds_of_any_pair_are_those_of_dense_matrices_and_hold(solved, k):
    r, problem, best = solved
    L, R = pair_of(best, k)
    rng = np.random.default_rng(k)
    L = L + 0.1 * rng.standard_normal(L.shape)
    X = L @ R.T
    found = fr.certify(problem, (L, R))
    S = (1 + ALPHA * r) * ((r > 0) - X)
    norm = np.linalg.norm(S, 2)
    np.testing.assert_allclose(found.primal, objective(r, X), rtol=1e-10)
    np.testing.assert_allclose(found.operator_norm, norm / LAM, rtol=1e-8)
    shares = np.linspace(0, LAM / norm, 2001)
    values = [dual_value(r, s * S) for s in shares]
    assert found.dual_bound >= max(values) * (1 - 1e-9)
    svd = compact_svd(FactorPair(L, R))
    plain, _ = certify_whitened(problem, svd, None, Effort(cut=0))
    np.testing.assert_allclose(plain.dual_bound, max(values), rtol=1e-6)
    optimum = objective(r, best)
    assert found.dual_bound <= optimum * (1 + 1e-12) <= found.primal
    assert not found.unique
    # Strong convexity: how far the scores can be from those of the optimum.
    assert 0.5 * np.sum((X - best) ** 2) <= found.gap


def test_a_norm_by_lanczos_lies_closely_above(solved):
    r, problem, best = solved
    effort = Effort(at_once=0, undivided=0, exact_size=0, cut=0)
    for pair in (pair_of(best), pair_of(best, 3)):
        svd = compact_svd(FactorPair(*pair))
        found, y = certify_whitened(problem, svd, None, effort)
        exact, _ = certify_whitened(problem, svd, None, replace(effort, failure_probability=0.0))
        assert found.operator_norm_kind == "probabilistic"
        assert 0 < found.failure_probability <= 1e-9
        assert exact.operator_norm_kind == "exact"
        assert 1 - 1e-9 <= found.operator_norm / exact.operator_norm < 1.1
        assert exact.dual_bound >= found.dual_bound * (1 - 1e-12)
        # The dual point at the clicks, of which X tells the rest.
        X = pair[0] @ pair[1].T
        i, j = problem.measurement.places()
        S = (1 + ALPHA * r) * ((r > 0) - X)
        share = y[0] / S[i[0], j[0]]
        np.testing.assert_allclose(y, share * S[i, j])
        np.testing.assert_allclose(dual_value(r, share * S), found.dual_bound)


def test_a_slope_cut_back_to_what_is_allowed_is_the_better_dual_point(solved):
    """The sums over all cells, and the bound, against those of dense matrices."""
    r, problem, best = solved
    pair = FactorPair(*pair_of(best, 12))
    start = fr.solve(problem, solver=fr.solvers.ImplicitLeastSquares(12, sweeps=20), start=pair)
    svd = compact_svd(start.factors)
    plain, _ = certify_whitened(problem, svd, None, Effort(cut=0))
    for effort in (Effort(), Effort(at_once=0, undivided=0, exact_size=0)):
        found, y = certify_whitened(problem, svd, None, effort)
        assert found.relative_gap < 0.7 * plain.relative_gap
        assert found.dual_bound <= objective(r, best)
        np.testing.assert_allclose(found.operator_norm, plain.operator_norm, rtol=1e-3)
    S = (1 + ALPHA * r) * ((r > 0) - start.matrix())
    U, s, V = np.linalg.svd(S, full_matrices=False)
    over = s > LAM * (1 + 1e-6)
    assert over.sum() > 0
    Z = S - (U[:, over] * (s[over] - LAM)) @ V[over]
    Z *= min(1.0, LAM / np.linalg.norm(Z, 2))
    np.testing.assert_allclose(
        certify_whitened(problem, svd, None, Effort())[0].dual_bound, dual_value(r, Z), rtol=1e-3
    )


def test_the_zero_pair_is_far_from_the_optimum_and_proved_to_be(solved):
    r, problem, best = solved
    found = fr.certify(problem, (np.zeros((40, 1)), np.zeros((30, 1))))
    np.testing.assert_allclose(found.primal, 0.5 * np.sum((1 + ALPHA * r)[r > 0]))
    assert 0 < found.dual_bound < objective(r, best)


def test_a_dual_point_that_is_given_changes_nothing(solved):
    _, problem, best = solved
    given = fr.certify(problem, pair_of(best, 3), np.ones(problem.m))
    assert given == fr.certify(problem, pair_of(best, 3))
