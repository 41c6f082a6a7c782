"""The pictures of a sweep, as files that stand alone: svg and png, in the report's style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from flatrank.reporting.figures import INK, LINE, MUTED, PAPER, SERIES, STYLE, linear_ticks

if TYPE_CHECKING:
    from flatrank.experiments import Sweep

# What the page's variables are in light: a file of its own has no page that could say.
_COLORS = {
    INK: "#1b2330",
    MUTED: "#5a6676",
    LINE: "#d8dde4",
    PAPER: "#ffffff",
    SERIES[0]: "#0072b2",
    SERIES[1]: "#d55e00",
}
_STATISTICAL, _FREEDOM = _COLORS[SERIES[1]], _COLORS[SERIES[0]]


def draw_recovery(sweep: Sweep, files: Sequence[Path]) -> None:
    """Figure 3: share of draws recovered, flat beside norm-minimal, with both limits.

    The suffixes of the files (.svg, .png) decide their formats.
    """
    grids = [_grid(sweep, [cell.share(n) for cell in sweep.cells]) for n in (0, 1)]

    def paint(figure: Figure, axes: NDArray[Any]) -> None:
        meshes = [
            _mesh(axis, sweep, grid, "gray", (0.0, 1.0))
            for axis, grid in zip(axes, grids, strict=True)
        ]
        for axis, title in zip(axes, ("flat", "norm-minimal"), strict=True):
            axis.set_title(title, fontsize=10, color=_COLORS[INK])
        _legend(axes[0])
        _bar(figure, axes, meshes[0], f"share of {len(sweep.cells[0].draws)} draws recovered")

    _draw(paint, files)


def draw_regularity(sweep: Sweep, files: Sequence[Path]) -> None:
    """Figure 4: excess norm and imbalance of flat solutions, decimal logarithms.

    Cells where D1 or D2 is singular in every draw stay empty.
    """
    table = sweep.regularity()
    titles = (("excess", "excess norm"), ("imbalance", "imbalance"))

    def paint(figure: Figure, axes: NDArray[Any]) -> None:
        for axis, (name, title) in zip(axes, titles, strict=True):
            values = np.array([row[name] for row in table])
            # Below rounding, as where everything is seen, there is no difference to draw.
            positive = np.where(values > 1e-12, values, np.nan)
            mesh = _mesh(axis, sweep, _grid(sweep, np.log10(positive)), "viridis", None)
            axis.set_title(title, fontsize=10, color=_COLORS[INK])
            _bar(figure, [axis], mesh, "log10, median of the draws")
        _legend(axes[0])

    _draw(paint, files)


def _grid(sweep: Sweep, values: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """One row for each size, one column for each d."""
    return np.asarray(values, dtype=float).reshape(len(sweep.dims), len(sweep.sizes)).T


def _mesh(
    axes: Axes,
    sweep: Sweep,
    grid: NDArray[np.float64],
    colors: str,
    span: tuple[float, float] | None,
) -> QuadMesh:
    low, high = span if span else (np.nan, np.nan)
    if span is None and np.isfinite(grid).any():
        low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
    d, size = _edges(sweep.dims), _edges(sweep.sizes)
    shown = np.ma.masked_invalid(grid)
    limits: dict[str, Any] = {"vmin": low, "vmax": high} if np.isfinite(low) and low < high else {}
    mesh = axes.pcolormesh(d, size, shown, cmap=colors, linewidth=0, **limits)
    fine = np.arange(sweep.dims[0], sweep.dims[-1] + 1)
    freedom, statistical = np.array([sweep.limits(int(n)) for n in fine]).T
    name = "statistical dimension" + (" (Gaussian)" if sweep.family != "sensing" else "")
    axes.plot(fine, statistical, color=_STATISTICAL, label=name)
    axes.plot(fine, freedom, color=_FREEDOM, linestyle=(0, (4, 2)), label="degrees of freedom")
    axes.set_xlim(d[0], d[-1])
    axes.set_ylim(size[0], size[-1])
    axes.grid(visible=False)
    axes.set_xlabel("d")
    axes.set_ylabel("probability of an entry" if sweep.size_name == "p" else "measurements m")
    linear_ticks(axes.xaxis, 7, integer=True)
    linear_ticks(axes.yaxis, 7)
    return mesh


def _edges(centres: Sequence[float]) -> NDArray[np.float64]:
    """Halfway between neighbours, and as far out at either end."""
    x = np.asarray(centres, dtype=float)
    if x.size == 1:
        return np.array([x[0] - 0.5, x[0] + 0.5])
    middle = 0.5 * (x[1:] + x[:-1])
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="upper left", fontsize=8, frameon=True, framealpha=0.85,
        facecolor=_COLORS[PAPER], edgecolor="none",
    )  # fmt: skip


def _bar(figure: Figure, axes: Any, mesh: QuadMesh, label: str) -> None:
    bar = figure.colorbar(mesh, ax=list(axes), pad=0.02, fraction=0.06)
    bar.set_label(label, fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _draw(paint: Callable[[Figure, NDArray[Any]], None], files: Sequence[Path]) -> None:
    style: Any = {k: _COLORS.get(v, v) if isinstance(v, str) else v for k, v in STYLE.items()}
    with mpl.rc_context(style | {"svg.hashsalt": "sweep"}):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure, figure.subplots(1, 2))
        for file in files:
            beside = file.with_name(file.name + ".part")
            plain: Any = {"metadata": {"Date": None}} if file.suffix == ".svg" else {"dpi": 150}
            kind = file.suffix[1:]
            figure.savefig(beside, format=kind, facecolor=_COLORS[PAPER], **plain)
            beside.replace(file)
