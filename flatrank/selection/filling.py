"""Tables whose columns have units of their own: filled, beside simpler ways to fill them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flatrank.baselines import fitters
from flatrank.data.standard import Standard
from flatrank.problems import Observed, observed
from flatrank.selection.comparison import FLATRANK, Comparison, compare
from flatrank.selection.conformal import IntervalKind
from flatrank.selection.tables import CompletedTable, complete

#: Seconds that a baseline may take, to be shown beside a filled table and to be averaged with.
SHOWN, AVERAGED = 1.0, 20.0


@dataclass(frozen=True, eq=False)
class Filled:
    """A table without gaps, the model behind it, and how well other ways do.

    Parameters
    ----------
    X : array of shape (d1, d2)
        The table; observed entries as they came.
    low, high : arrays of shape (d1, d2), or None
        Ends of the intervals of what was filled, and the number itself where it was observed.
    completed : CompletedTable
        The model, in standard deviations of each column.
    comparison : Comparison
        The model and the baselines on the hold-out, in standard deviations of the column; empty
        without a hold-out.
    weights : dict
        Of the average, by name; empty unless it was asked for.
    """

    X: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    completed: CompletedTable
    comparison: Comparison = field(default_factory=Comparison)
    weights: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line: the table, the errors on the hold-out, the weights."""
        said = f"Filled({self.X.shape[0]} x {self.X.shape[1]}"
        for what, numbers in (
            ("; hold-out RMSE in standard deviations of a column: ", self.comparison.errors()),
            ("; weights: ", self.weights),
        ):
            if numbers:
                said += what + ", ".join(f"{name} {x:.3g}" for name, x in numbers.items())
        return f"{said})"


def fill(  # noqa: PLR0913 - options, each named
    X: np.ndarray,
    level: float | None = None,
    kind: IntervalKind = "posterior",
    *,
    average: bool = False,
    holdout: float = 0.1,
    beside: bool = True,
    seed: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> Filled:
    """Fill the gaps of an array, (d1, d2), with NaN in them.

    Columns are standardised first, so that the unit of a column changes nothing.

    Parameters
    ----------
    X
        The table, a number at least in each column.
    level
        Of intervals, in (0, 1); none by default.
    kind
        Of intervals, as for `CompletedTable.interval`.
    average
        Fill with a weighted mean of the model and of the baselines, the weights those of least
        squared error on the hold-out (stacked regressions: Breiman, 1996).
    holdout
        Share of the entries that tell how well the model and the baselines predict; 0 leaves that
        out.
    beside
        Whether the hold-out is predicted by baselines too: those that take about a second; for an
        average, which needs them, up to 20.
    seed, progress, **options
        As of `complete`.

    Raises
    ------
    ValueError
        As `complete` and `CompletedTable.interval`; if a column has no entry; if an average is
        asked for with intervals, or where nothing is held out.
    """
    if average and level is not None:
        raise ValueError(
            "intervals are those of the model, and its average with others does not lie in their "
            "middle: ask for one of the two"
        )
    to = Standard.of(X)
    seen, Z = ~np.isnan(X), (X - to.mean) / to.scale
    rows, cols = np.nonzero(seen)
    known = Observed(rows, cols, Z[seen], (X.shape[0], X.shape[1]))
    completed = complete(*known[:4], holdout=holdout, seed=seed, progress=progress, **options)
    found = Comparison()
    if average or beside:
        found = compare(known, completed, AVERAGED if average else SHOWN, seed, progress)
    weights: dict[str, float] = {}
    i, j = np.nonzero(~seen)

    def put(x: np.ndarray) -> np.ndarray:
        out = X.copy()
        out[i, j] = to.mean[j] + to.scale[j] * x
        return out

    if average:
        if not found.values.size:
            raise ValueError(
                "an average needs entries held out to weigh by: the table is too small for that, "
                "or holdout was 0"
            )
        weights = found.weights()
        filled = put(_mixed(weights, known, completed, (i, j), seed))
    else:
        filled = put(completed.predict(i, j))
    low, high = None, None
    if level is not None:
        low, high = (put(end) for end in completed.interval(i, j, level, kind))
    return Filled(filled, low, high, completed, found, weights)


def _mixed(
    weights: dict[str, float],
    known: Observed,
    completed: CompletedTable,
    places: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> np.ndarray:
    """The weighted mean of the model and of baselines fitted to every entry, at places."""
    out, fits = np.zeros(places[0].size), fitters(seed)
    for name, weight in weights.items():
        predict = completed.predict if name == FLATRANK else fits[name](known)
        out += weight * predict(*places)
    return out


def impute(table: Any, *, average: bool = False, missing: Any = None, **options: Any) -> Any:
    """The same table with its gaps filled: array for array, data frame for data frame.

    Columns are standardised first, so that the unit of a column changes nothing.

    Parameters
    ----------
    table
        As for `flatrank.completion`; a SciPy sparse one becomes an array.
    average : bool
        Fill with a weighted mean of the model, the column mean, effects of rows and columns and,
        where scikit-learn is installed, nearest neighbours and a regression on the other columns.
        The weights are those of least squared error on a tenth of the entries, held out of all of
        them. The model alone by default. `flatrank.selection.fill` reports errors and weights.
    missing : number, or several, optional
        Values that stand for gaps, such as -999, besides NaN.
    **options
        Those of `flatrank.complete`, whose result also has intervals; no hold-out by default,
        unless for an average.

    Returns
    -------
    Table of the same kind, with its names; observed entries are as they were.

    Raises
    ------
    ValueError, TypeError
        As `flatrank.complete`; if a column has no entry; if too little is known to hold anything
        out for an average.

    Notes
    -----
    Cost: that of `flatrank.complete`; for an average also that of two fits of each of the others.
    One that would take more than about 20 seconds is left out.
    """
    seen = observed(table, missing)
    X = np.full(seen.shape, np.nan)
    X[seen.rows, seen.cols] = seen.values
    chosen: dict[str, Any] = {"holdout": 0.1 if average else 0.0} | options
    filled = fill(X, average=average, **chosen).X
    return filled if seen.labels is None else seen.labels.table(filled)
