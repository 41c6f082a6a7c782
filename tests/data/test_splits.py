"""Hold-outs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flatrank.data import InputError, folds, random_instance, split


@given(
    n1=st.integers(1, 12),
    n2=st.integers(1, 12),
    fill=st.floats(0.05, 1.0),
    fraction=st.floats(0.0, 0.99),
    seed=st.integers(0, 2**32),
)
def test_every_row_and_column_keeps_an_entry(
    n1: int, n2: int, fill: float, fraction: float, seed: int
) -> None:
    entries = random_instance(n1, n2, 1, m=max(1, int(fill * n1 * n2)), seed=seed)
    train, test = split((entries.rows, entries.cols), fraction, seed=seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(entries.m))
    assert set(entries.rows[train]) == set(entries.rows)
    assert set(entries.cols[train]) == set(entries.cols)
    assert test.size <= round(fraction * entries.m)
    assert test.size >= min(round(fraction * entries.m), entries.m - n1 - n2)


def test_lines_with_a_single_entry_stay_in_training() -> None:
    rows, cols = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 2, 0, 1])
    for seed in range(20):
        train, _ = split((rows, cols), 0.4, seed=seed)
        assert {2, 3, 4} <= set(train.tolist())  # column 2, row 1, row 2


def test_the_fraction_is_met_where_there_is_room() -> None:
    entries = random_instance(200, 300, 2, m=3000, seed=0)
    places = (entries.rows, entries.cols)
    train, test = split(places, 0.1, seed=5)
    assert test.size == 300
    again = split(places, 0.1, seed=5)
    np.testing.assert_array_equal(test, again[1])
    np.testing.assert_array_equal(train, again[0])
    assert not np.array_equal(test, split(places, 0.1, seed=6)[1])


def test_nothing_can_be_held_out_of_lone_entries() -> None:
    rows = cols = np.arange(10)
    assert split((rows, cols), 0.5, seed=0)[1].size == 0
    assert split(([], []), 0.5, seed=0)[1].size == 0


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, float("nan")])
def test_fractions_outside_the_unit_interval(fraction: float) -> None:
    with pytest.raises(InputError, match="fraction must be at least 0 and below 1"):
        split((np.arange(10), np.arange(10)), fraction, seed=0)


def test_positions_that_do_not_match() -> None:
    with pytest.raises(InputError, match="equally long, got"):
        split((np.arange(3), np.arange(4)), 0.1, seed=0)


@given(
    n1=st.integers(1, 12),
    n2=st.integers(1, 12),
    fill=st.floats(0.05, 1.0),
    number=st.integers(2, 6),
    seed=st.integers(0, 2**32),
)
def test_folds_are_disjoint_and_leave_every_row_and_column_an_entry(
    n1: int, n2: int, fill: float, number: int, seed: int
) -> None:
    entries = random_instance(n1, n2, 1, m=max(1, int(fill * n1 * n2)), seed=seed)
    rows, cols = entries.rows, entries.cols
    assume(entries.m >= number)
    parts = folds((rows, cols), number, seed=seed)
    assert len(parts) == number
    together = np.concatenate(parts)
    assert np.unique(together).size == together.size
    for part in parts:
        train = np.setdiff1d(np.arange(entries.m), part)
        assert set(rows[train]) == set(rows)
        assert set(cols[train]) == set(cols)
    # What is never hidden was needed: one entry of a row or column within one fold, at most.
    assert entries.m - together.size <= n1 + n2


def test_folds_are_of_equal_size_and_hide_everything_in_full_tables() -> None:
    places = np.divmod(np.arange(200), 10)
    parts = folds(places, 7, seed=1)
    assert sorted({part.size for part in parts}) == [28, 29]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(200))
    again = folds(places, 7, seed=1)
    assert all(np.array_equal(x, y) for x, y in zip(parts, again, strict=True))


@pytest.mark.parametrize("number", [1, 0, 2.5, True, 201])
def test_impossible_numbers_of_folds_are_refused(number) -> None:
    with pytest.raises(InputError, match="at least 2 and at most that of the entries, 200; got"):
        folds(np.divmod(np.arange(200), 10), number, seed=0)
