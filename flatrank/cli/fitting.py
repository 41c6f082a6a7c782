"""The frame of the commands that solve one problem: read, solve with a proof, write a folder."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flatrank.arrays import one_blas_thread
from flatrank.cli.folders import MODEL, RECORD, check_folder, check_input, replace_run, reserved
from flatrank.cli.interrupts import INTERRUPTED, exit_code
from flatrank.cli.terminal import Progress, Rows, complain, show_record, show_table
from flatrank.data.databases import without_password

if TYPE_CHECKING:
    from flatrank.solvers import Solution

Files = dict[str, Callable[[Path], Any]]


@dataclass(frozen=True)
class Fit(ABC):
    """What one of the commands was asked; what no input could make sense of raises `InputError`.

    Parameters
    ----------
    source
        What to read.
    out, force
        The folder, and whether what is in it may be replaced.
    command
        The command line, for the record.
    """

    source: str
    out: Path
    force: bool
    command: str
    #: Of the command, and what stands in the folder after Ctrl-C.
    name: ClassVar[str]
    best: ClassVar[str] = "what is in {out} is the best found until then."

    def __post_init__(self) -> None:
        """Check what needs no file but the folder."""
        check_folder(self.out, force=self.force, resume=False)
        check_input(self.source, self.out, lambda read: self.is_ours(read.name))

    def is_ours(self, name: str) -> bool:
        """Whether the command writes a file of this name."""
        return name in (MODEL, RECORD)

    @abstractmethod
    def read(self) -> Any:
        """What the source holds, or `InputError`."""

    @abstractmethod
    def solve(self, given: Any, progress: Progress) -> Solution:
        """Solve it; `InputError` where what was read makes no problem."""

    @abstractmethod
    def record(self, given: Any, solution: Solution) -> dict[str, Any]:
        """What is said of the input and the answer beside what the solution says of itself."""

    def arrays(self, given: Any, solution: Solution) -> dict[str, Any]:
        """What `certify` and the like read later."""
        del given
        return solution.arrays()

    def files(self, given: Any, solution: Solution) -> Files:
        """What is written beside these arrays and the record."""
        del given, solution
        return {}

    @abstractmethod
    def rows(self, record: dict[str, Any], given: Any, solution: Solution) -> Rows:
        """The table on the screen."""

    def run(self, *, quiet: bool, json: bool) -> int:
        """Do the whole job: 0 for a proof, 130 where Ctrl-C ended it, else 3.

        Raises
        ------
        InputError
            If something read cannot be used; nothing was written then.
        """
        from flatrank.reporting.runs import versions
        from flatrank.solvers.writing import to_json, write_arrays

        started = time.perf_counter()
        with Progress(quiet=quiet or json) as progress, reserved(self.out):
            progress({"stage": "read"})
            try:
                given = self.read()
                read = time.perf_counter() - started
                one_blas_thread()
                solution = self.solve(given, progress)
            except KeyboardInterrupt:
                complain("interrupted: nothing was written.")
                return INTERRUPTED
            files = self.files(given, solution)
            files[MODEL] = partial(write_arrays, arrays=self.arrays(given, solution))
            record = solution.record() | self.record(given, solution)
            record |= {
                "command": without_password(self.command),
                "versions": versions(),
                "files": [*files, RECORD],
            }
            total = time.perf_counter() - started
            record["seconds"] = {"read": read, "solve": solution.seconds, "total": total}
            files[RECORD] = lambda part: part.write_text(to_json(record), encoding="utf-8")
            replace_run(self.out, files)
        show_record(
            record,
            lambda: show_table(self.rows(record, given, solution), f"flatrank {self.name}"),
            quiet=quiet,
            json=json,
        )
        if record["status"] == "interrupted":
            complain(f"interrupted: {self.best.format(out=self.out)}")
        return exit_code(record["status"])


def time_words(record: dict[str, Any]) -> str:
    """How long what took."""
    return "{total:.1f} s (read {read:.1f}, solve {solve:.1f})".format(**record["seconds"])
