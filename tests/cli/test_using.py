"""`predict`, `recommend` and `certify` on a finished run."""

import csv
import io
import json

import pytest
from safetensors.numpy import load_file, save_file

from flatrank.reporting import load_run


@pytest.fixture
def run_folder(cli, quick, ratings, tmp_path):
    assert cli("complete", ratings, "--quiet", "--no-report").code == 0
    assert len(quick.calls) == 1
    return tmp_path / "run"


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text('user,item\nZoë 3,"a,b"\nZoë 0,film 2\nZoë 3,"a,b"\nnobody,film 2\n', "utf-8")
    return path


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def test_predict_in_the_order_asked(cli, run_folder, pairs):
    outcome = cli("predict", run_folder, pairs)
    assert outcome.code == 0
    table = rows_of(outcome.out)
    assert table[0] == ["row", "col", "value"]
    assert [row[:2] for row in table[1:]] == [
        ["Zoë 3", "a,b"], ["Zoë 0", "film 2"], ["Zoë 3", "a,b"], ["nobody", "film 2"],
    ]  # fmt: skip
    run = load_run(run_folder)
    asked = [(row, col) for row, col, _ in table[1:]]
    assert [float(row[2]) for row in table[1:]] == run.predict(asked).tolist()
    assert "1 of 4 pairs name a row or column that the run does not know" in outcome.err


def test_predict_verbose_says_which_are_known(cli, run_folder, pairs):
    table = rows_of(cli("predict", run_folder, pairs, "--verbose").out)
    assert [row[3] for row in table] == ["known", "true", "true", "true", "false"]
    assert [row[4] for row in table] == ["determined", "true", "true", "true", "false"]


def test_predict_with_intervals_of_held_out_entries(cli, run_folder, pairs):
    asked = ("predict", run_folder, pairs, "--interval", "0.8", "--intervals", "conformal")
    table = rows_of(cli(*asked).out)
    assert table[0] == ["row", "col", "value", "low", "high"]
    value, low, high = map(float, table[1][2:])
    assert high - value == pytest.approx(0.3)
    assert value - low == pytest.approx(0.3)
    assert table[4][3:] == ["", ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interval", "0.9"], "The run has no posterior"),
        (["--interval", "0.95", "--intervals", "conformal"], "need at least 19 held-out entries"),
        (["--intervals", "exact"], "--intervals must be posterior or conformal; got exact."),
        (["--interval", "90"], "--interval must lie between 0 and 1, such as 0.9; got 90.0."),
    ],
)
def test_predict_refuses_intervals_that_there_are_not(cli, run_folder, pairs, options, message):
    outcome = cli("predict", run_folder, pairs, *options)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err


def test_predict_to_a_file(cli, run_folder, pairs, tmp_path):
    outcome = cli("predict", run_folder, pairs, "--out", "predictions.csv")
    assert outcome.out == ""
    assert (tmp_path / "predictions.csv").read_text("utf-8") == cli(
        "predict", run_folder, pairs
    ).out


def test_predict_into_a_device_does_not_replace_it(cli, run_folder, pairs, tmp_path):
    import os
    import threading

    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text("utf-8")))
    reader.start()
    assert cli("predict", run_folder, pairs, "--out", tmp_path / "pipe").code == 0
    reader.join(10)
    assert got[0].startswith("row,col,value\n")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("out", "message"),
    [("run", "--out run: is a folder; name a file."), ("no/p.csv", "--out no/p.csv: there is no")],
)
def test_predict_to_a_bad_place(cli, run_folder, pairs, out, message):
    outcome = cli("predict", run_folder, pairs, "--out", out)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_predict_from_no_run(cli, pairs):
    outcome = cli("predict", "absent", pairs)
    assert outcome.code == 2
    assert "absent is not a run folder; expected one that `flatrank complete` wrote." in outcome.err


def test_predict_bad_pairs(cli, run_folder):
    outcome = cli("predict", run_folder, "absent.csv")
    assert outcome.code == 2
    assert "absent.csv: no such file" in outcome.err


