"""`flatrank evaluate`: a file in, a table and a verdict out."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest


def wide(path, X, names="abcdef"):
    lines = [",".join(["site", *names])]
    for n, row in enumerate(X):
        lines.append(",".join([f"s{n}", *("" if np.isnan(x) else f"{x:.5f}" for x in row)]))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 1)) @ rng.standard_normal((1, 6)) * [1, 10, 100, 1, 1, 1] + 5
    X += 0.1 * rng.standard_normal(X.shape)
    wide(tmp_path / "table.csv", X)
    return X


@pytest.fixture
def ratings(tmp_path):
    """Ratings with a user who gave one alone, and the fold that each is in."""
    rng = np.random.default_rng(1)
    X = 3 + rng.standard_normal((30, 1)) @ rng.standard_normal((1, 20))
    seen = rng.random(X.shape) < 0.5
    seen[7] = np.arange(20) == 2
    lines = ["user,item,rating,part"]
    places = np.argwhere(seen)
    lines += [f"u{i},i{j},{X[i, j]:.3f},{n % 2}" for n, (i, j) in enumerate(places)]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    return places


def test_a_wide_table_is_found_out_and_judged(cli, tmp_path, table):
    outcome = cli("evaluate", "table.csv", "--folds", 3)
    assert outcome.code == 0, outcome.err
    assert "table.csv: a wide table of 40 rows and 6 columns; left aside: site" in outcome.out
    assert "240 of 240 entries hidden in 3 folds.\nErrors are in standard dev" in outcome.out
    for name in ("flatrank", "flat solution", "column mean", "nearest neighbours", "regression"):
        assert f"\n{name}" in outcome.out
    assert "\nLow rank " in outcome.out
    outcome.out.encode("ascii")
    record = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert record["finished"] == 3
    assert record["verdict"][0].startswith("Low rank ")
    assert record["scores"]["flatrank"]["rmse"]["mean"] < 0.5
    again = cli("evaluate", "table.csv")
    assert again.code == 2
    assert "holds an evaluation, which would be lost" in again.err


def test_values_that_stand_for_gaps(cli, tmp_path, table):
    gaps = np.random.default_rng(3).random(table.shape) < 0.1
    scores = []
    for number, options in ((np.nan, []), (-99.0, ["--missing", "-99"])):
        wide(tmp_path / "gaps.csv", np.where(gaps, number, table))
        asked = ["evaluate", "gaps.csv", "--folds", 2, "--json", "--force", "--quiet", *options]
        outcome = cli(*asked)
        assert outcome.code == 0, outcome.err
        scores.append(json.loads(outcome.out)["scores"]["column mean"]["rmse"])
    assert scores[0] == scores[1]
    outcome = cli("evaluate", "gaps.csv", "--fold", "a", "--missing", "-99", "--out", "other")
    assert outcome.code == 2
    assert "--missing leaves lines out" in outcome.err


def test_ratings_have_rankings_and_a_cold_row(cli, tmp_path, ratings):
    outcome = cli("evaluate", "ratings.csv", "--folds", 2, "--json", "--out", "here")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["never_hidden"] >= 1
    assert record["unit"] == "the unit of the values"
    assert 0 < record["scores"]["flatrank"]["ndcg"]["mean"] <= 1
    assert record == json.loads((tmp_path / "here" / "evaluation.json").read_text())


def test_a_column_names_the_folds_and_a_database_gives_what_the_file_does(cli, tmp_path, ratings):
    outcome = cli("evaluate", "ratings.csv", "--fold", "part", "--json", "--out", "a")
    record = json.loads(outcome.out)
    assert [fold["hidden"] for fold in record["folds"]] == [len(ratings[n::2]) for n in range(2)]
    assert record["cold"] == 1
    wrong = cli("evaluate", "ratings.csv", "--fold", "rating", "--out", "b")
    assert wrong.code == 2
    assert "must hold a whole number for every entry" in wrong.err
    lines = (tmp_path / "ratings.csv").read_text().splitlines()[1:]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE ratings (user, item, rating REAL, part INTEGER)")
        shop.executemany("INSERT INTO ratings VALUES (?, ?, ?, ?)", [x.split(",") for x in lines])
        shop.commit()
    asked = ["--query", "SELECT * FROM ratings", "--fold", "part", "--json", "--out", "c"]
    again = cli("evaluate", "shop.db", *asked)
    assert json.loads(again.out)["scores"] == record["scores"]
    refused = cli("evaluate", "shop.db", "--query", "SELECT 1", "--test", "ratings.csv")
    assert "--test is for files: leave one out" in refused.err


def test_a_file_of_ones_own_is_predicted(cli, tmp_path, table, ratings):
    hidden = table.copy()
    hidden[::7, 2] = np.nan
    wide(tmp_path / "hidden.csv", hidden)
    outcome = cli("evaluate", "hidden.csv", "--test", "table.csv", "--json")
    assert json.loads(outcome.out)["folds"][0]["hidden"] == 6
    (tmp_path / "test.csv").write_text("user,item,rating\nu0,i1,3.5\nnobody,i2,4\n")
    outcome = cli("evaluate", "ratings.csv", "--test", "test.csv", "--force")
    assert "2 entries of the test predicted, 1 of them in rows or columns of" in outcome.out


def test_an_interruption_keeps_finished_folds(cli, tmp_path, table, monkeypatch):
    import flatrank.evaluation as room

    def stopped(*arguments, **options):
        yield next(whole(*arguments, **options))
        raise KeyboardInterrupt

    whole = room.evaluations
    monkeypatch.setattr(room, "evaluations", stopped)
    outcome = cli("evaluate", "table.csv", "--folds", 3)
    assert outcome.code == 130
    assert "interrupted: 1 of 3 folds were finished" in outcome.err
    record = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert (record["finished"], record["asked"]) == (1, 3)


def test_an_interruption_at_once_leaves_nothing(cli, tmp_path, table, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("flatrank.evaluation.evaluations", stopped)
    outcome = cli("evaluate", "table.csv")
    assert outcome.code == 130
    assert "before the first fold was finished; nothing was written" in outcome.err
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table.csv", "--folds", "1"], "--folds must be a whole number from 2"),
        (["table.csv", "--folds", "1000"], "at most that of the entries, 240; got 1000"),
        (["table.csv", "--wide", "--row", "site"], "--wide says that it is none"),
        (["table.csv", "--test", "short.csv"], "has 1 lines, and table.csv has 40"),
        (["table.csv", "--fold", "a", "--test", "short.csv"], "give one of them"),
        (["-", "--test", "-"], "can be read once only"),
        (["table.csv", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["table.csv", "--bad-rows", "drop"], "--bad-rows must be error or skip"),
        (["table.csv", "--row", "site"], "To evaluate it as a wide table: --wide."),
        (["three.csv"], "rows from 'a', columns from 'b', values from 'c'; for a wide table"),
        (["odd.csv"], "For a wide table, one line a row: --wide."),
        (["absent.csv"], "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(cli, tmp_path, table, arguments, message):
    (tmp_path / "short.csv").write_text("site,a,b\ns0,1,2\n")
    (tmp_path / "three.csv").write_text("a,b,c\n1,2,3.5\n2,3,4.5\n3,1,2.5\n")
    (tmp_path / "odd.csv").write_text("a,b,c\n1,2,3\n2,,1\n")
    outcome = cli("evaluate", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "evaluation").exists()
