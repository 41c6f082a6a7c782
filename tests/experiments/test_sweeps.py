"""Grids: kept cells, tables, bounds, and what is refused."""

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
    monkeypatch.setattr(sweeps, "solve_cell", lambda *_: pytest.fail("nothing is left to do"))
    assert fr.experiments.phase_transition(**TINY, folder=tmp_path) == whole
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


def test_sizes_that_differ_in_the_seventh_digit_are_two_cells(tmp_path, monkeypatch):
    solve, solved = sweeps.solve_cell, []
    monkeypatch.setattr(sweeps, "solve_cell", lambda *a: solved.append(a) or solve(*a))
    near, other, short = 0.72345678, 0.7234568, 0.723457
    for size in (near, other, short, near):
        found = fr.experiments.phase_transition(
            "completion", dims=(5,), sizes=(size,), rank=1, draws=1, folder=tmp_path
        )
        assert found.cells[0].size == size
    assert [a[2] for a in solved] == [near, other, short]
    names = {path.name.split("-")[2] for path in tmp_path.iterdir()}
    assert names == {"0.723457", "0.72345678", "0.7234568"}
    # A file under a name that fewer digits gave is not taken for the cell it is not of.
    kept = next(path for path in tmp_path.iterdir() if "-0.723457-" in path.name)
    kept.write_text(kept.read_text().replace("0.723457", "0.72345678"))
    again = fr.experiments.phase_transition(
        "completion", dims=(5,), sizes=(short,), rank=1, draws=1, folder=tmp_path
    )
    assert again.cells[0].size == short
    assert len(solved) == 4


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
            "family must be one of sensing, bilinear, completion, quadratic; got quartic",
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
    ],
)
def test_refusals(options, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        fr.experiments.phase_transition(**options)
