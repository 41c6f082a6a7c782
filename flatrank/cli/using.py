"""`predict` and `recommend`: a finished run put to use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flatrank.cli.streams import complain, emit, interactive, say, to_csv, write_text
from flatrank.data import InputError, read_pairs


def predict_pairs(
    folder: Path, pairs: str, names: tuple[str | None, str | None], out: Path | None, verbose: bool
) -> int:
    """Write a value for each pair, in the order asked.

    Parameters
    ----------
    folder : Path
        The run.
    pairs : str
        What to read the pairs from.
    names : (str or None, str or None)
        Of the two columns.
    out : Path or None
        File to write; None for standard output.
    verbose : bool
        Add the columns `known` and `determined`.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    InputError
        If the run or the pairs cannot be used.
    """
    from flatrank.reporting.saved import load_run

    if out is not None:
        _check_file(out)
    rows, cols = read_pairs(pairs, row=names[0], col=names[1])
    run = load_run(folder)
    i, j = run.places(zip(rows.tolist(), cols.tolist(), strict=True))
    values = run.at(i, j)
    known, determined = (i >= 0) & (j >= 0), run.determined(i, j)
    header = ["row", "col", "value"]
    columns = [rows.tolist(), cols.tolist(), values.tolist()]
    if verbose:
        for name, marks in (("known", known), ("determined", determined)):
            header.append(name)
            columns.append(["true" if mark else "false" for mark in marks.tolist()])
    text = to_csv(header, zip(*columns, strict=True))
    if out is None:
        emit(text)
    else:
        write_text(out, text)
    _remark(known, determined)
    return 0


def recommend_columns(folder: Path, row: str, top: int) -> int:
    """List the best columns that a row has no entry in.

    Parameters
    ----------
    folder : Path
        The run.
    row : str
        Name of the row.
    top : int
        How many.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    InputError
        If the run cannot be used or has no such row.
    """
    from flatrank.reporting.saved import load_run

    if top < 1:
        raise InputError(f"--top must be a whole number from 1; got {top}.")
    run = load_run(folder)
    best = run.recommend(row, top)
    if interactive("stdout"):
        _show(row, best)
    else:
        emit(to_csv(["col", "value"], best))
    if len(best) < top:
        complain(f"only {len(best)} columns are unseen by row {row}.")
    return 0


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


def _check_file(out: Path) -> None:
    folder = out.resolve().parent
    if out.is_dir():
        raise InputError(f"--out {out}: is a folder; name a file.")
    if not folder.is_dir():
        raise InputError(f"--out {out}: there is no folder {folder}; make it first.")


def _show(row: str, best: list[tuple[str, float]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"For row {row}", box=box.ROUNDED, title_justify="left")
    table.add_column("column", overflow="fold")
    table.add_column("value", justify="right")
    for label, value in best:
        table.add_row(Text(label), f"{value:.4g}")
    Console().print(table)
    if not best:
        say("Nothing is left to recommend.\n")
