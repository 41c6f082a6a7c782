"""`flatrank separate`: a matrix in, its part of low rank and its sparse part out."""

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
from flatrank.cli.terminal import (
    Progress,
    Rows,
    certificate_words,
    complain,
    show_record,
    show_table,
)
from flatrank.data import InputError
from flatrank.data.whole import Table, Whole, read_whole

if TYPE_CHECKING:
    from flatrank.solvers import Solution

#: Columns of a table whose typical sizes lie so far apart are probably of different units.
APART = 100.0
#: Share of the total size of the outliers: small ones are noise, and many.
MOST = 0.9


@dataclass(frozen=True)
class Separation:
    """What was asked of `separate`.

    Parameters
    ----------
    source, keep, missing
        What to read, columns to leave aside, and values that stand for gaps.
    form
        `sparsity` and `radius`, one of them at most.
    fit
        `tol`, `max_seconds` and `seed`.
    out, force
        The folder, and whether what is in it may be replaced.
    command
        The command line, for the record.
    """

    source: str
    keep: list[str]
    missing: list[str]
    form: dict[str, float | None]
    fit: dict[str, Any]
    out: Path
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Refuse what no matrix could make sense of."""
        for name, value in self.form.items():
            if value is not None and not 0 < value < np.inf:
                refuse(name, "a positive number", value)
        if None not in self.form.values():
            raise InputError("--sparsity and --radius are two forms of the problem: give one.")
        check_fit(self.fit)
        check_folder(self.out, force=self.force, resume=False)
        check_input(self.source, self.out, lambda read: read.stem in ("low_rank", "sparse"))


def separate_matrix(asked: Separation, *, quiet: bool, json: bool) -> int:
    """Read, separate and write; 0 for a proof, 130 where Ctrl-C ended the search, else 3.

    Raises
    ------
    InputError
        If something read cannot be used; nothing was written then.
    """
    started = time.perf_counter()
    with Progress(quiet=quiet or json) as progress, reserved(asked.out):
        progress({"stage": "read"})
        whole = read_whole(asked.source, asked.keep, asked.missing)
        read = time.perf_counter() - started
        one_blas_thread()
        try:
            solution = _solve(whole, asked, progress)
        except KeyboardInterrupt:
            complain("interrupted: nothing was written.")
            return INTERRUPTED
        record = _record(whole, solution, asked, {"read": read, "solve": solution.seconds})
        record["seconds"]["total"] = time.perf_counter() - started
        _write(whole, solution, record, asked.out)
    rows = partial(_rows, record, solution, asked.out)
    show_record(record, lambda: show_table(rows(), "flatrank separate"), quiet=quiet, json=json)
    if record["status"] == "interrupted":
        complain(f"interrupted: the parts in {asked.out} are the best found until then.")
    return exit_code(record["status"])


def _solve(whole: Whole, asked: Separation, progress: Progress) -> Solution:
    from flatrank.problems import robust_pca
    from flatrank.solvers import solve

    Y = whole.values
    try:
        problem = robust_pca(Y, mask=~np.isnan(Y), **asked.form)
        return solve(
            problem, progress=lambda step: progress({"stage": "separate"} | step), **asked.fit
        )
    except ValueError as refused:
        raise InputError(f"{whole.source}: {refused}.") from refused


def _record(
    whole: Whole, solution: Solution, asked: Separation, seconds: dict[str, float]
) -> dict[str, Any]:
    """`run.json`: what the solution says of itself, the outliers, and what was asked."""
    from flatrank.reporting.runs import versions

    Y, S = whole.values, np.asarray(solution.extra["sparse"])
    i, j = np.unravel_index(int(np.argmax(np.abs(S))), S.shape)
    seen, outliers = int(np.count_nonzero(~np.isnan(Y))), int(np.count_nonzero(S))
    sizes = np.cumsum(np.sort(np.abs(S[S != 0]))[::-1])
    largest = {"at": whole.place(int(i), int(j)), "value": float(Y[i, j]), "excess": float(S[i, j])}
    return solution.record() | {
        "input": whole.source,
        "size": whole.described(),
        "observed": seen,
        "gaps": Y.size - seen,
        "outliers": {
            "count": outliers,
            "share": outliers / seen,
            # As many of the largest hold so much of what all of them add up to.
            "most": {"share": MOST, "count": int(np.count_nonzero(sizes < MOST * sizes[-1:])) + 1},
            "largest": largest if outliers else None,
        },
        "columns_apart": _apart(whole),
        "options": asked.form | asked.fit | {"keep": asked.keep, "missing": asked.missing},
        "command": asked.command,
        "seconds": seconds,
        "versions": versions(),
    }


def _apart(whole: Whole) -> float | None:
    """How many times larger the numbers of one column of a table are than those of another."""
    if not isinstance(whole, Table):
        return None
    sizes = np.nanmedian(np.abs(whole.values), axis=0)
    return float(sizes.max() / sizes[sizes > 0].min()) if (sizes > 0).any() else None


def _write(whole: Whole, solution: Solution, record: dict[str, Any], out: Path) -> None:
    """Both parts in the form of the input, with what `certify` needs; all of it or nothing."""
    from flatrank.solvers.writing import to_json, write_arrays

    # Of an entry that was not seen there is no telling whether it would be an outlier.
    sparse = np.where(np.isnan(whole.values), np.nan, np.asarray(solution.extra["sparse"]))
    files = whole.files("low_rank", solution.matrix()) | whole.files("sparse", sparse)
    files[MODEL] = partial(write_arrays, arrays=solution.arrays())
    record["files"] = [*files, RECORD]
    files[RECORD] = lambda part: part.write_text(to_json(record), encoding="utf-8")
    replace_run(out, files)


def _rows(record: dict[str, Any], solution: Solution, out: Path) -> Rows:
    from flatrank.reporting.words import status_sentence

    found, seen = record["outliers"], record["observed"]
    gaps = f", {record['gaps']} of them gaps" if record["gaps"] else ""
    outliers = f"{found['count']} of {seen} numbers ({100 * found['share']:.2g} %)"
    if found["largest"]:
        outliers += f"; {found['most']['count']} of them hold {100 * MOST:.0f} % of their size"
        outliers += "; largest {excess:+.4g} in {value:.4g}, {at}".format(**found["largest"])
    notes = []
    if (record["columns_apart"] or 0.0) > APART:
        said = f"typical numbers of columns lie {record['columns_apart']:.3g} times apart: outliers"
        said += " of columns of small numbers pass unseen. Bring columns to one unit first"
        notes.append(("note", said))
    folders = sorted({name.split("/")[0] for name in record["files"]} - {MODEL, RECORD})
    return [
        ("input", f"{record['input']}: {record['size']}{gaps}"),
        ("status", status_sentence(solution.status)),
        ("low rank", f"rank {record['rank']}"),
        ("outliers", outliers),
        ("certificate", certificate_words(record["certificate"])),
        ("proved", _proved(record)),
        *notes,
        ("time", "{total:.1f} s (read {read:.1f}, solve {solve:.1f})".format(**record["seconds"])),
        ("written", ", ".join(str(out / name) for name in folders)),
    ]


def _proved(record: dict[str, Any]) -> str:
    """What the certificate establishes, in one sentence."""
    proof, weight = record["certificate"], record["sparsity"]
    if proof is None or proof["dual_bound"] is None or proof["relative_gap"] is None:
        return "nothing"
    if weight is None:
        what = f"nuclear norm among parts whose rest adds up to at most {record['radius']:.4g}"
    else:
        what = f"nuclear norm plus {weight:.4g} times the sum of the outliers' sizes"
    return (
        f"no two parts have a {what} that is smaller by more than "
        f"{max(proof['relative_gap'], 0.0):.1e} of it; that they are the parts the numbers were "
        "made of is not for a proof to say"
    )
