"""One call for a whole table: filled, with intervals, names kept, odd lines answered."""

import numpy as np
import pandas as pd
import pytest

import flatrank as fr


@pytest.fixture(scope="module")
def gapped():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 12))
    Y = X + 0.1 * rng.standard_normal(X.shape)
    Y[rng.random(X.shape) < 0.2] = np.nan
    Y[5], Y[:, 3] = np.nan, np.nan
    return X, Y


@pytest.fixture(scope="module")
def completed(gapped):
    return fr.complete(gapped[1], seed=1)


def test_gaps_are_filled_near_the_truth_and_the_observed_stays(gapped, completed):
    X, Y = gapped
    filled, seen = completed.matrix(), ~np.isnan(Y)
    np.testing.assert_array_equal(filled[seen], Y[seen])
    lines = np.ones(X.shape, bool)
    lines[5], lines[:, 3] = False, False
    error = (filled - X)[lines & ~seen]
    assert np.sqrt(np.mean(error**2)) < 0.25 * X.std()
    assert np.isfinite(filled).all()
    assert completed.certificate.certified(1e-4)
    assert completed.status is fr.Status.CERTIFIED
    assert "60 x 12" in repr(completed)


def test_intervals_hold_what_is_not_seen(gapped, completed):
    X, Y = gapped
    rows, cols = np.nonzero(np.isnan(Y))
    low, high = completed.interval(rows, cols, 0.9)
    assert np.mean((low < X[rows, cols]) & (X[rows, cols] < high)) > 0.85
    empty = (rows == 5) | (cols == 3)
    assert np.median((high - low)[empty]) > 3 * np.median((high - low)[~empty])
    predicted = completed.predict(rows, cols)
    assert np.all((low < predicted) & (predicted < high))


def test_conformal_intervals_hold_too_with_and_without_a_posterior(gapped, completed):
    X, Y = gapped
    rows, cols = np.nonzero(np.isnan(Y))
    rows, cols = (x[(rows != 5) & (cols != 3)] for x in (rows, cols))
    for found in (completed, fr.complete(Y, seed=1, predict="flat")):
        low, high = found.interval(rows, cols, 0.9, kind="conformal")
        assert np.mean((low < X[rows, cols]) & (X[rows, cols] < high)) > 0.85
        known = np.isfinite(high)
        assert np.mean(known) > 0.9
        middle = (low[known] + high[known]) / 2
        np.testing.assert_allclose(middle, found.predict(rows, cols)[known], atol=1e-12)
    # Without a posterior errors are compared as they are: widths differ by the weights alone.
    assert np.unique(np.round((high - low)[known], 9)).size < 10
    narrow, wide = (completed.interval(rows, cols, level, "conformal") for level in (0.8, 0.9))
    assert np.all((wide[0] <= narrow[0]) & (narrow[1] <= wide[1]))
    assert not np.isfinite(completed.interval([5], [3], 0.9, kind="conformal")).any()


def test_conformal_intervals_hold_where_the_model_of_the_posterior_does_not():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 2)) @ rng.standard_normal((2, 80))
    seen, votes = rng.random(X.shape) < 0.4, np.sign(X + rng.logistic(size=X.shape))
    found, held = fr.complete(np.where(seen, votes, np.nan)), {}
    for kind in ("posterior", "conformal"):
        low, high = found.interval(*np.nonzero(~seen), 0.5, kind=kind)
        held[kind] = np.mean((low <= votes[~seen]) & (votes[~seen] <= high))
    assert held["posterior"] < 0.35
    assert 0.42 < held["conformal"] < 0.6


def test_conformal_intervals_say_what_they_need(gapped, completed):
    with pytest.raises(ValueError, match="level 0.999 need at least 999 held-out entries"):
        completed.interval([0], [0], 0.999, kind="conformal")
    with pytest.raises(ValueError, match="kind must be 'posterior' or 'conformal'; got 'exact'"):
        completed.interval([0], [0], kind="exact")
    found = fr.complete(gapped[1], predict="flat", holdout=0.0)
    with pytest.raises(ValueError, match="no held-out entries are there to calibrate"):
        found.interval([0], [0], kind="conformal")


def test_whole_rows_are_the_predictions_of_their_entries(gapped, completed):
    for found in (completed, fr.complete(gapped[1], predict="flat", holdout=0.0)):
        i, j = np.repeat([7, 5, 7], 12), np.tile(np.arange(12), 3)
        expected = found.predict(i, j).reshape(3, 12)
        np.testing.assert_allclose(found.whole_rows([7, 5, 7]), expected, atol=1e-5)
        with pytest.raises(ValueError, match="rows"):
            found.whole_rows([60])


def test_entries_and_tables_are_one(gapped, completed):
    Y = gapped[1]
    rows, cols = np.nonzero(~np.isnan(Y))
    order = np.random.default_rng(0).permutation(rows.size)
    rows, cols = rows[order], cols[order]
    again = fr.complete(rows, cols, Y[rows, cols], Y.shape, seed=1)
    np.testing.assert_array_equal(again.matrix(), completed.matrix())


def test_names_come_back(gapped):
    Y = gapped[1][:20, 4:9]
    table = pd.DataFrame(Y, index=[f"r{i}" for i in range(20)], columns=list("abcde"))
    filled = fr.impute(table)
    assert filled.index.equals(table.index)
    assert filled.columns.equals(table.columns)
    assert not filled.isna().any().any()
    np.testing.assert_array_equal(filled.to_numpy()[~np.isnan(Y)], Y[~np.isnan(Y)])


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [
        ([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]], 1.0, 3.0),
        ([[1.0], [2.0], [np.nan]], 1.0, 2.0),
        ([[1.0, 2.0], [np.nan, 4.0]], 1.0, 4.0),
        (np.where(np.eye(6, dtype=bool), np.nan, 7.0), 7.0, 7.0),
        ([[5.0, 4.0], [5.0, np.nan]], 4.0, 5.0),
    ],
)
def test_the_smallest_tables_have_an_answer(table, least, most):
    filled = fr.impute(table)
    assert np.all((filled >= least - 1e-6) & (filled <= most + 1e-6))


def test_the_unit_of_a_column_changes_nothing(gapped):
    Y = np.delete(gapped[1], 3, axis=1)
    # Powers of two round nothing, so that chains draw the very same numbers.
    units = 2.0 ** np.arange(-20, 24, 4)
    np.testing.assert_array_equal(fr.impute(Y * units) / units, fr.impute(Y))


def test_the_flat_solution_alone_has_no_intervals(gapped):
    found = fr.complete(gapped[1], predict="flat", holdout=0.0)
    assert np.isfinite(found.matrix(keep_observed=False)).all()
    with pytest.raises(ValueError, match="no posterior was drawn"):
        found.interval([0], [0])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no entry is observed"):
        fr.complete(np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="no entry is observed of column 1: nothing says"):
        fr.impute([[1.0, np.nan, 3.0]])
    with pytest.raises(ValueError, match="predict must be"):
        fr.impute(np.ones((3, 3)), predict="mode")
    with pytest.raises(TypeError, match="takes a table of two dimensions"):
        fr.complete([1.0, 2.0])
