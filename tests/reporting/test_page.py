"""The page: one file, nothing fetched, nothing claimed that is not so."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from flatrank.reporting import make_record
from flatrank.reporting.page import render_page
from flatrank.solvers.status import Status

VOID = {"meta", "br", "link", "img"}


class Balance(HTMLParser):
    """Every tag that opens closes."""

    def __init__(self):
        super().__init__()
        self.open, self.ids = [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(found, entries, record):
    return render_page(found, entries, record)


def render(found, entries, record, **changes):
    solution = replace(found.solution, **changes)
    completion = replace(found, solution=solution)
    fresh = make_record(
        completion, entries, options=record["options"], seconds=record["seconds"], command=""
    )
    return render_page(completion, entries, fresh)


def test_page_is_well_formed_and_its_ids_are_distinct(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


def test_page_fetches_nothing(page):
    page = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert not re.search(r"url\((?!#)", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_page_follows_light_and_dark_and_paper(page):
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert "#010101" not in page
    assert "var(--series-1)" in page


def test_names_are_escaped(page):
    assert "<b>&</b>" not in page
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in page
    assert "Zoë" in page


@pytest.mark.parametrize(
    "title",
    ["What was asked", "What was found", "What is proved, and what is not", "How λ was chosen",
     "Singular values", "Convergence", "Predictions on the hold-out", "Largest residuals",
     "Who is poorly determined", "To do it again"],
)  # fmt: skip
def test_sections(page, title):
    assert f"<h2>{title}</h2>" in page


def test_page_says_what_made_it(page, record):
    assert "<pre>flatrank complete x</pre>" in page
    assert record["versions"]["numpy"] in page


def test_same_run_same_page(page, found, entries, record):
    assert render_page(found, entries, record) == page


def test_without_certificate_the_page_is_flagged(found, entries, record):
    page = render(found, entries, record, certificate=None, status=Status.INTERRUPTED)
    assert ">Not certified<" in page
    assert "verdict certified" not in page
    assert "nothing is proved about this answer" in page


def test_rank_zero(found, entries, record):
    problem = found.solution.problem
    page = render(found, entries, record, factors=problem.zero(0), history=[])
    assert "The best <i>X</i> is zero" in page
    assert "<h2>Singular values</h2>" not in page
    assert "<h2>Convergence</h2>" not in page


def test_nothing_held_out_and_nothing_chosen(found, entries, record):
    bare = replace(
        found,
        path=[],
        offset_trials=[],
        holdout=None,
        rmse={"train": 0.1, "holdout": None, "baseline": None},
    )
    page = render(bare, entries, record)
    assert "nothing was held out to test it" in page
    assert "How λ was chosen" not in page
    assert "Predictions on the hold-out" not in page


def test_exact_run(building, entries, record):
    found = building.small_completion(entries, lam=0.0, status=Status.IDENTIFIABLE)
    page = render(found, entries, record)
    assert "fitted exactly" in page
    assert "flattest interpolant" in page
    assert "relative misfit" in page


def test_predictions_that_are_not_determined_are_left_out(found, entries, record):
    index, predicted = found.holdout
    predicted = np.where(np.arange(predicted.size) == 0, np.nan, predicted)
    page = render(replace(found, holdout=(index, predicted)), entries, record)
    assert "nan" not in page.lower().replace("nanny", "")


def test_choice_is_a_share_of_the_largest_lambda(found, entries, record):
    moved = found.solution.problem.with_lam(8.1)
    page = render(found, entries, record, problem=moved)
    assert "Best: 0.1 of λ max, smoothing 0; validation error 0.5" in page
    assert "which with all entries makes λ = 8.1" in page


def test_given_lambda_was_not_chosen(found, entries, record):
    given = record | {"options": record["options"] | {"lam": 8.0}}
    page = render(found, entries, given)
    assert "<h2>How the smoothing was chosen</h2>" in page
    assert "λ = 8 was given" in page
    assert ">chosen<" not in page