def test_recommend_leaves_out_what_was_seen(cli, run_folder):
    outcome = cli("recommend", run_folder, "--row", "Zoë 3", "--top", "2")
    assert outcome.code == 0
    table = rows_of(outcome.out)
    assert table[0] == ["col", "value"]
    values = [float(row[1]) for row in table[1:]]
    assert values == sorted(values, reverse=True)
    run = load_run(run_folder)
    seen = set(run.col_labels[run.seen(run.row_codes["Zoë 3"])].tolist())
    assert not seen & {row[0] for row in table[1:]}


def test_recommend_says_when_little_is_left(cli, run_folder):
    outcome = cli("recommend", run_folder, "--row", "Zoë 3", "--top", "50")
    assert "columns are unseen by row Zoë 3." in outcome.err


def test_recommend_for_a_stranger(cli, run_folder):
    outcome = cli("recommend", run_folder, "--row", "Zoe 3")
    assert outcome.code == 2
    assert "run has no row 'Zoe 3'; did you mean Zoë 3" in outcome.err


def test_recommend_for_a_stranger_unlike_anyone(cli, run_folder):
    outcome = cli("recommend", run_folder, "--row", "#")
    assert outcome.code == 2
    assert "; its rows are named like Zoë 0, Zoë 1, Zoë 10." in outcome.err


def test_recommend_none(cli, run_folder):
    outcome = cli("recommend", run_folder, "--row", "Zoë 3", "--top", "0")
    assert outcome.code == 2
    assert "--top must be a whole number from 1; got 0." in outcome.err


def test_recommend_table_on_a_terminal(cli, run_folder, monkeypatch):
    for file in ("using", "terminal"):
        monkeypatch.setattr(f"flatrank.cli.{file}.interactive", lambda _: True)
    outcome = cli("recommend", run_folder, "--row", "Zoë 3", "--top", "2")
    assert "For row Zoë 3" in outcome.out


def test_certify_agrees(cli, run_folder):
    outcome = cli("certify", run_folder)
    assert outcome.code == 0
    assert "they agree" in outcome.out
    assert "certified at tolerance 0.0001" in outcome.out


@pytest.mark.parametrize("key", ["primal", "dual_bound", "relative_gap"])
def test_certify_finds_a_changed_record(cli, run_folder, key):
    path = run_folder / "run.json"
    record = json.loads(path.read_text("utf-8"))
    record["certificate"][key] += 0.01 * abs(record["certificate"]["primal"])
    path.write_text(json.dumps(record), "utf-8")
    outcome = cli("certify", run_folder)
    assert outcome.code == 3
    assert "they DIFFER" in outcome.out


def test_certify_without_a_recorded_certificate(cli, run_folder):
    path = run_folder / "run.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(record | {"certificate": None}), "utf-8")
    outcome = cli("certify", run_folder)
    assert outcome.code == 3
    assert "the run has no certificate on record" in " ".join(outcome.out.split())


def test_certify_nothing(cli, tmp_path):
    outcome = cli("certify", tmp_path)
    assert outcome.code == 2
    assert "run.json is missing" in outcome.err


def test_doctor(cli):
    outcome = cli("doctor")
    assert outcome.code == 0
    for word in ("flatrank", "numpy", "kernels", "threads", "extra jax"):
        assert word in outcome.out


def harm(folder, name, change):
    path = folder / "model.safetensors"
    arrays = load_file(path)
    arrays[name] = change(arrays[name])
    save_file(arrays, path)


def test_certify_finds_changed_factors(cli, run_folder):
    harm(run_folder, "L", lambda L: 1.01 * L)
    outcome = cli("certify", run_folder)
    assert outcome.code == 3
    assert "they DIFFER: primal is" in " ".join(outcome.out.split())


def test_certify_does_without_the_dual_point_on_file(cli, run_folder):
    harm(run_folder, "y", lambda y: 0.0 * y)
    assert cli("certify", run_folder).code == 0
