"""`flatrank complete`: read, complete, report, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatrank.arrays import one_blas_thread
from flatrank.cli.allocation import keep_freed_memory
from flatrank.cli.folders import LOCK, Checkpoint, check_folder, reserved
from flatrank.cli.interrupts import INTERRUPTED, Interrupts, between_steps, exit_code
from flatrank.cli.options import check_fit, number_of, refuse
from flatrank.cli.terminal import Progress, complain, show_record, show_run
from flatrank.data import Entries, InputError, read_entries
from flatrank.data.databases import without_password

if TYPE_CHECKING:
    from flatrank.selection import Completion


@dataclass(frozen=True)
class Job:
    """Everything `complete` was asked; what no data could make sense of raises `InputError`.

    Parameters
    ----------
    source, reading
        What to read, and keyword arguments of `flatrank.data.read_entries`.
    fit
        Keyword arguments of `flatrank.selection.complete`; lam and rank as they were written.
    out
        The run folder.
    report, quiet, json, resume, force
        Switches.
    command
        The command line, for the record.
    """

    source: str
    reading: dict[str, Any]
    fit: dict[str, Any]
    out: Path
    report: bool
    quiet: bool
    json: bool
    resume: bool
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Check the options; make numbers, or None for auto, of λ and the rank."""
        fit = self.fit
        fit["lam"] = number_of(
            "lam", fit["lam"], "auto or a number from 0 (0 fits the entries exactly)"
        )
        fit["rank"] = number_of("rank", fit["rank"], "auto or a whole number from 1", whole=True)
        smoothing = fit["smoothing"]
        if smoothing is not None and not 0.0 <= smoothing <= 1.0:
            refuse("smoothing", "a number from 0 (flat) to 1 (norm-minimal)", smoothing)
        if not 0.0 <= fit["holdout"] < 1.0:
            refuse("holdout", "a share from 0 to below 1, such as 0.1", fit["holdout"])
        check_fit(fit)
        if any(self.features) and (fit["predict"] == "flat" or fit["lam"] == 0):
            raise InputError(
                "--row-features and --col-features tell the posterior: leave out --predict flat "
                "and --lam 0."
            )
        if self.reading["bad_rows"] not in ("error", "skip"):
            refuse("bad-rows", "error or skip", self.reading["bad_rows"])
        if self.reading["duplicates"] not in ("mean", "last", "sum", "error"):
            refuse("duplicates", "mean, last, sum or error", self.reading["duplicates"])

    @property
    def features(self) -> tuple[Any, Any]:
        """Files of the features of rows and of columns."""
        return self.reading["row_features"], self.reading["col_features"]


def complete_entries(job: Job) -> int:
    """Do the whole job; the exit code is 0 for a proof, 130 for an interruption, else 3.

    Raises
    ------
    InputError
        If something asked or read cannot be used; nothing was written then.
    """
    started = time.perf_counter()
    check_folder(job.out, force=job.force, resume=job.resume)
    if job.report:
        _check_packages()
    with Progress(quiet=job.quiet) as progress:
        progress({"stage": "read"})
        entries = read_entries(job.source, **job.reading)
        read = _columns_read(entries)
        progress({"stage": "read", "message": read})
        seconds = {"read": time.perf_counter() - started}
        asked = {k: v for k, v in job.fit.items() if k != "max_seconds"}
        checkpoint = Checkpoint(job.out, entries, asked)
        with reserved(job.out), between_steps(_giver_up(job, progress, checkpoint)) as interrupts:
            try:
                state = checkpoint.load() if job.resume else None
                if not job.resume:
                    checkpoint.remove()
                found = solve_entries(job, entries, progress, checkpoint, state, interrupts)
                progress({"stage": "report"})
                with interrupts.writing():
                    record = _write(job, found, entries, seconds, started)
                    interrupts.finish()
            except KeyboardInterrupt:
                with interrupts.writing():
                    interrupts.finish()
                    checkpoint.flush()
                    return _empty_handed(checkpoint)
            except InputError:
                if not job.resume:
                    checkpoint.remove()  # bad input leaves nothing behind
                raise
            unfinished = record["status"] in ("interrupted", "deadline")
            if unfinished:
                checkpoint.flush()
            else:
                checkpoint.remove()
        if read and not job.quiet and not unfinished:
            complain(f"{read}.")
    table = partial(show_run, record, found.solution.status, job.out)
    show_record(record, table, quiet=job.quiet, json=job.json)
    if unfinished:
        complain(f"stopped early; the same command with --resume continues from {job.out}.")
    return exit_code(record["status"])


def solve_entries(
    job: Job,
    entries: Entries,
    progress: Progress,
    checkpoint: Checkpoint,
    state: dict[str, Any] | None,
    interrupts: Interrupts,
) -> Completion:
    """The one call that computes, from a state of finished work if there is one."""
    keep_freed_memory(entries.m)
    one_blas_thread()
    from flatrank.selection import complete_entries as choose

    def monitor(event: dict[str, Any]) -> None:
        progress(event)
        interrupts.check()

    try:
        return choose(entries, **job.fit, monitor=monitor, resume=state, checkpoint=checkpoint.save)
    except InputError as refused:
        raise InputError(f"{entries.source}: {refused}") from refused


def _check_packages() -> None:
    absent = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if absent:
        raise InputError(
            f"The report needs {' and '.join(absent)}, not installed here: "
            'pip install "flatrank[report]", or pass --no-report.'
        )


def _giver_up(job: Job, progress: Progress, checkpoint: Checkpoint) -> Callable[[], None]:
    """What is left to do, by another thread, where Ctrl-C finds the work in a long step."""

    def give_up() -> None:
        checkpoint.flush()
        (job.out / LOCK).unlink(missing_ok=True)
        progress.stop()
        _empty_handed(checkpoint)

    return give_up


def _columns_read(entries: Entries) -> str:
    roles = zip(("rows from", "columns from", "values from"), entries.columns, strict=False)
    parts = [f"{role} {name!r}" for role, name in roles]
    if entries.unused:
        parts.append(f"not used {', '.join(map(repr, entries.unused))}")
    if entries.opening:
        parts.append(f"lines passed over at the top {entries.opening}")
    return "; ".join(parts)


def _empty_handed(checkpoint: Checkpoint) -> int:
    again = "; the same command with --resume goes on from what was finished"
    kept = again if checkpoint.path.exists() else ""
    complain(f"interrupted before an answer was written{kept}.")
    return INTERRUPTED


def _write(
    job: Job, completion: Completion, entries: Entries, seconds: dict[str, float], started: float
) -> dict[str, Any]:
    """Draw the page, write the folder; the record as written."""
    from flatrank.reporting.runs import make_record, save_run

    began = time.perf_counter()
    record = make_record(
        completion,
        entries,
        options=job.fit | job.reading,
        seconds=seconds | {"report": 0.0, "total": began - started},
        command=without_password(job.command),
    )
    page = None
    # Whoever interrupts does not wait for pictures.
    if job.report and record["status"] != "interrupted":
        from flatrank.reporting.page import render_page

        page = render_page(completion, entries, record)
    now = time.perf_counter()
    record["seconds"] |= {"report": now - began, "total": now - started}
    save_run(job.out, completion, entries, record, page)
    return record
