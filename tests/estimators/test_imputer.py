"""FlatImputer: gaps filled near the truth, rows folded in exactly, scikit-learn's tools around."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import flatrank as fr
from flatrank.estimators import NotCertifiedWarning
from flatrank.estimators._new_rows import NewRows, flat_rows

BOTH = pytest.mark.parametrize("prediction", ["posterior", "flat"])


def error(filled, X, Y):
    """RMSE at the gaps, each column in standard deviations of its own."""
    gaps = np.isnan(Y)
    return np.sqrt(np.mean(((filled - X) / X.std(axis=0))[gaps] ** 2))


@pytest.fixture(scope="module", params=["posterior", "flat"])
def fitted(request, table):
    return fr.FlatImputer(prediction=request.param).fit(table[1][:100])


def test_gaps_are_filled_better_than_by_neighbours_and_means(table):
    X, Y = table
    filled = fr.FlatImputer().fit_transform(Y)
    scale = np.nanstd(Y, axis=0)
    neighbours = KNNImputer().fit_transform(Y / scale) * scale
    assert error(filled, X, Y) < 0.3
    assert error(filled, X, Y) < 0.6 * error(neighbours, X, Y)
    assert error(filled, X, Y) < 0.3 * error(SimpleImputer().fit_transform(Y), X, Y)
    np.testing.assert_array_equal(filled[~np.isnan(Y)], Y[~np.isnan(Y)])


def test_new_rows_are_filled_as_well_as_those_of_the_fit(fitted, table):
    X, Y = (x[100:] for x in table)
    filled = fitted.transform(Y)
    assert error(filled, X, Y) < 0.3
    np.testing.assert_array_equal(filled[~np.isnan(Y)], Y[~np.isnan(Y)])


def test_what_is_said_of_the_fit(fitted):
    assert fitted.status_ is fr.Status.CERTIFIED
    assert fitted.certificate_.certified(1e-4)
    assert fitted.flatness_.excess >= 1 - 1e-9
    assert fitted.rank_ == fitted.completed_.solution.rank
    assert (fitted.noise_ is None) == (fitted.prediction == "flat")
    assert fitted.completed_.shape == (100, 12)


def test_a_row_without_entries_gets_a_number(fitted):
    rows = fitted.transform(np.full((2, 12), np.nan))
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[0], rows[1])


@BOTH
def test_the_unit_of_a_column_changes_nothing(table, prediction):
    Y, imputer = table[1][:60], fr.FlatImputer(prediction=prediction)
    filled, new = imputer.fit_transform(Y), imputer.transform(table[1][60:])
    units = 2.0 ** np.arange(-6, 6)
    np.testing.assert_array_equal(imputer.fit_transform(Y * units), filled * units)
    np.testing.assert_array_equal(imputer.transform(table[1][60:] * units), new * units)
    units = 1.7 ** np.arange(-6, 6)
    np.testing.assert_allclose(imputer.fit_transform(Y * units), filled * units, rtol=1e-3)


def test_a_new_row_solves_its_least_squares(table):
    imputer = fr.FlatImputer(prediction="flat", lam=2.0).fit(table[1][:100])
    Z = (table[1][100:] - imputer.mean_) / imputer.scale_
    i, j = np.nonzero(~np.isnan(Z))
    new = NewRows(imputer.completed_.completion, i, j, Z[i, j], 50)
    solution = imputer.completed_.solution
    problem, R = solution.problem, np.asarray(solution.factors.R)
    (d1, d2), theta = problem.shape, problem.smoothing
    assert theta == 0.5
    for row in (0, 7, 49):
        at = i == row
        rest = new.units.remove(i[at], j[at], Z[i[at], j[at]])
        weight = (1 - theta) * at.sum() / (problem.m * d2) + theta / (d1 * d2)
        A = R[j[at]]
        normal = A.T @ A + problem.lam * weight * np.eye(A.shape[1])
        x = R @ np.linalg.solve(normal, A.T @ rest)
        every = np.arange(d2)
        expected = new.units.restore(np.full(d2, row), every, x)
        np.testing.assert_allclose(new.predict(np.full(d2, row), every), expected, rtol=1e-8)


def test_rows_of_the_fit_come_out_as_they_were(table):
    imputer = fr.FlatImputer(prediction="flat", tol=1e-9)
    filled = imputer.fit_transform(table[1])
    assert imputer.status_ is fr.Status.CERTIFIED
    scale = imputer.scale_
    np.testing.assert_allclose(
        imputer.transform(table[1]) / scale, filled / scale, rtol=1e-3, atol=1e-3
    )


def test_an_exact_fit_takes_the_least_factors_that_fit():
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((40, 2)), rng.standard_normal((10, 2))
    i, j = np.nonzero(rng.random((40, 10)) < 0.8)
    problem = fr.completion(i, j, (L @ R.T)[i, j], (40, 10))
    np.testing.assert_allclose(
        flat_rows(problem, R, i, j, (L @ R.T)[i, j], 40), L, rtol=1e-8, atol=1e-8
    )
    one = flat_rows(problem, R, np.array([0]), np.array([3]), np.array([2.0]), 1)
    np.testing.assert_allclose(one[0], 2.0 * R[3] / (R[3] @ R[3]))


def test_a_row_does_not_depend_on_its_company(fitted, table):
    new = table[1][100:]
    np.testing.assert_allclose(fitted.transform(new)[7], fitted.transform(new[7:8])[0], rtol=1e-9)


@BOTH
def test_constant_and_empty_columns(table, prediction):
    Y = table[1][:40, 5:10].copy()
    Y[:, 1], Y[3, 1], Y[:, 2] = 7.0, np.nan, np.nan
    imputer = fr.FlatImputer(prediction=prediction)
    filled = imputer.fit_transform(Y)
    assert filled.shape == (40, 4)
    assert np.isfinite(filled).all()
    assert abs(filled[3, 1] - 7.0) < 0.5
    assert list(imputer.get_feature_names_out()) == ["x0", "x1", "x3", "x4"]
    kept = clone(imputer).set_params(keep_empty_features=True)
    np.testing.assert_array_equal(np.delete(kept.fit_transform(Y), 2, axis=1), filled)
    assert np.all(kept.transform(Y)[:, 2] == 0)
    assert kept.get_feature_names_out().size == 5


def test_all_constant_and_a_single_row_have_an_answer():
    Y = np.full((6, 3), 2.0)
    Y[1, 1] = np.nan
    np.testing.assert_array_equal(fr.FlatImputer().fit_transform(Y), np.full((6, 3), 2.0))
    assert np.isfinite(fr.FlatImputer().fit([[1.0, 2.0]]).transform([[np.nan, 2.0]])).all()
    with pytest.raises(ValueError, match="no entry of the table is observed"):
        fr.FlatImputer().fit(np.full((3, 2), np.nan))


def test_names_come_back(table):
    names = [f"c{j}" for j in range(12)]
    frame = pd.DataFrame(table[1][:50], columns=names, index=np.arange(50) + 7)
    frame["c4"] = np.nan
    imputer = fr.FlatImputer(prediction="flat").set_output(transform="pandas")
    for filled in (imputer.fit_transform(frame), imputer.transform(frame)):
        assert filled.index.equals(frame.index)
        assert list(filled.columns) == names[:4] + names[5:]
        assert not filled.isna().any(axis=None)
    assert list(imputer.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        imputer.transform(frame[names[::-1]])


def test_in_a_pipeline_rank_is_chosen(table):
    Y, target = table[1], table[0][:, 0]
    pipe = make_pipeline(fr.FlatImputer(prediction="flat"), StandardScaler(), Ridge())
    search = GridSearchCV(pipe, {"flatimputer__rank": [1, 3]}, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        search.fit(Y[:, 1:], target)
    assert search.best_params_ == {"flatimputer__rank": 3}


def test_intervals_of_the_fitted_table_and_of_new_rows(table):
    X, Y = table
    imputer = fr.FlatImputer(holdout=0.1).fit(Y[:100])
    with pytest.raises(ValueError, match="say nothing of new rows"):
        imputer.predict_interval(Y[100:], kind="conformal")
    for truth, given, options in (
        (X[:100], Y[:100], {}),
        (X[:100], Y[:100], {"kind": "conformal"}),
        (X[100:], Y[100:], {"X": Y[100:]}),
    ):
        low, high = imputer.predict_interval(level=0.9, **options)
        gaps = np.isnan(given)
        np.testing.assert_allclose(low[~gaps], given[~gaps], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(high[~gaps], given[~gaps], rtol=1e-9, atol=1e-9)
        assert 0.8 < np.mean(((low < truth) & (truth < high))[gaps]) < 0.98


def test_an_empty_column_of_intervals_is_left_out_or_kept(table):
    Y = table[1][:40, 5:10].copy()
    Y[:, 2] = np.nan
    low, high = fr.FlatImputer().fit(Y).predict_interval()
    assert low.shape == high.shape == (40, 4)
    kept = fr.FlatImputer(keep_empty_features=True).fit(Y).predict_interval()
    assert kept[0].shape == (40, 5)


def test_pickle_and_clone(fitted, table):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(table[1]), fitted.transform(table[1]))
    assert again.status_ is fitted.status_
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "completed_")


def test_an_end_without_proof_says_what_to_do(table):
    with pytest.warns(NotCertifiedWarning, match="leave rank=None") as caught:
        fr.FlatImputer(prediction="flat", rank=1).fit(table[1])
    assert isinstance(caught[0].message, ConvergenceWarning)
    assert caught[0].filename == __file__
    with pytest.warns(NotCertifiedWarning, match="larger max_seconds"):
        filled = fr.FlatImputer(max_seconds=1e-3).fit_transform(table[1])
    assert np.isfinite(filled).all()


def test_what_cannot_be_is_refused(table):
    with pytest.raises(ValueError, match="predict must be"):
        fr.FlatImputer(prediction="mode").fit(table[1])
    with pytest.raises(ValueError, match="infinity"):
        fr.FlatImputer().fit([[1.0, np.inf]])
