"""Pictures as files that stand alone: svg and png in the report's style, facts inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from flatrank.reporting.figures import INK, LINE, MUTED, PAPER, SERIES, STYLE

# What the page's variables are in light: a file of its own has no page that could say.
COLORS = {
    INK: "#1b2330",
    MUTED: "#5a6676",
    LINE: "#d8dde4",
    PAPER: "#ffffff",
    SERIES[0]: "#0072b2",
    SERIES[1]: "#d55e00",
    SERIES[2]: "#009e73",
    SERIES[3]: "#cc79a7",
}
ONE, OTHER, THIRD = (COLORS[SERIES[n]] for n in range(3))


def draw(
    paint: Callable[[Figure], None],
    size: tuple[float, float],
    files: Sequence[Path],
    facts: Mapping[str, Any],
) -> None:
    """Paint a figure of `size` inches into files; their suffixes (.svg, .png) decide the formats.

    The facts go into the metadata of each, as JSON.
    """
    style: Any = {k: COLORS.get(v, v) if isinstance(v, str) else v for k, v in STYLE.items()}
    with mpl.rc_context(style | {"svg.hashsalt": "sweep"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        for file in files:
            beside = file.with_name(file.name + ".part")
            about: dict[str, Any] = {"Title": file.stem, "Description": json.dumps(facts)}
            plain: Any = {"metadata": about | {"Date": None}}
            if file.suffix != ".svg":
                plain = {"metadata": about, "dpi": 150}
            figure.savefig(beside, format=file.suffix[1:], facecolor=COLORS[PAPER], **plain)
            beside.replace(file)


def title(axes: Axes, text: str, letter: int | None = None) -> None:
    """The title of a panel, after its letter where there are several: 0 is (a)."""
    sign = "" if letter is None else f"({chr(ord('a') + letter)}) "
    axes.set_title(sign + text, fontsize=10, color=COLORS[INK])


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend for all panels, from the labels of one, outside of them."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5)
