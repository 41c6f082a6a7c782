"""The run folder: what is written can be read, also by the library; nothing is half-written."""

import json

import numpy as np
import pytest

from flatrank.data import InputError
from flatrank.reporting import load_run, save_run
from flatrank.solvers.solution import read_solution

CONTRACT = {
    "status": str,
    "rank": int,
    "lam": float,
    "smoothing": float,
    "rmse": dict,
    "certificate": dict,
    "flatness": dict,
    "shape": list,
    "observed": int,
    "dropped": int,
    "unidentifiable": dict,
    "counts": dict,
    "seconds": dict,
    "seed": int,
    "versions": dict,
}


@pytest.fixture
def folder(tmp_path, found, entries, record):
    save_run(tmp_path / "run", found, entries, record, "<p>page</p>")
    return tmp_path / "run"


def test_folder_holds_three_files_and_no_parts(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["model.safetensors", "report.html", "run.json"]


def test_record_has_the_keys_of_the_contract(folder):
    record = json.loads((folder / "run.json").read_text("utf-8"))
    for key, kind in CONTRACT.items():
        assert isinstance(record[key], kind), key
    assert set(record["rmse"]) == {"train", "holdout", "baseline"}
    assert set(record["seconds"]) >= {"read", "solve", "certify", "report", "total"}
    assert set(record["unidentifiable"]) >= {"rows", "cols", "components"}
    assert set(record["certificate"]) == {
        "primal", "dual_bound", "gap", "relative_gap", "feasibility", "operator_norm",
        "operator_norm_kind", "failure_probability", "unique", "precision",
    }  # fmt: skip


def test_run_json_is_ascii(folder):
    (folder / "run.json").read_text("ascii")


def test_library_reads_the_same_folder(folder, found):
    _, solution = read_solution(folder)
    assert solution.rank == found.solution.rank
    assert solution.status is found.solution.status
    np.testing.assert_array_equal(np.asarray(solution.y), np.asarray(found.solution.y))


def test_names_offsets_and_predictions_come_back(folder, found, entries):
    run = load_run(folder)
    np.testing.assert_array_equal(run.row_labels, entries.row_labels)
    np.testing.assert_array_equal(run.col_labels, entries.col_labels)
    expected = found.offsets.at(entries.rows, entries.cols)
    expected = expected + np.asarray(found.solution.entries(entries.rows, entries.cols))
    np.testing.assert_allclose(run.at(entries.rows, entries.cols), expected, rtol=1e-12)
    assert run.tol == 1e-4


def test_unknown_ids_get_the_offset_alone(folder, found):
    run = load_run(folder)
    assert run.at([-1], [3])[0] == pytest.approx(found.offsets.mean + found.offsets.col[3])
    assert run.at([-1], [-1])[0] == pytest.approx(found.offsets.mean)


def test_seen_columns(folder, entries):
    run = load_run(folder)
    np.testing.assert_array_equal(run.seen(2), entries.cols[entries.rows == 2])


def test_run_saved_by_the_library_gets_numbers_for_names(tmp_path, found):
    run = load_run(found.solution.save(tmp_path))
    assert run.row_labels.tolist() == [str(n) for n in range(12)]
    assert run.offsets.kind == "none"


def test_files_are_as_readable_as_any_new_file(folder):
    plain = folder / "plain"
    plain.touch()
    assert (folder / "model.safetensors").stat().st_mode == plain.stat().st_mode


def test_saving_without_page_removes_the_page_of_an_older_run(folder, found, entries, record):
    save_run(folder, found, entries, record, None)
    assert not (folder / "report.html").exists()


def test_failed_save_leaves_the_older_run_whole(folder, found, entries, record, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("flatrank.reporting.runs.to_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_run(folder, found, entries, record, "new")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"absent is not a run folder; expected one"):
        load_run(tmp_path / "absent")


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"is not a run folder: run.json is missing\."):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "run.json"])
def test_cut_off_file(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="holds a damaged run"):
        load_run(folder)


def test_labels_that_do_not_fit(folder, found, entries, record):
    record = record | {"shape": [12, 9], "offsets": {"kind": "both"}}
    save_run(folder, found, entries, record, None)
    with pytest.raises(InputError, match="holds a damaged run"):
        load_run(folder)
