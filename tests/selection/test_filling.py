"""A table filled, beside simpler ways to fill it, and by an average of them."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.baselines import COLUMN_MEAN, EFFECTS, NEIGHBOURS, REGRESSION
from flatrank.selection import fill


def two_kinds():
    """Half low rank, half clusters: neither alone is the whole truth."""
    rng = np.random.default_rng(0)
    points = np.repeat(rng.standard_normal((20, 10)), 6, axis=0)
    X = points + rng.standard_normal((120, 2)) @ rng.standard_normal((2, 10))
    X += 0.05 * rng.standard_normal(X.shape)
    return X, np.where(rng.random(X.shape) < 0.1, np.nan, X)


@pytest.fixture(scope="module")
def filled():
    return fill(two_kinds()[1], average=True)


def test_the_average_beats_its_parts(filled):
    X, Y = two_kinds()
    gaps = np.isnan(Y)

    def error(Z):
        return np.sqrt(np.mean((Z - X)[gaps] ** 2))

    assert sorted(filled.weights.values())[-2] > 0.1
    errors = filled.comparison.errors()
    assert filled.comparison.error_of_average() < 0.97 * min(errors.values())
    assert error(filled.X) < 0.95 * error(fr.impute(Y))
    np.testing.assert_array_equal(filled.X[~gaps], Y[~gaps])
    np.testing.assert_array_equal(fr.impute(Y, average=True), filled.X)


def test_errors_are_those_on_a_hold_out_that_nothing_saw(filled):
    errors, X = filled.comparison.errors(), two_kinds()[0]
    assert list(errors) == ["flatrank", COLUMN_MEAN, EFFECTS, NEIGHBOURS, REGRESSION]
    assert errors["flatrank"] == pytest.approx(filled.completed.completion.rmse["holdout"])
    assert 0.9 < errors[COLUMN_MEAN] < 1.15
    gain, error = filled.comparison.ahead("flatrank", COLUMN_MEAN)
    assert gain == pytest.approx(1 - errors["flatrank"] / errors[COLUMN_MEAN])
    assert 0 < error < gain
    average = filled.comparison.error_of_average()
    assert average < errors["flatrank"]
    gaps = np.isnan(two_kinds()[1])
    there = np.sqrt(np.mean(((filled.X - X) / X.std(axis=0))[gaps] ** 2))
    assert average == pytest.approx(there, rel=0.35)


def test_the_weights_have_the_least_squared_error_of_all_means(filled):
    beside = filled.comparison
    P = np.column_stack(list(beside.predictions.values()))
    w = np.array([filled.weights.get(name, 0.0) for name in beside.predictions])
    assert sum(w) == pytest.approx(1)
    slope = P.T @ (P @ w - beside.values)
    # On the simplex: the slope is the same where there is weight, and no smaller elsewhere.
    level = slope[w > 0].mean()
    np.testing.assert_allclose(slope[w > 0], level, atol=1e-4)
    assert np.all(slope >= level - 1e-4)


def test_one_line_says_how_well_each_does(filled):
    said = repr(filled)
    assert said.startswith(
        "Filled(120 x 10; hold-out RMSE in standard deviations of a column: flatr"
    )
    assert f"nearest neighbours {filled.comparison.errors()[NEIGHBOURS]:.3g}, regression" in said
    assert "; weights: " in said


def test_without_a_hold_out_nothing_is_compared():
    found = fill(two_kinds()[1][:30], holdout=0.0)
    assert found.comparison.errors() == {}
    assert found.weights == {}
    with pytest.raises(ValueError, match="an average needs entries held out"):
        fill(two_kinds()[1][:30], holdout=0.0, average=True)
    with pytest.raises(ValueError, match="intervals are those of the model"):
        fill(two_kinds()[1][:30], 0.9, average=True)
    with pytest.raises(ValueError, match="too small"):
        fr.impute(np.array([[1.0, np.nan], [np.nan, 2.0]]), average=True)
