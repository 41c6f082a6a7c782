"""As a process: locales, pipes, signals, start-up."""

import os
import signal
import subprocess
import sys
import time

import pytest

from flatrank.reporting import make_record, save_run

ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
# A run whose solver keeps one piece of work and then takes for ever.
ENDLESS = """
import sys, time
import flatrank.cli.completing as completing
from flatrank.cli import main
def solve(job, entries, progress, checkpoint, state, interrupts):
    checkpoint.save({"done": 1})
    time.sleep(600)
completing.solve_entries = solve
main(sys.argv[1:])
"""


def environment(**changes):
    # Unbuffered, nothing is left to fail when the interpreter exits.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return kept | {"JAX_COMPILATION_CACHE_DIR": ""} | changes


def flatrank(*arguments, **options):
    command = [sys.executable, "-m", "flatrank", *map(str, arguments)]
    options = {"capture_output": True, "timeout": 120, "env": environment(), **options}
    return subprocess.run(command, check=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, answers):
    """A finished run with names that ASCII does not have."""
    from flatrank.solvers.status import Status

    found, path = answers(Status.CERTIFIED), tmp_path_factory.mktemp("process") / "run"
    entries = sys.modules["flatrank_test_building"].small_entries()
    options = {"tol": 1e-4, "holdout": 0.1}
    record = make_record(found, entries, options=options, seconds={"report": 0.0, "total": 1.0})
    save_run(path, found, entries, record, None)
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["complete", "--help"], ["--version"]])
def test_help_in_plain_ascii(arguments):
    outcome = flatrank(*arguments, env=environment(**ASCII))
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout
    assert outcome.stderr == b""


def test_data_is_utf8_in_every_locale(folder, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("row,col\nZoë 1,film 1\n", "utf-8")
    here = flatrank("predict", folder, pairs)
    there = flatrank("predict", folder, pairs, env=environment(**ASCII))
    assert here.returncode == there.returncode == 0, there.stderr
    assert here.stdout == there.stdout
    assert "Zoë 1,film 1," in there.stdout.decode("utf-8")


def test_messages_survive_plain_ascii(folder):
    outcome = flatrank("recommend", folder, "--row", "Zo", env=environment(**ASCII))
    assert outcome.returncode == 2
    assert b"has no row 'Zo'; did you mean Zo? " in outcome.stderr


def test_pairs_from_standard_input(folder):
    outcome = flatrank("predict", folder, "-", input="row,col\nZoë 1,film 1\n".encode())
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith(b"row,col,value\n")


def test_reader_that_goes_away(folder):
    reading, writing = os.pipe()
    os.close(reading)
    outcome = flatrank(
        "recommend", folder, "--row", "Zoë 1", capture_output=False, stdout=writing,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    assert outcome.returncode == 0
    assert outcome.stderr.count(b"Traceback") == 0


def test_standard_output_closed_from_the_start(folder):
    command = f'"{sys.executable}" -m flatrank certify "{folder}" >&-'
    outcome = subprocess.run(
        command, shell=True, check=False, stderr=subprocess.PIPE, env=environment(), timeout=120
    )
    assert (outcome.returncode, outcome.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_full_disk_behind_standard_output(folder):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        outcome = flatrank(
            "recommend", folder, "--row", "Zoë 1", capture_output=False, stdout=full,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    assert outcome.returncode == 2
    assert b"No space left on device" in outcome.stderr
    assert b"Traceback" not in outcome.stderr


def at_work(ratings, out):
    """A run without end that has begun its checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, "complete", str(ratings), "--out", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not (out / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def test_interrupted_before_an_answer(ratings, tmp_path):
    out = tmp_path / "run"
    process = at_work(ratings, out)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    # Two seconds, and what a busy machine adds.
    assert time.monotonic() - begin < 6
    assert process.returncode == 130
    assert err.decode().startswith("flatrank: interrupted before an answer was written; the same")
    assert [path.name for path in out.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.5, 0.8, 1.2])
def test_interrupted_while_starting(ratings, tmp_path, delay):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "flatrank", "complete", str(ratings), "--out", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode == -signal.SIGINT or b"site" in err:
        pytest.skip("the interpreter itself had not started")
    if process.returncode == 0 and (out / "run.json").exists():
        pytest.skip("it had finished")
    assert process.returncode == 130, err
    # A fast machine has an answer by then, and keeps it.
    assert err.decode().startswith(("flatrank: interrupted", "flatrank: stopped early")), err
    assert err.count(b"\n") == 1


def test_a_second_ctrl_c_does_not_wait(ratings, tmp_path):
    out = tmp_path / "run"
    process = at_work(ratings, out)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count(b"\n") == 1, err


def test_help_loads_nothing_heavy():
    # A bare package stands in for the library, whose own imports are tested elsewhere.
    look = (
        "import importlib.util, sys, types\n"
        "bare = types.ModuleType('flatrank')\n"
        "bare.__path__ = importlib.util.find_spec('flatrank').submodule_search_locations\n"
        "sys.modules['flatrank'] = bare\n"
        "from flatrank.cli import main\n"
        "try: main(['complete', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('jax', 'llvmlite', 'numpy', 'polars', 'matplotlib', 'scipy', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    assert outcome.stdout.splitlines()[-1] == "[]"


def test_a_shell_is_told_how_a_line_may_go_on():
    asked = {
        "_FLATRANK_COMPLETE": "complete_bash",
        "COMP_WORDS": "flatrank impu",
        "COMP_CWORD": "1",
    }
    told = subprocess.run(
        [sys.executable, "-m", "flatrank"],
        env=environment(**asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout.split()) == (0, ["impute"])
