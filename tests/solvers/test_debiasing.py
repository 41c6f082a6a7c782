"""Intervals from the penalised solution: the paper's formulas, coverage, and what is refused."""

import numpy as np
import pytest
from scipy.stats import norm

import flatrank as fr
from flatrank.solvers import debiasing

NOISE = 0.5


def table(seed=0, shape=(160, 120), rank=2, share=0.5):
    """A matrix, all of it with noise, and what is seen."""
    rng, (d1, d2) = np.random.default_rng(seed), shape
    X = rng.standard_normal((d1, rank)) @ rng.standard_normal((rank, d2))
    return X, X + NOISE * rng.standard_normal(shape), rng.random(shape) < share


def solved(seen, Y, **options):
    problem = fr.completion(*np.nonzero(seen), Y[seen], Y.shape, **{"lam_ratio": 0.2} | options)
    return fr.solve(problem, tol=1e-6)


@pytest.fixture(scope="module")
def one():
    X, Y, seen = table()
    return X, Y, seen, solved(seen, Y)


def everywhere(X):
    return (x.ravel() for x in np.indices(X.shape))


def test_it_begins_at_the_projection_of_what_the_data_say(one):
    _, Y, seen, solution = one
    p, Z = seen.mean(), solution.matrix()
    svd = debiasing._unshrunk(solution.problem, solution.factors, p)
    expected = np.linalg.svd(Z + np.where(seen, Y - Z, 0.0) / p)
    np.testing.assert_allclose(svd.s[:2], expected.S[:2], rtol=1e-9)
    np.testing.assert_allclose(
        (svd.U[:, :2] * svd.s[:2]) @ svd.V[:, :2].T,
        (expected.U[:, :2] * expected.S[:2]) @ expected.Vh[:2],
        atol=1e-6,
    )


def test_it_ends_at_the_best_fit_of_its_rank_with_the_errors_of_least_squares(one):
    X, Y, seen, solution = one
    found = fr.debiased(solution)
    U, s, V = found.svd
    assert found.rank == 2
    np.testing.assert_allclose(found.values(*everywhere(X)), ((U * s) @ V.T).ravel())
    residual = np.where(seen, Y - (U * s) @ V.T, 0.0)
    # Nothing along the tangent space is left of it, beside what noise leaves there.
    left = np.hypot(np.linalg.norm(residual @ V), np.linalg.norm(U.T @ residual))
    assert left < 0.02 * NOISE * np.sqrt(seen.mean() * 2 * (160 + 120))
    free = seen.sum() - 2 * (160 + 120 - 2)
    assert found.noise == pytest.approx(np.sqrt(np.sum(residual**2) / free))
    assert found.noise == pytest.approx(NOISE, rel=0.03)
    i, j = 3, 7
    G, H = V[seen[i]].T @ V[seen[i]], U[seen[:, j]].T @ U[seen[:, j]]
    v = found.noise**2 * (V[j] @ np.linalg.solve(G, V[j]) + U[i] @ np.linalg.solve(H, U[i]))
    assert found.standard_error([i], [j])[0] == pytest.approx(np.sqrt(v))
    low, high = found.interval([i], [j], 0.8)
    assert high[0] - low[0] == pytest.approx(2 * norm.ppf(0.9) * np.sqrt(v))
    low, high = found.interval([i], [j], 0.8, noise=True)
    assert high[0] - low[0] == pytest.approx(2 * norm.ppf(0.9) * np.sqrt(v + found.noise**2))


def test_errors_are_nearly_those_of_the_paper_where_sampling_is_uniform(one):
    X, _, seen, solution = one
    found = fr.debiased(solution)
    u, v = (np.sum(x * x, axis=1) for x in (found.svd.U, found.svd.V))
    paper = found.noise * np.sqrt((u[:, None] + v) / seen.mean()).ravel()
    ratio = found.standard_error(*everywhere(X)) / paper
    assert 1.0 < np.mean(ratio) < 1.04
    assert np.all(np.abs(np.log(ratio)) < 0.5)


