"""`flatrank recover`: stored measurements in, the matrix behind them out, with proof."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from flatrank.arrays import one_blas_thread
from flatrank.cli.folders import MODEL, RECORD, check_folder, check_input, replace_run, reserved
from flatrank.cli.interrupts import INTERRUPTED, exit_code
from flatrank.cli.options import check_fit, refuse
from flatrank.cli.terminal import (
    Progress,
    Rows,
    certificate_words,
    complain,
    show_record,
    show_table,
)
from flatrank.data import InputError

if TYPE_CHECKING:
    from flatrank.problems import Problem
    from flatrank.solvers import Solution

FACTORS = "factors.npz"
#: Singular values shown.
SHOWN = 8
#: An exact fit that leaves so much of the data, at least, is none.
NOISE = 1e-6


@dataclass(frozen=True)
class Recovery:
    """What was asked of `recover`.

    Parameters
    ----------
    source, family
        What to read, and the front door; None for the one whose arrays are there.
    numbers
        `lam`, `lam_ratio` and `smoothing`, None for those in the file.
    fit
        `goal`, `rank`, `tol`, `max_seconds` and `seed` of `flatrank.solve`.
    out, force
        The folder, and whether what is in it may be replaced.
    command
        The command line, for the record.
    """

    source: str
    family: str | None
    numbers: dict[str, float | None]
    fit: dict[str, Any]
    out: Path
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Refuse what no measurements could make sense of."""
        check_fit(self.fit)
        if self.fit["goal"] not in ("recover", "flat"):
            refuse("goal", "recover or flat", self.fit["goal"])
        check_folder(self.out, force=self.force, resume=False)
        check_input(self.source, self.out, lambda read: read.name in (FACTORS, MODEL))


class _Asked(NamedTuple):
    """The problem, what messages call it, and where to start."""

    problem: Problem
    family: str
    unused: list[str]
    start: Any = None


def recover_matrix(asked: Recovery, *, quiet: bool, json: bool) -> int:
    """Read, solve and write; 0 for a proof, 130 where Ctrl-C ended the search, else 3.

    Raises
    ------
    InputError
        If something read cannot be used; nothing was written then.
    """
    started = time.perf_counter()
    with Progress(quiet=quiet or json) as progress, reserved(asked.out):
        progress({"stage": "read"})
        try:
            given = _read(asked)
            read = time.perf_counter() - started
            one_blas_thread()
            solution = _solve(given, asked, progress)
        except KeyboardInterrupt:
            complain("interrupted: nothing was written.")
            return INTERRUPTED
        record = _record(given, solution, asked)
        record["seconds"] = {"read": read, "solve": solution.seconds}
        record["seconds"]["total"] = time.perf_counter() - started
        _write(solution, record, asked.out)
    rows = partial(_rows, record, solution, given, asked.out)
    show_record(record, lambda: show_table(rows(), "flatrank recover"), quiet=quiet, json=json)
    if record["status"] == "interrupted":
        complain(f"interrupted: what is in {asked.out} is the best found until then.")
    return exit_code(record["status"])


def _read(asked: Recovery) -> _Asked:
    from flatrank.data.stored import read_arrays
    from flatrank.problems import from_arrays

    if asked.source != "-" and Path(asked.source).expanduser().is_dir():
        return _saved(asked)
    name, arrays = read_arrays(asked.source)
    for held, command in (({"row", "col", "val"}, "complete"), ({"Y"}, "separate")):
        if asked.family is None and held <= arrays.keys():
            raise InputError(
                f"{name}: what it holds, {', '.join(sorted(held))}, is for flatrank {command}."
            )
    try:
        return _Asked(*from_arrays(arrays, asked.family, **asked.numbers))
    except ValueError as refused:
        raise InputError(f"{name}: {refused}.") from refused


