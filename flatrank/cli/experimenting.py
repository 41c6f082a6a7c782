"""`flatrank experiment`: a figure of the theory, as table and picture."""

from __future__ import annotations

import importlib
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flatrank.cli.folders import check_folder, reserved
from flatrank.cli.terminal import Progress, Rows, emit, show_table, to_csv, write_text
from flatrank.data import InputError

Number = TypeVar("Number", int, float)


class Experiment(NamedTuple):
    """A function, and what becomes of its result."""

    run: str
    #: What it takes apart from draws and seed; "d" is the one number of --dims, "steps" of --sizes.
    takes: tuple[str, ...]
    #: The method that gives the table, and what draws the picture in `flatrank.reporting`.
    table: str
    picture: str
    fixed: tuple[tuple[str, str], ...] = ()
    #: The room of the function.
    room: str = "experiments"


_GRID = ("family", "rank", "dims", "sizes")
_CURVE = ("d", "rank", "sizes")
_COMPARED = "compare", ("steps",)
EXPERIMENTS = {
    "figure-3": Experiment("figure_3", ("dims",), "recovery", "sweeps.draw_recovery"),
    "figure-4": Experiment("figure_4", ("dims",), "regularity", "sweeps.draw_regularity"),
    "phase-transition": Experiment("phase_transition", _GRID, "recovery", "sweeps.draw_recovery"),
    "theorem-sweep": Experiment("theorem_sweep", _GRID, "regularity", "sweeps.draw_regularity"),
    "weak-recovery": Experiment(
        "phase_transition", _GRID[1:], "weak_recovery", "sweeps.draw_weak_recovery",
        (("family", "completion"),),
    ),
    "collapse": Experiment("collapse", ("sizes",), "recovery", "sweeps.draw_collapse"),
    "noise": Experiment("noise", _CURVE, "table", "curves.draw_noise"),
    "width": Experiment("width", _CURVE, "table", "curves.draw_width"),
    "isometry": Experiment("isometry", _CURVE, "table", "curves.draw_isometry"),
    "networks": Experiment(*_COMPARED, "table", "networks.draw_errors", room="networks"),
    "networks-ranks": Experiment(
        *_COMPARED, "correlations", "networks.draw_correlations", room="networks",
    ),
    "networks-depth": Experiment(*_COMPARED, "depths", "networks.draw_depth", room="networks"),
}  # fmt: skip


