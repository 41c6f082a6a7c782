"""Conformal intervals: what they promise holds exactly, where what they ask for is there."""

import math

import numpy as np
import pytest

import flatrank as fr
from flatrank.selection import Calibration
from flatrank.selection.conformal import needed
from flatrank.selection.missing import missing_odds


def multiple(scores, weights, own, level):
    """q at one place of weight `own`."""
    order = np.argsort(scores)
    calibration = Calibration(scores[order], weights[order], np.array([own]), np.ones(1))
    return float(calibration.multiples(np.zeros(1, int), np.zeros(1, int), level)[0])


@pytest.mark.parametrize("n", [9, 10, 19, 37])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_of_exchangeable_scores_exactly_so_many_are_covered(n, level):
    # Each of n + 1 different scores is the next one with the same chance.
    scores = np.random.default_rng(n).permutation(n + 1).astype(float)
    covered = [s <= multiple(np.delete(scores, k), np.ones(n), 1.0, level)
               for k, s in enumerate(scores)]  # fmt: skip
    assert np.mean(covered) == pytest.approx(math.ceil(round(level * (n + 1), 9)) / (n + 1))


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_those_of_a_search_over_every_score(seed):
    rng = np.random.default_rng(seed)
    scores, weights, own = rng.random(30), rng.exponential(size=30), rng.exponential()
    scores[10:15] = scores[0]  # ties count together
    for level in (0.3, 0.7, 0.9):
        share = weights / (weights.sum() + own)
        enough = [s for s in scores if share[scores <= s].sum() >= level]
        assert multiple(scores, weights, own, level) == min(enough, default=np.inf)


@pytest.mark.parametrize("seed", range(5))
def test_where_one_is_drawn_by_weight_the_level_is_reached(seed):
    rng = np.random.default_rng(seed)
    scores, weights = rng.random(25), rng.exponential(size=25)
    for level in (0.5, 0.9):
        covered = [s <= multiple(np.delete(scores, k), np.delete(weights, k), weights[k], level)
                   for k, s in enumerate(scores)]  # fmt: skip
        reached = weights @ np.array(covered) / weights.sum()
        assert level <= reached <= level + weights.max() / weights.sum() + 1e-12


def test_too_few_held_out_entries_are_refused_with_the_number_needed():
    assert [needed(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    assert math.isfinite(multiple(np.arange(9.0), np.ones(9), 1.0, 0.9))
    with pytest.raises(ValueError, match="level 0.9 need at least 9 held-out entries, and 8 were"):
        multiple(np.arange(8.0), np.ones(8), 1.0, 0.9)
    for level in (0.0, 1.0, 90, np.nan):
        with pytest.raises(ValueError, match="level is a probability between 0 and 1"):
            multiple(np.arange(9.0), np.ones(9), 1.0, level)


def test_a_place_nothing_speaks_for_has_no_finite_interval():
    scores, weights = np.arange(20.0), np.ones(20)
    assert multiple(scores, weights, 2.2, 0.9) == 19
    assert multiple(scores, weights, 2.3, 0.9) == np.inf


def mask(shape, spread, seed=0):
    """What is seen with odds that are products, and the odds of missing."""
    rng = np.random.default_rng(seed)
    u, v = (np.exp(spread * rng.standard_normal(d)) for d in shape)
    odds = np.outer(u, v)
    return rng.random(shape) < 1 / (1 + odds), odds


def seen_by(seen):
    return fr.completion(np.where(seen, 1.0, np.nan)).measurement


def test_rows_and_columns_are_expected_to_hold_what_they_hold():
    seen, _ = mask((40, 70), 1.0)
    u, v = missing_odds(seen_by(seen))
    P = 1 / (1 + np.outer(u, v))
    moved = (1 - 1 / 70) * seen + 0.5 / 70
    np.testing.assert_allclose(P.sum(axis=1), moved.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(P.sum(axis=0), moved.sum(axis=0), rtol=1e-6)


def test_odds_that_are_products_are_found():
    seen, odds = mask((400, 300), 0.8)
    u, v = missing_odds(seen_by(seen))
    error = np.log(np.outer(u, v)) - np.log(odds)
    assert np.sqrt(np.mean(error**2)) < 0.25


def test_empty_and_full_lines_keep_finite_odds():
    seen, _ = mask((12, 9), 0.5)
    seen[0], seen[1], seen[2:, 3], seen[2:, 4] = True, False, False, True
    seen[1, 0] = True
    u, v = missing_odds(fr.completion(*np.nonzero(seen), np.ones(seen.sum()), (13, 9)).measurement)
    assert np.all(np.isfinite(u) & (u > 0))
    assert np.all(np.isfinite(v) & (v > 0))
    assert u[12] > u[1] > u[0]


def test_a_large_sparse_table_is_never_formed():
    rng = np.random.default_rng(0)
    rows, cols = np.unique(
        (rng.random((2, 200_000)) ** 3 * [[100_000], [50_000]]).astype(int), axis=1
    )
    A = fr.completion(rows, cols, np.ones(rows.size), (100_000, 50_000)).measurement
    u, v = missing_odds(A)
    busiest = int(np.argmax(A.grams()[0]))
    assert np.sum(1 / (1 + u[busiest] * v)) == pytest.approx(A.grams()[0][busiest], abs=0.51)


def test_weights_make_up_for_what_is_seen_more_often():
    rng = np.random.default_rng(1)
    seen, odds = mask((300, 200), 0.7)
    # What is seen seldom is predicted badly.
    errors = np.abs(rng.standard_normal(seen.shape)) * (1 + odds)
    A, (rows, cols) = seen_by(seen), np.nonzero(seen)
    held = rng.permutation(rows.size)[: rows.size // 10]
    found = Calibration.of(A, held, errors[rows[held], cols[held]])
    gaps = np.nonzero(~seen)
    inside = np.mean(errors[gaps] <= found.multiples(*gaps, 0.9))
    plain = np.mean(errors[gaps] <= np.quantile(errors[rows[held], cols[held]], 0.9))
    assert 0.87 < inside < 0.93
    assert plain < 0.8
