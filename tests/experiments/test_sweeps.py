"""Grids: kept cells, tables, bounds, and what is refused."""

import re

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import InputError
from flatrank.experiments import sweeps

TINY = {"dims": (5, 7), "sizes": (20, 45), "draws": 2}


def test_finished_cells_are_not_computed_again(tmp_path, monkeypatch):
    solve, solved = sweeps.solve_cell, []

    def counting(*arguments):
        if len(solved) == 2:
            raise KeyboardInterrupt
        solved.append(arguments)
        return solve(*arguments)

    monkeypatch.setattr(sweeps, "solve_cell", counting)
    with pytest.raises(KeyboardInterrupt):
        fr.experiments.phase_transition(**TINY, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    kept = sorted(tmp_path.iterdir())[0]
    kept.write_text(kept.read_text()[:20])  # killed by something worse: this one is done again
    monkeypatch.setattr(sweeps, "solve_cell", lambda *a: solved.append(a) or solve(*a))
    events = []
    whole = fr.experiments.phase_transition(**TINY, folder=tmp_path, monitor=events.append)
    assert len(solved) == 2 + 3
    assert [event["step"] for event in events] == [0, 1, 2, 3]
    assert events[0]["message"] == "d = 5, m = 20"
    assert events[0]["stage"] == "sensing cells"
    monkeypatch.setattr(sweeps, "solve_cell", lambda *_: pytest.fail("nothing is left to do"))
    assert fr.experiments.phase_transition(**TINY, folder=tmp_path) == whole
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


def test_sizes_that_differ_in_the_seventh_digit_are_two_cells(tmp_path):
    for size in (0.72345678, 0.7234568, 0.723457):
        found = fr.experiments.phase_transition(
            "completion", dims=(5,), sizes=(size,), rank=1, draws=1, folder=tmp_path
        )
        assert found.cells[0].size == size
    names = {path.name.split("-")[2] for path in tmp_path.iterdir()}
    assert names == {"0.723457", "0.72345678", "0.7234568"}


def own(scale):
    """Diagonals apart, and some entries: measurements that no family has."""

    def make_problem(d, size, seed):
        rng = np.random.default_rng(seed)
        M = scale * np.outer(rng.standard_normal(d), rng.standard_normal(d))
        A = rng.standard_normal((int(size), d, d)) / (1 + np.arange(d))
        return fr.sensing(A, np.einsum("ipj,pj->i", A, M)), M

    return make_problem


def test_measurements_of_ones_own(tmp_path):
    grid = {"dims": (4,), "sizes": (4, 16), "draws": 3, "folder": tmp_path}
    sweep = fr.experiments.phase_transition(own(100.0), **grid)
    assert sweep.uncertified == 0
    # The error is a share of M: its unit makes no difference.
    assert [row["flat"] for row in sweep.recovery()] == [0.0, 1.0]
    assert "degrees_of_freedom" not in sweep.recovery()[0]
    assert sweep.size_name == "size"
    assert sweep.facts()["family"] == "own"
    assert len(list(tmp_path.iterdir())) == 2
    fr.experiments.phase_transition(own(100.0), **grid)
    assert len(list(tmp_path.iterdir())) == 2
    fr.experiments.phase_transition(own(1.0), **grid)  # another problem has other cells
    assert len(list(tmp_path.iterdir())) == 4


def test_rectangular_ensembles():
    ensemble = fr.experiments.Ensemble("sensing", 1, aspect=2.0)
    sweep = fr.experiments.phase_transition(ensemble, dims=(5,), sizes=(8, 50), draws=2)
    assert [row["flat"] for row in sweep.recovery()] == [0.0, 1.0]
    assert sweep.limits(5)[0] == fr.experiments.degrees_of_freedom(5, 10, 1) == 14


def test_weak_recovery_is_a_share_and_the_constant_is_enough():
    sweep = fr.experiments.phase_transition("completion", dims=(9,), sizes=(0.5, 1.0), draws=3)
    few, whole = sweep.weak_recovery()
    assert few["mu"] > 1
    assert few["gamma"] > whole["gamma"]
    assert few["flat_error"] > 0.01
    assert whole["flat_error"] < 1e-9
    for cell, row in zip(sweep.cells, (few, whole), strict=True):
        for one in cell.draws:
            rate = fr.theory.weak_recovery_rate((9, 9), 2, one.m, one.mu, row["constant"])
            assert one.nuclear[0] <= rate * (1 + 1e-12)
    other = fr.experiments.phase_transition("sensing", dims=(4,), sizes=(9,), draws=1, rank=1)
    with pytest.raises(InputError, match="Weak recovery is about completion; this sweep is sens"):
        other.weak_recovery()
    none = fr.experiments.phase_transition("completion", dims=(3,), sizes=(1e-6,), draws=1)
    with pytest.raises(InputError, match="No entry was drawn in any cell"):
        none.weak_recovery()


@pytest.mark.parametrize(
    ("family", "sizes"),
    [("bilinear", (45,)), ("completion", (0.6, 1.0)), ("quadratic", (25, 27, 40))],
)
def test_bounds_of_theorem_33(family, sizes):
    sweep = fr.experiments.theorem_sweep(family, dims=(7,), sizes=sizes, draws=3)
    assert sweep.uncertified == 0
    assert sweep.worst_gap <= 1e-6
    for row in sweep.regularity():
        assert row["exceeding"] == 0
        assert row["nonsingular"] > 0
        assert -1e-9 <= row["excess"] <= row["excess_bound"] + 1e-9
        assert row["imbalance"] <= row["imbalance_bound"] + 1e-9
    if family != "completion":  # flat and norm-minimal differ, though both are the truth
        assert row["flat"] == 1.0
        assert row["excess"] > 1e-4
        assert row["imbalance"] > 1e-2
    else:  # everything seen: D is a multiple of the identity
        assert row["imbalance"] == pytest.approx(0.0, abs=1e-9)


def test_the_theorem_is_about_norm_minimal_solutions():
    with pytest.raises(InputError, match="norm-minimal solutions; robust has another rival"):
        fr.experiments.theorem_sweep("robust")
    how = {"dims": (20,), "sizes": (0.03,), "rank": 1, "draws": 1}
    sweep = fr.experiments.phase_transition("robust", **how)
    assert np.isnan(sweep.cells[0].draws[0].excess)
    with pytest.raises(InputError, match="norm-minimal solutions; the rival of robust is pursuit"):
        sweep.regularity()


def test_tables_carry_the_limits():
    sweep = fr.experiments.phase_transition("completion", dims=(6,), sizes=(1.0,), draws=1)
    (row,) = sweep.recovery()
    assert (row["flat"], row["norm_minimal"], row["uncertified"]) == (1.0, 1.0, 0)
    assert row["degrees_of_freedom"] == pytest.approx(20 / 36)
    assert row["p"] == 1.0
    assert sweep.solutions == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"family": "quartic"},
            "family must be one of sensing, bilinear, completion, quadratic, covariance, robust",
        ),
        ({"rank": 0}, "rank must be a whole number from 1; got 0."),
        ({"draws": 0}, "draws must be a whole number from 1; got 0."),
        ({"seed": -1}, "seed must be a whole number from 0; got -1."),
        ({"dims": (2, 5)}, "dims must be whole numbers above the rank 2; got 2, 5."),
        ({"dims": ()}, "dims must be whole numbers above the rank 2; got none."),
        ({"sizes": (3.5,)}, "sizes must be whole numbers from 1; got 3.5."),
        ({"sizes": (np.inf,)}, "sizes must be whole numbers from 1; got inf."),
        (
            {"family": "completion", "sizes": (0.0,)},
            "sizes must be probabilities from above 0 to 1; got 0.",
        ),
        ({"family": "robust", "sizes": (1.5,)}, "sizes must be shares from above 0 to 1; got 1.5."),
        ({"family": 3}, "family must be a name or make_problem(d, size, seed); got 3."),
        ({"family": own(1.0)}, "dims and sizes must be given with a make_problem."),
        ({"family": own(1.0), "rank": 2}, "rank is of a named family; got rank=2 with a make_"),
        (
            {"family": fr.experiments.Ensemble("quadratic", 1, 2.0)},
            "aspect must be above 0, and 1 where M is symmetric; got 2.",
        ),
    ],
)
def test_refusals(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        fr.experiments.phase_transition(**options)
