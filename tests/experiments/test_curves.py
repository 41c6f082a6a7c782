"""Noise, width and isometry: what the theory says of each row, on small instances."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import InputError
from flatrank.experiments import isometry, noise, width


def test_errors_follow_the_noise_and_stay_below_their_bounds(tmp_path):
    how = {"d": 10, "m": 95, "rank": 1, "sizes": (1e-3, 1e-2), "draws": 2, "folder": tmp_path}
    curve = noise(**how)
    assert curve.uncertified == 0
    assert curve.solutions == 8
    assert len(list(tmp_path.iterdir())) == 2
    assert noise(**how) == curve
    for row in curve.draws:
        assert row["failing"] == 0
        assert 0 < row["penalised"] <= row["penalised_bound"] < np.inf
        assert 0 < row["constrained"] <= row["constrained_bound"] < np.inf
    low, high = curve.table()
    # Proportional to the noise, where the rank is found: within a third.
    for name in ("penalised", "constrained"):
        assert high[name] / low[name] == pytest.approx(10, rel=0.3)
        assert low[f"{name}_low"] <= low[name] <= low[f"{name}_high"]


def test_a_width_below_the_teachers_is_seen_in_the_gap_and_a_generous_one_is_proved():
    curve = width(d=8, m=36, rank=2, sizes=(1, 8), draws=2)
    narrow, wide = curve.table()
    assert narrow["relative"] > 0.1
    assert narrow["error"] > 0.1
    assert wide["relative_high"] <= 1e-6
    assert wide["error_high"] < 0.05  # λ = λ_max/1000 biases it
    assert curve.uncertified == 0


def test_isometries_from_inside_tighten_with_more_measurements():
    curve = isometry(d=6, rank=1, sizes=(30, 3000), draws=1)
    few, many = curve.table()
    assert few["left"] > many["left"] > many["kappa"] ** 2 >= 1
    assert many["right"] == pytest.approx(11 / 9)
    assert (few["recovered"], many["recovered"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (noise, {"sizes": (2.0,)}, "sizes must be below 1, shares of the data; got 2."),
        (noise, {"sizes": (0.0,)}, "sizes must be numbers above 0; got 0."),
        (noise, {"d": 0}, "d must be a whole number from 1; got 0."),
        (width, {"sizes": (1.5,)}, "sizes must be whole numbers from 1; got 1.5."),
        (isometry, {"draws": 0}, "draws must be a whole number from 1; got 0."),
        (isometry, {"d": 9}, "5r must be at most d; got rank=2 and d=9."),
    ],
)
def test_refusals(run, options, message):
    with pytest.raises(InputError, match=message):
        run(**options)


def test_they_are_public():
    assert {"noise", "width", "isometry", "Curve"} <= set(dir(fr.experiments))
