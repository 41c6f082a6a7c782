"""`flatrank experiment`, end to end on tiny grids, and what it refuses."""

import csv
import html
import json
import re

import pytest

TINY = ["--dims", "5,7", "--sizes", "20,45", "--draws", "2"]


def test_table_and_pictures(cli, tmp_path):
    outcome = cli("experiment", "phase-transition", *TINY, "--out", "figure")
    assert outcome.code == 0, outcome.err
    assert "16 of 16 solutions" in outcome.out
    stem = tmp_path / "figure" / "phase-transition-sensing"
    rows = list(csv.DictReader(stem.with_suffix(".csv").read_text("utf-8").splitlines()))
    assert [(row["d"], row["m"]) for row in rows] == [
        ("5", "20.0"), ("5", "45.0"), ("7", "20.0"), ("7", "45.0"),
    ]  # fmt: skip
    assert [row["flat"] for row in rows][1::2] == ["1.0", "1.0"]
    drawn = stem.with_suffix(".svg").read_text(encoding="utf-8")
    assert "statistical dimension" in drawn
    assert "#010101" not in drawn
    facts = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    assert (facts["draws"], facts["rank"], facts["uncertified"]) == (2, 2, 0)
    # The picture says what it is of, wherever it goes.
    about = re.search("<dc:description>(.*?)</dc:description>", drawn, re.DOTALL)
    assert json.loads(html.unescape(about[1])) == facts
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    # The other experiment is about the same cells: they are there already.
    kept = {path: path.stat().st_mtime_ns for path in (stem.parent / "cells").iterdir()}
    outcome = cli("experiment", "theorem-sweep", *TINY, "--out", "figure", "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["uncertified"] == 0
    assert record["worst_gap"] <= 1e-6
    assert all(cell["exceeding"] == 0 for cell in record["cells"])
    assert kept == {path: path.stat().st_mtime_ns for path in (stem.parent / "cells").iterdir()}
    assert (stem.parent / "theorem-sweep-sensing.svg").exists()


def test_cells_without_a_measure_are_empty(cli):
    options = ["--family", "completion", "--dims", "5", "--sizes", "0.05", "--draws", "1"]
    outcome = cli("experiment", "theorem-sweep", *options, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["cells"][0]["excess"] is None


def test_the_rank_may_be_chosen(cli):
    options = ["--rank", "1", "--dims", "4", "--sizes", "14", "--draws", "2", "--json"]
    outcome = cli("experiment", "phase-transition", *options)
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["rank"] == 1
    assert record["cells"][0]["degrees_of_freedom"] == 7.0


def test_without_a_certificate_the_code_is_three(cli, monkeypatch):
    monkeypatch.setattr("flatrank.experiments.cells.CLOSED", -1.0)
    outcome = cli("experiment", "phase-transition", *TINY, "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (3, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure-5"], "the experiment must be one of figure-3, figure-4, phase-transition, theo"),
        (["figure-3", "--family", "sensing"], "figure-3 takes no --family."),
        (["noise", "--dims", "5,6"], "noise is about one d; got 2 with --dims."),
        (["noise", "--sizes", "1"], "sizes must be below 1, shares of the data; got 1."),
        (
            ["networks", "--sizes", "20,40"],
            "networks is about one number of steps; got 2 with --sizes.",
        ),
        (["networks", "--rank", "2"], "networks takes no --rank."),
        (["theorem-sweep", "--dims", "5,x"], "--dims must be whole numbers with commas between"),
        (["theorem-sweep", "--sizes", ""], "--sizes must be numbers with commas between them"),
        (["phase-transition", "--family", "quartic"], "family must be one of sensing, bilinear"),
        (["phase-transition", "--rank", "0"], "rank must be a whole number from 1; got 0."),
        (["phase-transition", "--draws", "0"], "draws must be a whole number from 1; got 0."),
    ],
)
def test_refusals(cli, tmp_path, arguments, message):
    outcome = cli("experiment", *arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("flatrank: ")
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_the_picture_needs_matplotlib(cli, monkeypatch):
    monkeypatch.setattr("flatrank.cli.experimenting.find_spec", lambda _: None)
    outcome = cli("experiment", "phase-transition")
    assert outcome.code == 2
    needed = 'The picture needs matplotlib, not installed here: pip install "flatrank[report]".'
    assert needed in outcome.err


@pytest.mark.slow
def test_the_figures_of_the_paper(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("flatrank.experiments.figures.PANELS", ("sensing", "completion"))
    for name, letters in (("figure-3", "abcdef"), ("figure-4", "abcd")):
        outcome = cli("experiment", name, "--dims", "4", "--draws", "1", "--out", "f", "--json")
        assert outcome.code == 0, outcome.err
        record = json.loads(outcome.out)
        assert [panel["family"] for panel in record["panels"]] == ["sensing", "completion"]
        assert record["solutions"] == 48
        assert {row["family"] for row in record["cells"]} == {"sensing", "completion"}
        drawn = (tmp_path / "f" / f"{name}.svg").read_text(encoding="utf-8")
        assert re.findall(r">\(([a-z])\) ", drawn) == list(letters)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["noise", "--dims", "8", "--rank", "1", "--sizes", "0.01"], "dual certificate"),
        (["width", "--dims", "6", "--rank", "1", "--sizes", "1,6"], "width of the teacher"),
        (["isometry", "--dims", "6", "--rank", "1", "--sizes", "40"], "what the lemma allows"),
        (["weak-recovery", "--dims", "5", "--sizes", "0.6,1"], "which every flat draw keeps"),
        (["collapse", "--sizes", "3"], "m / statistical dimension"),
    ],
)
def test_every_other_experiment_has_table_facts_and_picture(cli, tmp_path, arguments, words):
    outcome = cli("experiment", *arguments, "--draws", "1", "--out", "f")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("f/") == 4
    (drawn,) = (tmp_path / "f").glob("*.svg")
    assert words in drawn.read_text(encoding="utf-8")
    (table,) = (tmp_path / "f").glob("*.csv")
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert rows
    assert not any("nan" in row.values() for row in rows)


@pytest.mark.slow
def test_networks_are_compared_and_drawn_in_three_ways_of_the_same_cells(cli, tmp_path):
    options = ["--sizes", "20", "--draws", "3", "--out", "f"]
    for name, words in (
        ("networks", "deep linear, 5"),
        ("networks-ranks", "rank correlation with test error"),
        ("networks-depth", "least, by theory"),
    ):
        outcome = cli("experiment", name, *options)
        assert outcome.code == 0, outcome.err
        assert words in (tmp_path / "f" / f"{name}.svg").read_text(encoding="utf-8")
        rows = (tmp_path / "f" / f"{name}.csv").read_text("utf-8").splitlines()
        assert len(list(csv.DictReader(rows))) > 20
        facts = json.loads((tmp_path / "f" / f"{name}.json").read_text(encoding="utf-8"))
        assert (facts["runs"], facts["solutions"], facts["uncertified"]) == (588, 2, 0)
