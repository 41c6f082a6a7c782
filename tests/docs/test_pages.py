"""The examples of the documentation run, page by page, in the order in which they stand.

Commands run where `<!-- run -->` stands above them.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import flatrank as fr

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?<!<!-- not run -->\n)^```python\n(.*?)^```|(?<=<!-- run -->\n)^```console\n(.*?)^```",
    re.MULTILINE | re.DOTALL,
)
PAGES = [
    pytest.param(page, id=page.stem)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(page.read_text(encoding="utf-8"))
]


def a_small_table():
    """What a fragment that starts in the middle speaks of."""
    rng = np.random.default_rng(0)
    shape, s = (30, 20), 0.5
    seen = rng.random(shape) < 0.6
    X = np.where(seen, rng.standard_normal((30, 2)) @ rng.standard_normal((2, 20)), np.nan)
    rows, cols = np.nonzero(seen)
    values, r, c = X[rows, cols], rows[:3], cols[:3]
    problem = fr.completion(rows, cols, values, shape)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    L, R = rng.standard_normal((30, 2)), rng.standard_normal((20, 2))
    return {"np": np, "fr": fr} | locals()


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = a_small_table()
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        line = text[: block.start()].count("\n") + 1
        if block[1] is None:
            assert_commands_run(block[2], f"{page.name}, line {line}")
            continue
        source = "\n" * line + block[1]  # so that an error names the line of the page
        exec(compile(source, str(page), "exec"), names)


def assert_commands_run(text, place):
    from flatrank.cli.app import run

    commands = re.findall(r"^\$ flatrank (.*)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        assert run(shlex.split(command, comments=True)) == 0, f"{place}: {command}"
