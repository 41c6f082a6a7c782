"""Matplotlib to inline SVG that follows the page: its font, and its colours in light and dark.

Figures are drawn in stand-in colours; in the finished SVG each becomes a CSS variable that the
page defines twice. Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from flatrank.reporting.words import number

#: Stand-ins for `--ink`, `--muted`, `--line`, `--paper` of the page.
INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
#: Stand-ins for `--series-1` ...: an Okabe–Ito selection, told apart by the colour-blind too.
SERIES = ("#050505", "#060606", "#070707", "#080808")
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"} | {
    color: f"series-{n}" for n, color in enumerate(SERIES, 1)
}
#: Inches left, right, below, above: room for labels, and for a legend over the axes.
_MARGINS = (0.75, 0.15, 0.5, 0.35)
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


def draw(
    name: str,
    paint: Callable[..., None],
    *,
    size: tuple[float, float] = (8.4, 3.1),
    heights: tuple[float, ...] = (1,),
    label: str = "",
) -> str:
    """Paint a figure and return it as an `<svg>` element of the page.

    Parameters
    ----------
    name : str
        Unique on the page; keeps the ids inside the SVGs apart.
    paint : callable
        Receives one axes for each of the relative `heights`, from top to bottom.
    size : (float, float)
        Width and height in inches.
    heights : tuple of float
        Of the panels, on a common abscissa.
    label : str
        What the figure shows, for those who cannot see it.
    """
    style: Any = {**STYLE, "svg.hashsalt": name}
    with mpl.rc_context(style):
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        axes = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        # Margins by hand: an automatic layout draws everything twice.
        left, right, bottom, top = _MARGINS
        width, height = size
        figure.subplots_adjust(
            left / width, bottom / height, 1 - right / width, 1 - top / height, hspace=0.1
        )
        figure.align_ylabels()
        paint(*axes[:, 0])
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(out.getvalue(), name, label)


def linear_ticks(axis: Axis, count: int, *, integer: bool = False) -> None:
    """At most so many ticks on a linear axis, with labels as in the text."""
    axis.set_major_locator(MaxNLocator(count, integer=integer, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))


def log_ticks(axis: Axis, count: int = 6) -> None:
    """Labels as in the text on a logarithmic axis: powers of ten, and more where it is short.

    Call it once the data are drawn.
    """
    low, high = axis.get_view_interval()
    between = (1.0, 2.0, 3.0, 5.0, 7.0) if high < 8.0 * low else (1.0, 2.0, 5.0)
    subs = between if high < 100.0 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=count))
    axis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))
    axis.set_minor_locator(NullLocator())


def _for_page(svg: str, name: str, label: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # The page decides the width; the viewBox keeps the proportions.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    # Ids share one space on a page: those that something points to get a prefix, the rest go.
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    return svg
