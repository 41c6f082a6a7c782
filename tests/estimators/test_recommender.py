"""FlatRecommender: the best unseen columns, for many rows at once and for rows that are new."""

import numpy as np
import pytest

import flatrank as fr


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(0)
    X = 3 + rng.standard_normal((90, 2)) @ rng.standard_normal((2, 25))
    pairs = np.argwhere(rng.random(X.shape) < 0.5)
    return X, pairs, X[tuple(pairs.T)] + 0.2 * rng.standard_normal(len(pairs))


@pytest.fixture(scope="module", params=["posterior", "flat"])
def fitted(request, ratings):
    _, pairs, values = ratings
    old = pairs[:, 0] < 60
    return fr.FlatRecommender(prediction=request.param).fit(pairs[old], values[old])


def test_the_best_unseen_come_first(ratings, fitted):
    _, pairs, _ = ratings
    cols, values = fitted.recommend(np.arange(60), top=5)
    assert cols.shape == values.shape == (60, 5)
    assert np.all(np.diff(values, axis=1) <= 0)
    for row in (0, 31):
        seen = pairs[pairs[:, 0] == row, 1]
        unseen = np.setdiff1d(np.arange(25), seen)
        at = fitted.predict(np.column_stack([np.full(unseen.size, row), unseen]))
        np.testing.assert_array_equal(cols[row], unseen[np.argsort(-at)[:5]])
        one = fitted.recommend(row, top=5)
        np.testing.assert_array_equal(one[0], cols[row])
        np.testing.assert_allclose(one[1], np.sort(at)[::-1][:5], rtol=1e-5)


def test_the_seen_on_request_and_blanks_where_none_are_left(ratings, fitted):
    cols, values = fitted.recommend([3, 4], top=25, exclude_seen=False)
    assert np.all(np.sort(cols, axis=1) == np.arange(25))
    assert np.isfinite(values).all()
    cols, values = fitted.recommend(3, top=100)
    left = 25 - np.sum(ratings[1][:, 0] == 3)
    assert np.all(cols[left:] == -1)
    assert np.all(values[left:] == -np.inf)
    assert np.all(cols[:left] >= 0)


def test_new_rows(ratings, fitted):
    X, pairs, values = ratings
    new = pairs[:, 0] >= 60
    places = pairs[new] - [60, 0]
    folded = fitted.fold_in(places, values[new])
    assert folded.completed_.shape == (30, 25)
    unseen = np.ones((30, 25), bool)
    unseen[tuple(places.T)] = False
    assert folded.score(np.argwhere(unseen), X[60:][unseen]) > 0.8
    cols, _ = folded.recommend(np.arange(30), top=3)
    assert np.all(unseen[np.arange(30)[:, None], cols])
    assert fitted.completed_.shape == (60, 25)
    assert folded.certificate_ is fitted.certificate_
    # A row of the fit, given again what was known of it, is told the same.
    old = pairs[:, 0] == 5
    again = fitted.fold_in(pairs[old] - [5, 0], values[old])
    mine = [(0, j) for j in range(25)]
    gap = again.predict(mine) - fitted.predict([(5, j) for _, j in mine])
    assert np.sqrt(np.mean(gap**2)) < 0.1


def test_a_cautious_list_orders_by_what_is_exceeded(fitted):
    if fitted.prediction == "flat":
        with pytest.raises(ValueError, match="no posterior"):
            fitted.recommend(0, by="low")
        return
    cols, low = fitted.recommend(0, by="low")
    at = np.column_stack([np.zeros(cols.size, int), cols])
    np.testing.assert_allclose(fitted.predict_interval(at, level=0.8)[0], low, rtol=1e-5)
    assert np.all(low < fitted.predict(at))


def test_what_cannot_be_is_refused(fitted):
    with pytest.raises(ValueError, match="by must be"):
        fitted.recommend(0, by="high")
    with pytest.raises(ValueError, match="at least 1"):
        fitted.recommend(0, top=0)
    with pytest.raises(ValueError, match="rows"):
        fitted.recommend(60)
    with pytest.raises(ValueError, match="one for each place"):
        fitted.fold_in([[0, 1]], [np.nan])


def test_columns_nobody_rated_are_recommended_by_their_features():
    rng = np.random.default_rng(0)
    kinds = np.tile(np.eye(2), (12, 1))
    X = 3 + 2 * np.where(np.arange(40)[:, None] % 2, -1.0, 1.0) * (kinds[:, 0] - kinds[:, 1])
    X += 0.3 * rng.standard_normal(X.shape)
    pairs = np.argwhere(rng.random(X.shape) < 0.6)
    pairs = pairs[pairs[:, 1] < 20]
    model = fr.FlatRecommender().fit(pairs, X[tuple(pairs.T)], features=(None, kinds))
    assert model.completed_.shape == (40, 24)
    new = [[0, 20], [0, 21], [1, 20], [1, 21]]
    np.testing.assert_allclose(model.predict(new), [5, 1, 1, 5], atol=0.6)
    with pytest.raises(ValueError, match="fitted with features, and new entries bring none"):
        model.partial_fit([[0, 20]], [5.0])


def test_rows_that_come_later_are_told_by_their_features():
    rng = np.random.default_rng(0)
    kinds = np.tile(np.eye(2), (25, 1))
    X = 3 + np.outer(kinds[:, 0] - kinds[:, 1], np.where(np.arange(20) % 2, 1.5, -1.5))
    X += 0.1 * rng.standard_normal(X.shape)
    pairs = np.argwhere(rng.random(X.shape) < 0.6)
    model = fr.FlatRecommender().fit(pairs, X[tuple(pairs.T)], features=(kinds, None))
    # The first has no entry, the second one; the kinds are 3 apart and the noise is 0.1.
    folded = model.fold_in([[1, 0]], [X[1, 0]], features=kinds[:2])
    assert np.abs(folded.completed_.whole_rows([0, 1]) - X[:2]).max() < 0.7
    nobody = model.fold_in(np.empty((0, 2), int), [], features=kinds[1:2])
    assert set(nobody.recommend(0, top=10)[0]) == set(np.argsort(-X[1])[:10])
    with pytest.raises(ValueError, match="had features, 2 each: give those of the new rows"):
        model.fold_in([[0, 0]], [3.0])
    plain = fr.FlatRecommender(prediction="flat").fit(pairs, X[tuple(pairs.T)])
    with pytest.raises(ValueError, match="was completed without one: leave them out"):
        plain.fold_in([[0, 0]], [3.0], features=kinds[:1])