def run_experiment(
    name: str,
    asked: dict[str, Any],
    grid: tuple[str | None, str | None],
    out: Path,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compute what is not yet there, write the table, the facts and the pictures.

    Parameters
    ----------
    name : str
        Of `EXPERIMENTS`.
    asked : dict
        family, rank, draws and seed, as for `phase_transition`, where they are checked; None where
        not given.
    grid : (str or None, str or None)
        dims and sizes, numbers with commas between them; None for the usual ones.
    out : Path
        Folder for tables, pictures and finished cells.
    as_json, quiet : bool
        Switches.

    Returns
    -------
    int
        Exit code: 0 where every solution is certified, else 3.

    Raises
    ------
    InputError
        If something asked makes no sense; nothing was written then.
    """
    started = time.perf_counter()
    if name not in EXPERIMENTS:
        raise InputError(f"the experiment must be one of {', '.join(EXPERIMENTS)}; got {name}.")
    dims, sizes = _numbers("dims", grid[0], int), _numbers("sizes", grid[1], float)
    options = _taken(name, asked | {"dims": dims, "sizes": sizes})
    if find_spec("matplotlib") is None:
        raise InputError(
            'The picture needs matplotlib, not installed here: pip install "flatrank[report]".'
        )
    check_folder(out, force=True, resume=False)
    from flatrank.solvers.writing import to_json

    run = getattr(_room(EXPERIMENTS[name].room), EXPERIMENTS[name].run)
    with Progress(quiet=quiet or as_json) as progress, reserved(out):
        found = run(**options, folder=out / "cells", monitor=progress)
        record = _write(name, found, out)
    record["seconds"] = round(time.perf_counter() - started, 3)
    if as_json:
        emit(to_json(record))
    elif not quiet:
        show_table(_rows(record), "flatrank experiment")
    return 3 if record["uncertified"] else 0


def _room(name: str) -> Any:
    try:
        return importlib.import_module(f"flatrank.{name}")
    except ModuleNotFoundError as missing:
        raise InputError(f"{missing}.") from None


def _taken(name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as the experiment calls them; InputError if it takes one not."""
    experiment, given = EXPERIMENTS[name], {k: v for k, v in asked.items() if v is not None}
    for one, several, what in (("d", "dims", "d"), ("steps", "sizes", "number of steps")):
        if one in experiment.takes and several in given:
            if len(given[several]) != 1:
                counted = len(given[several])
                raise InputError(f"{name} is about one {what}; got {counted} with --{several}.")
            given[one] = given.pop(several)[0]
    for option in given:
        if option not in (*experiment.takes, "draws", "seed"):
            raise InputError(f"{name} takes no --{option}.")
    return given | dict(experiment.fixed)


def _write(name: str, found: Any, out: Path) -> dict[str, Any]:
    """The files, and what they say as one record."""
    experiment, several = EXPERIMENTS[name], isinstance(found, tuple)
    panels = found if several else (found,)
    table = [row for panel in panels for row in _table(panel, experiment.table, several)]
    columns = list(dict.fromkeys(key for row in table for key in row))
    record = {"experiment": name} | _facts(panels)
    stem = out / "-".join([name] + ([record["family"]] if "family" in record else []))
    files = [stem.with_suffix(suffix) for suffix in (".csv", ".json", ".svg", ".png")]
    write_text(files[0], to_csv(columns, [[row.get(key) for key in columns] for row in table]))
    from flatrank.solvers.writing import to_json

    write_text(files[1], to_json(record))
    module, function = experiment.picture.split(".")
    draw = getattr(importlib.import_module(f"flatrank.reporting.{module}"), function)
    draw(panels, files[2:], record)
    return record | {"files": [str(file) for file in files], "cells": table}


def _table(panel: Any, method: str, several: bool) -> list[dict[str, Any]]:
    """Rows; of several panels each says which, and NaN, no JSON, is None."""
    which = {}
    if several:
        own = panel.ensemble
        which = {"family": own.family, "rank": own.rank, "aspect": own.aspect}
    rows = [which | row for row in getattr(panel, method)()]
    return [{k: v if v == v else None for k, v in row.items()} for row in rows]


def _facts(panels: tuple[Any, ...]) -> dict[str, Any]:
    """Those of one panel, or those of each with their sums."""
    if len(panels) == 1:
        return panels[0].facts()
    facts = [panel.facts() for panel in panels]
    return {
        "draws": facts[0]["draws"],
        "seed": facts[0]["seed"],
        "solutions": sum(one["solutions"] for one in facts),
        "uncertified": sum(one["uncertified"] for one in facts),
        "worst_gap": max(one["worst_gap"] for one in facts),
        "panels": facts,
    }


def _rows(record: dict[str, Any]) -> Rows:
    proved = record["solutions"] - record["uncertified"]
    about = [record["experiment"], record.get("family")]
    about += [f"rank {record['rank']}"] if "rank" in record else []
    return [
        ("experiment", ", ".join(word for word in about if word)),
        ("cells", f"{len(record['cells'])}, {record['draws']} draws each, seed {record['seed']}"),
        (
            "certified",
            f"{proved} of {record['solutions']} solutions; largest relative gap "
            f"{record['worst_gap']:.1e}",
        ),
        ("time", f"{record['seconds']:.1f} s"),
        *(("file", file) for file in record["files"]),
    ]


def _numbers(option: str, text: str | None, kind: type[Number]) -> list[Number] | None:
    if text is None:
        return None
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise InputError(
            f"--{option} must be {'whole ' if kind is int else ''}numbers with commas between "
            f"them, such as 10,20,30; got {text}."
        ) from None
