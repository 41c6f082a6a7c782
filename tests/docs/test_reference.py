"""The reference describes what the package and its rooms offer, and nothing that is not there."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

import flatrank as fr

DOCS = Path(__file__).parents[2] / "docs"
ROOMS = (
    "measurements", "flatness", "theory", "solvers", "certificates", "experiments", "data",
    "estimators", "networks",
)  # fmt: skip


@cache
def hook():
    spec = importlib.util.spec_from_file_location("names", DOCS / "names.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def described(page):
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^::: (\S+)$", hook().on_page_markdown(text), re.MULTILINE)


@pytest.mark.parametrize("page", ["index", *ROOMS])
def test_every_entry_is_there_to_be_described(page):
    places = described(page)
    assert places
    for place in places:
        module, name = place.rsplit(".", 1)
        assert hasattr(importlib.import_module(module), name), place


def test_every_public_name_has_one_entry():
    places = [place for page in ("index", *ROOMS) for place in described(page)]
    assert len(places) == len(set(places))
    names = {place.rsplit(".", 1)[1] for place in places}
    rooms = {"flatness", "experiments", "measurements", "solvers", "theory"}
    # Not `vars`, which has what this process happens to have imported.
    offered = {name for name in dir(fr) if not name.startswith("_")}
    functions = {name for name in offered if callable(getattr(fr, name))}
    assert functions - names == set()
    assert rooms <= offered
    assert {"masked_transform", "Auto", "check_manifold", "load_ion_states"} <= names
