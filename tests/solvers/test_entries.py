"""Entries: never NaN where one was observed, marked where the data do not determine them."""

import json
from dataclasses import replace

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import Certificate


@pytest.fixture(scope="module")
def apart():
    """Two columns, every row in one of them: nothing ties the two together."""
    rng = np.random.default_rng(5)
    rows, cols = np.arange(24), np.where(rng.random(24) < 0.6, 0, 1)
    values = np.round(rng.uniform(1, 10, 24), 2)
    with pytest.warns(fr.NoisyDataWarning):
        solution = fr.solve(fr.completion(rows, cols, values, (24, 2)))
    return solution, (rows, cols, values)


def test_observed_entries_are_the_values_whatever_the_rank(apart):
    solution, (rows, cols, values) = apart
    assert solution.rank == 2
    assert np.abs(np.asarray(solution.entries(rows, cols)) - values).max() <= 1e-2
    assert not solution.determined(rows, cols).any()  # one entry a row, and rank 2


def test_places_between_two_components_read_nan_where_nothing_is_shrunk(apart):
    solution, (rows, cols, _) = apart
    assert solution.unidentifiable["components"] == 2
    assert np.isnan(np.asarray(solution.entries(rows, 1 - cols))).all()
    assert not solution.determined(rows, 1 - cols).any()


def test_data_with_noise_are_fitted_and_the_fit_is_read():
    rng = np.random.default_rng(0)
    seen = rng.random((40, 30)) < 0.4
    rows, cols = np.nonzero(seen)
    values = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    values = (values + 0.3 * rng.standard_normal(values.shape))[seen]
    with pytest.warns(fr.NoisyDataWarning, match=r"the data look noisy.*lam_ratio in \(0, 1\)"):
        solution = fr.solve(fr.completion(rows, cols, values, seen.shape))
    assert solution.problem.degrees(solution.rank) >= rows.size
    assert "remark   the data look noisy, or are too few: to fit them exactly" in str(solution)
    assert "held-out" in solution.remark
    assert solution.rank > np.bincount(rows).min()
    assert np.abs(np.asarray(solution.entries(rows, cols)) - values).max() <= 1e-2
    assert np.isfinite(np.asarray(solution.entries(*np.nonzero(~seen)))).all()
    short = np.bincount(rows)[rows] < solution.rank
    assert short.any()
    assert not solution.determined(rows, cols)[short].any()


def test_whoever_asks_for_the_flattest_interpolant_is_not_warned(apart):
    solution = fr.solve(apart[0].problem, goal="flat")
    assert solution.remark
    assert fr.solve(apart[0].problem, solver=fr.solvers.Lagrangian()).remark


def test_a_penalised_entry_is_determined_by_one_entry_in_its_row_and_its_column():
    rows, cols = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 0, 1, 2, 2])
    problem = fr.completion(rows, cols, np.array([1.0, 2, 2, 4, 1, 1]), (5, 4), lam=0.01)
    solution = fr.solve(problem)
    assert solution.determined([0, 2, 4, 0], [2, 0, 0, 3]).tolist() == [True, True, False, False]
    assert np.isnan(np.asarray(solution.entries([0, 2, 4, 0], [2, 0, 0, 3]))).tolist() == [
        False, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("ask", ["entries", "determined"])
def test_places_are_checked(apart, ask):
    solution, _ = apart
    with pytest.raises(ValueError, match="rows must lie between 0 and 23"):
        getattr(solution, ask)([24], [0])
    with pytest.raises(ValueError, match="rows and cols must have one length"):
        getattr(solution, ask)([0, 1], [0])


def test_a_record_is_json_whatever_the_numbers(apart, tmp_path):
    solution, _ = apart
    bounds = {"primal": np.inf, "gap": np.inf, "relative_gap": np.inf, "feasibility": np.inf}
    spoilt = replace(
        solution, certificate=replace(solution.certificate, **bounds), history=[{"gap": np.nan}]
    )
    spoilt.save(tmp_path)
    text = (tmp_path / "run.json").read_text("utf-8")
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert record["certificate"]["primal"] is None
    loaded = fr.load(tmp_path)
    assert loaded.certificate.primal == loaded.certificate.relative_gap == np.inf
    assert not loaded.certificate.certified(0.5)
    assert str(loaded.certificate) == str(spoilt.certificate)


def test_files_with_numbers_that_json_lacks_are_still_read(apart, tmp_path):
    apart[0].save(tmp_path)
    path = tmp_path / "run.json"
    record = json.loads(path.read_text("utf-8"))
    record["certificate"]["primal"] = np.inf
    path.write_text(json.dumps(record), "utf-8")
    assert fr.load(tmp_path).certificate.primal == np.inf


def test_a_bound_that_is_not_known_is_none_at_all(apart):
    record = apart[0].certificate.to_dict()
    assert Certificate.from_dict(record) == apart[0].certificate
    assert Certificate.from_dict(record | {"dual_bound": None}).dual_bound == -np.inf
