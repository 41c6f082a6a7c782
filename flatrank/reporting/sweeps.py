"""The pictures of sweeps: figures 3 and 4 of the paper, weak recovery, the collapse of shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from flatrank.reporting.figures import SERIES, linear_ticks, log_ticks
from flatrank.reporting.standalone import COLORS, ONE, OTHER, draw, legend_below, title

if TYPE_CHECKING:
    from flatrank.experiments import Sweep

Facts = Mapping[str, Any]
_SHARES = ScalarMappable(Normalize(0.0, 1.0), "gray")
_LABELS = {"p": "probability of an entry", "m": "measurements m", "errors": "share of errors"}


def draw_recovery(sweeps: Sequence[Sweep], files: Sequence[Path], facts: Facts) -> None:
    """Figure 3: shares of draws recovered, by flat solutions and a rival's, with both limits.

    Below them the shares at the largest d with their intervals. One sweep lies in a row, several
    stand in columns.
    """

    def paint(figure: Figure) -> None:
        panels = _panels(figure, 3, sweeps)
        for n, sweep in enumerate(sweeps):
            for which, name in enumerate(("flat", sweep.rival)):
                grid = _grid(sweep, [cell.share(which) for cell in sweep.cells])
                _mesh(panels[which, n], sweep, grid, _SHARES)
                _title(panels, which, n, sweeps, name)
            _slice(panels[2, n], sweep)
            _title(panels, 2, n, sweeps, f"d = {sweep.dims[-1]}")
        label = f"share of {len(sweeps[0].cells[0].draws)} draws recovered"
        _bar(figure, panels[:2].ravel().tolist(), _SHARES, label)
        _legend(figure, panels[0, -1], panels[2, 0])

    draw(paint, _size(3, sweeps), files, facts)


def _panels(figure: Figure, kinds: int, sweeps: Sequence[Sweep]) -> NDArray[Any]:
    """Axes [kind, sweep]: kinds below each other, of a single sweep side by side."""
    if len(sweeps) == 1:
        return np.asarray(figure.subplots(1, kinds, squeeze=False)).T
    return np.asarray(figure.subplots(kinds, len(sweeps), squeeze=False))


def _size(kinds: int, sweeps: Sequence[Sweep]) -> tuple[float, float]:
    rows, columns = (1, kinds) if len(sweeps) == 1 else (kinds, len(sweeps))
    return 3.3 * columns + 0.6, 3.0 * rows + 0.6


def _title(panels: NDArray[Any], kind: int, n: int, sweeps: Sequence[Sweep], words: str) -> None:
    """Letters row by row; the family where there are several."""
    family = f"{sweeps[n].name}, " if len(sweeps) > 1 else ""
    title(panels[kind, n], family + words, kind * len(sweeps) + n)


def _legend(figure: Figure, limits: Axes, shares: Axes) -> None:
    """Of the lines in the maps and of the points below them."""
    both = [axes.get_legend_handles_labels() for axes in (limits, shares)]
    handles, labels = ([*a, *b] for a, b in zip(*both, strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5)


def _slice(axes: Axes, sweep: Sweep) -> None:
    """Shares at the largest d, with their intervals."""
    d, row = sweep.dims[-1], sweep.cells[-len(sweep.sizes) :]
    span = sweep.sizes[-1] - sweep.sizes[0] or 1.0
    for which, (name, color) in enumerate((("flat", ONE), (sweep.rival, OTHER))):
        share = np.array([cell.share(which) for cell in row])
        low, high = np.array([cell.interval(which) for cell in row]).T
        off = (2 * which - 1) * 0.006 * span  # so that bars of equal shares do not hide each other
        bars: Any = np.maximum([share - low, high - share], 0.0)
        axes.errorbar(
            np.array(sweep.sizes) + off, share, bars, color=color, marker="os"[which], ms=3.5,
            lw=1.2, elinewidth=1.0, label=f"{name}, 95 % interval",
        )  # fmt: skip
    limits = sweep.limits(d)
    for x, color, style in zip(limits or (), (ONE, OTHER), ((0, (4, 2)), "-"), strict=False):
        axes.axvline(x, color=color, linestyle=style, lw=1.0, alpha=0.6)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel(_LABELS.get(sweep.size_name, sweep.size_name))
    axes.set_ylabel("share recovered")
    linear_ticks(axes.xaxis, 6)


def draw_regularity(sweeps: Sequence[Sweep], files: Sequence[Path], facts: Facts) -> None:
    """Figure 4: excess norm and imbalance of flat solutions, decimal logarithms, one scale a row.

    Cells where D1 or D2 is singular in every draw stay empty.
    """
    tables = [sweep.regularity() for sweep in sweeps]

    def paint(figure: Figure) -> None:
        panels = _panels(figure, 2, sweeps)
        for kind, name in enumerate(("excess", "imbalance")):
            values = [np.array([line[name] for line in table]) for table in tables]
            # Below rounding, as where everything is seen, there is no difference to draw.
            logs = [np.log10(np.where(column > 1e-12, column, np.nan)) for column in values]
            seen = np.concatenate(logs)
            seen = seen[np.isfinite(seen)]
            ends = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
            scale = ScalarMappable(Normalize(*ends), "viridis")
            for n, sweep in enumerate(sweeps):
                _mesh(panels[kind, n], sweep, _grid(sweep, logs[n]), scale)
                _title(panels, kind, n, sweeps, {"excess": "excess norm"}.get(name, name))
            _bar(figure, panels[kind].tolist(), scale, "log10, median of the draws")
        legend_below(figure, panels[0, -1], 2)

    draw(paint, _size(2, sweeps), files, facts)


def draw_weak_recovery(sweeps: Sequence[Sweep], files: Sequence[Path], facts: Facts) -> None:
    """‖X − M‖_*/‖M‖_* against γ at C = 1, a point for each cell, and the least C for all."""
    (sweep,) = sweeps
    table = [row for row in sweep.weak_recovery() if np.isfinite(row["gamma"])]
    gamma, d, needed = (np.array([row[key] for row in table]) for key in ("gamma", "d", "constant"))
    scale = ScalarMappable(Normalize(sweep.dims[0], sweep.dims[-1]), "viridis")

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(1, 2, sharex=True, sharey=True)
        ends = np.geomspace(gamma.min(), gamma.max())
        most = max(max(row["flat_error"], row["rival_error"]) for row in table)
        line = f"C γ with C = {needed.max():.2g}, which every flat draw keeps"
        for n, (panel, name) in enumerate(zip(axes, ("flat", sweep.rival), strict=True)):
            error = [row[("flat_error", "rival_error")[n]] for row in table]
            panel.scatter(gamma, error, color=scale.to_rgba(d), s=14, linewidths=0)
            panel.plot(ends, needed.max() * ends, color=OTHER, lw=1.2, label=line)
            panel.set_ylim(-0.04, 1.05 * most)
            panel.set_xscale("log")
            log_ticks(panel.xaxis)
            panel.set_xlabel("γ with C = 1")
            title(panel, name, n)
        axes[0].set_ylabel("error in nuclear norm, share of M")
        _bar(figure, axes.tolist(), scale, "d")
        legend_below(figure, axes[0], 1)

    draw(paint, (8.4, 4.0), files, facts)


def draw_collapse(sweeps: Sequence[Sweep], files: Sequence[Path], facts: Facts) -> None:
    """Shares of flat solutions over m/(r(d1 + d2)), and over m/δ of the statistical dimension."""
    colors = [COLORS[SERIES[n % 4]] for n in range(len(sweeps))]

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(1, 2, sharey=True)
        for n, sweep in enumerate(sweeps):
            assert sweep.ensemble is not None
            d, r, (low, high) = (
                sweep.dims[0],
                sweep.ensemble.rank,
                sweep.ensemble.shape(sweep.dims[0]),
            )
            limits = sweep.limits(d)
            share = np.array([cell.share(0) for cell in sweep.cells])
            ends = np.array([cell.interval(0) for cell in sweep.cells]).T
            bars: Any = np.maximum([share - ends[0], ends[1] - share], 0.0)
            for panel, unit in zip(
                axes, (r * (low + high), limits[1] if limits else 1.0), strict=True
            ):
                panel.errorbar(
                    np.array(sweep.sizes) / unit, share, bars, color=colors[n],
                    marker="os^Dvx"[n % 6],
                    ms=4, lw=1.1, elinewidth=0.7, ls="-" if n < 4 else (0, (4, 2)),
                    label=f"{low} × {high}, rank {r}",
                )  # fmt: skip
        for n, (panel, text) in enumerate(
            zip(axes, ("m / r(d1 + d2)", "m / statistical dimension"), strict=True)
        ):
            panel.set_xlabel(text)
            title(panel, "", n)
        axes[0].set_ylabel("share recovered, 95 % interval")
        legend_below(figure, axes[0], 3)

    draw(paint, (8.4, 4.0), files, facts)


def _grid(sweep: Sweep, values: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
    """One row for each size, one column for each d."""
    return np.asarray(values, dtype=float).reshape(len(sweep.dims), len(sweep.sizes)).T


def _mesh(axes: Axes, sweep: Sweep, grid: NDArray[np.float64], scale: ScalarMappable) -> None:
    """The map of a grid, with both limits."""
    d, size = _edges(sweep.dims), _edges(sweep.sizes)
    shown = np.ma.masked_invalid(grid)
    limits: Any = scale.get_clim()
    axes.pcolormesh(d, size, shown, cmap=scale.cmap, vmin=limits[0], vmax=limits[1], linewidth=0)
    fine = np.arange(sweep.dims[0], sweep.dims[-1] + 1)
    lines = [sweep.limits(int(n)) for n in fine]
    if all(lines):
        freedom, statistical = np.array(lines, dtype=float).T
        axes.plot(
            fine, statistical, color=OTHER, label="statistical dimension of Gaussian matrices"
        )
        axes.plot(fine, freedom, color=ONE, linestyle=(0, (4, 2)), label="degrees of freedom")
    axes.set_xlim(d[0], d[-1])
    axes.set_ylim(size[0], size[-1])
    axes.grid(visible=False)
    axes.set_xlabel("d")
    axes.set_ylabel(_LABELS.get(sweep.size_name, sweep.size_name))
    linear_ticks(axes.xaxis, 7, integer=True)
    linear_ticks(axes.yaxis, 7)


def _edges(centres: Sequence[float]) -> NDArray[np.float64]:
    """Halfway between neighbours, and as far out at either end."""
    x = np.asarray(centres, dtype=float)
    if x.size == 1:
        return np.array([x[0] - 0.5, x[0] + 0.5])
    middle = 0.5 * (x[1:] + x[:-1])
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])


def _bar(figure: Figure, axes: list[Axes], scale: ScalarMappable, label: str) -> None:
    bar = figure.colorbar(scale, ax=axes, pad=0.02, fraction=0.06)
    bar.set_label(label, fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
