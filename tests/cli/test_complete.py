"""`flatrank complete`, with a ready answer in place of the solver."""

import csv
import json
import os
import socket
from dataclasses import replace

import pytest
from safetensors.numpy import load_file, save_file

from flatrank.data import InputError, read_entries
from flatrank.solvers.status import Status

FILES = ["model.safetensors", "report.html", "run.json"]
WITHOUT_PAGE = ["model.safetensors", "run.json"]


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("quick")
def test_certified_run(cli, ratings, tmp_path):
    outcome = cli("complete", ratings, "--out", tmp_path / "new" / "run")
    assert outcome.code == 0
    assert outcome.err == "flatrank: rows from 'user'; columns from 'item'; values from 'rating'.\n"
    assert names(tmp_path / "new" / "run") == FILES
    for word in ("certified: the relative duality gap", "rank", "hold-out 0.5", "report.html"):
        assert word in " ".join(outcome.out.split())


def test_options_arrive(cli, quick, ratings):
    cli("complete", ratings, "--row", "user", "--col", "item", "--value", "rating", "--lam", "2",
        "--rank", "3", "--smoothing", "0.5", "--holdout", "0.2", "--seed", "7", "--tol", "1e-3",
        "--max-seconds", "60", "--quiet", "--no-report")  # fmt: skip
    job, entries, state = quick.calls[0]
    assert job.fit == {
        "lam": 2.0, "rank": 3, "smoothing": 0.5, "holdout": 0.2, "seed": 7, "tol": 1e-3,
        "max_seconds": 60.0, "predict": "posterior",
    }  # fmt: skip
    assert entries.m > 50
    assert state is None


def test_defaults(cli, quick, ratings):
    cli("complete", ratings, "--quiet", "--no-report", "--lam", "auto", "--rank", "AUTO")
    assert quick.calls[0][0].fit == {
        "lam": None, "rank": None, "smoothing": None, "holdout": 0.1, "seed": 0, "tol": 1e-4,
        "max_seconds": None, "predict": "posterior",
    }  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_json_prints_the_record_and_nothing_else(cli, ratings, tmp_path):
    outcome = cli("complete", ratings, "--json", "--no-report")
    assert outcome.out == (tmp_path / "run" / "run.json").read_text("utf-8")
    assert json.loads(outcome.out)["status"] == "certified"
    assert outcome.err == ""


@pytest.mark.usefixtures("quick")
def test_record_says_what_was_asked(cli, ratings, tmp_path):
    cli("complete", ratings, "--out", "my run", "--quiet")
    record = json.loads((tmp_path / "my run" / "run.json").read_text("utf-8"))
    assert record["command"] == f"flatrank complete {ratings} --out 'my run' --quiet"
    assert record["options"]["tol"] == 1e-4
    assert record["columns"] == {"row": "user", "col": "item", "value": "rating"}
    assert record["seconds"]["total"] >= record["seconds"]["report"] > 0


@pytest.mark.usefixtures("quick")
def test_quiet_prints_nothing(cli, ratings):
    outcome = cli("complete", ratings, "--quiet")
    assert (outcome.out, outcome.err) == ("", "")


@pytest.mark.usefixtures("quick")
def test_columns_left_aside_and_lines_passed_over_are_said(cli, ratings):
    lines = ratings.read_text("utf-8").splitlines()
    lines = ["# a comment", lines[0] + ",timestamp", *(f"{line},7" for line in lines[1:])]
    ratings.write_text("\n".join(lines) + "\n", "utf-8")
    outcome = cli("complete", ratings, "--no-report")
    assert outcome.err == (
        "flatrank: rows from 'user'; columns from 'item'; values from 'rating'; not used "
        "'timestamp'; lines passed over at the top 1.\n"
    )


@pytest.mark.usefixtures("quick")
def test_no_report(cli, ratings, tmp_path):
    outcome = cli("complete", ratings, "--no-report")
    assert names(tmp_path / "run") == ["model.safetensors", "run.json"]
    assert "none; the model is in run" in outcome.out


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.STATIONARY, 3), (Status.IDENTIFIABLE, 3), (Status.NONFINITE, 3)],
)
def test_finished_without_certificate(cli, quick, ratings, tmp_path, status, code):
    quick.status = status
    outcome = cli("complete", ratings, "--no-report")
    assert outcome.code == code
    assert names(tmp_path / "run") == WITHOUT_PAGE
    assert json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["status"] == (
        status.name.lower()
    )


@pytest.mark.parametrize(("status", "code"), [(Status.INTERRUPTED, 130), (Status.DEADLINE, 3)])
def test_stopped_early_keeps_answer_and_checkpoint(cli, quick, ratings, tmp_path, status, code):
    quick.status = status
    outcome = cli("complete", ratings, "--no-report")
    assert outcome.code == code
    assert names(tmp_path / "run") == ["checkpoint.safetensors", *WITHOUT_PAGE]
    assert "the same command with --resume continues from run." in outcome.err


