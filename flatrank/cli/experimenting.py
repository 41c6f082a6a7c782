"""`flatrank experiment`: a figure of the theory, as table and picture."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from flatrank.cli.folders import check_folder, reserved
from flatrank.cli.progress import Progress
from flatrank.cli.streams import emit, to_csv, write_text
from flatrank.cli.summary import Rows, show_table
from flatrank.data import InputError

Number = TypeVar("Number", int, float)
NAMES = ("phase-transition", "theorem-sweep")


@dataclass(frozen=True)
class Asked:
    """Everything `experiment` was asked.

    Parameters
    ----------
    name
        "phase-transition" or "theorem-sweep".
    family
        "sensing", "bilinear", "completion" or "quadratic".
    dims, sizes
        Numbers with commas between them; None for the usual grid.
    rank, draws, seed
        As for `phase_transition`.
    out
        Folder for tables, pictures and finished cells.
    json, quiet
        Switches.
    """

    name: str
    family: str
    dims: str | None
    sizes: str | None
    rank: int | None
    draws: int
    seed: int
    out: Path
    json: bool
    quiet: bool


def run_experiment(asked: Asked) -> int:
    """Compute what is not yet there, write the table and the pictures.

    Parameters
    ----------
    asked : Asked
        What was asked.

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
    if asked.name not in NAMES:
        raise InputError(f"the experiment must be {' or '.join(NAMES)}; got {asked.name}.")
    dims, sizes = _numbers("dims", asked.dims, int), _numbers("sizes", asked.sizes, float)
    if find_spec("matplotlib") is None:
        raise InputError(
            'The picture needs matplotlib, not installed here: pip install "flatrank[report]".'
        )
    check_folder(asked.out, force=True, resume=False)
    from flatrank.experiments import phase_transition, theorem_sweep
    from flatrank.solvers.writing import to_json

    experiment = phase_transition if asked.name == NAMES[0] else theorem_sweep
    # The family is checked there, by name.
    options: dict[str, Any] = {
        "family": asked.family, "rank": asked.rank, "draws": asked.draws, "seed": asked.seed,
    }  # fmt: skip
    with Progress(quiet=asked.quiet or asked.json) as progress, reserved(asked.out):
        sweep = experiment(
            **options, dims=dims, sizes=sizes, folder=asked.out / "cells", monitor=progress
        )
        record = _write(asked, sweep)
    record["seconds"] = round(time.perf_counter() - started, 3)
    if asked.json:
        emit(to_json(record))
    elif not asked.quiet:
        show_table(_rows(record), "flatrank experiment")
    return 3 if sweep.uncertified else 0


def _write(asked: Asked, sweep: Any) -> dict[str, Any]:
    """The files, and what they say as one record."""
    from flatrank.reporting.sweeps import draw_recovery, draw_regularity

    first = asked.name == NAMES[0]
    table = sweep.recovery() if first else sweep.regularity()
    # NaN is no JSON, and an empty field is what csv has for nothing.
    table = [{k: v if v == v else None for k, v in row.items()} for row in table]
    stem = asked.out / f"{asked.name}-{asked.family}"
    files = [stem.with_suffix(suffix) for suffix in (".csv", ".svg", ".png")]
    write_text(files[0], to_csv(list(table[0]), [list(row.values()) for row in table]))
    (draw_recovery if first else draw_regularity)(sweep, files[1:])
    return {
        "experiment": asked.name,
        "family": sweep.family,
        "rank": sweep.rank,
        "draws": asked.draws,
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