def _saved(asked: Recovery) -> _Asked:
    """The problem of a folder that `Solution.save` wrote, and its factors to start from."""
    from flatrank.problems import Separation
    from flatrank.solvers.loading import load

    if asked.family is not None or asked.numbers["smoothing"] is not None:
        raise InputError(
            f"{asked.source}: is a saved solution: leave out --family and --smoothing."
        )
    try:
        solution = load(asked.source)
        problem = solution.problem
        if isinstance(problem, Separation):
            raise InputError(f"{asked.source}: is a robust PCA, which is for flatrank separate.")
        lam, share = asked.numbers["lam"], asked.numbers["lam_ratio"]
        if lam is not None or share is not None:
            from flatrank.problems import at_share

            problem = at_share(problem.with_lam(lam or 0.0), lam or 0.0, share)
    except ValueError as refused:
        raise InputError(str(refused).rstrip(".") + ".") from refused
    start = solution.factors if solution.rank else None
    return _Asked(problem, type(problem.measurement).__name__, [], start)


def _solve(given: _Asked, asked: Recovery, progress: Progress) -> Solution:
    from flatrank.solvers import NoisyDataWarning, solve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoisyDataWarning)  # said as a row of the table
        try:
            return solve(
                given.problem,
                start=given.start,
                progress=lambda step: progress({"stage": "solve"} | step),
                **asked.fit,
            )
        except ValueError as refused:
            raise InputError(f"{asked.source}: {refused}.") from refused


def _record(given: _Asked, solution: Solution, asked: Recovery) -> dict[str, Any]:
    """`run.json`: what the solution says of itself, how it fits, and what was asked."""
    from flatrank.reporting.runs import versions

    problem = solution.problem
    b, fitted = np.asarray(problem.b), np.asarray(problem.measurement.forward(solution.factors))
    size = float(np.linalg.norm(b))
    return solution.record() | {
        "input": asked.source,
        "family": given.family,
        "unused": given.unused,
        "misfit": float(np.linalg.norm(fitted - b)) / size if size else 0.0,
        "singular_values": solution.svd()[1].tolist(),
        "options": asked.numbers | asked.fit,
        "command": asked.command,
        "versions": versions(),
        "files": [FACTORS, MODEL, RECORD],
    }


def _write(solution: Solution, record: dict[str, Any], out: Path) -> None:
    """The factors for any program, and what `certify` needs; all of it or nothing."""
    from flatrank.solvers.writing import to_json, write_arrays

    # X = L R*: of a Hermitian X both are the complex U.
    complex_ones = solution.order != solution.problem.shape
    L, R = (solution.U,) * 2 if complex_ones else (solution.factors.L, solution.factors.R)
    arrays = {"L": np.asarray(L), "R": np.asarray(R), "s": solution.svd()[1]}
    files = {
        FACTORS: partial(_save_arrays, arrays),
        MODEL: partial(write_arrays, arrays=solution.arrays()),
        RECORD: lambda part: part.write_text(to_json(record), encoding="utf-8"),
    }
    replace_run(out, files)


def _rows(record: dict[str, Any], solution: Solution, given: _Asked, out: Path) -> Rows:
    from flatrank.reporting.words import status_sentence

    d1, d2 = solution.order
    values = [f"{x:.4g}" for x in record["singular_values"]]
    shown = ", ".join([*values[:SHOWN], *["..."] * (len(values) > SHOWN)]) or "none: it is zero"
    weight = f"lambda {record['lam']:.6g}" if record["lam"] else "lambda 0: an exact fit is asked"
    rows = [
        ("input", f"{record['input']}: {given.family}, {record['observed']} data of {d1} x {d2}"),
        ("status", status_sentence(solution.status)),
        ("rank", f"{record['rank']}; singular values {shown}"),
        ("misfit", f"{record['misfit']:.2e} of the data; {weight}"),
        ("certificate", certificate_words(record["certificate"])),
    ]
    if record["remark"]:
        rows.append(("note", record["remark"]))
    if not record["lam"] and (record["remark"] or record["misfit"] > NOISE):
        rows.append(("note", "for noisy data give a weight, such as --lam-ratio 0.1"))
    if given.unused:
        rows.append(("note", f"arrays not used: {', '.join(given.unused)}"))
    return [
        *rows,
        ("time", "{total:.1f} s (read {read:.1f}, solve {solve:.1f})".format(**record["seconds"])),
        ("written", f"{out / FACTORS} (L, R, s: X = L R*), {out / MODEL}"),
    ]


def _save_arrays(arrays: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)