def interrupted(cli, quick, ratings, *options):
    quick.status = Status.INTERRUPTED
    cli("complete", ratings, "--quiet", "--no-report", *options)
    quick.status = Status.CERTIFIED


def test_resume_hands_over_what_was_done(cli, quick, ratings, tmp_path):
    interrupted(cli, quick, ratings)
    outcome = cli("complete", ratings, "--resume", "--max-seconds", "5", "--no-report")
    assert outcome.code == 0
    _, entries, state = quick.calls[-1]
    assert state["done"] == 3
    assert state["name"] == "path"
    assert state["factor"].tolist() == entries.values[:4].tolist()
    assert names(tmp_path / "run") == WITHOUT_PAGE


def test_resume_with_other_options(cli, quick, ratings):
    interrupted(cli, quick, ratings)
    outcome = cli("complete", ratings, "--resume", "--seed", "1", "--lam", "2")
    assert outcome.code == 2
    assert "run was begun with other options: --lam was auto, now 2.0, --seed was 0, now 1." in (
        outcome.err
    )
    assert len(quick.calls) == 1


def test_resume_with_another_input(cli, quick, ratings):
    interrupted(cli, quick, ratings)
    ratings.write_text(ratings.read_text("utf-8") + "new,film 1,3\n", encoding="utf-8")
    outcome = cli("complete", ratings, "--resume")
    assert outcome.code == 2
    assert "run was begun with another input. Repeat the command" in outcome.err


def test_resume_with_another_version(cli, quick, ratings, monkeypatch):
    interrupted(cli, quick, ratings)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99")
    outcome = cli("complete", ratings, "--resume")
    assert outcome.code == 2
    assert "was begun by flatrank 0.1.0, and this is 99." in outcome.err


@pytest.mark.parametrize("harm", ["cut", "foreign"])
def test_resume_from_a_damaged_checkpoint(cli, quick, ratings, tmp_path, harm):
    interrupted(cli, quick, ratings)
    path = tmp_path / "run" / "checkpoint.safetensors"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:20])
    else:
        save_file(load_file(path), path)
    outcome = cli("complete", ratings, "--resume")
    assert outcome.code == 2
    assert "is damaged" in outcome.err
    assert "run again without --resume." in outcome.err


def test_older_run_stays_whole_when_a_new_one_fails(cli, quick, ratings, tmp_path):
    cli("complete", ratings, "--quiet")
    before = {name: (tmp_path / "run" / name).read_bytes() for name in FILES}
    quick.fail = InputError("too few entries.")
    outcome = cli("complete", ratings, "--force")
    assert outcome.code == 2
    assert {name: (tmp_path / "run" / name).read_bytes() for name in FILES} == before


def test_interruption_before_there_is_anything(cli, quick, ratings, tmp_path):
    quick.fail = KeyboardInterrupt()
    outcome = cli("complete", ratings)
    assert outcome.code == 130
    assert outcome.err == (
        "flatrank: interrupted before an answer was written; the same command with --resume goes "
        "on from what was finished.\n"
    )
    assert names(tmp_path / "run") == ["checkpoint.safetensors"]


def test_refusal_by_the_solver_leaves_no_folder(cli, quick, ratings, tmp_path):
    quick.fail = InputError("two entries are too few.")
    outcome = cli("complete", ratings, "--out", tmp_path / "deep" / "run")
    assert outcome.code == 2
    assert not (tmp_path / "deep").exists()


@pytest.mark.usefixtures("quick")
def test_skipped_rows_are_counted(cli, ratings, tmp_path):
    with ratings.open("a", encoding="utf-8") as file:
        file.write("x,y,nothing\n")
    outcome = cli("complete", ratings, "--bad-rows", "skip", "--no-report")
    assert "1 bad rows were left out: 1 with value not a number" in " ".join(outcome.out.split())
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert record["dropped"] == 1
    assert record["bad_rows"][0]["lines"] == [len(ratings.read_text("utf-8").splitlines())]


@pytest.mark.usefixtures("quick")
def test_progress_on_a_terminal(cli, ratings, monkeypatch):
    monkeypatch.setattr("flatrank.cli.terminal.interactive", lambda _: True)
    outcome = cli("complete", ratings, "--no-report")
    assert "Path of weights" in outcome.err
    assert "[bold]not markup" in outcome.err


@pytest.mark.usefixtures("quick")
def test_table_on_a_terminal(cli, ratings, monkeypatch):
    monkeypatch.setattr("flatrank.cli.terminal.interactive", lambda _: True)
    outcome = cli("complete", ratings, "--no-report")
    assert "flatrank complete" in outcome.out
    assert "certificate" in outcome.out


