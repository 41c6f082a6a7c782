"""`predict`, `recommend` and `certify`: a finished run put to use, and its proof once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from flatrank.cli.folders import check_out
from flatrank.cli.intervals import Asked
from flatrank.cli.terminal import (
    certificate_words,
    complain,
    emit,
    interactive,
    say,
    show_table,
    to_csv,
    write_text,
)
from flatrank.data import InputError, read_pairs

if TYPE_CHECKING:
    from flatrank.certificates import Certificate


def predict_pairs(
    folder: Path,
    pairs: str,
    names: tuple[str | None, str | None],
    out: Path | None,
    asked: Asked | None,
    verbose: bool,
) -> int:
    """Write a value for each pair, in the order asked; with `low` and `high` of an interval.

    `verbose` adds columns `known` and `determined`.

    Raises
    ------
    InputError
        If the output cannot be written there, or the run has nothing to take intervals from.
    """
    from flatrank.reporting.saved import load_run

    check_out(out)
    rows, cols = read_pairs(pairs, row=names[0], col=names[1])
    run = load_run(folder)
    i, j = run.places(zip(rows.tolist(), cols.tolist(), strict=True))
    values = run.at(i, j)
    known, determined = (i >= 0) & (j >= 0), run.determined(i, j)
    header = ["row", "col", "value"]
    columns = [rows.tolist(), cols.tolist(), values.tolist()]
    if asked is not None:
        header += ["low", "high"]
        columns += [
            ["" if x != x else x for x in end.tolist()] for end in run.interval_at(i, j, *asked)
        ]
    if verbose:
        for name, marks in (("known", known), ("determined", determined)):
            header.append(name)
            columns.append(["true" if mark else "false" for mark in marks.tolist()])
    text = to_csv(header, zip(*columns, strict=True))
    if out is None:
        emit(text)
    else:
        write_text(out, text)
    # What features tell, the posterior predicts where the flat solution is not determined.
    _remark(known, determined | bool(run.record.get("features")))
    return 0


def recommend_columns(folder: Path, row: str, top: int, by: str) -> int:
    """List the best columns that a row has no entry in, with their values or lower bounds."""
    from flatrank.reporting.saved import load_run

    if top < 1:
        raise InputError(f"--top must be a whole number from 1; got {top}.")
    if by not in ("mean", "low"):
        raise InputError(f"--by must be mean or low; got {by}.")
    run = load_run(folder)
    best = run.recommend(row, top, by=cast("Literal['mean', 'low']", by))
    if interactive("stdout") and best:
        rows = [(label, f"{value:.4g}") for label, value in best]
        show_table(rows, f"For row {row}", ("column", "value" if by == "mean" else "low"))
    elif interactive("stdout"):
        say("Nothing is left to recommend.\n")
    else:
        emit(to_csv(["col", "value" if by == "mean" else "low"], best))
    if len(best) < top:
        complain(f"only {len(best)} columns are unseen by row {row}.")
    return 0


def export_vectors(folder: Path, out: Path, force: bool) -> int:
    """Write the vectors of rows and columns beside their names, for an index of vectors.

    Raises
    ------
    InputError
        If a file is there and is not to be replaced, the matrix is complex, or polars missing.
    """
    from flatrank.data.vectors import write_vectors
    from flatrank.reporting.saved import load_run

    run, files = load_run(folder), [out / f"{side}.parquet" for side in ("rows", "columns")]
    if run.solution.order != run.solution.problem.shape:
        raise InputError(f"{folder}: its matrix is complex, and vectors of an index are real.")
    if there := [file for file in files if file.exists() and not force]:
        raise InputError(f"{there[0]}: exists; name another folder, or replace it with --force.")
    out.mkdir(parents=True, exist_ok=True)
    labels, vectors = (run.row_labels, run.col_labels), run.vectors()
    for file, names, side in zip(files, labels, vectors, strict=True):
        write_vectors(file, names, side)
    k = vectors[0].shape[1]
    say(f"{files[0]}, {files[1]}: id, vector of {k} numbers; inner products are values\n")
    if run.average is not None:
        complain(
            "the run predicts by means over its posterior; these are the flat solution and offsets."
        )
    return 0


def certify_run(folder: Path) -> int:
    """Re-derive the certificate of a run from its files: 0 if it agrees and proves, else 3."""
    from flatrank.certificates import certify
    from flatrank.reporting.saved import load_run

    run = load_run(folder)
    solution = run.solution
    recorded = solution.certificate
    found = certify(solution.problem, solution.factors, np.asarray(solution.y))
    different = _differences(recorded, found, run.tol)
    if different or not found.certified(run.tol):
        # The dual point on file may be damaged where the answer is not: build one from the pair.
        fresh = certify(solution.problem, solution.factors)
        if not found.relative_gap <= fresh.relative_gap:
            found, different = fresh, _differences(recorded, fresh, run.tol)
    proved = found.certified(run.tol)
    rows = [
        ("run", str(folder)),
        ("recorded", certificate_words(recorded.to_dict() if recorded else None)),
        ("re-derived", certificate_words(found.to_dict())),
        ("agreement", "they agree" if not different else f"they DIFFER: {'; '.join(different)}"),
        ("verdict", f"{'certified' if proved else 'not certified'} at tolerance {run.tol:g}"),
    ]
    show_table(rows, "flatrank certify")
    return 0 if proved and not different else 3


def _remark(known: NDArray[np.bool_], determined: NDArray[np.bool_]) -> None:
    unknown = int(np.count_nonzero(~known))
    if unknown:
        complain(
            f"{unknown} of {known.size} pairs name a row or column that the run does not know; "
            "they get the offset alone."
        )
    free = int(np.count_nonzero(known & ~determined))
    if free:
        complain(
            f"{free} of {known.size} pairs are not determined by the data: others of the same rank "
            "fit as well. --verbose marks them; a model with lambda > 0 has one value for each."
        )


def _differences(recorded: Certificate | None, found: Certificate, tol: float) -> list[str]:
    """Where two certificates of the same pair, on file and new, disagree.

    Bounds may differ by a tenth of `tol` times the objective: one that comes from a random start is
    not the same twice.
    """
    if recorded is None:
        return ["the run has no certificate on record"]
    bounds = [abs(x) for x in (found.primal, found.dual_bound) if np.isfinite(x)]
    scale = max(*bounds, 1e-300) if bounds else 1e-300
    # The pair is the same, so its objective is, to rounding; a dual bound may come out better.
    allowed = {"primal": 1e-9, "dual_bound": max(0.1 * tol, 1e-9)}
    out = []
    for name, share in allowed.items():
        old, new = getattr(recorded, name), getattr(found, name)
        if old != new and not abs(old - new) <= share * scale:
            out.append(f"{name} is {new:.9g}, recorded {old:.9g}")
    old, new = recorded.relative_gap, found.relative_gap
    if old != new and not abs(old - new) <= allowed["dual_bound"] + 1e-9:
        out.append(f"relative gap is {new:.2e}, recorded {old:.2e}")
    return out
