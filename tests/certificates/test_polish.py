"""Certificates of pairs that are near an optimum, and of pairs that are not, bound it closely."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.solvers import AlternatingLeastSquares


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    rows, cols = np.nonzero(rng.random((40, 30)) < 0.5)
    X = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    values = X[rows, cols] + 0.3 * rng.standard_normal(rows.size)
    problem = fr.completion(rows, cols, values, (40, 30))
    return problem.with_lam(0.1 * fr.solvers.largest_lam(problem))


@pytest.fixture(scope="module")
def best(noisy):
    return fr.solve(noisy, tol=1e-9)


@pytest.mark.parametrize("error", [0.01, 0.06])
def test_a_pair_near_the_optimum_gets_a_bound_as_near(noisy, best, error):
    rng = np.random.default_rng(1)
    both = (np.asarray(x) for x in (best.factors.L, best.factors.R))
    pair = [x * (1 + error * rng.standard_normal(x.shape)) for x in both]
    certificate = fr.certify(noisy, tuple(pair))
    above = 1 - best.certificate.primal / certificate.primal
    assert above <= certificate.relative_gap * (1 + 1e-6) + 1e-12
    assert certificate.relative_gap <= 1.1 * above
    assert certificate.operator_norm > 1.01  # that of the pair itself, as it is


def test_an_early_answer_of_alternating_least_squares(noisy, best):
    early = fr.solve(noisy, solver=AlternatingLeastSquares(rank=9, tol=1e-2))
    certificate = fr.certify(noisy, early.factors)
    above = 1 - best.certificate.primal / certificate.primal
    assert certificate.relative_gap <= 1.1 * above + 1e-6


@pytest.mark.parametrize("condition", [1e2, 1e8])
def test_ill_conditioned_measurements_get_a_dual_point_of_use(condition):
    """The shortest y with ℬ*(y) = U Vᵀ was 1e15 long, and its bound a sixth of the optimum."""
    rng, m, d = np.random.default_rng(0), 20, 6
    U, _, Vt = np.linalg.svd(rng.standard_normal((m, d * d)), full_matrices=False)
    A = ((U * np.logspace(0, -np.log10(condition), m)) @ Vt).reshape(m, d, d)
    X = np.outer(rng.standard_normal(d), rng.standard_normal(d))
    problem = fr.sensing(A, np.einsum("ipj,pj->i", A, X), smoothing=1.0)
    null = np.linalg.svd(A.reshape(m, -1))[2][m:]
    full = X + (rng.standard_normal(d * d - m) @ null).reshape(d, d)
    bounds = []
    for Y in (X, full):
        W, s, Zt = np.linalg.svd(Y)
        certificate = fr.certify(problem, (W * np.sqrt(s), Zt.T * np.sqrt(s)))
        bounds.append(certificate.dual_bound)
        assert certificate.gap >= -1e-9
    # The first pair is not the flattest: one bound is that of both, and near its value.
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-3)
    assert bounds[0] >= 0.7 * fr.certify(problem, (X, np.eye(d))).primal
