"""One call for a whole table: everything chosen, proved where it can be, filled with error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from flatrank.certificates import Certificate
from flatrank.data import Entries, Offsets, Units
from flatrank.data.duplicates import Duplicates
from flatrank.data.offsets import RIDGE
from flatrank.gibbs import checked_features
from flatrank.problems import Labels, Observed, checked_pairs, checked_places, completion, portions
from flatrank.selection.choosing import complete_entries
from flatrank.selection.conformal import IntervalKind, checked_kind
from flatrank.selection.fits import rmse
from flatrank.selection.records import Completion
from flatrank.selection.run import NothingToChooseError
from flatrank.solvers import Solution, Status, largest_lam, solve


@dataclass(frozen=True, eq=False)
class CompletedTable:
    """A table with everything chosen: predictions at any place, intervals, proof.

    Parameters
    ----------
    completion : Completion
        The model.
    observed : Observed
        The entries that came in.
    """

    completion: Completion
    observed: Observed

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.observed.shape

    @property
    def solution(self) -> Solution:
        """The flat solution, of what is left after scales and offsets."""
        return self.completion.solution

    @property
    def certificate(self) -> Certificate | None:
        """Of the flat solution."""
        return self.solution.certificate

    @property
    def status(self) -> Status:
        """Of the flat solution."""
        return self.solution.status

    @property
    def labels(self) -> Labels | None:
        """Names of rows and columns, where a table with names came in."""
        return self.observed.labels

    def predict(self, rows: ArrayLike, cols: ArrayLike) -> np.ndarray:
        """Predictions at some places.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q,)
            In the unit of the table. In a row or column without entries, the level of the other.

        Raises
        ------
        ValueError
            If a place lies outside the table, or the lengths differ.
        """
        i, j = checked_pairs(rows, cols, self.shape)
        return self._predicted(i, j)

    def interval(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        level: float = 0.9,
        kind: IntervalKind = "posterior",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals of new observations at some places.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.
        level : float
            In (0, 1).
        kind : "posterior" or "conformal"
            What they rest on. Those of the posterior hold what they say where its model of the
            values holds, entry by entry. Conformal ones are as wide as predictions of held-out
            entries were off, hold on average over the missing entries whatever the values are, and
            need a model of what is missing (`flatrank.selection.conformal`).

        Returns
        -------
        low, high : arrays of shape (q,)
            In the unit of the table; wide in a row or column without entries, where conformal ones
            may be infinite.

        Raises
        ------
        ValueError
            As for `predict`; if there is no posterior, or no or too few held-out entries to
            calibrate on, if `level` is not between 0 and 1, or `kind` not a word above.
        """
        i, j = checked_pairs(rows, cols, self.shape)
        if checked_kind(kind) == "conformal":
            half = self.completion.half_width(i, j, level)
            x = self._predicted(i, j)
            return x - half, x + half
        if self.completion.average is None:
            raise ValueError(
                "no posterior was drawn, and so there are no intervals of it: predict was 'flat', "
                "lam was 0, the table is too small to hold an entry out, or effects of rows and "
                "columns fit it exactly; kind='conformal' does without a posterior"
            )
        return self.completion.average.interval(i, j, level)

    def whole_rows(self, rows: ArrayLike) -> np.ndarray:
        """Predictions of all entries of some rows: faster than `predict` at each.

        Parameters
        ----------
        rows : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q, d2)
            In the unit of the table.

        Raises
        ------
        ValueError
            If a row lies outside the table.
        """
        i = checked_places("rows", np.atleast_1d(rows), self.shape[0])
        if self.completion.average is not None:
            return self.completion.average.whole_rows(i)
        d2 = self.shape[1]
        places = np.repeat(i, d2), np.tile(np.arange(d2), i.size)
        return self._predicted(*places).reshape(i.size, d2)

    def matrix(self, *, keep_observed: bool = True) -> np.ndarray:
        """The whole table, (d1, d2); by default observed entries stay as they came."""
        d1, d2 = self.shape
        out = np.empty(self.shape)
        for part in portions(d1, d2):
            out[part] = self.whole_rows(np.arange(d1)[part])
        if keep_observed:
            out[self.observed.rows, self.observed.cols] = self.observed.values
        return out

    def to_frame(self, *, keep_observed: bool = True) -> Any:
        """`matrix` as the kind of table that came in, with its names; an array of an array."""
        X = self.matrix(keep_observed=keep_observed)
        return X if self.labels is None else self.labels.table(X)

    def __repr__(self) -> str:
        """One line: what, how sure, of which rank."""
        (d1, d2), m, error = self.shape, self.observed.values.size, self.completion.rmse["holdout"]
        held = "" if error is None else f", hold-out RMSE {error:.4g}"
        return (
            f"CompletedTable({d1} x {d2} from {m} entries{held}; flat solution of rank "
            f"{self.solution.rank}, {self.status.value})"
        )

    def _predicted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        x = self.completion.predict(i, j)
        # What nothing ties to the data, a row without entries, has its offsets alone.
        units = Units(self.completion.offsets, self.completion.scales)
        return np.where(np.isnan(x), units.base(i, j), x)


