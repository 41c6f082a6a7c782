"""An evaluation as text: what was hidden, and tables of models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatrank.evaluation.result import Evaluation

_ERRORS = {"rmse": "RMSE", "mae": "MAE", "coverage": "in 90 %", "width": "width"}
_RANKINGS = {"precision": "precision@10", "recall": "recall@10", "ndcg": "nDCG@10"}


def hidden_words(found: Evaluation) -> str:
    """How many entries were predicted, and which are special."""
    hidden = sum(fold.hidden for fold in found.folds)
    said = f"{hidden} of {found.entries} entries hidden in {len(found.folds)} folds"
    if found.asked == 1:
        said = f"{hidden} entries of the test predicted"
    if found.never_hidden:
        said += f", {found.never_hidden} never: their row or column would have been empty"
    if found.cold:
        said += f", {found.cold} of them in rows or columns of which nothing else is known"
    return f"{said}.\nErrors are in {found.unit}; ± is the standard error over folds."


def tables(found: Evaluation) -> str:
    """A line for each model: means over the folds, with their standard errors; then rankings."""
    out = [_table(found, _ERRORS, times=True)]
    if any(found.score(model, "precision") for model in found.models):
        said = "The ten best unseen columns of a row; hits are hidden entries above its mean:"
        out += [said, _table(found, _RANKINGS)]
    return "\n\n".join(out)


def _table(found: Evaluation, measures: dict[str, str], *, times: bool = False) -> str:
    shown = {
        measure: name
        for measure, name in measures.items()
        if any(found.score(model, measure) for model in found.models)
    }
    rows = []
    for model in found.models:
        seconds = [fold.seconds[model] for fold in found.folds if model in fold.seconds]
        time = f"{sum(seconds) / len(seconds):.2g}" if seconds else ""
        rows.append([model, *(_cell(found, model, measure) for measure in shown), time])
    header = ["", *shown.values(), "s a fold"]
    return _aligned(header, rows) if times else _aligned(header[:-1], [row[:-1] for row in rows])


def _cell(found: Evaluation, model: str, measure: str) -> str:
    score = found.score(model, measure)
    if score is None:
        return ""
    unit, scale = (" %", 100.0) if measure == "coverage" else ("", 1.0)
    if not score.error:
        return f"{scale * score.mean:.4g}{unit}"
    # Two digits of the error, and as many decimals of the mean.
    decimals = max(0, 1 - math.floor(math.log10(scale * score.error)))
    return f"{scale * score.mean:.{decimals}f} ± {scale * score.error:.{decimals}f}{unit}"


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Names on the left; numbers end together."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(header))]
    out = []
    for line in lines:
        name, *numbers = line
        padded = [x.rjust(width) for x, width in zip(numbers, widths[1:], strict=True)]
        out.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(out)
