"""What is claimed, in words. Four claims that are never taken for one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flatrank.selection.search import LEAST_SHARE
from flatrank.solvers.solution import Solution
from flatrank.solvers.status import Status

#: A relative gap of a fit in the search with which it cannot be compared with others.
_UNSOLVED = 0.2
_THIN = "\u202f"


@dataclass(frozen=True)
class Claim:
    """A claim about the answer: "proved", "not proved", "evidence" or "does not apply", and why."""

    text: str
    verdict: str
    because: str


def number(x: float | None, digits: int = 4) -> str:
    """A number for people: `digits` significant ones, thousands apart, "–" for none."""
    if x is None or x != x:
        return "–"
    if isinstance(x, int):
        return f"{x:,}".replace(",", _THIN).replace("-", "\u2212")
    if x in (float("inf"), float("-inf")):
        return "∞" if x > 0 else "\u2212∞"
    if x != 0 and not 1e-3 <= abs(x) < 1e6:
        mantissa, _, power = f"{x:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "\u2212")
        raised = f"10{_raised(int(power))}"
        return raised if mantissa == "1" else f"{mantissa}·{raised}"
    whole, point, rest = f"{x:.{digits}g}".partition(".")
    if "e" in whole + rest:
        whole, point, rest = f"{x:.0f}", "", ""
    if len(whole.lstrip("-")) > 4:
        whole = f"{int(whole):,}".replace(",", _THIN)
    return f"{whole}{point}{rest}".replace("-", "\u2212")


def fixed(x: float, decimals: int | None) -> str:
    """A number with so many decimals, for columns that line up; as `number` with None."""
    if decimals is None or x != x:
        return number(x)
    return f"{x:.{decimals}f}".replace("-", "\u2212")


def error(x: float | None) -> str:
    """An error with four significant digits, zeros at the end included, so that columns line up."""
    if x is None or x != x or not 1e-3 <= abs(x) < 1e3:
        return number(x)
    return f"{x:#.4g}"


def decimals_for(spread: float) -> int | None:
    """Decimals that show a hundredth of a spread; None where scientific notation serves better."""
    if not 1e-3 <= spread < 1e6:
        return None
    return max(0, 2 - math.floor(math.log10(spread)))


def percent(share: float | None) -> str:
    """A share as a percentage with two significant digits."""
    if share is None or share != share:
        return "–"
    return f"{number(100.0 * share, 2 if abs(share) < 0.1 else 3)}{_THIN}%"


def status_sentence(status: Status) -> str:
    """Why a run ended, for those who ran it from the command line."""
    early = {
        Status.INTERRUPTED: "interrupted: this is the best answer found until then",
        Status.DEADLINE: "out of time: this is the best answer found until then",
        Status.MAX_STEPS: "stopped at the step limit: this is the best answer found until then, "
        "and the certificate says how far from the optimum it is at most; a larger --tol or --lam "
        "asks for less",
    }
    return early.get(status, str(status))


def choice_notes(record: dict[str, Any]) -> list[str]:
    """What is not as it should be about the choice of λ in `run.json`, and what to do."""
    place, ended = record.get("chosen_at", "given"), record.get("path_ended", "")
    cut_short = {
        "time": "time ran out; allow more with --max-seconds, or go on with --resume",
        "interrupted": "it was interrupted; --resume goes on with it",
    }
    notes = []
    if place == "zero":
        notes.append(
            "on the validation part no λ predicts better than the offsets alone: X is zero"
        )
    elif place == "smallest":
        why = {
            "floor": f"smaller ones than {number(LEAST_SHARE)} of λ max are not tried. The data "
            "may be free of noise: --lam 0 fits them exactly",
            "settled": "smaller ones no longer change the validation error",
        }
        reason = why.get(ended) or cut_short.get(ended, "the search ended there")
        notes.append(
            f"λ is the smallest that was tried, and a smaller one may predict better: {reason}"
        )
    elif ended in cut_short:
        notes.append(f"the search for λ was not finished: {cut_short[ended]}")
    fits = record.get("path", [])
    rough = sum((point.get("relative_gap") or 0.0) > _UNSOLVED for point in fits)
    if rough:
        notes.append(
            f"{rough} of the {len(fits)} fits that λ was chosen by were not solved: the choice may "
            "be off"
        )
    return notes


def headline(solution: Solution, tol: float) -> str:
    """The verdict in one or two sentences, no more than what is established."""
    proof = solution.certificate
    if solution.status is Status.CERTIFIED and proof is not None:
        return (
            "This is a global optimum of what was asked, and that is proved: no matrix of any "
            f"rank can lower the objective by more than {percent(max(proof.relative_gap, 0.0))}."
        )
    sentence = status_sentence(solution.status)
    sentence = sentence[:1].upper() + sentence[1:] + "."
    if proof is None:
        return f"{sentence} No certificate was computed: nothing is proved about this answer."
    return (
        f"{sentence} What is proved: at most {percent(proof.relative_gap)} of the objective is "
        f"left to gain; {percent(tol)} was asked for."
    )


def claims(solution: Solution, record: dict[str, Any]) -> list[Claim]:
    """The four claims, each with its verdict."""
    return [
        _minimiser(solution, float(record.get("options", {}).get("tol", 1e-6))),
        _unique(solution),
        _identifiable(solution),
        _truth(record.get("rmse", {})),
    ]


def _minimiser(solution: Solution, tol: float) -> Claim:
    text = "It is a minimiser: no matrix, of any rank, has a lower objective."
    proof = solution.certificate
    if proof is None:
        return Claim(text, "not proved", "No certificate was computed.")
    # Enough digits to tell floor from ceiling.
    digits = 6
    if 0.0 < proof.relative_gap < 1.0:
        digits = min(max(6, 2 - math.floor(math.log10(proof.relative_gap))), 13)
    between = (
        f"The optimum lies between {number(proof.dual_bound, digits)} and "
        f"{number(proof.primal, digits)}, "
        f"so at most {percent(proof.relative_gap)} is left to gain"
    )
    if proof.certified(tol):
        sure = "."
        if proof.operator_norm_kind != "exact":
            sure = (
                "; the bound behind it holds except with a probability of "
                f"{number(proof.failure_probability, 2)} over its own random start."
            )
        return Claim(text, "proved", between + sure)
    return Claim(text, "not proved", f"{between}; {percent(tol)} was asked for.")


def _unique(solution: Solution) -> Claim:
    text = "It is the only minimiser."
    if solution.certificate is not None and solution.certificate.unique:
        return Claim(text, "proved", "The dual point leaves room for no other, in any direction.")
    return Claim(text, "not proved", "That does not mean that there is another one.")


def _identifiable(solution: Solution) -> Claim:
    text = "It fits every entry, and no other matrix of its rank nearby does."
    if solution.problem.lam > 0:
        because = "With λ > 0 the entries are smoothed rather than fitted."
        return Claim(text, "does not apply", because)
    proof = solution.certificate
    unique = solution.status is Status.CERTIFIED and proof is not None and proof.unique
    if solution.status is Status.IDENTIFIABLE or unique:
        because = "It fits to rounding, and the entries fix every direction of the rank."
        return Claim(text, "proved", because)
    return Claim(text, "not proved", "The entries may leave the matrix room to move at this rank.")


def _truth(rmse: dict[str, float | None]) -> Claim:
    text = "It is the matrix that the entries came from."
    held, base = rmse.get("holdout"), rmse.get("baseline")
    if held is None:
        because = "No data can prove this alone, and nothing was held out to test it."
        return Claim(text, "not proved", because)
    compared = "" if base is None else f" (offsets alone: {error(base)})"
    return Claim(
        text,
        "evidence",
        "No data can prove this alone. Entries held out are predicted with an error of "
        f"{error(held)}{compared}.",
    )


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
