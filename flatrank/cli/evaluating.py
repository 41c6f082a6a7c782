"""`flatrank evaluate`: a file asked, a table and a verdict on the screen, a record on disk."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flatrank.arrays import one_blas_thread
from flatrank.cli.folders import LOCK, check_folder, reserved
from flatrank.cli.interrupts import INTERRUPTED, between_steps
from flatrank.cli.questions import Material, Question, read
from flatrank.cli.terminal import Progress, ascii_only, complain, say, show_record
from flatrank.data import InputError

if TYPE_CHECKING:
    from flatrank.evaluation import Evaluation

RECORD = "evaluation.json"


def evaluate_file(question: Question) -> int:
    """Read, hide, predict and compare; 0, or 130 with the folds that were finished.

    Raises
    ------
    InputError
        If something asked or read cannot be used; nothing was written then.
    """
    started = time.perf_counter()
    check_folder(question.out, force=True, resume=False)
    if (question.out / RECORD).exists() and not question.force:
        raise InputError(
            f"--out {question.out}: holds an evaluation, which would be lost; name another folder, "
            "or replace it with --force."
        )
    finished: list[Evaluation] = []
    with Progress(quiet=question.quiet) as progress:
        progress({"stage": "read"})
        material = read(question)
        with reserved(question.out):

            def give_up() -> None:
                progress.stop()
                (question.out / LOCK).unlink(missing_ok=True)
                _end(question, material, finished, started)

            with between_steps(give_up) as interrupts:

                def monitor(event: dict[str, Any]) -> None:
                    progress(event)
                    interrupts.check()

                with suppress(KeyboardInterrupt):
                    for found in _evaluations(question, material, monitor):
                        finished[:] = [found]
                with interrupts.writing():
                    interrupts.finish()
    return _end(question, material, finished, started)


def _evaluations(question: Question, material: Material, monitor: Any) -> Any:
    one_blas_thread()
    from flatrank.evaluation import evaluations

    options = {"folds": question.folds, "seed": question.seed} | material.options
    try:
        yield from evaluations(*material.table, **options, progress=monitor)
    except ValueError as refused:
        read_as = (
            ""
            if material.wide
            else (f" (It was read as {material.how}; for a wide table, one line a row: --wide.)")
        )
        raise InputError(f"{material.source}: {str(refused).rstrip('.')}.{read_as}") from refused


def _end(question: Question, material: Material, finished: list[Evaluation], started: float) -> int:
    """Write and show what there is; the exit code."""
    if not finished:
        complain("interrupted before the first fold was finished; nothing was written.")
        return INTERRUPTED
    from flatrank.reporting.runs import versions
    from flatrank.solvers.writing import write_json

    (found,) = finished
    record = found.record() | {
        "input": material.source,
        "read_as": material.how,
        "total_seconds": time.perf_counter() - started,
        "command": question.command,
        "versions": versions(),
    }
    question.out.mkdir(parents=True, exist_ok=True)
    write_json(question.out / RECORD, record)
    head, tail = f"{material.source}: {material.how}", question.out / RECORD
    text = ascii_only(f"{head}\n{found}\neverything is in {tail}\n")
    show_record(record, lambda: say(text), quiet=question.quiet, json=question.json)
    stopped = len(found.folds) < found.asked
    if stopped:
        complain(f"interrupted: {len(found.folds)} of {found.asked} folds were finished.")
    return INTERRUPTED if stopped else 0
