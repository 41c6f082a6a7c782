"""One self-contained HTML page about a run: no network, no fonts or scripts of its own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from flatrank.data import Entries
from flatrank.reporting import figures, findings, words
from flatrank.solvers.status import Status

if TYPE_CHECKING:
    from flatrank.selection import Completion

_TEMPLATE = "report.html.j2"


def render_page(completion: Completion, entries: Entries, record: dict[str, Any]) -> str:
    """The report.

    Parameters
    ----------
    completion : Completion
        What was found.
    entries : Entries
        What was read: names and values.
    record : dict
        `run.json`, from `make_record`.

    Returns
    -------
    str
        A whole HTML document.

    Notes
    -----
    O(m k) time for the residuals, in blocks; about a second for the figures.
    """
    solution = completion.solution
    singular = findings.singular_values(solution)
    tol = float(record.get("options", {}).get("tol", 1e-6))
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            r=record,
            title=Path(record["input"]).name or "a matrix",
            solution=solution,
            certified=solution.status is Status.CERTIFIED,
            headline=words.headline(solution, tol),
            choice_notes=words.choice_notes(record),
            claims=words.claims(solution, record),
            asked=asked(entries, record),
            values=_value_summary(entries),
            decimals=words.decimals_for(float(np.ptp(entries.values))),
            density=entries.m / (entries.shape[0] * entries.shape[1]),
            gain=_gain(record["rmse"]),
            svg={
                name: Markup(svg)
                for name, svg in _figures(completion, entries, record, singular).items()
                if svg is not None
            },
            singular=singular,
            chosen=_chosen(completion, record),
            coverage=_coverage(completion, entries),
            residuals=findings.largest_residuals(completion, entries),
            sample=findings.holdout_sample(completion, entries),
            trials=_best_trials(completion),
        )
    )


def asked(entries: Entries, record: dict[str, Any]) -> list[tuple[str, str]]:
    """What was asked, as pairs of a name and a text.

    Parameters
    ----------
    entries : Entries
        What was read.
    record : dict
        `run.json`.

    Returns
    -------
    list of (str, str)
    """
    options = record.get("options", {})
    auto = {
        "lam": "chosen on a validation part",
        "rank": "found",
        "smoothing": "chosen on a validation part",
    }

    def option(key: str) -> str:
        value = options.get(key)
        return auto.get(key, "–") if value in (None, "auto") else words.number(value)

    rows = [
        ("Input", entries.source or "–"),
        ("Weight λ", option("lam")),
        ("Rank", option("rank")),
        ("Smoothing θ", option("smoothing")),
        ("Held out", words.percent(options.get("holdout"))),
        ("Relative gap to prove", words.number(options.get("tol"))),
        ("Seed", str(record.get("seed", "–"))),
    ]
    if options.get("max_seconds") is not None:
        rows.append(("Time allowed", f"{words.number(options['max_seconds'])} s"))
    return rows


def _environment() -> Environment:
    room = files("flatrank.reporting")
    environment = Environment(
        loader=FunctionLoader(lambda name: room.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number, "percent": words.percent, "fixed": words.fixed,
        "error": words.error,
    }  # fmt: skip
    return environment


def _chosen(completion: Completion, record: dict[str, Any]) -> Any:
    """The winner on the path; None where λ was given, and the path chose the smoothing only."""
    given = record.get("options", {}).get("lam") is not None
    return None if given else findings.chosen_point(completion)


def _figures(
    completion: Completion,
    entries: Entries,
    record: dict[str, Any],
    singular: NDArray[np.float64],
) -> dict[str, str | None]:
    solution = completion.solution
    problem = solution.problem
    gaps = problem.unidentifiable
    made: dict[str, str | None] = {
        "coverage": figures.coverage_figure(gaps.row_counts, gaps.col_counts, solution.rank),
        "convergence": figures.convergence_figure(
            solution.history, float(np.linalg.norm(np.asarray(problem.b))), exact=problem.lam == 0
        ),
    }
    if singular.size:
        made["spectrum"] = figures.spectrum_figure(singular)
    if len(completion.path) > 1:
        made["path"] = figures.path_figure(
            completion.path, _chosen(completion, record), findings.baseline_error(completion)
        )
    if completion.holdout is not None:
        index, predicted = (np.asarray(part) for part in completion.holdout)
        usable = np.isfinite(predicted)
        if usable.any():
            actual = entries.values[index[usable]]
            made["holdout"] = figures.holdout_figure(actual, predicted[usable], solution.seed)
    return made


def _coverage(completion: Completion, entries: Entries) -> dict[str, findings.Coverage]:
    gaps, rank = completion.solution.problem.unidentifiable, completion.solution.rank
    return {
        "rows": findings.coverage(gaps.row_counts, entries.row_labels, rank),
        "columns": findings.coverage(gaps.col_counts, entries.col_labels, rank),
    }


def _value_summary(entries: Entries) -> dict[str, float]:
    v = entries.values
    return {"low": float(v.min()), "mean": float(v.mean()), "high": float(v.max())}


def _gain(rmse: dict[str, float | None]) -> float | None:
    held, base = rmse.get("holdout"), rmse.get("baseline")
    return None if held is None or not base else 1.0 - held / base


def _best_trials(completion: Completion) -> list[Any]:
    """The best trial of each kind of offsets, in the order tried."""
    best: dict[str, Any] = {}
    for trial in completion.offset_trials:
        if trial.kind not in best or trial.rmse < best[trial.kind].rmse:
            best[trial.kind] = trial
    return list(best.values())