@pytest.mark.usefixtures("quick")
def test_a_finished_run_is_not_replaced_unless_asked(cli, ratings, tmp_path):
    assert cli("complete", ratings, "--quiet", "--no-report").code == 0
    before = tree(tmp_path / "run")
    outcome = cli("complete", ratings, "--no-report")
    assert outcome.code == 2
    assert "--out run: holds a finished run, which would be lost; name another folder" in (
        outcome.err
    )
    assert tree(tmp_path / "run") == before
    assert cli("complete", ratings, "--quiet", "--no-report", "--force").code == 0
    assert "nothing was left unfinished" in cli("complete", ratings, "--resume").err


def test_an_unfinished_run_is_not_started_afresh_unless_asked(cli, quick, ratings):
    interrupted(cli, quick, ratings)
    outcome = cli("complete", ratings)
    assert outcome.code == 2
    assert "--out run: holds an unfinished run; go on with it with --resume, start" in outcome.err
    assert cli("complete", ratings, "--no-report", "--force").code == 0
    assert quick.calls[-1][2] is None


@pytest.mark.usefixtures("quick")
def test_force_and_resume_contradict_each_other(cli, ratings):
    outcome = cli("complete", ratings, "--force", "--resume")
    assert outcome.code == 2
    assert "--force starts afresh and --resume goes on with what was begun" in outcome.err


def locked(tmp_path, word):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "flatrank.lock").write_text(word, "ascii")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_folder_in_use_is_refused(cli, ratings, tmp_path, host):
    # The parent of this process lives.
    locked(tmp_path, f"{os.getppid()} {host}\n")
    outcome = cli("complete", ratings, "--force")
    assert outcome.code == 2
    assert f"--out run: another flatrank is at work there (process {os.getppid()}" in outcome.err
    assert ("on elsewhere" in outcome.err) == (host == "elsewhere")
    assert names(tmp_path / "run") == ["flatrank.lock"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("word", [f"999999999 {socket.gethostname()}", "", "no pid", "\xff"])
def test_the_lock_of_a_dead_process_is_replaced(cli, ratings, tmp_path, word):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "flatrank.lock").write_bytes(word.encode("latin1"))
    assert cli("complete", ratings, "--quiet", "--no-report").code == 0
    assert names(tmp_path / "run") == WITHOUT_PAGE


def test_a_folder_taken_while_the_input_was_read(cli, quick, ratings, tmp_path, monkeypatch):
    def read(*arguments, **options):
        locked(tmp_path, f"{os.getppid()} {socket.gethostname()}")
        return read_entries(*arguments, **options)

    monkeypatch.setattr("flatrank.cli.completing.read_entries", read)
    outcome = cli("complete", ratings)
    assert outcome.code == 2
    assert "another flatrank is at work there" in outcome.err
    assert quick.calls == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--row", "a", "--row", "b"], "--row is given twice"),
        (["--lam=1", "--seed", "3", "--lam", "2"], "--lam is given twice"),
        (["--quiet", "--quiet"], "--quiet is given twice"),
    ],
)
def test_an_option_given_twice_is_refused(cli, quick, ratings, options, message):
    outcome = cli("complete", ratings, *options)
    assert outcome.code == 2
    assert message in outcome.err
    assert quick.calls == []


def test_the_end_of_the_path_is_told(cli, quick, answers, ratings, tmp_path, monkeypatch):
    def at_the_edge(status):
        return replace(answers(status), chosen_at="smallest", path_ended="floor")

    quick.answers = at_the_edge
    outcome = cli("complete", ratings)
    told = "lambda is the smallest that was tried, and a smaller one may predict better"
    assert told in " ".join(outcome.out.split())
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert (record["chosen_at"], record["path_ended"]) == ("smallest", "floor")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "λ is the smallest that was tried" in page


def test_a_database_markers_and_repeated_places(cli, quick, tmp_path, ratings):
    import sqlite3
    from contextlib import closing

    with ratings.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))[1:]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("create table r (user, item, rating)")
        connection.executemany("insert into r values (?, ?, ?)", [*lines, *[(*lines[0][:2], "99")]])
        connection.commit()
    query = ("--query", "SELECT user, item, rating FROM r")
    outcome = cli("complete", "shop.db", *query, "--missing", "99,-1", "--no-report")
    assert outcome.code == 0
    _, entries, _ = quick.calls[0]
    assert (entries.m, entries.missing) == (len(lines), 1)
    assert "1 entries marked as missing were left out" in outcome.out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["missing"] == 1
    assert record["options"]["missing"] == ["99", "-1"]
    assert record["options"]["query"] == query[1]
    outcome = cli("complete", "shop.db", *query, "--duplicates", "error", "--out", "other")
    assert outcome.code == 2
    assert "--duplicates mean or last" in outcome.err
    outcome = cli("complete", "shop.db", *query, "--duplicates", "last", "--out", "other")
    assert "1 repeated entries were replaced by later ones" in outcome.out
    assert quick.calls[-1][1].values.max() == 99
