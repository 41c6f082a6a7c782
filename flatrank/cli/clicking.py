"""`flatrank implicit`: clicks in, factors and a certificate out, for predict and recommend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.cli.fitting import Fit, time_words
from flatrank.cli.options import check_fit, refuse
from flatrank.cli.terminal import Progress, Rows, certificate_words
from flatrank.data import Entries, InputError, read_clicks

if TYPE_CHECKING:
    from flatrank.solvers import Solution


@dataclass(frozen=True)
class Clicks(Fit):
    """Everything `implicit` was asked.

    Parameters
    ----------
    reading
        Keyword arguments of `flatrank.data.read_clicks`.
    fit
        factors, alpha, lam_ratio, sweeps, seed and tol.
    """

    reading: dict[str, Any]
    fit: dict[str, Any]
    name = "implicit"

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
        super().__post_init__()

    def read(self) -> Entries:
        """Clicks by cell."""
        return read_clicks(self.source, **self.reading)

    def solve(self, given: Entries, progress: Progress) -> Solution:
        """Alternating least squares, and its certificate; nothing is kept of what Ctrl-C ends."""
        from flatrank.problems import implicit
        from flatrank.solvers import ImplicitLeastSquares, Status, solve

        progress({"stage": "solve"})
        fit, places = self.fit, (given.rows, given.cols, given.values, given.shape)
        try:
            problem = implicit(*places, alpha=fit["alpha"], lam_ratio=fit["lam_ratio"])
        except ValueError as refused:
            raise InputError(f"{given.source}: {refused}.") from refused
        solver = ImplicitLeastSquares(rank=fit["factors"], sweeps=fit["sweeps"], tol=fit["tol"])
        solution = solve(problem, solver=solver, tol=solver.tol, seed=fit["seed"])
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return solution

    def record(self, given: Entries, solution: Solution) -> dict[str, Any]:
        """The clicks, and what was asked."""
        del solution
        clicks = float(given.values.sum())
        return {"input": given.source, "clicks": clicks, "options": self.fit | self.reading}

    def arrays(self, given: Entries, solution: Solution) -> dict[str, Any]:
        """The solution, and the names of rows and columns."""
        from flatrank.problems import written_texts

        arrays = solution.arrays()
        for side, labels in (("row", given.row_labels), ("col", given.col_labels)):
            arrays |= written_texts(side, labels.tolist())
        return arrays

    def rows(self, record: dict[str, Any], given: Entries, solution: Solution) -> Rows:
        """The table on the screen."""
        d1, d2 = given.shape
        cells = f"{record['clicks']:g} clicks in {record['observed']} cells of {d1} x {d2}"
        written = f"{self.out}: flatrank recommend {self.out} --row ID lists what is not clicked"
        return [
            ("input", f"{record['input']}: {cells}"),
            ("status", solution.status.sentence),
            ("factors", str(record["rank"])),
            ("certificate", certificate_words(record["certificate"])),
            ("time", time_words(record)),
            ("written", f"{written} yet"),
        ]
