"""What is hidden in which fold, and what is known then."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from flatrank.data import folds as random_folds
from flatrank.problems import Observed, completion, observed


class Split(NamedTuple):
    """Entries to fit, and entries to predict."""

    known: Observed
    hidden: Observed


def by_folds(seen: Observed, folds: int | ArrayLike, seed: int) -> list[Split]:
    """Each fold hidden in turn.

    Parameters
    ----------
    seen : Observed
        Every entry.
    folds : int or array of shape (m,)
        How many, at random, so that no row or column is ever hidden as a whole; or which fold
        each entry is in, hidden as it is.
    seed : int
        Of random folds.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or the array is not of the length of the entries.
    """
    m = seen.values.size
    if np.ndim(folds) == 0:
        parts = random_folds((seen.rows, seen.cols), folds, seed=seed)  # pyright: ignore[reportArgumentType]
    else:
        of = np.asarray(folds)
        if of.shape != (m,):
            raise ValueError(
                f"folds must be a number or one fold for each of the {m} entries; got an array of "
                f"shape {of.shape}"
            )
        parts = [np.flatnonzero(of == name) for name in np.unique(of)]
        if len(parts) < 2:
            raise ValueError("folds names one fold alone; at least two are needed, hidden in turn")
    everything = np.arange(m)
    return [
        Split(_part(seen, np.setdiff1d(everything, part)), _part(seen, part))
        for part in parts
        if part.size
    ]


def by_test(seen: Observed, test: Any) -> Split:
    """One split: entries or a table of one's own to predict.

    Entries that are in both are hidden; cells that are in both tables are known.

    Raises
    ------
    ValueError
        If the table has another shape, or nothing is left to predict or to fit.
    """
    d2 = seen.shape[1]
    if isinstance(test, tuple):
        i, j, values = test
        problem = completion(i, j, values, seen.shape)
        rows, cols = problem.measurement.places()
        hidden = Observed(rows, cols, np.asarray(problem.b), seen.shape)
        keep = ~np.isin(_keys(seen, d2), _keys(hidden, d2))
        seen = _part(seen, keep)
    else:
        hidden = observed(test)
        if hidden.shape != seen.shape:
            raise ValueError(
                f"the test table must have the shape of the other, {seen.shape[0]} x {d2}; got "
                f"{hidden.shape[0]} x {hidden.shape[1]}"
            )
        hidden = _part(hidden, ~np.isin(_keys(hidden, d2), _keys(seen, d2)))
    for part, what in ((hidden, "predict: the test has no entry that is a gap"), (seen, "fit")):
        if not part.values.size:
            raise ValueError(f"no entry is left to {what}")
    return Split(seen, hidden)


def _keys(part: Observed, d2: int) -> np.ndarray:
    return part.rows.astype(np.int64) * d2 + part.cols


def _part(seen: Observed, at: np.ndarray) -> Observed:
    return Observed(seen.rows[at], seen.cols[at], seen.values[at], seen.shape)
