"""`flatrank implicit`: clicks in, factors and a certificate out, for predict and recommend."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.arrays import one_blas_thread
from flatrank.cli.folders import MODEL, RECORD, check_folder, check_input, replace_run, reserved
from flatrank.cli.interrupts import INTERRUPTED, exit_code
from flatrank.cli.options import check_fit, refuse
from flatrank.cli.terminal import Progress, certificate_words, complain, show_record, show_table
from flatrank.data import Entries, InputError, read_clicks

if TYPE_CHECKING:
    from flatrank.solvers import Solution


@dataclass(frozen=True)
class Clicks:
    """Everything `implicit` was asked; what no clicks could make sense of raises `InputError`.

    Parameters
    ----------
    source, reading
        What to read, and keyword arguments of `flatrank.data.read_clicks`.
    fit
        factors, alpha, lam_ratio, sweeps, seed and tol.
    out, force
        The folder, and whether a run in it may be replaced.
    command
        The command line, for the record.
    """

    source: str
    reading: dict[str, Any]
    fit: dict[str, Any]
    out: Path
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Check what needs no file."""
        fit = self.fit
        for name in ("factors", "sweeps"):
            if fit[name] < 1:
                refuse(name, "a whole number from 1", fit[name])
        if not 0.0 <= fit["alpha"] < np.inf:
            refuse("alpha", "a number from 0", fit["alpha"])
        if not 0.0 < fit["lam_ratio"] <= 1.0:
            refuse("lam-ratio", "a number above 0, up to 1", fit["lam_ratio"])
        check_fit(fit | {"max_seconds": None})
        check_folder(self.out, force=self.force, resume=False)
        check_input(self.source, self.out, lambda read: read.name in (MODEL, RECORD))


def fit_clicks(asked: Clicks, *, quiet: bool, json: bool) -> int:
    """Read, fit, prove and write; 0 for a proof, else 3; on Ctrl-C nothing is written.

    Raises
    ------
    InputError
        If something read cannot be used; nothing was written then.
    """
    started = time.perf_counter()
    with Progress(quiet=quiet or json) as progress, reserved(asked.out):
        progress({"stage": "read"})
        try:
            clicks = read_clicks(asked.source, **asked.reading)
            read = time.perf_counter() - started
            one_blas_thread()
            solution = _fitted(clicks, asked.fit, progress)
        except KeyboardInterrupt:
            complain("interrupted: nothing was written.")
            return INTERRUPTED
        record = _record(clicks, solution, asked)
        record["seconds"] = {"read": read, "solve": solution.seconds}
        record["seconds"]["total"] = time.perf_counter() - started
        _write(clicks, solution, record, asked.out)
    rows = _rows(record, asked.out)
    show_record(record, lambda: show_table(rows, "flatrank implicit"), quiet=quiet, json=json)
    return exit_code(record["status"])


def _fitted(clicks: Entries, fit: dict[str, Any], progress: Progress) -> Solution:
    from flatrank.problems import implicit
    from flatrank.solvers import ImplicitLeastSquares, Status, solve

    progress({"stage": "solve"})
    rows, cols, counts, shape = clicks.rows, clicks.cols, clicks.values, clicks.shape
    try:
        problem = implicit(
            rows, cols, counts, shape, alpha=fit["alpha"], lam_ratio=fit["lam_ratio"]
        )
    except ValueError as refused:
        raise InputError(f"{clicks.source}: {refused}.") from refused
    solver = ImplicitLeastSquares(rank=fit["factors"], sweeps=fit["sweeps"], tol=fit["tol"])
    solution = solve(problem, solver=solver, tol=solver.tol, seed=fit["seed"])
    if solution.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return solution


def _record(clicks: Entries, solution: Solution, asked: Clicks) -> dict[str, Any]:
    """`run.json`: what the solution says of itself, and what was asked."""
    from flatrank.reporting.runs import versions

    return solution.record() | {
        "input": clicks.source,
        "clicks": float(clicks.values.sum()),
        "options": asked.fit | asked.reading,
        "command": asked.command,
        "versions": versions(),
        "files": [MODEL, RECORD],
    }


def _write(clicks: Entries, solution: Solution, record: dict[str, Any], out: Path) -> None:
    from flatrank.problems import written_texts
    from flatrank.solvers.writing import to_json, write_arrays

    arrays = solution.arrays()
    for side, labels in (("row", clicks.row_labels), ("col", clicks.col_labels)):
        arrays |= written_texts(side, labels.tolist())
    replace_run(
        out,
        {
            MODEL: partial(write_arrays, arrays=arrays),
            RECORD: lambda part: part.write_text(to_json(record), encoding="utf-8"),
        },
    )


def _rows(record: dict[str, Any], out: Path) -> list[tuple[str, str]]:
    from flatrank.solvers import Status

    d1, d2 = record["shape"]
    cells = f"{record['clicks']:g} clicks in {record['observed']} cells of {d1} x {d2}"
    return [
        ("input", f"{record['input']}: {cells}"),
        ("status", Status(record["status"]).sentence),
        ("factors", str(record["rank"])),
        ("certificate", certificate_words(record["certificate"])),
        ("time", "{total:.1f} s (read {read:.1f}, solve {solve:.1f})".format(**record["seconds"])),
        ("written", f"{out}: flatrank recommend {out} --row ID lists what is not clicked yet"),
    ]
