"""Baselines: what they say of hidden places, and when they are left out."""

import numpy as np
import pytest
from sklearn.impute import KNNImputer

from flatrank.baselines import (
    COLUMN_MEAN,
    EFFECTS,
    NEIGHBOURS,
    REGRESSION,
    fitters,
    within,
)
from flatrank.problems import Observed


def known(X):
    rows, cols = np.nonzero(~np.isnan(X))
    return Observed(rows, cols, X[rows, cols], X.shape)


@pytest.fixture
def gapped():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 8))
    X[:, 7] = X[:, 0] - 2 * X[:, 1] + 3
    return X, np.where(rng.random(X.shape) < 0.2, np.nan, X)


def predicted(name, Y):
    rows, cols = np.indices(Y.shape)
    return fitters()[name](known(Y))(rows.ravel(), cols.ravel()).reshape(Y.shape)


def test_the_column_mean_is_that_of_what_is_known(gapped):
    Y = gapped[1].copy()
    Y[:, 3] = np.nan
    found = predicted(COLUMN_MEAN, Y)
    means = np.nanmean(np.delete(Y, 3, axis=1), axis=0)
    np.testing.assert_allclose(np.delete(found, 3, axis=1), np.broadcast_to(means, (50, 7)))
    np.testing.assert_allclose(found[:, 3], np.nanmean(Y))


def test_effects_find_a_table_that_is_a_sum_of_them():
    rng = np.random.default_rng(1)
    X = (
        rng.standard_normal((40, 1))
        + rng.standard_normal(30)
        + 0.05 * rng.standard_normal((40, 30))
    )
    Y = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    error = (predicted(EFFECTS, Y) - X)[np.isnan(Y)]
    assert np.sqrt(np.mean(error**2)) < 0.12


def test_a_table_that_leaves_nothing_to_hold_out_has_effects_too():
    found = predicted(EFFECTS, np.array([[1.0, np.nan], [np.nan, 5.0]]))
    assert np.all((found >= 1) & (found <= 5))
    assert found[0, 0] < found[1, 1]


def test_neighbours_are_those_of_scikit_learn(gapped):
    expected = KNNImputer().fit_transform(gapped[1])
    np.testing.assert_array_equal(predicted(NEIGHBOURS, gapped[1]), expected)


def test_a_regression_finds_a_column_that_depends_on_others(gapped):
    X, Y = gapped
    Y = np.where(np.arange(8) == 7, Y, X)
    gaps = np.isnan(Y)
    assert gaps.sum() > 5
    np.testing.assert_allclose(predicted(REGRESSION, Y)[gaps], X[gaps], atol=0.01)


def test_what_would_take_too_long_or_too_much_is_left_out_by_name(gapped):
    assert within(known(gapped[1]), 60.0) == ([COLUMN_MEAN, EFFECTS, NEIGHBOURS, REGRESSION], {})
    names, left_out = within(known(gapped[1]), 0.0)
    assert names == [COLUMN_MEAN, EFFECTS]
    assert set(left_out) == {NEIGHBOURS, REGRESSION}
    assert "more than 0 s" in left_out[REGRESSION]
    long = known(np.random.default_rng(0).standard_normal((2000, 400)))
    places = np.flatnonzero(np.random.default_rng(1).random(long.values.size) < 0.5)
    long = Observed(*(x[places] for x in long[:3]), long.shape)
    assert "about 24 minutes, more than 60 s" in within(long, 60.0)[1][REGRESSION]
    huge = Observed(np.arange(5), np.arange(5), np.ones(5), (10**6, 10**5))
    assert "800.0 GB as an array" in within(huge, 60.0)[1][NEIGHBOURS]


def test_without_scikit_learn_the_means_remain(gapped, monkeypatch):
    monkeypatch.setattr("flatrank.baselines.peers.find_spec", lambda _: None)
    names, left_out = within(known(gapped[1]), 60.0)
    assert names == [COLUMN_MEAN, EFFECTS]
    assert all("scikit-learn is not installed" in reason for reason in left_out.values())
