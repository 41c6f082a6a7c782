"""Bad input: exit code 2, one clear sentence on stderr, no file touched."""

import os

import pytest

LAM = "--lam must be auto or a number from 0 (0 fits the entries exactly); got {}."
RANK = "--rank must be auto or a whole number from 1; got {}."
OPTIONS = [
    (["--lam", "x"], LAM.format("x")),
    (["--lam", "-1"], LAM.format("-1")),
    (["--lam", "nan"], LAM.format("nan")),
    (["--lam", "inf"], LAM.format("inf")),
    (["--rank", "0"], RANK.format("0")),
    (["--rank", "2.5"], RANK.format("2.5")),
    (["--rank", "inf"], RANK.format("inf")),
    (["--rank", "nan"], RANK.format("nan")),
    (["--rank", "many"], RANK.format("many")),
    (["--smoothing", "1.5"], "--smoothing must be a number from 0 (flat) to 1 (norm-minimal); got"),
    (["--smoothing", "nan"], "--smoothing must be a number"),
    (["--holdout", "1"], "--holdout must be a share from 0 to below 1, such as 0.1; got 1.0."),
    (["--holdout", "-0.1"], "--holdout must be"),
    (["--holdout", "nan"], "--holdout must be"),
    (["--seed", "-1"], "--seed must be a whole number from 0; got -1."),
    (["--tol", "0"], "--tol must be a positive number, such as 1e-4; got 0.0."),
    (["--tol", "inf"], "--tol must be"),
    (["--max-seconds", "0"], "--max-seconds must be a positive number of seconds; got 0.0."),
    (["--bad-rows", "ignore"], "--bad-rows must be error or skip; got ignore."),
    (["--duplicates", "first"], "--duplicates must be mean, last, sum or error; got first."),
    (["--holdot", "0.1"], "No such option: --holdot"),
    (["--tol", "small"], "Invalid value for '--tol'"),
    (["--resume"], "--resume: nothing was left unfinished in run; run without --resume to start"),
]


def refused(outcome, message):
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("flatrank: ")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_option(cli, tmp_path, options, message):
    # The input does not exist: options are judged before anything is read.
    refused(cli("complete", "absent.csv", *options), message)
    assert list(tmp_path.iterdir()) == []


def test_nothing_at_all_shows_the_commands(cli):
    outcome = cli()
    assert outcome.code == 0
    assert "recommend" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complte"], "No such command 'complte'"),
        (["complete"], "Missing argument"),
        (["predict", "run"], "Missing argument"),
        (["recommend", "run"], "Missing option '--row'"),
        (["certify"], "Missing argument"),
        (["complete", "a.csv", "b.csv"], "unexpected extra argument"),
    ],
)
def test_usage(cli, tmp_path, arguments, message):
    outcome = cli(*arguments)
    refused(outcome, message)
    assert "--help" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_missing_file(cli, tmp_path):
    refused(cli("complete", "absent.csv"), "absent.csv: no such file")
    assert list(tmp_path.iterdir()) == []


def test_unusable_rows_are_named(cli, tmp_path, ratings):
    with ratings.open("a") as file:
        file.write("x,y,none of it\n")
    before = ratings.read_bytes()
    refused(cli("complete", ratings), "rows cannot be used")
    assert ratings.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.csv"]


def test_out_is_a_file(cli, ratings):
    before = ratings.read_bytes()
    refused(cli("complete", ratings, "--out", ratings), "is not a folder; name another one.")
    assert ratings.read_bytes() == before


def test_out_below_a_file(cli, ratings):
    refused(
        cli("complete", ratings, "--out", ratings / "run"), "is not a folder; name another one."
    )


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")  # noqa: PTH112
def test_out_where_no_folder_can_be_made(cli, ratings):
    refused(cli("complete", ratings, "--out", "/proc/run"), "--out /proc/run")


def test_out_without_permission(cli, ratings, monkeypatch, tmp_path):
    # As root every folder is writable, so permission is asked of a stand-in.
    monkeypatch.setattr("os.access", lambda *_: False)
    refused(cli("complete", ratings), f"no permission to write in {tmp_path}; name another folder.")


def test_report_packages_are_asked_for_first(cli, ratings, monkeypatch):
    monkeypatch.setattr("flatrank.cli.completing.find_spec", lambda _: None)
    refused(
        cli("complete", ratings),
        "The report needs matplotlib and jinja2, not installed here: "
        'pip install "flatrank[report]", or pass --no-report.',
    )


def test_file_system_errors_are_one_sentence(cli, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "run/model.safetensors")

    monkeypatch.setattr("flatrank.cli.completing.complete_entries", full)
    refused(cli("complete", "x"), "run/model.safetensors: No space left on device.")


def test_out_of_memory_is_one_sentence(cli, monkeypatch):
    def large(*_, **__):
        raise MemoryError

    monkeypatch.setattr("flatrank.cli.completing.complete_entries", large)
    refused(cli("complete", "x"), "out of memory: the input is too large for this machine.")


def test_mistakes_of_the_program_keep_their_traceback(cli, monkeypatch):
    def wrong(*_, **__):
        raise ValueError("shapes")

    monkeypatch.setattr("flatrank.cli.completing.complete_entries", wrong)
    with pytest.raises(ValueError, match="shapes"):
        cli("complete", "x")
