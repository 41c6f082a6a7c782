"""`flatrank recover`: stored measurements in, the matrix behind them out, with proof."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from flatrank.cli.fitting import Files, Fit, time_words
from flatrank.cli.folders import MODEL
from flatrank.cli.options import check_fit, refuse
from flatrank.cli.terminal import Progress, Rows, certificate_words
from flatrank.data import InputError

if TYPE_CHECKING:
    from flatrank.problems import Problem
    from flatrank.solvers import Solution

FACTORS = "factors.npz"
#: Singular values shown.
SHOWN = 8
#: An exact fit that leaves so much of the data, at least, is none.
NOISE = 1e-6


class Given(NamedTuple):
    """The problem, what messages call it, and where to start."""

    problem: Problem
    family: str
    unused: list[str]
    start: Any = None


@dataclass(frozen=True)
class Recovery(Fit):
    """What was asked of `recover`.

    Parameters
    ----------
    family
        The front door; None for the one whose arrays are there.
    numbers
        `lam`, `lam_ratio` and `smoothing`, None for those in the file.
    fit
        `goal`, `rank`, `tol`, `max_seconds` and `seed` of `flatrank.solve`.
    """

    family: str | None
    numbers: dict[str, float | None]
    fit: dict[str, Any]
    name = "recover"

    def __post_init__(self) -> None:
        """Refuse what no measurements could make sense of."""
        check_fit(self.fit)
        if self.fit["goal"] not in ("recover", "flat"):
            refuse("goal", "recover or flat", self.fit["goal"])
        super().__post_init__()

    def is_ours(self, name: str) -> bool:
        """Whether the command writes a file of this name."""
        return name in (FACTORS, MODEL)

    def read(self) -> Given:
        """A problem from arrays of these names, or from a folder that `Solution.save` wrote."""
        from flatrank.data.stored import read_arrays
        from flatrank.problems import from_arrays

        if self.source != "-" and Path(self.source).expanduser().is_dir():
            return self._saved()
        name, arrays = read_arrays(self.source)
        for held, command in (({"row", "col", "val"}, "complete"), ({"Y"}, "separate")):
            if self.family is None and held <= arrays.keys():
                raise InputError(
                    f"{name}: what it holds, {', '.join(sorted(held))}, is for flatrank {command}."
                )
        try:
            return Given(*from_arrays(arrays, self.family, **self.numbers))
        except ValueError as refused:
            raise InputError(f"{name}: {refused}.") from refused

    def _saved(self) -> Given:
        """The problem of a saved solution, and its factors to start from."""
        from flatrank.problems import Separation, at_share
        from flatrank.solvers.loading import load

        if self.family is not None or self.numbers["smoothing"] is not None:
            raise InputError(
                f"{self.source}: is a saved solution: leave out --family and --smoothing."
            )
        try:
            solution = load(self.source)
            problem = solution.problem
            if isinstance(problem, Separation):
                raise InputError(f"{self.source}: is a robust PCA, which is for flatrank separate.")
            lam, share = self.numbers["lam"], self.numbers["lam_ratio"]
            if lam is not None or share is not None:
                problem = at_share(problem.with_lam(lam or 0.0), lam or 0.0, share)
        except ValueError as refused:
            raise InputError(str(refused).rstrip(".") + ".") from refused
        start = solution.factors if solution.rank else None
        return Given(problem, type(problem.measurement).__name__, [], start)

    def solve(self, given: Given, progress: Progress) -> Solution:
        """Find the matrix; noise is said as a row of the table."""
        from flatrank.solvers import NoisyDataWarning, solve

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoisyDataWarning)
            try:
                return solve(
                    given.problem,
                    start=given.start,
                    progress=lambda step: progress({"stage": "solve"} | step),
                    **self.fit,
                )
            except ValueError as refused:
                raise InputError(f"{self.source}: {refused}.") from refused

    def record(self, given: Given, solution: Solution) -> dict[str, Any]:
        """How it fits, and what was asked."""
        problem = solution.problem
        b, fitted = np.asarray(problem.b), np.asarray(problem.measurement.forward(solution.factors))
        size = float(np.linalg.norm(b))
        return {
            "input": self.source,
            "family": given.family,
            "unused": given.unused,
            "misfit": float(np.linalg.norm(fitted - b)) / size if size else 0.0,
            "singular_values": solution.svd()[1].tolist(),
            "options": self.numbers | self.fit,
        }

    def files(self, given: Given, solution: Solution) -> Files:
        """The factors for any program."""
        del given
        # X = L R*: of a Hermitian X both are the complex U.
        complex_ones = solution.order != solution.problem.shape
        L, R = (solution.U,) * 2 if complex_ones else (solution.factors.L, solution.factors.R)
        arrays = {"L": np.asarray(L), "R": np.asarray(R), "s": solution.svd()[1]}
        return {FACTORS: partial(_save_arrays, arrays)}

    def rows(self, record: dict[str, Any], given: Given, solution: Solution) -> Rows:
        """The table on the screen."""
        from flatrank.reporting.words import status_sentence

        d1, d2 = solution.order
        values = [f"{x:.4g}" for x in record["singular_values"]]
        shown = ", ".join([*values[:SHOWN], *["..."] * (len(values) > SHOWN)]) or "none: it is zero"
        weight = f"lambda {record['lam']:.6g}" if record["lam"] else "lambda 0: an exact fit"
        asked = "" if record["lam"] else " is asked"
        data = f"{given.family}, {record['observed']} data of {d1} x {d2}"
        rows = [
            ("input", f"{record['input']}: {data}"),
            ("status", status_sentence(solution.status)),
            ("rank", f"{record['rank']}; singular values {shown}"),
            ("misfit", f"{record['misfit']:.2e} of the data; {weight}{asked}"),
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
            ("time", time_words(record)),
            ("written", f"{self.out / FACTORS} (L, R, s: X = L R*), {self.out / MODEL}"),
        ]


def _save_arrays(arrays: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)
