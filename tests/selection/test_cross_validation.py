"""λ by cross-validation: the errors, and what the rules make of them."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import flatrank as fr
import flatrank.selection.cross_validation as selection
from flatrank.data import folds
from flatrank.solvers import approximate, largest_lam


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 30))
    seen = rng.random(X.shape) < 0.5
    return X, np.where(seen, X + 0.5 * rng.standard_normal(X.shape), np.nan)


@pytest.fixture(scope="module")
def found(table):
    return fr.cross_validate(table[1], folds=4, count=8)


def test_the_errors_are_those_of_fits_that_did_not_see_the_fold(table, found):
    problem = fr.completion(table[1])
    rows, cols = problem.measurement.places()
    held = folds((rows, cols), 4, seed=0)[2]
    rest = np.setdiff1d(np.arange(problem.m), held)
    fit = fr.completion(rows[rest], cols[rest], problem.b[rest], problem.shape)
    lam = found.shares[4] * largest_lam(fit)
    alone = approximate(fit.with_lam(lam), tol=1e-6)
    error = np.asarray(alone.entries(rows[held], cols[held])) - problem.b[held]
    assert found.errors[2, 4] == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)
    np.testing.assert_allclose(found.lams, found.shares * largest_lam(problem))
    np.testing.assert_array_equal(found.mean, found.errors.mean(axis=0))


def test_one_standard_error_is_as_sparse_as_the_data_allow(table, found):
    least, near = found.lams == found.lam_min, found.lams == found.lam_one_se
    assert found.lam == found.lam_one_se == found.problem.lam
    assert found.mean[least] == found.mean.min()
    assert found.lam_one_se >= found.lam_min
    limit = found.mean[least] + found.standard_error[least]
    assert found.mean[near] <= limit
    assert np.all(found.mean[found.lams > found.lam_one_se] > limit)
    assert fr.cross_validate(table[1], folds=4, count=8, rule="min").lam == found.lam_min
    assert "chosen by 'one_se'" in repr(found)


def test_the_choice_is_near_the_best_there_is(table, found):
    X, Y = table
    gaps, errors = np.isnan(Y), []
    for lam in found.lams:
        solution = fr.solve(found.problem.with_lam(lam), tol=1e-3)
        errors.append(np.sqrt(np.mean((solution.matrix() - X)[gaps] ** 2)))
    chosen = errors[int(np.argmax(found.lams == found.lam_min))]
    assert chosen <= 1.05 * min(errors)


def test_shares_of_ones_own_fall(table):
    found = fr.cross_validate(table[1], [0.1, 0.5], folds=2)
    np.testing.assert_array_equal(found.shares, [0.5, 0.1])
    assert found.errors.shape == found.ranks.shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "best"}, "rule must be 'one_se' or 'min'"),
        ({"shares": [0.5, 1.5]}, "between 0 and 1"),
        ({"folds": 1}, "number of folds must be whole, at least 2"),
        ({"count": 0}, "count must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(table, options, message):
    with pytest.raises(ValueError, match=message):
        fr.cross_validate(table[1], **options)


def test_other_measurements_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="cross_validate needs sampled entries"):
        fr.cross_validate(fr.robust_pca(rng.standard_normal((5, 4))))
    A = rng.standard_normal((10, 4, 3))
    with pytest.raises(TypeError, match="cross_validate needs sampled entries"):
        fr.cross_validate(fr.sensing(A, rng.standard_normal(10)))
    with pytest.raises(TypeError, match="got ImplicitFeedback of"):
        fr.cross_validate(fr.implicit(csr_array(rng.poisson(1.0, (5, 4)))))


def test_folds_side_by_side_find_the_same(table, found, monkeypatch):
    monkeypatch.setattr(selection, "ALONE", 0)
    told = []
    again = fr.cross_validate(table[1], folds=4, count=8, progress=told.append)
    np.testing.assert_array_equal(again.errors, found.errors)
    np.testing.assert_array_equal(again.ranks, found.ranks)
    assert {event["stage"] for event in told} == {f"fold {f} of 4" for f in range(1, 5)}
    assert len(told) == again.errors.size


@pytest.mark.parametrize("alone", [0, 10**9])
def test_ctrl_c_ends_all_folds(table, monkeypatch, alone):
    def press(event):
        told.append(event)
        raise KeyboardInterrupt

    monkeypatch.setattr(selection, "ALONE", alone)
    told = []
    with pytest.raises(KeyboardInterrupt):
        fr.cross_validate(table[1], folds=4, count=8, progress=press)
    # Of those that had begun each may have told of the λ it was at.
    assert len(told) <= 4
