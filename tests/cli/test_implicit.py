"""`flatrank implicit` and `export`: clicks in, recommendations and vectors out."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import Offsets, Scales
from flatrank.reporting.saved import Run


@pytest.fixture
def clicks(tmp_path):
    """People of two kinds, who click on items of one kind each, some of them twice."""
    rng = np.random.default_rng(0)
    alike = (np.arange(30)[:, None] + np.arange(16)) % 2 == 0
    counts = np.where(alike, rng.poisson(1.0, alike.shape), 0)
    places = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0)
    lines = [f"p{i},t{j}" for i, j in rng.permutation(places)]
    (tmp_path / "clicks.csv").write_text("\n".join(["user,item", *lines]), "utf-8")
    lines = [f"p{i},t{j},{counts[i, j]}" for i, j in np.argwhere(counts)]
    (tmp_path / "counts.csv").write_text("\n".join(["user,item,plays", *lines]), "utf-8")
    return counts


def test_lines_and_counts_say_the_same_and_recommendations_are_of_the_kind(cli, clicks):
    outcome = cli("implicit", "clicks.csv", "--sweeps", "100", "--json")
    assert outcome.code == 0
    record = json.loads(outcome.out)
    assert (record["status"], record["observed"]) == ("certified", np.count_nonzero(clicks))
    assert record["clicks"] == clicks.sum()
    again = cli(
        "implicit", "counts.csv", "--value", "plays", "--sweeps", 100, "--out", "b", "--json"
    )
    primal = json.loads(again.out)["certificate"]["primal"]
    assert primal == pytest.approx(record["certificate"]["primal"])
    unseen = {f"t{j}" for j in range(0, 16, 2) if clicks[4, j] == 0}
    best = cli("recommend", "run", "--row", "p4", "--top", len(unseen)).out
    assert {line["col"] for line in csv.DictReader(io.StringIO(best))} == unseen
    assert cli("certify", "run").code == 0


def test_clicks_of_a_database_and_counts_that_are_not_known(cli, tmp_path, clicks):
    pytest.importorskip("polars")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (who TEXT, what TEXT, times INTEGER)")
        lines = [(f"p{i}", f"t{j}", int(clicks[i, j])) for i, j in np.argwhere(clicks)]
        shop.executemany("INSERT INTO orders VALUES (?, ?, ?)", [*lines, ("p0", "t1", -1)])
        shop.commit()
    asked = "implicit", "shop.db", "--json", "--sweeps", 3, "--query"
    counted = cli(
        *asked, "SELECT * FROM orders", "--value", "times", "--missing", "-1", "--out", "a"
    )
    assert json.loads(counted.out)["clicks"] == clicks.sum()
    once = cli(*asked, "SELECT who, what FROM orders WHERE times > 0", "--out", "b")
    assert json.loads(once.out)["clicks"] == np.count_nonzero(clicks)
    refused = cli(*asked, "SELECT who, what FROM orders", "--missing", "-1", "--out", "c")
    assert (refused.code, "name their column by --value" in refused.err) == (2, True)


def test_vectors_of_clicks_and_of_ratings(cli, tmp_path, clicks):
    polars = pytest.importorskip("polars")
    assert cli("implicit", "clicks.csv", "--sweeps", 100, "--quiet").code == 0
    lines = [f"p{i},t{j},{(i - 12) * (j % 3) + 50 * j}" for i, j in np.argwhere(clicks == 0)]
    (tmp_path / "stars.csv").write_text("\n".join(["user,item,stars", *lines]), "utf-8")
    given = "--lam", "1e-3", "--predict", "flat", "--no-report", "--quiet", "--out", "rated"
    assert cli("complete", "stars.csv", *given).code == 0
    for name in ("run", "rated"):
        assert cli("export", name, "--out", f"{name}-vectors").code == 0
        rows, cols = (
            polars.read_parquet(tmp_path / f"{name}-vectors" / f"{side}.parquet")
            for side in ("rows", "columns")
        )
        run = fr.load_run(tmp_path / name)
        assert rows["id"].to_list() == run.row_labels.tolist()
        values = rows["vector"].to_numpy() @ cols["vector"].to_numpy().T
        expected = run.at(*(x.ravel() for x in np.indices(values.shape))).reshape(values.shape)
        # Single precision, of sums of a few numbers of the size of the largest.
        np.testing.assert_allclose(values, expected, atol=1e-5 * np.abs(values).max())
    again = cli("export", "run", "--out", "run-vectors")
    assert again.code == 2
    assert "rows.parquet: exists; name another folder, or replace it with --force" in again.err


@pytest.mark.parametrize(("side", "d"), [("none", 0), ("rows", 6), ("columns", 5)])
def test_offsets_and_scales_are_in_the_vectors(side, d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 2)) @ rng.standard_normal((2, 5))
    solution = fr.solve(fr.completion(X, lam_ratio=0.1))
    offsets = Offsets(1.0, rng.random(6), rng.random(5), (1.0, 1.0), "both")
    run = Run(solution, offsets, np.arange(6).astype(str), np.arange(5).astype(str), {})
    run = replace(run, scales=Scales(side, 1 + rng.random(d)) if d else Scales.none())
    L, R = run.vectors()
    np.testing.assert_allclose((L @ R.T).ravel(), run.at(*np.indices(X.shape).reshape(2, -1)))


@pytest.mark.usefixtures("clicks")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--factors", "0"], "--factors must be a whole number from 1; got 0"),
        (["--alpha", "-1"], "--alpha must be a number from 0; got -1"),
        (["--lam-ratio", "2"], "--lam-ratio must be a number above 0, up to 1; got 2"),
        (["--value", "stars"], "no value column 'stars'"),
    ],
)
def test_what_cannot_be_meant(cli, options, message):
    outcome = cli("implicit", "counts.csv", *options)
    assert outcome.code == 2
    assert message in outcome.err


def test_complex_vectors_are_refused(cli, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)) + 1j * rng.standard_normal((40, 3))
    np.savez(tmp_path / "phase.npz", x=x, y=np.abs(x[:, 0]) ** 2)
    assert cli("recover", "phase.npz", "--out", "run", "--quiet").code == 0
    outcome = cli("export", "run", "--out", "vectors")
    assert outcome.code == 2
    assert "its matrix is complex, and vectors of an index are real" in outcome.err
