"""The pictures of the report, each from plain arrays to an inline SVG that follows the page.

Figures are drawn in stand-in colours; in the finished SVG each becomes a CSS variable that the
page defines twice, in light and dark. Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from flatrank.reporting import words

if TYPE_CHECKING:
    from flatrank.selection import PathPoint

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
_MARKERS = ("o", "s", "^", "D")
#: Beyond so many points a cloud is thinned: the page stays small.
_CLOUD = 900


def path_figure(path: Sequence[PathPoint], chosen: PathPoint | None, baseline: float | None) -> str:
    """Validation error and rank along λ, one curve for each smoothing, the choice marked.

    Points solved loosely are hollow where the smoothing has others, which are filled. The dashed
    line is the error of the offsets alone.
    """
    # Other scales are another unit of λ: only those of the choice are shown.
    side = "none" if chosen is None else chosen.side
    path = [point for point in path if point.side == side]
    smoothings = sorted({point.smoothing for point in path})

    def paint(top: Axes, bottom: Axes) -> None:
        for n, smoothing in enumerate(smoothings):
            of_it = sorted((p for p in path if p.smoothing == smoothing), key=lambda p: p.share)
            curve, closely = of_it, [p for p in of_it if p.stage == "path"] or of_it
            share = [p.share for p in curve]
            style: dict[str, Any] = {"color": SERIES[n % 4], "label": _smoothing(smoothing)}
            top.plot(share, [p.validation_rmse for p in curve], **style)
            bottom.plot(share, [p.rank for p in curve], **style, linewidth=1.4)
            dots: dict[str, Any] = {"marker": _MARKERS[n % 4], "markersize": 3.2}
            dots |= {"color": SERIES[n % 4], "linestyle": "none"}
            top.plot([p.share for p in closely], [p.validation_rmse for p in closely], **dots)
            loose = [p for p in of_it if p not in closely]
            hollow: dict[str, Any] = {"edgecolors": SERIES[n % 4], "facecolors": PAPER, "s": 14}
            top.scatter([p.share for p in loose], [p.validation_rmse for p in loose], **hollow)
            bottom.scatter([p.share for p in loose], [p.rank for p in loose], **hollow)
        if baseline is not None:
            top.axhline(baseline, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.1)
            top.annotate(
                "offsets alone", (1, baseline), xycoords=("axes fraction", "data"), ha="right",
                xytext=(0, 3), textcoords="offset points", color=MUTED, fontsize=8.5,
            )  # fmt: skip
        if chosen is not None:
            _ring(top, chosen.share, chosen.validation_rmse, "chosen")
            _ring(bottom, chosen.share, chosen.rank)
        top.set_ylim(*_error_range([p.validation_rmse for p in path], baseline))
        top.set_ylabel("validation RMSE")
        bottom.set_ylabel("rank")
        bottom.set_xlabel("λ as a share of λ max, at which the answer is zero")
        bottom.set_xscale("log")
        log_ticks(bottom.xaxis)
        linear_ticks(bottom.yaxis, 4, integer=True)
        linear_ticks(top.yaxis, 5)
        _legend_above(top, len(smoothings))

    label = "Validation error and rank for every weight tried"
    return _draw("path", paint, size=(8.4, 4.6), heights=(2.1, 1), label=label)


def spectrum_figure(singular: NDArray[np.float64]) -> str:
    """Singular values of D1 X D2, (r,), positive and descending, on a logarithmic scale."""
    number = np.arange(1, singular.size + 1)

    def paint(axes: Axes) -> None:
        low = 10 ** np.floor(np.log10(singular.min()) - 0.15)
        axes.vlines(number, low, singular, color=SERIES[0], linewidth=1.2, alpha=0.45)
        size = 4.5 if number.size < 60 else 2.5
        axes.plot(number, singular, "o", color=SERIES[0], markersize=size)
        axes.set_yscale("log")
        axes.set_ylim(low, 1.5 * singular.max())
        axes.set_xlim(0.4, singular.size + 0.6)
        linear_ticks(axes.xaxis, 10, integer=True)
        log_ticks(axes.yaxis, 5)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"number, 1 to the rank {singular.size}")
        axes.set_ylabel("singular value")

    return _draw("spectrum", paint, label="Singular values in descending order")


def convergence_figure(
    history: Sequence[dict[str, Any]], size: float, *, exact: bool
) -> str | None:
    """What was left to gain, step by step, and the rank; None where too little is known.

    With λ = 0 (`exact`) the misfit is what has to vanish, relative to `size` = ‖b‖; otherwise the
    excess of the objective.
    """
    key = "misfit" if exact else "objective"
    values = _column(history, key)
    if exact:
        falling, name = values / (size or 1.0), "relative misfit"
    else:
        best = np.nanmin(values) if np.isfinite(values).any() else np.nan
        falling, name = (values - best) / abs(best or 1.0), "objective above its lowest, relative"
    falling = np.where(falling > 0, falling, np.nan)
    gaps = _column(history, "relative_gap")
    gaps = np.where(gaps > 0, gaps, np.nan)
    if np.isfinite(falling).sum() + np.isfinite(gaps).sum() < 2:
        return None
    ranks, step = _column(history, "rank"), np.arange(1, len(history) + 1)

    def paint(top: Axes, bottom: Axes) -> None:
        dots: dict[str, Any] = {"markersize": 3.2} if len(history) <= 80 else {"markersize": 0}
        top.plot(step, falling, "o-", color=SERIES[0], label=name, **dots)
        if np.isfinite(gaps).any():
            top.plot(
                step, gaps, "D", color=SERIES[1], markersize=4, label="proved relative gap",
            )  # fmt: skip
        top.set_yscale("log")
        log_ticks(top.yaxis)
        _legend_above(top, 2)
        bottom.plot(step, ranks, drawstyle="steps-mid", color=SERIES[2])
        bottom.set_ylabel("rank")
        bottom.set_xlabel("step")
        bottom.set_ylim(0, 1.2 * max(np.nanmax(ranks), 1) if np.isfinite(ranks).any() else 1)
        linear_ticks(bottom.xaxis, 10, integer=True)
        linear_ticks(bottom.yaxis, 4, integer=True)

    label = "What was left to gain at each step, and the rank"
    return _draw("convergence", paint, size=(8.4, 4.0), heights=(2.1, 1), label=label)


def holdout_figure(actual: NDArray[np.float64], predicted: NDArray[np.float64], seed: int) -> str:
    """Predicted against actual values, (n,) each: boxes for few levels, else a thinned cloud."""
    levels = np.unique(actual)

    def paint(axes: Axes) -> None:
        low, high = levels[0], levels[-1]
        axes.plot([low, high], [low, high], color=MUTED, linestyle=(0, (4, 3)), linewidth=1.1)
        if levels.size <= 20:
            _boxes(axes, levels, [predicted[actual == level] for level in levels])
        else:
            rng = np.random.default_rng(seed)
            kept = rng.permutation(actual.size)[:_CLOUD]
            dots: dict[str, Any] = {"markersize": 2.6, "alpha": 0.45, "markeredgewidth": 0}
            axes.plot(actual[kept], predicted[kept], "o", color=SERIES[0], **dots)
        axes.set_xlabel("actual value")
        axes.set_ylabel("predicted")
        linear_ticks(axes.xaxis, 11)
        linear_ticks(axes.yaxis, 6)

    return _draw("holdout", paint, label="Predicted against actual values on the hold-out")


def calibration_figure(coverage: Sequence[tuple[float, float]]) -> str:
    """Shares of the held-out entries inside intervals of each level."""

    def paint(axes: Axes) -> None:
        level, inside = (100 * np.array(side) for side in zip(*coverage, strict=True))
        axes.plot([45, 100], [45, 100], color=MUTED, linestyle=(0, (4, 3)), linewidth=1.1)
        axes.plot(level, inside, "o-", color=SERIES[0], markersize=4)
        axes.set_xlabel("level of the intervals, %")
        axes.set_ylabel("% inside")
        linear_ticks(axes.xaxis, 7)
        linear_ticks(axes.yaxis, 6)

    return _draw("calibration", paint, label="Coverage of intervals on the hold-out, by level")


def coverage_figure(row_counts: NDArray[Any], col_counts: NDArray[Any], rank: int) -> str:
    """Share of rows and of columns with at least so many entries, the rank marked.

    A line with fewer entries than the rank has more unknowns than data.
    """

    def paint(axes: Axes) -> None:
        for n, (name, counts) in enumerate((("rows", row_counts), ("columns", col_counts))):
            number, tally = np.unique(counts, return_counts=True)
            share = 100.0 * (counts.size - np.cumsum(tally) + tally) / counts.size
            style: dict[str, Any] = {"drawstyle": "steps-pre", "color": SERIES[n], "label": name}
            axes.plot(np.maximum(number, 0.8), share, **style)
        axes.set_xscale("log")
        axes.set_ylim(0, 103)
        if rank > 1:
            axes.axvline(rank, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.1)
            axes.annotate(
                f"rank {rank}", (rank, 1), xycoords=("data", "axes fraction"), color=MUTED,
                xytext=(0, 4), textcoords="offset points", fontsize=8.5, ha="center",
            )  # fmt: skip
        axes.set_xlabel("at least so many entries")
        axes.set_ylabel("% of the lines")
        log_ticks(axes.xaxis)
        linear_ticks(axes.yaxis, 5)
        _legend_above(axes, 2, right=True)

    return _draw("coverage", paint, label="Share of rows and columns with at least so many entries")


def _boxes(axes: Axes, levels: NDArray[np.float64], groups: list[NDArray[np.float64]]) -> None:
    """5–95 % whisker, 25–75 % bar and median at each level: one look for many points."""
    width = 0.5 * (np.diff(levels).min() if levels.size > 1 else 1.0)
    q = np.array([np.quantile(group, (0.05, 0.25, 0.5, 0.75, 0.95)) for group in groups]).T
    axes.vlines(levels, q[0], q[4], color=SERIES[0], linewidth=1.3)
    axes.bar(levels, q[3] - q[1], width, q[1], color=SERIES[0], alpha=0.55, linewidth=0)
    axes.hlines(q[2], levels - width / 2, levels + width / 2, color=INK, linewidth=1.6)
    axes.grid(visible=False, axis="x")


def _legend_above(axes: Axes, columns: int, *, right: bool = False) -> None:
    """Out of the way of the curves, whatever they do."""
    axes.legend(
        loc="lower right" if right else "lower left", bbox_to_anchor=(float(right), 1.0),
        ncols=columns, fontsize=8.5, borderaxespad=0.2, columnspacing=1.5,
    )  # fmt: skip


def _ring(axes: Axes, x: float, y: float, text: str = "") -> None:
    axes.plot([x], [y], "o", markersize=11, markerfacecolor="none", markeredgecolor=INK,
              markeredgewidth=1.5, zorder=5, clip_on=False)  # fmt: skip
    if text:
        box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
        axes.annotate(
            text, (x, y), xytext=(0, -17), textcoords="offset points", ha="center", color=INK,
            fontsize=9, fontweight="bold", bbox=box,
        )  # fmt: skip


def _error_range(errors: Sequence[float], baseline: float | None) -> tuple[float, float]:
    """A window around the valley: curves that climb out of it leave the frame."""
    finite = [e for e in errors if np.isfinite(e)]
    low = min(finite)
    gain = max((baseline or low) - low, 0.02 * low, 1e-12)
    high = min(max(finite), low + 3.0 * gain)
    high = max(high, baseline or high)
    margin = 0.12 * (high - low or low or 1.0)
    return low - 1.8 * margin, high + margin


def _column(history: Sequence[dict[str, Any]], key: str) -> NDArray[np.float64]:
    found = [record.get(key) for record in history]
    return np.array([np.nan if value is None else float(value) for value in found])


def _smoothing(theta: float) -> str:
    names = {0.0: " (flat)", 1.0: " (norm-minimal)"}
    return f"smoothing {theta:g}{names.get(theta, '')}"


def _draw(
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
    axis.set_major_formatter(FuncFormatter(lambda x, _: words.number(x)))


def log_ticks(axis: Axis, count: int = 6) -> None:
    """Labels as in the text on a logarithmic axis: powers of ten, and more where it is short.

    Call it once the data are drawn.
    """
    low, high = axis.get_view_interval()
    between = (1.0, 2.0, 3.0, 5.0, 7.0) if high < 8.0 * low else (1.0, 2.0, 5.0)
    subs = between if high < 100.0 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=count))
    axis.set_major_formatter(FuncFormatter(lambda x, _: words.number(x)))
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
