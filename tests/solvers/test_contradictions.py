"""Data that nothing fits: said early, proved where X must be positive semidefinite, and near."""

import numpy as np
import pytest

import flatrank as fr


def vectors(m=30, d=6):
    """Vectors and what they see of a matrix of rank two."""
    rng = np.random.default_rng(0)
    x, U = rng.standard_normal((m, d)), rng.standard_normal((d, 2))
    return x, ((x @ U) ** 2).sum(1), rng


def product(solution):
    """L Rᵀ."""
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


@pytest.mark.parametrize("m", [30, pytest.param(10, marks=pytest.mark.slow)])
def test_negative_squares_get_no_finite_optimum(m):
    """Also where symmetric matrices fit (m = 10): none of them is positive semidefinite."""
    x, y, _ = vectors(m)
    solution = fr.solve(fr.covariance(x, -y))
    assert solution.status is fr.Status.INFEASIBLE
    assert solution.certificate.primal == np.inf
    assert "no matrix was found to fit" in str(solution.certificate)
    assert "lies between" not in str(solution.certificate)
    assert len(solution.history) <= 10


def test_what_fits_badly_is_not_called_impossible():
    """The proof is of the data: a poor pair of data that do fit proves nothing."""
    x, y, rng = vectors()
    U = rng.standard_normal((6, 1))
    assert np.isfinite(fr.certify(fr.covariance(x, y), (U, U)).primal)


@pytest.mark.parametrize(
    "front", [fr.covariance, pytest.param(fr.quadratic_network, marks=pytest.mark.slow)]
)
def test_noise_without_lam_ends_early_near_the_nearest_fit(front):
    """More measurements than dimensions."""
    x, y, rng = vectors()
    y = y + 0.1 * rng.standard_normal(30)
    solution = fr.solve(front(x, y))
    assert solution.status is fr.Status.INFEASIBLE
    assert "use lam > 0" in str(solution.status)
    assert len(solution.history) <= 200
    squares = np.einsum("ia,ib->iab", x, x).reshape(30, -1)
    nearest = np.linalg.lstsq(squares, y, rcond=None)[0].reshape(6, 6)
    error = np.linalg.norm(product(solution) - nearest) / np.linalg.norm(nearest)
    assert error <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("rank", [None, 5])
def test_noisy_sensing_keeps_the_pair_of_least_misfit(rank):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 6, 5))
    X = np.outer(rng.standard_normal(6), rng.standard_normal(5))
    b = np.einsum("ipj,pj->i", A, X) + 0.1 * rng.standard_normal(40)
    solution = fr.solve(fr.sensing(A, b), rank=rank)
    nearest = np.linalg.lstsq(A.reshape(40, -1), b, rcond=None)[0].reshape(6, 5)
    assert solution.status is fr.Status.INFEASIBLE
    assert np.linalg.norm(product(solution) - nearest) <= 0.01 * np.linalg.norm(nearest)


@pytest.mark.slow
def test_data_in_single_precision_are_recovered_to_that_precision():
    """They contradict one another by rounding, which is far above that of the computation."""
    rng = np.random.default_rng(0)
    a, c = (rng.standard_normal((60, d)).astype(np.float32) for d in (6, 5))
    X = (rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))).astype(np.float32)
    solution = fr.solve(fr.bilinear(a, c, np.sum((a @ X) * c, axis=1)))
    assert np.linalg.norm(product(solution) - X) <= 1e-5 * np.linalg.norm(X)


@pytest.mark.slow
@pytest.mark.parametrize("share", [1e-6, 1e-4])
def test_small_lam_is_solved_too(share):
    """Columns are not dropped because λ weighs nothing: the misfit does."""
    rng = np.random.default_rng(0)
    places = rng.choice(56, 45, replace=False)
    i, j = np.divmod(places, 7)
    b = rng.standard_normal(45)
    problem = fr.completion(i, j, b, (8, 7))
    S = np.zeros((8, 7))
    S[i, j] = b
    inverse = [np.asarray(D) for D in problem.rescaling.inverse]
    largest = np.linalg.norm(inverse[0][:, None] * S * inverse[1][None, :], 2)
    solution = fr.solve(problem.with_lam(share * largest))
    assert solution.status is fr.Status.CERTIFIED
    assert len(solution.history) <= 900


def test_the_step_limit_advises_what_there_is():
    assert "max_steps" not in str(fr.Status.MAX_STEPS)
    assert "start=" in str(fr.Status.MAX_STEPS)
