"""Numbers and claims in words: four claims, never taken for one another."""

from dataclasses import replace

import pytest

from flatrank.reporting import words
from flatrank.solvers.status import Status


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (float("-inf"), "\u2212∞"),
        (0.0, "0"),
        (3, "3"),
        (100004, "100\u202f004"),
        (-2.5, "\u22122.5"),
        (0.87252, "0.8725"),
        (12345.6, "12\u202f346"),
        (5e7, "5·10⁷"),
        (1e-5, "10⁻⁵"),
        (2.4679e-5, "2.468·10⁻⁵"),
    ],
)
def test_number(x, text):
    assert words.number(x) == text


def test_percent():
    assert words.percent(0.0164) == "1.6\u202f%"
    assert words.percent(None) == "–"


def test_fixed_decimals_follow_the_spread():
    assert words.fixed(-1.2345, words.decimals_for(4.5)) == "\u22121.23"
    assert words.decimals_for(50.0) == 1
    assert words.decimals_for(1e300) is None
    assert words.fixed(1e300, None) == "10³⁰⁰"


def test_errors_line_up():
    assert words.error(0.804) == "0.8040"
    assert words.error(12.0) == "12.00"
    assert words.error(None) == "–"
    assert words.error(1e-300) == "10⁻³⁰⁰"


def test_bounds_have_the_digits_to_tell_them_apart(found):
    proof = replace(
        found.solution.certificate, primal=4715.14914, dual_bound=4715.14724, relative_gap=4.02e-7
    )
    claim = words.claims(replace(found.solution, certificate=proof), {"options": {"tol": 1e-4}})[0]
    assert "between 4715.14724 and 4715.14914, so" in claim.because


def test_headline_of_a_proof(found):
    assert words.headline(found.solution, 1e-4).startswith("This is a global optimum")


def test_headline_without_certificate_claims_nothing(found):
    bare = replace(found.solution, certificate=None, status=Status.INTERRUPTED)
    text = words.headline(bare, 1e-4)
    assert text.startswith("Interrupted: this is the best answer found until then.")
    assert "nothing is proved" in text
    assert "optimum" not in text


def test_headline_with_a_gap_too_wide(found):
    text = words.headline(replace(found.solution, status=Status.STATIONARY), 1e-12)
    assert text.startswith("Stationary")
    assert "was asked for" in text


def verdicts(solution, rmse=None, tol=1e-4):
    record = {"options": {"tol": tol}, "rmse": rmse or {}}
    return [claim.verdict for claim in words.claims(solution, record)]


def test_certified_unique_is_not_the_truth(found):
    solution = found.solution
    proof = replace(solution.certificate, unique=True)
    rmse = {"holdout": 0.5, "baseline": 0.8}
    assert verdicts(replace(solution, certificate=proof), rmse) == [
        "proved", "proved", "does not apply", "evidence",
    ]  # fmt: skip


def test_no_certificate_proves_nothing(found):
    assert verdicts(replace(found.solution, certificate=None)) == [
        "not proved", "not proved", "does not apply", "not proved",
    ]  # fmt: skip


def test_tolerance_decides(found):
    gap = found.solution.certificate.relative_gap
    assert verdicts(found.solution, tol=gap / 2 - 1e-30)[0] == "not proved"


def test_identifiable_is_not_certified(found):
    exact = found.solution.problem.with_lam(0.0)
    solution = replace(
        found.solution,
        problem=exact,
        status=Status.IDENTIFIABLE,
        certificate=replace(found.solution.certificate, unique=False, relative_gap=0.3),
    )
    assert verdicts(solution)[:3] == ["not proved", "not proved", "proved"]


def test_probabilistic_bound_is_said_to_be_one(found):
    proof = replace(
        found.solution.certificate, operator_norm_kind="probabilistic", failure_probability=1e-9
    )
    claim = words.claims(replace(found.solution, certificate=proof), {"options": {"tol": 1e-4}})[0]
    assert "except with a probability of 10⁻⁹" in claim.because
