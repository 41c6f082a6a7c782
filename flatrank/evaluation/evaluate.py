"""The front door: hide entries in turn, predict them, and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.baselines import within
from flatrank.data.standard import Standard
from flatrank.evaluation.hiding import Split, by_folds, by_test
from flatrank.evaluation.result import Evaluation
from flatrank.evaluation.scoring import score
from flatrank.problems import Observed, completion

#: Seconds that a baseline may take on one fold.
BUDGET = 20.0


def evaluate(  # noqa: PLR0913 - the command line's options, each named
    table: Any,
    cols: ArrayLike | None = None,
    values: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    folds: int | ArrayLike = 5,
    test: Any = None,
    seed: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Evaluation:
    """Hide entries in turn and predict them, by low rank and by simpler ways.

    Parameters
    ----------
    table : array with NaN, masked array, data frame, SciPy sparse, xarray.DataArray; or rows
        As for `flatrank.completion`. Columns of a table are standardised, as by `flatrank.impute`,
        and errors are in standard deviations of a column.
    cols, values, shape
        With `table` the rows: places and values of the observed entries, and the shape. They are
        completed as by `flatrank.complete`, and errors are in their unit; then rankings of the
        unseen columns of a row are scored too (`flatrank.evaluation.ranking`).
    folds : int or array of shape (m,)
        How many random parts are hidden in turn, none of them with all entries of a row or column;
        or the part of each observed entry, of a table row by row.
    test : table or (rows, cols, values), optional
        What to predict instead: entries, or a table of the same shape that is filled where this one
        has gaps. Entries that are in both are hidden, cells that are in both tables known.
    seed : int
        Of every random choice.
    progress : callable, optional
        Receives stage, step, of and message.

    Returns
    -------
    Evaluation
        RMSE and MAE of the posterior mean, the flat solution and the baselines; coverage and width
        of 90 % intervals. On Ctrl-C of the folds that were finished.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C before the end of the first fold.
    ValueError, TypeError
        As `flatrank.complete`; if there are fewer than two folds, or the test does not fit.

    Notes
    -----
    Cost: that of `flatrank.complete` and of the baselines for each fold, one after another: of
    large tables chains and kernels use the cores already, and small ones take seconds. A baseline
    that would take more than 20 seconds a fold is left out, and named.
    """
    finished: list[Evaluation] = []
    try:
        for found in evaluations(
            table, cols, values, shape, folds=folds, test=test, seed=seed, progress=progress
        ):
            finished = [found]
    except KeyboardInterrupt:
        if not finished:
            raise
    return finished[-1]


def evaluations(  # noqa: PLR0913 - those of `evaluate`
    table: Any,
    cols: ArrayLike | None = None,
    values: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    folds: int | ArrayLike = 5,
    test: Any = None,
    seed: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Iterator[Evaluation]:
    """`evaluate`, told after each fold: the folds so far. Arguments and errors are the same."""
    seen = _seen(table, cols, values, shape)
    if cols is not None and np.shape(folds) == np.shape(table):
        folds = np.asarray(folds)[np.lexsort((np.asarray(cols), np.asarray(table)))]
    splits = by_folds(seen, folds, seed) if test is None else [by_test(seen, test)]
    if not splits:
        raise ValueError("no entry can be hidden: each is the only one of its row or of its column")
    unit = _unit(seen) if cols is None else None
    found = _begun(seen, splits, unit, seed, test is None)
    names, found = _chosen(found, splits)
    for n, split in enumerate(splits, 1):

        def tell(message: str, n: int = n) -> None:
            if progress is not None:
                progress({"stage": f"fold {n} of {len(splits)}", "message": message})

        found = replace(found, folds=[*found.folds, score(split, names, unit, seed, tell)])
        yield found


def _seen(table: Any, cols: Any, values: Any, shape: Any) -> Observed:
    """The observed entries, row by row."""
    problem = completion(table, cols, values, shape)
    i, j = problem.measurement.places()
    order = np.lexsort((j, i))
    return Observed(i[order], j[order], np.asarray(problem.b, float)[order], problem.shape)


def _unit(seen: Observed) -> np.ndarray:
    X = np.full(seen.shape, np.nan)
    X[seen.rows, seen.cols] = seen.values
    return Standard.of(X).scale


def _begun(
    seen: Observed, splits: list[Split], unit: np.ndarray | None, seed: int, dealt: bool
) -> Evaluation:
    """Before the first fold."""
    hidden = sum(split.hidden.values.size for split in splits)
    return Evaluation(
        folds=[],
        asked=len(splits),
        shape=seen.shape,
        entries=seen.values.size,
        unit="the unit of the values" if unit is None else "standard deviations of a column",
        never_hidden=seen.values.size - hidden if dealt else 0,
        cold=sum(_cold(split) for split in splits),
        seed=seed,
    )


def _chosen(found: Evaluation, splits: list[Split]) -> tuple[list[str], Evaluation]:
    """The baselines that every fold can have."""
    names, left_out = within(splits[0].known, BUDGET)
    return names, replace(found, left_out=left_out)


def _cold(split: Split) -> int:
    d1, d2 = split.known.shape
    empty_row = np.bincount(split.known.rows, minlength=d1) == 0
    empty_col = np.bincount(split.known.cols, minlength=d2) == 0
    return int(np.sum(empty_row[split.hidden.rows] | empty_col[split.hidden.cols]))
