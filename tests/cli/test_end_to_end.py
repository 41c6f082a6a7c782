"""The whole way with the real solver."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    """60 × 40, half of it seen, rank 2 with noise."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 40))
    rows, cols = np.nonzero(rng.random(truth.shape) < 0.5)
    values = 3.0 + truth[rows, cols] + 0.3 * rng.standard_normal(rows.size)
    path = tmp_path / "table.csv"
    lines = [f"r{i},c{j},{v:.4f}" for i, j, v in zip(rows, cols, values, strict=True)]
    path.write_text("\n".join(["row,col,value", *lines]) + "\n", encoding="utf-8")
    return path


def record_of(folder):
    return json.loads((folder / "run.json").read_text("utf-8"))


@pytest.mark.slow
def test_one_fit_proved_and_proved_again(cli, table, tmp_path):
    outcome = cli("complete", table, "--lam", "300", "--smoothing", "0", "--holdout", "0")
    assert outcome.code == 0, outcome.err
    record = record_of(tmp_path / "run")
    assert record["status"] == "certified"
    assert record["rmse"]["holdout"] is None
    assert record["certificate"]["relative_gap"] <= 1e-4
    assert cli("certify", "run").code == 0
    (tmp_path / "pairs.csv").write_text("row,col\nr0,c0\nr0,nobody\n", "utf-8")
    assert cli("predict", "run", "pairs.csv").out.count("\n") == 3
    assert cli("recommend", "run", "--row", "r0", "--top", "3").out.count("\n") == 4


def test_everything_chosen(cli, table, tmp_path):
    outcome = cli("complete", table, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["rmse"]["holdout"] < record["rmse"]["baseline"]
    assert {point["smoothing"] for point in record["path"]} == {0.5}
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "How λ was chosen" in page
    assert "How sure predictions are" in page
    assert record["predict"] == "posterior"
    assert 0.8 < record["posterior"]["holdout"]["groups"]["all"]["coverage"] < 1
    assert record["rmse"]["holdout"] < 1.02 * record["rmse"]["flat"]
    assert cli("certify", "run").code == 0
    (tmp_path / "pairs.csv").write_text("row,col\nr0,c0\nr0,nobody\n", "utf-8")
    header, first, second = cli("predict", "run", "pairs.csv", "--interval", "0.9").out.split()
    assert header == "row,col,value,low,high"
    value, low, high = (float(x) for x in first.split(",")[2:])
    assert low < value < high
    assert second.endswith(",,")
    cautious = cli("recommend", "run", "--row", "r0", "--top", "3", "--by", "low").out
    assert cautious.startswith("col,low\n")
    assert "--by must be mean or low" in cli("recommend", "run", "--row", "r0", "--by", "x").err
    assert cli("predict", "run", "pairs.csv", "--interval", "2").code == 2


def test_flat_predictions_have_no_intervals(cli, table, tmp_path):
    asked = ("--predict", "flat", "--lam", "300", "--smoothing", "0", "--no-report", "--quiet")
    assert cli("complete", table, *asked).code == 0
    assert record_of(tmp_path / "run")["posterior"] is None
    assert not (tmp_path / "run" / "posterior.safetensors").exists()
    (tmp_path / "pairs.csv").write_text("row,col\nr0,c0\n", "utf-8")
    outcome = cli("predict", "run", "pairs.csv", "--interval", "0.9")
    assert outcome.code == 2
    assert "The run has no posterior" in outcome.err
    assert "--predict must be posterior or flat" in cli("complete", table, "--predict", "x").err


@pytest.mark.slow
def test_interrupted_and_resumed(table, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "flatrank", "complete", str(table), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not (out / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    done = subprocess.run([*command, "--resume"], check=False, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert record_of(out)["status"] == "certified"
    assert sorted(path.name for path in out.iterdir()) == [
        "model.safetensors", "posterior.safetensors", "report.html", "run.json",
    ]  # fmt: skip
