"""Scales: found where they differ clearly, left alone where chance explains them."""

import numpy as np
import pytest

from flatrank.data import Offsets, Scales, Units, differing_scales


def table(d1, d2, share, seed=0):
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((d1, d2)) < share)
    return rng, rows, cols


def test_columns_in_different_units_are_found_and_measured():
    rng, rows, cols = table(400, 30, 0.5)
    unit = np.exp(rng.standard_normal(30))
    values = 5 * unit[cols] + unit[cols] * rng.standard_normal(rows.size)
    columns, *others = differing_scales(rows, cols, values, (400, 30))
    assert not any(scales.side == "columns" for scales in others)
    assert columns.side == "columns"
    truth = unit / np.exp(np.log(unit).mean())
    np.testing.assert_allclose(columns.of, truth, rtol=0.2)
    assert np.log(columns.of).mean() == pytest.approx(0, abs=1e-12)


def test_rows_are_found_as_well():
    rng, rows, cols = table(30, 400, 0.5)
    unit = np.exp(rng.standard_normal(30))
    values = unit[rows] * rng.standard_normal(rows.size)
    assert [scales.side for scales in differing_scales(rows, cols, values, (30, 400))] == ["rows"]


@pytest.mark.parametrize("freedom", [3, 30])
def test_chance_is_not_taken_for_scales(freedom):
    # Five entries a column: their standard deviations differ, heavy tails or not.
    rng, rows, cols = table(100, 200, 0.05)
    values = 3 + rng.standard_t(freedom, rows.size)
    assert differing_scales(rows, cols, values, (100, 200)) == []


def test_ratings_of_people_who_use_the_stars_differently_keep_one_scale():
    rng, rows, cols = table(300, 200, 0.1)
    values = np.clip(np.round(3.5 + rng.uniform(0.7, 1.3, 300)[rows] * rng.standard_normal(
        rows.size)), 1, 5)  # fmt: skip
    assert differing_scales(rows, cols, values, (300, 200)) == []


def test_a_column_without_spread_or_with_few_entries_has_the_common_scale():
    rng, rows, cols = table(400, 12, 1.0)
    values = 10.0 ** (cols % 3) * rng.standard_normal(rows.size)
    values[cols == 0] = 7.0
    few = (cols == 1) & (rows >= 2)
    scales = differing_scales(rows[~few], cols[~few], values[~few], (400, 12))[0]
    common = np.exp(np.log(scales.of[2:]).mean())
    np.testing.assert_allclose(scales.of[:2], common, rtol=0.3)


def test_units_there_and_back():
    rng, rows, cols = table(6, 5, 1.0)
    values = rng.standard_normal(rows.size)
    scales = Scales("columns", np.array([0.5, 1, 2, 1, 1.0]))
    units = Units(Offsets.fit(rows, cols, values, (6, 5), ridge=1.0), scales)
    np.testing.assert_allclose(
        units.restore(rows, cols, units.remove(rows, cols, values)), values, atol=1e-12
    )
    assert units.base([-1], [2])[0] == pytest.approx(
        2 * (units.offsets.mean + units.offsets.col[2])
    )
    assert units.base([-1], [-1])[0] == pytest.approx(units.offsets.mean)


def test_factors_are_carried_to_other_scales():
    rng = np.random.default_rng(0)
    L, R = rng.standard_normal((6, 2)), rng.standard_normal((5, 2))
    for side, d, index in (("rows", 6, 0), ("columns", 5, 1)):
        scales = Scales(side, np.exp(rng.standard_normal(d)))
        there = scales.carried(L, R, 1)
        by = np.expand_dims(scales.of, 1 - index)
        np.testing.assert_allclose(there[0] @ there[1].T, by * (L @ R.T))
        np.testing.assert_allclose(scales.carried(*there, -1)[index], (L, R)[index])
    assert Scales.none().carried(L, R, -1)[0] is L


def test_scales_of_rows_that_were_measured_come_out_again():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.standard_normal(80))
    i, j = np.nonzero(rng.random((80, 30)) < 0.7)
    v = rng.standard_normal(i.size) * sizes[i]
    scales = Scales("rows", np.ones(80)).refit(i, j, v, (80, 30))
    np.testing.assert_allclose(scales.of_rows(i, v, 80).of, scales.of, rtol=1e-12)
    part = i < 10
    np.testing.assert_allclose(scales.of_rows(i[part], v[part], 10).of, scales.of[:10])
    assert np.all(Scales("rows", sizes).of_rows(i[part], v[part], 10).of == 1)
