"""The pictures of experiments over one number: medians, with the range over the draws.

Each takes its one curve in a sequence, as pictures of sweeps take theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatrank.reporting.figures import linear_ticks, log_ticks
from flatrank.reporting.standalone import ONE, OTHER, THIRD, draw, legend_below, title

if TYPE_CHECKING:
    from flatrank.experiments import Curve

Facts = Mapping[str, Any]


def draw_noise(curves: Sequence[Curve], files: Sequence[Path], facts: Facts) -> None:
    """Errors of both solutions against noise, and their bounds."""
    (curve,) = curves

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(1, 2, sharex=True, sharey=True)
        for n, (panel, name) in enumerate(zip(axes, ("penalised", "constrained"), strict=True)):
            _band(panel, curve, name, ONE, "error, median and range")
            _band(panel, curve, f"{name}_bound", OTHER, "bound from the dual certificate")
            panel.set_xscale("log")
            panel.set_yscale("log")
            log_ticks(panel.xaxis)
            log_ticks(panel.yaxis)
            panel.set_xlabel("noise, share of the data")
            title(panel, name, n)
        axes[0].set_ylabel("error, share of M")
        legend_below(figure, axes[0], 2)

    draw(paint, (8.4, 4.0), files, facts)


def draw_width(curves: Sequence[Curve], files: Sequence[Path], facts: Facts) -> None:
    """Error and certificate of a student over its width."""
    (curve,) = curves

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(1, 2, sharex=True)
        for n, (panel, name, words) in enumerate(
            (
                (axes[0], "error", "error, share of M"),
                (axes[1], "relative", "relative duality gap"),
            )
        ):
            _band(panel, curve, name, ONE, "median and range of the draws")
            panel.axvline(curve.about["rank"], color=OTHER, lw=1.0, label="width of the teacher")
            panel.set_yscale("log")
            log_ticks(panel.yaxis)
            panel.set_xlabel("width k of the student")
            linear_ticks(panel.xaxis, 8, integer=True)
            title(panel, words, n)
        axes[1].axhline(1e-6, color=THIRD, lw=1.0, ls=(0, (4, 2)), label="certified below")
        legend_below(figure, axes[1], 3)

    draw(paint, (8.4, 3.8), files, facts)


def draw_isometry(curves: Sequence[Curve], files: Sequence[Path], facts: Facts) -> None:
    """κ² δ2/δ1 from inside, κ², what the lemma asks for, and recovery."""
    (curve,) = curves
    table = curve.table()
    m = [row["m"] for row in table]

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        seen = [row for row in table if row["left"] < 1e6]  # else δ1 = 0, to rounding
        _line(upper, seen, "m", "left", ONE, "κ² δ2/δ1 at rank 5r, at least")
        upper.plot(m, [row["kappa"] ** 2 for row in table], color=THIRD, label="κ²")
        upper.axhline(table[0]["right"], color=OTHER, label="what the lemma allows")
        upper.set_yscale("log")
        log_ticks(upper.yaxis)
        share = [np.mean([row["recovered"] for row in curve.draws if row["m"] == x]) for x in m]
        lower.plot(m, share, color=ONE, marker="o", ms=3.5)
        lower.set_xscale("log")
        log_ticks(lower.xaxis)
        lower.set_xlabel("measurements m")
        lower.set_ylabel("recovered")
        lower.set_ylim(-0.1, 1.1)
        legend_below(figure, upper, 3)

    draw(paint, (6.4, 4.6), files, facts)


def _band(axes: Axes, curve: Curve, name: str, color: str, label: str) -> None:
    """A column's median, and its range over the draws; infinite values are left out."""
    _line(
        axes,
        [row for row in curve.table() if np.isfinite(row[name])],
        curve.over,
        name,
        color,
        label,
    )


def _line(
    axes: Axes, rows: Sequence[dict[str, float]], over: str, name: str, color: str, label: str
) -> None:
    x, y, low, high = (
        np.array([row[key] for row in rows]) for key in (over, name, f"{name}_low", f"{name}_high")
    )
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(x, y, color=color, marker="o", ms=3.5, lw=1.3, label=label)