def complete(  # noqa: PLR0913 - the command line's options, each named
    table: Any,
    cols: ArrayLike | None = None,
    values: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    lam: float | None = None,
    rank: int | None = None,
    smoothing: float | None = None,
    holdout: float = 0.1,
    predict: Literal["posterior", "flat"] = "posterior",
    tol: float = 1e-4,
    max_seconds: float | None = None,
    seed: int = 0,
    duplicates: Duplicates = "error",
    missing: Any = None,
    features: Sequence[ArrayLike | None] | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> CompletedTable:
    """Complete a table with everything chosen, as `flatrank complete` does.

    Parameters
    ----------
    table : array with NaN, masked array, data frame, SciPy sparse, xarray.DataArray; or rows
        As for `flatrank.completion`.
    cols, values, shape
        With `table` the rows: places and values of the observed entries, and the shape.
    lam, rank, smoothing, predict, tol, max_seconds, seed
        As for the command line: by default λ and offsets are chosen on held-out entries, and
        predictions are means over the posterior of the factors.
    holdout : float
        Share of the entries that tell how well it predicts, in [0, 1); 0 leaves that out.
    duplicates, missing
        As for `flatrank.completion`.
    features : (array of shape (d1, p) or None, array of shape (d2, q) or None), optional
        Numbers that say what rows, and columns, are alike, for predictions by the posterior of rows
        and columns with few entries or none (`flatrank.posterior`).
    progress : callable, optional
        Receives stage, step, message and numbers.

    Returns
    -------
    CompletedTable

    Raises
    ------
    ValueError
        If the table is none, nothing is observed, a number is not finite or an argument is out of
        range.
    TypeError
        If it is no table.

    Notes
    -----
    Where no entry can be held out (each is the only one of its row or column), predictions are the
    effects of rows and columns alone.
    """
    problem = completion(table, cols, values, shape, duplicates=duplicates, missing=missing)
    i, j = problem.measurement.places()
    v, (d1, d2) = np.asarray(problem.b, np.float64), problem.shape
    order = np.lexsort((j, i))
    i, j, v = i[order], j[order], v[order]
    known = checked_features(features, problem.shape)
    if features is not None and (predict == "flat" or lam == 0):
        raise ValueError(
            "features tell the posterior, which predict='flat' and lam=0 leave out: give one or "
            "the other"
        )
    entries = Entries(i, j, v, np.arange(d1).astype(str), np.arange(d2).astype(str), features=known)
    try:
        found = complete_entries(
            entries, lam=lam, rank=rank, smoothing=smoothing, holdout=holdout, seed=seed, tol=tol,
            max_seconds=max_seconds, predict=predict, monitor=progress,
        )  # fmt: skip
    except NothingToChooseError:
        found = _effects(entries, tol, seed)
    return CompletedTable(found, Observed(i, j, v, (d1, d2), problem.labels))


def _effects(e: Entries, tol: float, seed: int) -> Completion:
    """Effects of rows and columns alone, and X = 0, which is optimal at λ_max."""
    offsets = Offsets.fit(e.rows, e.cols, e.values, e.shape, ridge=RIDGE)
    rest = e.values - offsets.at(e.rows, e.cols)
    problem = completion(e.rows, e.cols, rest, e.shape, lam=1.0)
    solution = solve(problem.with_lam(2 * largest_lam(problem, seed) or 1.0), tol=tol, seed=seed)
    errors = dict.fromkeys(("holdout", "flat", "baseline")) | {"train": rmse(rest)}
    return Completion(solution, offsets, errors, [], [], None, chosen_at="zero")
