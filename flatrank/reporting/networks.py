"""The pictures of networks compared: errors against measures, rank correlations, traces by depth.

Each takes its one comparison in a sequence, as pictures of sweeps take theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatrank.reporting.figures import MUTED, linear_ticks, log_ticks
from flatrank.reporting.standalone import COLORS, ONE, OTHER, THIRD, draw, legend_below, title

if TYPE_CHECKING:
    from flatrank.networks import Comparison

Facts = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

_ACROSS = (
    "trace", "scaled trace", "largest eigenvalue", "adaptive trace", "norm", "imbalance",
)  # fmt: skip
#: A colour and a marker for each method: four colours of the report twice, and three marks.
_COLORS = (ONE, OTHER, THIRD, "#cc79a7")
_MARKS = "osD^vPX"


def draw_errors(found: Sequence[Comparison], files: Sequence[Path], facts: Facts) -> None:
    """Test error against each measure, a row for each task: means and deviations over seeds.

    Dots are the single runs of all strengths, marks the chosen ones. What lies left of a tenth of
    the chosen, as weights that decayed to zero do, is not shown.
    """
    (comparison,) = found
    tasks = list(dict.fromkeys(run["task"] for run in comparison.runs))
    methods = list(dict.fromkeys(run["method"] for run in comparison.runs))
    table = comparison.table()

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(len(tasks), len(_ACROSS), squeeze=False, sharey="row")
        for line, task in zip(axes, tasks, strict=True):
            runs = [run for run in comparison.runs if run["task"] == task]
            rows = [row for row in table if row["task"] == task]
            for panel, measure in zip(line, _ACROSS, strict=True):
                _errors(panel, measure, methods, runs, rows)
            line[0].set_ylabel(f"{task}\ntest error")
        for panel, measure in zip(axes[0], _ACROSS, strict=True):
            title(panel, measure)
        handles: dict[str, Any] = {}
        for panel in axes.flat:
            handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)

    draw(paint, (13.0, 0.8 + 1.75 * len(tasks)), files, facts)


def draw_correlations(found: Sequence[Comparison], files: Sequence[Path], facts: Facts) -> None:
    """Spearman's ρ of each measure with the test error, and its interval, a panel for each task."""
    (comparison,) = found
    rows = comparison.correlations()
    tasks = list(dict.fromkeys(run["task"] for run in comparison.runs))
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    kinds = (("methods", ONE, "o"), ("strengths", OTHER, "s"), ("seeds", THIRD, "D"))

    def paint(figure: Figure) -> None:
        across = min(4, len(tasks))
        axes: Any = figure.subplots(-(-len(tasks) // across), across, squeeze=False, sharey=True)
        for panel in axes.flat[len(tasks) :]:
            panel.set_visible(False)
        for panel, task in zip(axes.flat, tasks, strict=False):
            panel.axvline(0, color=COLORS[MUTED], lw=0.8)
            for n, (kind, color, mark) in enumerate(kinds):
                own = [r for r in rows if (r["task"], r["within"]) == (task, kind)]
                y = np.array([measures.index(row["measure"]) for row in own]) + 0.24 * (n - 1)
                rho, low, high = (
                    np.array([row[name] for row in own]) for name in ("rho", "low", "high")
                )
                panel.hlines(y, low, high, color=color, lw=1.2, alpha=0.7)
                panel.plot(rho, y, mark, color=color, ms=4, label=f"over {kind}")
            panel.set_xlim(-1.05, 1.05)
            panel.set_yticks(range(len(measures)), measures)
            panel.set_ylim(len(measures) - 0.5, -0.5)
            linear_ticks(panel.xaxis, 5)
            title(panel, task)
        for panel in axes[-1]:
            panel.set_xlabel("rank correlation with test error")
        legend_below(figure, axes[0, 0], 3)

    draw(paint, (12.0, 0.8 + 3.0 * -(-len(tasks) // 4)), files, facts)


def draw_depth(found: Sequence[Comparison], files: Sequence[Path], facts: Facts) -> None:
    """Trace over the least of any factors of the same product, by depth: chosen strengths."""
    (comparison,) = found
    rows = comparison.depths()
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))

    def paint(figure: Figure) -> None:
        panel = figure.subplots()
        panel.axhline(1, color=ONE, lw=1.0, ls=(0, (4, 2)), label="least, by theory")
        for n, method in enumerate(methods):
            own = [row for row in rows if row["method"] == method]
            at = [tasks.index(row["task"]) + 0.08 * (n - 0.5 * len(methods)) for row in own]
            _marks(panel, at, own, "excess", _style(n), method)
        panel.set_yscale("log")
        log_ticks(panel.yaxis)
        panel.set_xticks(range(len(tasks)), tasks)
        panel.set_ylabel("trace / least trace of the product")
        legend_below(figure, panel, 4)

    draw(paint, (7.6, 4.2), files, facts)


def _style(n: int) -> dict[str, Any]:
    return {"color": _COLORS[n % len(_COLORS)], "marker": _MARKS[n % len(_MARKS)]}


def _errors(panel: Axes, measure: str, methods: Sequence[str], runs: Rows, rows: Rows) -> None:
    seen = [run for run in runs if run[measure] is not None]
    if not seen:
        panel.set_axis_off()
        return
    for n, method in enumerate(methods):
        own = [run for run in seen if run["method"] == method]
        x, y = ([run[name] for run in own] for name in (measure, "test"))
        panel.plot(x, y, ".", color=_style(n)["color"], ms=2.5, alpha=0.35)
        for row in (row for row in rows if row["method"] == method and row[measure] is not None):
            _marks(panel, [row[measure]], [row], "test", _style(n), method, across=measure)
    panel.set_xscale("log")
    panel.set_yscale("log")
    chosen = [row[measure] for row in rows if row[measure]]
    if chosen:
        panel.set_xlim(left=max(panel.get_xlim()[0], min(chosen) / 10))
    log_ticks(panel.xaxis, 3)
    log_ticks(panel.yaxis, 4)


def _marks(  # noqa: PLR0913
    panel: Axes, x: Sequence[float], rows: Rows, up: str, style: dict[str, Any], label: str,
    across: str | None = None,
) -> None:  # fmt: skip
    """Means of rows with their deviations over seeds."""
    spread = [row[f"{up}_deviation"] or 0.0 for row in rows]
    wide = None if across is None else [row[f"{across}_deviation"] or 0.0 for row in rows]
    height = [row[up] for row in rows]
    panel.errorbar(
        x, height, spread, wide, ms=5, ls="", lw=1.0, label=label, mec="white", mew=0.4, **style
    )
