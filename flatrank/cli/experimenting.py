"""`flatrank experiment`: a figure of the theory, as table and picture."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from flatrank.cli.folders import check_folder, reserved
from flatrank.cli.terminal import Progress, Rows, emit, show_table, to_csv, write_text
from flatrank.data import InputError

Number = TypeVar("Number", int, float)
NAMES = ("phase-transition", "theorem-sweep")


def run_experiment(
    name: str,
    asked: dict[str, Any],
    grid: tuple[str | None, str | None],
    out: Path,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compute what is not yet there, write the table and the pictures.

    Parameters
    ----------
    name : str
        "phase-transition" or "theorem-sweep".
    asked : dict
        family, rank, draws and seed, as for `phase_transition`, where they are checked.
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
    if name not in NAMES:
        raise InputError(f"the experiment must be {' or '.join(NAMES)}; got {name}.")
    dims, sizes = _numbers("dims", grid[0], int), _numbers("sizes", grid[1], float)
    if find_spec("matplotlib") is None:
        raise InputError(
            'The picture needs matplotlib, not installed here: pip install "flatrank[report]".'
        )
    check_folder(out, force=True, resume=False)
    from flatrank.experiments import phase_transition, theorem_sweep
    from flatrank.solvers.writing import to_json

    experiment = phase_transition if name == NAMES[0] else theorem_sweep
    with Progress(quiet=quiet or as_json) as progress, reserved(out):
        sweep = experiment(**asked, dims=dims, sizes=sizes, folder=out / "cells", monitor=progress)
        record = _write(name, sweep, asked["draws"], out)
    record["seconds"] = round(time.perf_counter() - started, 3)
    if as_json:
        emit(to_json(record))
    elif not quiet:
        show_table(_rows(record), "flatrank experiment")
    return 3 if sweep.uncertified else 0


def _write(name: str, sweep: Any, draws: int, out: Path) -> dict[str, Any]:
    """The files, and what they say as one record."""
    from flatrank.reporting.sweeps import draw_recovery, draw_regularity

    first = name == NAMES[0]
    table = sweep.recovery() if first else sweep.regularity()
    # NaN is no JSON, and an empty field is what csv has for nothing.
    table = [{k: v if v == v else None for k, v in row.items()} for row in table]
    stem = out / f"{name}-{sweep.family}"
    files = [stem.with_suffix(suffix) for suffix in (".csv", ".svg", ".png")]
    write_text(files[0], to_csv(list(table[0]), [list(row.values()) for row in table]))
    (draw_recovery if first else draw_regularity)(sweep, files[1:])
    return {
        "experiment": name,
        "family": sweep.family,
        "rank": sweep.rank,
        "draws": draws,
        "seed": sweep.seed,
        "solutions": sweep.solutions,
        "uncertified": sweep.uncertified,
        "worst_gap": sweep.worst_gap,
        "files": [str(file) for file in files],
        "cells": table,
    }


def _rows(record: dict[str, Any]) -> Rows:
    proved = record["solutions"] - record["uncertified"]
    return [
        ("experiment", f"{record['experiment']}, {record['family']}, rank {record['rank']}"),
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
