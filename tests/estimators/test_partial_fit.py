"""Rows that come later: fitted with those before, or folded in with the columns as they are."""

import time

import numpy as np
import pytest

import flatrank as fr
from flatrank.estimators._new_rows import NewRows, flat_rows

RNG = np.random.default_rng(0)
X = RNG.standard_normal((80, 2)) @ RNG.standard_normal((2, 15))
SEEN = RNG.random(X.shape) < 0.6
Y = X + 0.1 * RNG.standard_normal(X.shape)
PAIRS = np.argwhere(SEEN)
VALUES = Y[SEEN]
TABLE = np.where(SEEN, Y, np.nan)
FIRST = PAIRS[:, 0] < 50


def solved_again(model, tol):
    """The optimum at λ of the model, from nothing."""
    problem = model.completed_.solution.problem
    again = fr.solve(problem, tol=tol)
    assert again.status is fr.Status.CERTIFIED
    return again.matrix()


@pytest.mark.parametrize("prediction", ["flat", "posterior"])
def test_entries_and_rows_are_added_to_those_before(prediction):
    model = fr.FlatCompleter(prediction=prediction, tol=1e-8).partial_fit(
        PAIRS[FIRST], VALUES[FIRST]
    )
    assert model.completed_.shape[0] == 50
    share = model.completed_.completion.share
    kind = model.completed_.completion.offsets.kind
    later = ~FIRST & (PAIRS[:, 1] > 3)
    model.partial_fit(PAIRS[later], VALUES[later])
    model.partial_fit(PAIRS[~FIRST & ~later], VALUES[~FIRST & ~later])  # more of known rows
    assert model.completed_.shape == X.shape
    found = model.completed_.completion
    assert (found.share, found.offsets.kind) == (share, kind)
    np.testing.assert_array_equal(model.completed_.observed.rows, PAIRS[:, 0])
    np.testing.assert_array_equal(model.completed_.observed.values, VALUES)
    assert model.status_ is fr.Status.CERTIFIED
    # The optimum of all entries, whatever the way to it.
    lam = share * fr.solvers.largest_lam(found.solution.problem)
    assert found.solution.problem.lam == pytest.approx(lam, rel=1e-6)
    np.testing.assert_allclose(found.solution.matrix(), solved_again(model, 1e-10), atol=2e-3)
    unseen = np.argwhere(~SEEN)
    assert model.score(unseen, X[~SEEN]) > 0.95
    if prediction == "posterior":
        assert np.all(np.less(*model.predict_interval(unseen)))


def test_a_table_of_new_rows_and_recommendations():
    model = fr.FlatRecommender(prediction="flat").fit(TABLE[:50]).partial_fit(TABLE[50:])
    pairs = fr.FlatRecommender(prediction="flat").fit(PAIRS[FIRST], VALUES[FIRST])
    pairs.partial_fit(PAIRS[~FIRST], VALUES[~FIRST])
    np.testing.assert_array_equal(model.predict(PAIRS), pairs.predict(PAIRS))
    cols, _ = model.recommend(70, top=3)
    assert not SEEN[70, cols].any()


def test_a_table_is_filled_by_what_further_rows_taught():
    imputer = fr.FlatImputer(prediction="flat").fit(TABLE[:8])
    alone = imputer.transform(TABLE[60:])
    mean = imputer.mean_.copy()
    imputer.partial_fit(TABLE[8:60])
    np.testing.assert_array_equal(imputer.mean_, mean)
    assert imputer.completed_.shape == (60, 15)
    gaps = np.isnan(TABLE[60:])
    errors = [
        np.sqrt(np.mean((filled - X[60:])[gaps] ** 2))
        for filled in (alone, imputer.transform(TABLE[60:]))
    ]
    assert errors[1] < 0.5 * errors[0]
    fresh = fr.FlatImputer(prediction="flat").partial_fit(TABLE)
    np.testing.assert_array_equal(
        fresh.transform(TABLE), fr.FlatImputer(prediction="flat").fit(TABLE).transform(TABLE)
    )


def test_a_weight_that_was_given_is_kept():
    model = fr.FlatCompleter(prediction="flat", lam=0.5).partial_fit(TABLE[:50])
    assert model.partial_fit(TABLE[50:]).completed_.solution.problem.lam == 0.5


def test_a_first_part_too_small_to_choose_on():
    model = fr.FlatCompleter(prediction="flat").partial_fit([[0, 0], [1, 1]], [1.0, 2.0])
    assert model.completed_.completion.share is None
    rest = (PAIRS[:, 0] > 1) | ((PAIRS != [0, 0]).any(1) & (PAIRS != [1, 1]).any(1))
    with pytest.raises(ValueError, match="cols must lie between 0 and 1"):
        model.partial_fit(PAIRS[rest], VALUES[rest])
    inside = rest & (PAIRS[:, 1] < 2)
    model.partial_fit(PAIRS[inside], VALUES[inside])
    assert model.completed_.completion.share is not None


def test_what_cannot_be_is_refused():
    model = fr.FlatRecommender(prediction="flat").fit(TABLE[:50])
    with pytest.raises(ValueError, match="given more than once"):
        model.partial_fit(PAIRS[:1], VALUES[:1])
    with pytest.raises(ValueError, match="have 14 columns, and those fitted have 15"):
        model.partial_fit(TABLE[50:, 1:])
    with pytest.raises(ValueError, match="one for each place"):
        model.partial_fit(PAIRS[~FIRST], VALUES[:3])
    folded = model.fold_in([[0, 1]], [1.0])
    with pytest.raises(ValueError, match="its rows were folded in"):
        folded.partial_fit(TABLE[50:])
    assert model.completed_.shape == (50, 15)


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("theta", [0.0, 0.5])
def test_folding_in_is_refitting_with_the_columns_fixed(lam, theta):
    """argmin ½‖b − R l‖² + (λ/2) D1_i² ‖l‖² of each row, by least squares of the row alone."""
    problem = fr.completion(TABLE, lam=lam, smoothing=theta)
    R = RNG.standard_normal((15, 4))
    n = 300
    seen = RNG.random((n, 15)) < 0.6
    i, j = np.nonzero(seen)
    b = RNG.standard_normal(i.size)
    found = flat_rows(problem, R, i, j, b, n)
    for row in range(n):
        own, count = i == row, int(seen[row].sum())
        weight = lam * ((1 - theta) * count / (problem.m * 15) + theta / (80 * 15))
        A = np.vstack([R[j[own]], np.sqrt(weight) * np.eye(4)])
        expected = np.linalg.lstsq(A, np.append(b[own], np.zeros(4)), rcond=None)[0]
        np.testing.assert_allclose(found[row], expected, rtol=1e-8, atol=1e-8)


def test_folding_in_many_rows_takes_little():
    model = fr.FlatCompleter(prediction="flat", lam=1.0).fit(TABLE)
    n, rng = 2000, np.random.default_rng(1)
    i, j = np.nonzero(rng.random((n, 15)) < 0.5)
    rows = NewRows(model.completed_.completion, i, j, rng.standard_normal(i.size), n)
    begin = time.perf_counter()
    assert rows.factors.shape[0] == n
    assert time.perf_counter() - begin < 1
