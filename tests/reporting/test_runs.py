"""The run folder: what is written can be read, also by the library; nothing is half-written."""

import json
from dataclasses import replace

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import InputError, Scales
from flatrank.reporting import load_run, make_record, save_run
from flatrank.solvers.loading import read_solution

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


def test_predictions_by_name(folder, found, entries):
    run = fr.load_run(folder)
    pairs = [
        (entries.row_labels[i], entries.col_labels[j])
        for i, j in zip(entries.rows[:5], entries.cols[:5], strict=True)
    ]
    expected = found.predict(entries.rows[:5], entries.cols[:5])
    np.testing.assert_allclose(run.predict(pairs), expected, rtol=1e-12)
    assert run.predict([("nobody", "film 0")]) == run.at([-1], [run.col_codes["film 0"]])
    assert run.predict([]).shape == (0,)


def test_names_that_are_numbers(tmp_path, found):
    found.solution.save(tmp_path)
    run = fr.load_run(tmp_path)
    expected = np.asarray(found.solution.entries([3], [4]))
    for pair in (("3", "4"), (3, 4), (3.0, np.int64(4)), np.array([3, 4])):
        np.testing.assert_array_equal(run.predict([pair]), expected)


@pytest.mark.parametrize("pairs", [["ab"], [("a", "b", "c")], [3]])
def test_what_is_no_pair_is_refused(folder, pairs):
    with pytest.raises(InputError, match=r"predict takes \(row, column\) pairs of names"):
        load_run(folder).predict(pairs)


def test_recommendations(folder):
    run = load_run(folder)
    best = run.recommend("Zoë 3", 2)
    values = [value for _, value in best]
    assert len(best) == 2
    assert values == sorted(values, reverse=True)
    assert values == run.predict([("Zoë 3", name) for name, _ in best]).tolist()
    with pytest.raises(InputError, match="no row 'Zoe 3'; did you mean Zoë 3"):
        run.recommend("Zoe 3")


def test_a_completed_table_is_not_loaded_without_its_offsets(folder):
    with pytest.raises(ValueError, match=r"read it with flatrank\.load_run"):
        fr.load(folder)


@pytest.mark.parametrize(("side", "d"), [("columns", 9), ("rows", 12)])
def test_scales_come_back(tmp_path, found, entries, side, d):
    scaled = replace(found, scales=Scales(side, np.linspace(0.5, 2, d)))
    record = make_record(scaled, entries, options={"tol": 1e-4}, seconds={})
    assert record["scales"] == {"side": side, "least": 0.5, "most": 2.0}
    save_run(tmp_path, scaled, entries, record, None)
    run = load_run(tmp_path)
    expected = scaled.predict(entries.rows, entries.cols)
    np.testing.assert_allclose(run.at(entries.rows, entries.cols), expected, rtol=1e-12)
    plain = found.predict(entries.rows, entries.cols)
    np.testing.assert_allclose(expected, plain * scaled.scales.at(entries.rows, entries.cols))


def test_conformal_intervals_come_back(folder, found, entries):
    run = load_run(folder)
    pairs = [(entries.row_labels[2], entries.col_labels[0]), ("nobody", "film 2")]
    low, high = run.interval(pairs, 0.8, kind="conformal")
    expected = found.half_width(np.array([2]), np.array([0]), 0.8)
    assert high[0] - run.predict(pairs)[0] == pytest.approx(expected[0])
    assert expected[0] == 0.3
    assert np.isnan([low[1], high[1]]).all()
    with pytest.raises(InputError, match="0.99 need at least 99 held-out entries"):
        run.interval(pairs, 0.99, kind="conformal")
    with pytest.raises(InputError, match="The run has no posterior"):
        run.interval(pairs, 0.9)


def test_a_run_without_scores_is_read_and_has_no_conformal_intervals(
    tmp_path, found, entries, record
):
    save_run(tmp_path, replace(found, scores=None), entries, record, None)
    run = load_run(tmp_path)
    assert np.isfinite(run.at([0], [0]))
    with pytest.raises(InputError, match="keeps no errors of held-out entries"):
        run.interval_at([0], [0], 0.9, kind="conformal")


def test_scores_that_do_not_fit(tmp_path, found, entries, record):
    held = np.append(found.holdout[0][:-1], entries.m)
    save_run(tmp_path, replace(found, holdout=(held, found.holdout[1])), entries, record, None)
    with pytest.raises(InputError, match="the held-out entries do not fit the data"):
        load_run(tmp_path)


def test_scales_that_do_not_fit(tmp_path, found, entries, record):
    record = record | {"scales": {"side": "rows", "least": 1, "most": 1}}
    save_run(tmp_path, found, entries, record, None)
    with pytest.raises(InputError, match="the scales do not fit the factors"):
        load_run(tmp_path)


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
