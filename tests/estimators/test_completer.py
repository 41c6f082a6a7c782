"""FlatCompleter: pairs or a table in, predictions with intervals out.

`check_estimator` cannot apply: it fits tables of real features, and X holds whole (row, column)
pairs here, whose values are places and not numbers.
"""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import flatrank as fr
from flatrank.estimators import NotCertifiedWarning


@pytest.fixture(scope="module")
def entries():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 20))
    pairs = np.argwhere(rng.random(X.shape) < 0.6)
    return X, pairs, X[tuple(pairs.T)] + 0.2 * rng.standard_normal(len(pairs))


@pytest.fixture(scope="module")
def fitted(entries):
    return fr.FlatCompleter().fit(*entries[1:])


def test_predictions_and_intervals(entries, fitted):
    X, pairs, _ = entries
    unseen = np.ones(X.shape, bool)
    unseen[tuple(pairs.T)] = False
    places = np.argwhere(unseen)
    assert fitted.score(places, X[unseen]) > 0.95
    low, high = fitted.predict_interval(places, level=0.9)
    assert np.mean((low < X[unseen]) & (X[unseen] < high)) > 0.85
    assert fitted.status_ is fr.Status.CERTIFIED
    assert 0.15 < fitted.noise_ < 0.25


def test_conformal_intervals_need_a_holdout(entries, fitted):
    X, pairs, values = entries
    unseen = np.ones(X.shape, bool)
    unseen[tuple(pairs.T)] = False
    places = np.argwhere(unseen)
    model = fr.FlatCompleter(prediction="flat", holdout=0.1).fit(pairs, values)
    low, high = model.predict_interval(places, level=0.9, kind="conformal")
    assert np.mean((low < X[unseen]) & (X[unseen] < high)) > 0.85
    with pytest.raises(ValueError, match="no held-out entries are there to calibrate"):
        fitted.predict_interval(places, kind="conformal")


def test_pairs_sparse_and_tables_are_one(entries):
    X, pairs, values = entries
    model, places = fr.FlatCompleter(prediction="flat"), np.argwhere(np.isfinite(X))
    expected = model.fit(pairs, values).predict(places)
    stored = sparse.csr_array((values, tuple(pairs.T)), shape=X.shape)
    np.testing.assert_array_equal(model.fit(stored).predict(places), expected)
    table = np.full(X.shape, np.nan)
    table[tuple(pairs.T)] = values
    np.testing.assert_array_equal(model.fit(table).predict(places), expected)
    assert model.noise_ is None
    with pytest.raises(ValueError, match="no posterior was drawn"):
        model.predict_interval(places)


def test_clone_parameters_and_pickle(entries, fitted):
    assert clone(fitted).get_params() == fitted.get_params()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(entries[1]), fitted.predict(entries[1]))


def test_cross_validation_over_entries(entries):
    X, pairs, values = entries
    folds = KFold(3, shuffle=True, random_state=0)
    model = fr.FlatCompleter(shape=X.shape, prediction="flat")
    assert np.min(cross_val_score(model, pairs, values, cv=folds)) > 0.7
    search = GridSearchCV(model, {"rank": [1, 2]}, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        search.fit(pairs, values)
    assert search.best_params_ == {"rank": 2}


def test_what_cannot_be_is_refused(entries, fitted):
    _, pairs, values = entries
    with pytest.raises(ValueError, match="a row and a column of each place"):
        fr.FlatCompleter().fit(pairs[:, 0], values)
    with pytest.raises(ValueError, match="one length"):
        fr.FlatCompleter().fit(pairs, values[1:])
    with pytest.raises(ValueError, match="cols"):
        fitted.predict([[0, 20]])
