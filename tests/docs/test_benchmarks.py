"""What the pages claim is what the results say: every measured table is generated."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import blocks, running, table  # noqa: E402
from benchmarks.__main__ import every  # noqa: E402

INCLUDED = re.compile(r'--8<-- "docs/benchmarks\.md:(\w+)"')


def test_the_page_is_what_the_results_say():
    assert table.PAGE.read_text(encoding="utf-8") == table.page()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_includes_only_sections_that_were_measured(page):
    for name in INCLUDED.findall(page.read_text(encoding="utf-8")):
        assert table.load(name), f"{page.name} includes {name}, of which there are no results"


@pytest.mark.parametrize("section", blocks.BLOCKS)
def test_a_section_has_solvers_and_they_have_their_instances(section):
    peers, names = running.peers(section, []), {name for name, *_ in every(section, [0])}
    assert peers
    for peer in peers:
        assert (running.ADAPTERS / peer.adapter).is_file()
        assert set(peer.instances) <= names
