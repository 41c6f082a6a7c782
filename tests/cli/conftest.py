import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flatrank.solvers.status import Status

BUILDING = Path(__file__).parents[1] / "reporting" / "building.py"


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def load_building():
    name = "flatrank_test_building"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, BUILDING)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def cli(capfdbinary, monkeypatch, tmp_path):
    """Run the command line in an empty folder; its exit code, stdout and stderr."""
    from flatrank.cli.app import run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")  # tests leave nothing in the user's cache

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Outcome(code, out.decode("utf-8"), err.decode("utf-8"))

    return call


@pytest.fixture(scope="session")
def answers():
    """Completions by status, made once; entries do not matter to what is tested here."""
    building = load_building()
    certified = building.small_completion(building.small_entries())
    assert certified.solution.status is Status.CERTIFIED

    def answer(status):
        return replace(certified, solution=replace(certified.solution, status=status))

    return answer


@pytest.fixture
def quick(monkeypatch, answers):
    """The solver replaced by a ready answer; returns what it was called with."""
    calls = []

    def solve(job, entries, progress, checkpoint, state, interrupts):
        del interrupts
        calls.append((job, entries, state))
        progress({"stage": "path", "step": 1, "of": 2, "message": "[bold]not markup"})
        if solve.fail is not None:
            checkpoint.save({"done": 1})
            raise solve.fail
        if solve.status is not Status.CERTIFIED:
            checkpoint.save({"done": 3, "name": "path", "factor": entries.values[:4]})
        return solve.answers(solve.status)

    solve.answers = answers
    solve.fail, solve.status, solve.calls = None, Status.CERTIFIED, calls
    monkeypatch.setattr("flatrank.cli.completing.solve_entries", solve)
    return solve


@pytest.fixture
def ratings(tmp_path):
    """A csv of the same entries as the ready answer."""
    entries = load_building().small_entries()
    lines = ["user,item,rating"]
    for i, j, v in zip(entries.rows, entries.cols, entries.values.tolist(), strict=True):
        item = entries.col_labels[j].replace('"', '""')
        lines.append(f'{entries.row_labels[i]},"{item}",{v!r}')
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tree(folder):
    """Every file below a folder with its content."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
