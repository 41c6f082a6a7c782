"""`flatrank impute`: a wide table in, the same table filled out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flatrank.arrays import one_blas_thread
from flatrank.cli.folders import check_out
from flatrank.cli.interrupts import INTERRUPTED
from flatrank.cli.intervals import Asked
from flatrank.cli.options import check_fit
from flatrank.cli.terminal import (
    Progress,
    ascii_only,
    certificate_words,
    complain,
    emit,
    write_text,
)
from flatrank.data import InputError, WideTable, read_wide

if TYPE_CHECKING:
    from flatrank.selection import Filled


def impute_table(  # noqa: PLR0913 - what was asked
    source: str,
    out: Path | None,
    asked: Asked | None,
    aside: tuple[list[str], list[str]],
    fit: dict[str, Any],
    *,
    quiet: bool,
    force: bool,
) -> int:
    """Read, fill and write; 0 for a proof, else 3; on Ctrl-C nothing is written.

    `aside` are columns to leave as they are, and values that stand for gaps.

    Raises
    ------
    InputError
        If something asked or read cannot be used; nothing was written then.
    """
    _check(out, asked, fit, force)
    intervals: dict[str, Any] = {} if asked is None else asked._asdict()
    one_blas_thread()
    from flatrank.selection import fill
    from flatrank.solvers import Status

    with Progress(quiet=quiet) as progress:
        progress({"stage": "read"})
        table = read_wide(source, *aside)
        X = table.values
        if not np.isnan(X).any():
            found = None
        else:
            try:
                found: Filled | None = fill(
                    X, **intervals, beside=not quiet, progress=progress, **fit
                )
            except ValueError as refused:
                raise InputError(f"{table.source}: {refused}.") from refused
            except KeyboardInterrupt:
                complain("interrupted: nothing was written.")
                return INTERRUPTED
    ends = None
    if found is not None and found.low is not None and found.high is not None:
        ends = found.low, found.high
    _write(table, X if found is None else found.X, ends, out)
    if not quiet:
        for line in _said(table, found):
            complain(line)
    return 0 if found is None or found.completed.status is Status.CERTIFIED else 3


def _check(out: Path | None, asked: Asked | None, fit: dict[str, Any], force: bool) -> None:
    check_out(out)
    check_fit(fit)
    if out is not None and out.exists() and not force:
        raise InputError(f"--out {out}: exists; name another file, or add --force.")
    if asked is not None and fit["average"]:
        raise InputError(
            "intervals are of flatrank's own values, and an average with other ways does not lie "
            "in their middle: leave out --average, or --interval and --intervals."
        )
    if asked is not None and asked.kind == "posterior" and fit["predict"] == "flat":
        raise InputError(
            "--interval needs the posterior: leave out --predict flat, or add --intervals "
            "conformal."
        )


def _write(table: WideTable, X: np.ndarray, ends: Any, out: Path | None) -> None:
    parquet = out is not None and out.suffix.lower() == ".parquet"
    frame = table.filled(X, ends, numbers=parquet)
    if out is not None and parquet:
        part = out.with_name(out.name + ".part")
        frame.write_parquet(part)
        part.replace(out)
        return
    buffer = io.BytesIO()
    frame.write_csv(buffer, separator=table.separator or ",")
    text = buffer.getvalue().decode()
    if out is None:
        emit(text)
    else:
        write_text(out, text)


def _said(table: WideTable, found: Any) -> list[str]:
    """What was done, how well it does on cells held out, and what is proved."""
    gaps = np.isnan(table.values)
    if found is None:
        return ["nothing is missing: the table is as it was."]
    (d1, d2), completed = table.values.shape, found.completed
    lines = [
        f"filled {gaps.sum()} of {gaps.size} cells of {d1} rows and {d2} columns"
        + (f"; left as they are: {', '.join(table.aside)}" if table.aside else "")
        + "."
    ]
    lines += _compared(found)
    solution = completed.solution
    proof = certificate_words(None if solution.certificate is None else vars(solution.certificate))
    lines.append(f"flat solution of rank {solution.rank}: {solution.status.value}; {proof}.")
    return lines


def _compared(found: Filled) -> list[str]:
    """How well cells held out were hit, by flatrank and by simpler ways; who does better."""
    from flatrank.evaluation import Score, compared
    from flatrank.selection import FLATRANK

    beside = found.comparison
    errors = beside.errors()
    if not errors:
        return []
    mine = errors.pop(FLATRANK)
    named = ", ".join(f"{name} {error:.3g}" for name, error in errors.items())
    lines = [f"cells held out are hit to {mine:.3g} standard deviations of their column; {named}."]
    if beside.left_out:
        lines.append(
            f"not compared: {' and '.join(beside.left_out)}; flatrank evaluate says why, and more."
        )
    best = min(errors, key=lambda name: errors[name])
    lead, loss = (
        Score(*beside.ahead(*pair), beside.values.size)
        for pair in ((FLATRANK, best), (best, FLATRANK))
    )
    lines.append(ascii_only(compared(best, lead, loss)))
    if loss.mean > 0 and not found.weights:
        lines.append("--average fills with a weighted mean of both; flatrank evaluate says more.")
    if found.weights:
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in found.weights.items())
        lines.append(
            f"filled with a weighted mean: {weights}; cells held out are hit to "
            f"{beside.error_of_average():.3g}."
        )
    return lines
