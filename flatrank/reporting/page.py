"""One self-contained HTML page about a run: no network, no fonts or scripts of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from flatrank.data import Entries
from flatrank.reporting import figures, words
from flatrank.solvers.solution import Solution
from flatrank.solvers.status import Status

if TYPE_CHECKING:
    from flatrank.selection import Completion, PathPoint

#: Entries looked at together, which bounds the memory.
_BLOCK = 1 << 20
#: Entries listed: the worst residuals, and a sample of the hold-out.
_WORST, _SAMPLE = 10, 12
#: Lines with fewer entries are called poorly determined, and so many of them are named.
_FEW = 5


def render_page(completion: Completion, entries: Entries, record: dict[str, Any]) -> str:
    """A whole HTML document about what was found (`record` is `run.json`).

    O(m k) time for the residuals, in blocks; about a second for the figures.
    """
    solution, v = completion.solution, entries.values
    gaps, singular = solution.problem.unidentifiable, _singular_values(solution)
    options, rmse = record.get("options", {}), record["rmse"]
    # Where λ was given, the path chose the smoothing only.
    chosen = None if options.get("lam") is not None else _chosen_point(completion)
    held, base = rmse.get("holdout"), rmse.get("baseline")
    svg = _figures(completion, entries, singular, chosen)
    sides = (
        ("rows", gaps.row_counts, entries.row_labels),
        ("columns", gaps.col_counts, entries.col_labels),
    )
    return _template().render(
        r=record,
        title=Path(record["input"]).name or "a matrix",
        solution=solution,
        certified=solution.status is Status.CERTIFIED,
        headline=words.headline(solution, float(options.get("tol", 1e-6))),
        choice_notes=words.choice_notes(record),
        claims=words.claims(solution, record),
        asked=_asked(entries, record),
        values={"low": float(v.min()), "mean": float(v.mean()), "high": float(v.max())},
        decimals=words.decimals_for(float(np.ptp(v))),
        density=entries.m / (entries.shape[0] * entries.shape[1]),
        gain=None if held is None or not base else 1.0 - held / base,
        svg={name: Markup(drawn) for name, drawn in svg.items() if drawn is not None},
        singular=singular,
        chosen=chosen,
        coverage={name: _coverage(n, labels, solution.rank) for name, n, labels in sides},
        residuals=_largest_residuals(completion, entries),
        sample=_holdout_sample(completion, entries),
        trials=_best_trials(completion),
    )


def _template() -> Any:
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
    return environment.get_template("report.html.j2")


def _asked(entries: Entries, record: dict[str, Any]) -> list[tuple[str, str]]:
    """What was asked, as pairs of a name and a text."""
    options = record.get("options", {})

    def option(key: str, auto: str) -> str:
        value = options.get(key)
        return auto if value in (None, "auto") else words.number(value)

    rows = [
        ("Input", entries.source or "–"),
        ("Weight λ", option("lam", "chosen on a validation part")),
        ("Rank", option("rank", "found")),
        ("Smoothing θ", option("smoothing", "½")),
        ("Held out", words.percent(options.get("holdout"))),
        ("Relative gap to prove", words.number(options.get("tol"))),
        ("Seed", str(record.get("seed", "–"))),
    ]
    if options.get("max_seconds") is not None:
        rows.append(("Time allowed", f"{words.number(options['max_seconds'])} s"))
    return rows


def _figures(
    completion: Completion,
    entries: Entries,
    singular: NDArray[np.float64],
    chosen: PathPoint | None,
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
        # The offsets that were kept, alone: X = 0.
        side = completion.scales.side
        alone = (p.validation_rmse for p in completion.path if p.rank == 0 and p.side == side)
        made["path"] = figures.path_figure(completion.path, chosen, next(alone, None))
    if completion.holdout_check:
        made["calibration"] = figures.calibration_figure(completion.holdout_check["coverage"])
    index, predicted = _usable_holdout(completion)
    if index.size:
        actual = entries.values[index]
        made["holdout"] = figures.holdout_figure(actual, predicted, solution.seed)
    return made


def _singular_values(solution: Solution) -> NDArray[np.float64]:
    """Singular values of D1 X D2, descending; those that are zero to rounding left out."""
    if solution.rank == 0:
        return np.zeros(0)
    rescaling, pair = solution.problem.rescaling, solution.factors
    left = np.asarray(rescaling.D1)[:, None] * np.asarray(pair.L)
    right = np.asarray(rescaling.D2)[:, None] * np.asarray(pair.R)
    middle = np.linalg.qr(left).R @ np.linalg.qr(right).R.T
    s = np.linalg.svd(middle, compute_uv=False)
    return s[s > 1e-13 * s.max(initial=0.0)].astype(np.float64)


def _chosen_point(completion: Completion) -> PathPoint | None:
    """The point of the path that won: the best one with the smoothing that was kept.

    Its λ is that of a fit to fewer entries; the final model takes over its share of λ max.
    """
    kind = completion.scales.side, completion.solution.problem.smoothing
    curve = [
        p for p in completion.path
        if (p.side, p.smoothing) == kind and np.isfinite(p.validation_rmse)
    ]  # fmt: skip
    return min(curve, key=lambda p: p.validation_rmse, default=None)


def _coverage(counts: NDArray[np.int64], labels: NDArray[np.str_], rank: int) -> dict[str, Any]:
    """Lines in all, with one entry, with few, with fewer than the rank, and the worst by name."""
    worst = np.argsort(counts, kind="stable")[:_FEW]
    return {
        "total": int(counts.size),
        "single": int(np.sum(counts <= 1)),
        "few": int(np.sum(counts < _FEW)),
        "below_rank": int(np.sum(counts < rank)),
        "fewest": [(str(labels[at]), int(counts[at])) for at in worst],
    }


@dataclass(frozen=True)
class _NamedEntry:
    """An entry with the names of its row and column, its value and what the model says."""

    row: str
    col: str
    actual: float
    predicted: float

    @property
    def error(self) -> float:
        return self.predicted - self.actual


def _named(entries: Entries, at: int, predicted: float) -> _NamedEntry:
    row, col = entries.row_labels[entries.rows[at]], entries.col_labels[entries.cols[at]]
    return _NamedEntry(str(row), str(col), float(entries.values[at]), predicted)


def _largest_residuals(completion: Completion, entries: Entries) -> list[_NamedEntry]:
    """The entries that the final model misses by most, worst first."""
    worst: list[tuple[float, int, float]] = []
    for start in range(0, entries.m, _BLOCK):
        part = slice(start, start + _BLOCK)
        fitted = completion.predict(entries.rows[part], entries.cols[part])
        miss = np.abs(fitted - entries.values[part])
        top = np.argsort(-miss, kind="stable")[:_WORST]
        worst += [(-float(miss[at]), start + int(at), float(fitted[at])) for at in top]
    return [_named(entries, at, fitted) for _, at, fitted in sorted(worst)[:_WORST]]


def _holdout_sample(completion: Completion, entries: Entries) -> list[_NamedEntry]:
    """A random few of the hold-out entries, predicted by the model that saw none of them."""
    index, predicted = _usable_holdout(completion)
    rng = np.random.default_rng(completion.solution.seed)
    drawn = np.sort(rng.permutation(index.size)[:_SAMPLE])
    return [_named(entries, int(index[at]), float(predicted[at])) for at in drawn]


def _usable_holdout(completion: Completion) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places and predictions of the hold-out entries that the data determine."""
    index, predicted = (np.asarray(part) for part in completion.holdout or ([], []))
    usable = np.isfinite(predicted)
    return index[usable], predicted[usable]


def _best_trials(completion: Completion) -> list[Any]:
    """The best trial of each kind of offsets, in the order tried."""
    best: dict[str, Any] = {}
    for trial in completion.offset_trials:
        if trial.kind not in best or trial.rmse < best[trial.kind].rmse:
            best[trial.kind] = trial
    return list(best.values())
