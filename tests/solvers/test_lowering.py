"""The smallest rank that fits, the best fit of a rank given, and what noisy data are answered."""

import warnings

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import random_instance


def product(solution):
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


@pytest.mark.parametrize(("seed", "outer"), [(8, True), (1007, False)])
def test_a_column_on_its_way_to_zero_is_cut_and_the_rest_proved(seed, outer):
    rng = np.random.default_rng(seed)
    M = (
        np.outer(rng.standard_normal(60), rng.standard_normal(40))
        if outer
        else rng.standard_normal((60, 1)) @ rng.standard_normal((1, 40))
    )
    i, j = np.nonzero(rng.random(M.shape) < 0.5)
    solution = fr.solve(fr.completion(i, j, M[i, j], M.shape))
    assert solution.rank == 1
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.unique
    assert np.linalg.norm(product(solution) - M) <= 1e-9 * np.linalg.norm(M)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_corner_that_is_missing_is_filled_at_the_rank_of_the_rest(seed):
    """X = [A B; C D] with D missing: D = C A⁺ B is the only one of rank 3; rank 4 fits as well."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 2)) @ rng.standard_normal((2, 40)) + 3.0
    missing = (np.arange(80)[:, None] < 50) & (np.arange(40)[None, :] >= 15)
    i, j = np.nonzero(~missing)
    solution = fr.solve(fr.completion(i, j, X[i, j], X.shape))
    assert solution.rank == 3
    assert solution.status.ok
    assert np.linalg.norm((product(solution) - X)[missing]) <= 1e-8 * np.linalg.norm(X[missing])


def test_small_singular_values_that_are_needed_stay():
    """A gap as wide as that of a dying column, and the data know what is behind it."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for d in (60, 40))
    M = (U * [1.0, 1e-5]) @ V.T
    i, j = np.nonzero(rng.random(M.shape) < 0.6)
    solution = fr.solve(fr.completion(i, j, M[i, j], M.shape), tol=1e-8)
    assert solution.rank == 2
    assert np.linalg.norm(product(solution) - M) <= 1e-9


def noisy(shape=(60, 50), share=0.5):
    rng = np.random.default_rng(0)
    M = rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    i, j = np.nonzero(rng.random(shape) < share)
    return M, i, j, M[i, j] + 0.1 * rng.standard_normal(i.size)


def test_noise_at_a_rank_given_is_answered_by_least_squares():
    M, i, j, values = noisy()
    solution = fr.solve(fr.completion(i, j, values, M.shape), rank=2)
    assert solution.status is fr.Status.LEAST_SQUARES
    assert not solution.status.ok
    L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
    C = np.zeros(M.shape)
    C[i, j] = (L @ R.T)[i, j] - values
    size = np.linalg.norm(C) * max(np.linalg.norm(L, 2), np.linalg.norm(R, 2))
    assert max(np.linalg.norm(C @ R), np.linalg.norm(C.T @ L)) <= 1e-3 * size
    assert np.linalg.norm(L @ R.T - M) <= 0.1 * np.linalg.norm(M)
    said = str(solution.status)
    assert "not the convex problem" in said
    assert "held out" in said
    for bad in ("raise rank", "leave it out", "leave rank out"):
        assert bad not in said


def test_exact_data_and_weighted_ones_are_told_nothing():
    made = random_instance(60, 60, 2, oversampling=6.0, seed=0, min_per_line=3)
    problem = fr.completion(made.rows, made.cols, made.values, made.shape)
    whole = np.arange(12.0).reshape(4, 3) ** 2  # full rank, and nothing left to predict
    M, i, j, values = noisy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solutions = [
            fr.solve(problem),
            fr.solve(fr.completion(*np.divmod(np.arange(12), 3), whole.reshape(-1), (4, 3))),
            fr.solve(fr.completion(i, j, values, M.shape, lam_ratio=0.2), tol=1e-2),
        ]
    assert [solution.remark for solution in solutions] == [""] * 3


@pytest.mark.parametrize("status", fr.Status)
def test_every_status_has_a_short_value_and_a_sentence(status):
    assert status.value == status.name.lower()
    assert str(status) == status.sentence
    assert len(status.sentence) > 10
    assert "raise rank" not in status.sentence  # with noise the fit of every rank above is worse


def test_identifiable_says_what_was_tested():
    said = fr.Status.IDENTIFIABLE.sentence
    assert "to 1e-8 of the data" in said
    assert "not proved is that no smaller rank fits" in said


@pytest.mark.parametrize("size", [1e-150, 1e-6, 1e6, 1e150])
def test_the_size_of_a_start_does_not_matter(size):
    M, i, j, values = noisy()
    problem = fr.completion(i, j, values, M.shape, lam_ratio=0.2)
    rng = np.random.default_rng(1)
    start = [size * rng.standard_normal((d, 5)) for d in M.shape]
    solution, cold = fr.solve(problem, start=tuple(start)), fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.primal == pytest.approx(cold.certificate.primal, rel=2e-6)
    assert solution.counts.steps <= 10 * cold.counts.steps


def test_a_start_that_only_leads_away_is_left_out():
    M, i, j, values = noisy()
    problem = fr.completion(i, j, values, M.shape, lam_ratio=0.2)
    cold = fr.solve(problem)
    away = fr.solve(problem, start=(-cold.factors.L, cold.factors.R))
    assert len(away.history) == len(cold.history)
    assert away.certificate.primal == cold.certificate.primal
