"""The pages that people open, in a browser: nothing missing, nothing wider than a telephone."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BROWSERS = "chromium", "chromium-browser", "google-chrome"
# Without a sandbox, as root in a container has none; without anything that calls home.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# CSS pixels across: a small telephone, a laptop.
WIDTHS = 380, 1280


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser was found: install one of {', '.join(BROWSERS)}")
    api = pytest.importorskip(
        "playwright.sync_api", reason='a browser is driven by pip install "flatrank[browser]"'
    )
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    mkdocs = pytest.importorskip("mkdocs.config", reason="the pages are built by make docs")
    from mkdocs.commands.build import build

    folder = tmp_path_factory.mktemp("site")
    build(mkdocs.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def faults(browser, page):
    """What a reader of a page would miss or stumble over; empty where all is well."""
    found = []
    tab = browser.new_page()
    tab.on("console", lambda said: said.type == "error" and found.append(said.text))
    tab.on("pageerror", lambda error: found.append(str(error)))
    tab.on("requestfailed", lambda request: found.append(f"not found: {request.url}"))
    tab.on("request", lambda request: _is_here(request.url) or found.append(request.url))
    tab.goto(page.as_uri())
    broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
    found += [f"broken: {source}" for source in tab.evaluate(broken)]
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        beyond = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        if beyond > 0:
            found.append(f"{beyond} pixels wider than {width}")
    tab.close()
    return found


def _is_here(address):
    return address.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of a run with ids longer than a telephone is wide."""
    import numpy as np

    from flatrank.cli.app import run

    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    i, j = np.nonzero(rng.random((40, 30)) < 0.5)
    X = rng.standard_normal((40, 2)) @ rng.standard_normal((2, 30))
    name = "a_name_without_a_space_" * 4
    lines = [f"{name}{a},item {b},{X[a, b]}" for a, b in zip(i, j, strict=True)]
    entries = folder / f"{name}.csv"
    entries.write_text("\n".join(["user,item,rating", *lines]), encoding="utf-8")
    assert run(["complete", str(entries), "--out", str(folder / "out"), "-q"]) == 0
    return folder / "out" / "report.html"


def test_report(browser, report):
    assert faults(browser, report) == []


def test_documentation(browser, site):
    # The page of a missing page lies where only a web server finds what it needs.
    pages = [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]
    assert len(pages) > len(list((ROOT / "docs").glob("*.md"))) // 2
    found = {page.relative_to(site).as_posix(): faults(browser, page) for page in pages}
    assert {name: said for name, said in found.items() if said} == {}


def test_faults_are_found(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<img src="none.png"><div style="width: 500px">wide</div><script>fail()</script>',
        encoding="utf-8",
    )
    said = "\n".join(faults(browser, page))
    for fault in ("not found", "broken", "wider than 380", "fail is not defined"):
        assert fault in said