def test_the_weight_it_begins_with_matters_little(one):
    X, Y, seen, solution = one
    first = fr.debiased(solution).values(*everywhere(X))
    heavy = fr.debiased(solved(seen, Y, lam_ratio=0.5)).values(*everywhere(X))
    error = np.sqrt(np.mean((first - X.ravel()) ** 2))
    assert np.sqrt(np.mean((first - heavy) ** 2)) < 0.05 * error


def test_a_row_with_fewer_entries_than_the_rank_has_no_finite_error():
    X, Y, seen = table()
    seen[5] = False
    seen[5, 8] = True
    found = fr.debiased(solved(seen, Y))
    assert np.isinf(found.standard_error([5], [3])[0])
    assert np.isfinite(found.values([5], [3])[0])
    assert np.isfinite(found.standard_error([4], [3])[0])


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_intervals_hold_entries_of_the_matrix_and_new_ones(smoothing):
    inside, new = [], []
    for seed in range(5):
        X, Y, seen = table(seed)
        found = fr.debiased(solved(seen, Y, smoothing=smoothing))
        places = np.nonzero(~seen)
        low, high = found.interval(*places, 0.9)
        inside.append(np.mean((low < X[~seen]) & (X[~seen] < high)))
        low, high = found.interval(*places, 0.9, noise=True)
        new.append(np.mean((low < Y[~seen]) & (Y[~seen] < high)))
    assert 0.86 < np.mean(inside) < 0.93
    assert 0.88 < np.mean(new) < 0.92


def test_what_was_shrunk_is_no_longer(one):
    X, _, _, solution = one
    shrunk = solution.matrix() - X
    error = fr.debiased(solution).values(*everywhere(X)) - X.ravel()
    assert np.sqrt(np.mean(error**2)) < 0.5 * np.sqrt(np.mean(shrunk**2))
    # And errors are of the size that is said.
    said = fr.debiased(solution).standard_error(*everywhere(X))
    assert np.sqrt(np.mean((error / said) ** 2)) == pytest.approx(1, abs=0.12)


def test_a_rank_by_hand_and_one_line(one):
    found = fr.debiased(one[3], rank=1)
    assert found.rank == 1
    assert repr(fr.debiased(one[3])) == "Debiased(160 x 120 of rank 2, noise 0.496)"


def test_what_it_does_not_hold_for_is_refused(one):
    X, Y, seen, solution = one
    exact = fr.solve(fr.completion(*np.nonzero(seen), X[seen], X.shape))
    with pytest.raises(ValueError, match="lam is 0 here: noise was fitted exactly"):
        fr.debiased(exact)
    A = np.random.default_rng(0).standard_normal((30, 4, 3))
    sensed = fr.solve(fr.sensing(A, A[:, 0, 0], lam_ratio=0.5))
    with pytest.raises(TypeError, match=r"needs sampled entries, from flatrank\.completion; got"):
        fr.debiased(sensed)
    with pytest.raises(TypeError, match="takes the Solution that"):
        fr.debiased(solution.problem)
    with pytest.raises(ValueError, match="rank must be a whole number from 1 to that of"):
        fr.debiased(solution, rank=solution.rank + 1)
    with pytest.raises(ValueError, match="the solution is X = 0"):
        fr.debiased(solved(seen, Y, lam_ratio=1.0))
    with pytest.raises(ValueError, match="level is a probability"):
        fr.debiased(solution).interval([0], [0], 90)
    with pytest.raises(ValueError, match="cols must lie between 0 and 119"):
        fr.debiased(solution).values([0], [120])


def test_noise_alone_has_no_matrix_to_give_intervals_of():
    Y = np.random.default_rng(0).standard_normal((60, 50))
    seen = np.random.default_rng(1).random(Y.shape) < 0.5
    with pytest.raises(ValueError, match="no singular value stands out of the noise"):
        fr.debiased(solved(seen, Y, lam_ratio=0.7))


def test_more_freedom_than_entries_is_refused():
    Y = np.random.default_rng(0).standard_normal((20, 15))
    seen = np.random.default_rng(1).random(Y.shape) < 0.3
    solution = solved(seen, Y, lam_ratio=0.01)
    with pytest.raises(ValueError, match="degrees of freedom, no fewer than the"):
        fr.debiased(solution, rank=solution.rank)
