import importlib.util
import sys
from pathlib import Path

import pytest


def load_building():
    """`building.py` beside this file; test folders are no packages."""
    name = "flatrank_test_building"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("building.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def building():
    return load_building()


@pytest.fixture(scope="session")
def entries(building):
    return building.small_entries()


@pytest.fixture(scope="session")
def found(building, entries):
    return building.small_completion(entries)


@pytest.fixture(scope="session")
def record(found, entries):
    from flatrank.reporting import make_record

    options = {"lam": None, "rank": None, "smoothing": None, "holdout": 0.1, "tol": 1e-4,
               "seed": 0, "max_seconds": None}  # fmt: skip
    seconds = {"read": 0.1, "report": 0.2, "total": 1.0}
    return make_record(
        found, entries, options=options, seconds=seconds, command="flatrank complete x"
    )
