"""Entries hidden in turn: nothing hidden is known, errors are those of the functions themselves."""

import json

import numpy as np
import pytest

import flatrank as fr
from flatrank.baselines import COLUMN_MEAN, EFFECTS, NEIGHBOURS, REGRESSION
from flatrank.evaluation.scoring import FLAT
from flatrank.solvers.writing import plain

UNITS = 2.0 ** np.arange(-4, 4)


def low_rank(noise=0.3, gaps=0.1):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 8))
    Y = X + noise * rng.standard_normal(X.shape)
    return np.where(rng.random(X.shape) < gaps, np.nan, Y) * UNITS


def clusters():
    """Rows near one of fifteen points: neighbours know a row, and no low rank does."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((15, 8))
    return np.repeat(points, 8, axis=0) + 0.05 * rng.standard_normal((120, 8))


@pytest.fixture(scope="module")
def found():
    return fr.evaluate(low_rank(), folds=3)


def test_low_rank_is_found_out(found):
    assert found.models == ["flatrank", FLAT, COLUMN_MEAN, EFFECTS, NEIGHBOURS, REGRESSION]
    assert found.unit == "standard deviations of a column"
    assert found.never_hidden == 0
    assert sum(fold.hidden for fold in found.folds) == found.entries
    assert found.score("flatrank", "rmse").mean < 0.7 * found.score(NEIGHBOURS, "rmse").mean
    assert 0.95 < found.score(COLUMN_MEAN, "rmse").mean < 1.1
    assert 0.8 < found.score("flatrank", "coverage").mean < 0.97
    assert found.score(FLAT, "coverage") is None
    for fold in found.folds:
        for scores in fold.scores.values():
            assert scores["mae"] <= scores["rmse"]
    assert found.verdict()[0].startswith("Low rank does best here")


def test_means_and_errors_are_those_of_the_folds(found):
    rmse = np.array([fold.scores[NEIGHBOURS]["rmse"] for fold in found.folds])
    score = found.score(NEIGHBOURS, "rmse")
    assert score == pytest.approx((rmse.mean(), rmse.std(ddof=1) / np.sqrt(3), 3))
    lead = found.ahead("flatrank", NEIGHBOURS)
    assert 0 < lead.error < lead.mean < 1


def test_the_record_is_json(found):
    record = json.loads(json.dumps(plain(found.record()), allow_nan=False))
    assert record["finished"] == record["asked"] == 3
    assert record["scores"]["flatrank"]["rmse"]["mean"] == found.score("flatrank", "rmse").mean
    assert len(record["folds"]) == 3
    assert "coverage" not in record["scores"][FLAT]


def test_where_low_rank_loses_it_is_said():
    found = fr.evaluate(clusters(), folds=2)
    assert found.ahead(NEIGHBOURS, "flatrank").mean > 0.1
    first = found.verdict()[0]
    assert first.startswith("LOW RANK LOSES. Nearest neighbours do better here by ")
    assert "this table is not low-rank" in first


def test_where_rows_say_nothing_of_each_other_it_is_said():
    noise = np.random.default_rng(3).standard_normal((60, 6))
    found = fr.evaluate(noise, folds=2)
    said = " ".join(found.verdict())
    assert "Low rank does best" not in said
    assert "column mean" in said


def test_a_test_table_is_predicted_as_impute_fills_it():
    Y = low_rank()
    hide = (np.random.default_rng(5).random(Y.shape) < 0.1) & ~np.isnan(Y)
    known = np.where(hide, np.nan, Y)
    found = fr.evaluate(known, test=Y)
    (fold,) = found.folds
    assert fold.hidden == hide.sum()
    error = ((fr.impute(known) - Y) / np.nanstd(known, axis=0))[hide]
    assert fold.scores["flatrank"]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    error = ((np.nanmean(known, axis=0) - Y) / np.nanstd(known, axis=0))[hide]
    assert fold.scores[COLUMN_MEAN]["mae"] == pytest.approx(np.mean(np.abs(error)))
    assert found.score("flatrank", "rmse").error is None


def test_entries_are_predicted_as_complete_does_from_those_in_other_folds():
    Y = low_rank()[:, :6] / UNITS[:6]
    rows, cols = np.nonzero(~np.isnan(Y))
    order = np.random.default_rng(2).permutation(rows.size)
    rows, cols = rows[order], cols[order]
    of = np.arange(rows.size) % 2
    found = fr.evaluate(rows, cols, Y[rows, cols], Y.shape, folds=of)
    assert found.unit == "the unit of the values"
    for name, fold in enumerate(found.folds):
        held = of == name
        rest = rows[~held], cols[~held]
        error = (
            fr.complete(*rest, Y[rest], Y.shape, holdout=0).predict(rows[held], cols[held])
            - Y[rows, cols][held]
        )
        assert fold.scores["flatrank"]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))


def test_test_entries_are_not_known_and_new_rows_are_counted():
    Y = low_rank(gaps=0)[:, :5] / UNITS[:5]
    rows, cols = np.nonzero(np.isfinite(Y[:40]))
    test = np.array([3, 45, 45]), np.array([1, 0, 2])
    found = fr.evaluate(rows, cols, Y[rows, cols], (50, 5), test=(*test, Y[test]))
    assert found.cold == 2
    (fold,) = found.folds
    assert fold.hidden == 3
    # The entry (3, 1) is among the others: had it been known, effects would nearly repeat it.
    rest = Y[:40].copy()
    rest[3, 1] = np.nan
    means = np.nanmean(rest, axis=0)
    expected = np.mean(np.abs(means[test[1]] - Y[test]))
    assert fold.scores[COLUMN_MEAN]["mae"] == pytest.approx(expected)


def test_an_interruption_keeps_the_folds_that_are_finished():
    def second(event):
        if event["stage"] == "fold 2 of 3":
            raise KeyboardInterrupt

    found = fr.evaluate(low_rank(), folds=3, progress=second)
    assert (len(found.folds), found.asked) == (1, 3)

    def first(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fr.evaluate(low_rank(), folds=3, progress=first)


def test_what_cannot_be_is_refused():
    Y = low_rank()
    rows, cols = np.nonzero(~np.isnan(Y))
    m = rows.size
    with pytest.raises(ValueError, match=f"at most that of the entries, {m}; got 1"):
        fr.evaluate(Y, folds=1)
    with pytest.raises(ValueError, match=f"one fold for each of the {m} entries; got an array"):
        fr.evaluate(Y, folds=[1, 2])
    with pytest.raises(ValueError, match="one fold alone"):
        fr.evaluate(Y, folds=np.zeros(m))
    with pytest.raises(ValueError, match="shape of the other, 50 x 8; got 3 x 3"):
        fr.evaluate(Y, test=np.ones((3, 3)))
    with pytest.raises(ValueError, match="no entry is left to predict"):
        fr.evaluate(Y, test=Y)
    with pytest.raises(ValueError, match="no entry can be hidden"):
        fr.evaluate([0, 1], [0, 1], [1.0, 2.0], (2, 2), folds=2)
