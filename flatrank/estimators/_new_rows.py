"""Rows that come after the fit: predictions given some entries of theirs, the columns kept."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import flatrank.kernels as kernels
from flatrank.arrays.shapes import Float
from flatrank.data import Units
from flatrank.gibbs import row_blocks
from flatrank.problems import Observed, Problem, checked_entries, checked_pairs, checked_places
from flatrank.selection import (
    Average,
    CompletedTable,
    Completion,
    IntervalKind,
    checked_kind,
    complete_again,
)


class NewRows:
    """New rows of a completed table.

    Parameters
    ----------
    completion
        The model.
    rows, cols, values
        Entries of the new rows (q,): which new row, from 0, and which column of the table.
    n
        Number of new rows.
    features
        Of the new rows (n, p), where the rows of the table had features.

    Raises
    ------
    ValueError
        If a place lies outside, lengths differ or a value is not finite; if there are features
        without a posterior that could use them.
    """

    def __init__(
        self,
        completion: Completion,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        n: int,
        features: ArrayLike | None = None,
    ):
        shape = n, completion.solution.problem.shape[1]
        i, j, v = checked_entries(rows, cols, values, shape)
        if features is not None and completion.average is None:
            raise ValueError(
                "features of new rows tell the posterior, and the table was completed without one: "
                "leave them out, or fit with prediction='posterior' and features of the rows"
            )
        average = completion.average
        self.features = None if average is None else average.posterior.new_features(features, n)
        self.completion = completion
        self.observed = Observed(i, j, v, shape)
        self.units = Units(completion.offsets, completion.scales).of_rows(i, j, v, n)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d2)."""
        return self.observed.shape

    def predict(self, rows: ArrayLike, cols: ArrayLike) -> Float[np.ndarray, " q"]:
        """Predictions at places of the new rows; ValueError if one lies outside."""
        i, j = checked_pairs(rows, cols, self.shape)
        if self._average is not None:
            return self._average.predict(i, j)
        L, R = self._pair
        return self.units.restore(i, j, np.einsum("pk,pk->p", L[i], R[j]))

    def interval(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        level: float = 0.9,
        kind: IntervalKind = "posterior",
    ) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
        """Intervals of the posterior at places of the new rows; ValueError where there is none."""
        i, j = checked_pairs(rows, cols, self.shape)
        if checked_kind(kind) == "conformal":
            raise ValueError(
                "conformal intervals are calibrated on held-out entries of the rows that were "
                "fitted, and say nothing of new rows: fit them too, or take kind='posterior'"
            )
        if self._average is None:
            raise ValueError("the table was completed without a posterior: there are no intervals")
        return self._average.interval(i, j, level)

    def whole_rows(self, rows: ArrayLike) -> Float[np.ndarray, "q d2"]:
        """`predict` at all places of some of the new rows."""
        i = checked_places("rows", np.atleast_1d(rows), self.shape[0])
        if self._average is not None:
            return self._average.whole_rows(i)
        (L, R), d2 = self._pair, self.shape[1]
        places = np.repeat(i, d2), np.tile(np.arange(d2), i.size)
        return self.units.restore(*places, (L[i] @ R.T).ravel()).reshape(i.size, d2)

    def means(self, rows: np.ndarray, cols: np.ndarray) -> Float[np.ndarray, " q"]:
        """`predict` at many places, without drawing anything for one row that others lack."""
        average = self.completion.average
        if average is None:
            L, R = self._pair
            return self.units.restore(rows, cols, (L @ R.T)[rows, cols])
        i, j, v, (n, _), _ = self.observed
        scaled = v / self.units.scales.at(i, j)
        X = average.posterior.mean_rows(i, j, scaled, n, self.features)
        return self.units.scales.at(rows, cols) * X[rows, cols]

    @property
    def factors(self) -> Float[np.ndarray, "n k"]:
        """Of the flat problem, the columns as they are; see `flat_rows`."""
        return self._pair[0]

    @cached_property
    def _average(self) -> Average | None:
        average, (i, j, v, _, _) = self.completion.average, self.observed
        if average is None:
            return None
        scaled = v / self.units.scales.at(i, j)
        return Average(average.posterior.predict_rows(i, j, scaled, self.features), self.units)

    @cached_property
    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        i, j, v, (n, _), _ = self.observed
        solution = self.completion.solution
        R = np.asarray(solution.factors.R, np.float64)
        return flat_rows(solution.problem, R, i, j, self.units.remove(i, j, v), n), R


def added(before: CompletedTable | NewRows, more: Observed, **options: Any) -> CompletedTable:
    """The table fitted to more entries too, from where it was; new rows begin folded in.

    Parameters
    ----------
    before
        A table that was fitted.
    more
        Further entries; rows from d1 on are new.
    **options
        Those of `flatrank.selection.complete_again`.

    Raises
    ------
    ValueError
        As there; if `before` are rows that were folded in.
    """
    if isinstance(before, NewRows):
        raise ValueError(
            "its rows were folded in and its columns kept: partial_fit the recommender that was "
            "fitted, then fold in"
        )
    i, j, v = more.rows, more.cols, more.values
    d1 = before.shape[0]
    new, n = i >= d1, max(more.shape[0] - d1, 0)
    if more.shape[1] != before.shape[1]:  # said in full there
        return complete_again(before, more, np.zeros((n, 0)), **options)
    rows = NewRows(before.completion, i[new] - d1, j[new], v[new], n)
    return complete_again(before, more, rows.factors, **options)


def flat_rows(
    problem: Problem, R: np.ndarray, rows: np.ndarray, cols: np.ndarray, b: np.ndarray, n: int
) -> Float[np.ndarray, "n k"]:
    """Factors of new rows, argmin ½‖b_i − R l‖² + (λ/2) D1_i² ‖l‖² over the entries of each.

    That is the flat problem with R fixed (D-balanced), and a row of the table comes out as it was.
    D1_i² = (1−θ) n_i/(m d2) + θ/(d1 d2) for a row of n_i entries. With λ = 0 it is the least of the
    l that fit best.
    """
    (d1, d2), k = problem.shape, R.shape[1]
    L = np.zeros((n, k))
    if k == 0:
        return L
    order = np.lexsort((cols, rows))
    cols, b = cols[order].astype(np.int32), b[order]
    counts = np.bincount(rows, minlength=n)
    theta = problem.smoothing
    weight = problem.lam * ((1 - theta) * counts / (problem.m * d2) + theta / (d1 * d2))
    ends = np.concatenate([[0], np.cumsum(counts)])
    C = kernels.Compressed(ends, cols, d2)
    for block, entries, part in row_blocks(C, k):
        G, h = kernels.row_grams(part, R, b[entries])
        if problem.lam == 0:
            L[block] = (np.linalg.pinv(G, hermitian=True) @ h[:, :, None])[:, :, 0]
        else:
            # Without entries l = 0, whatever the weight.
            tau = 1 / np.where(counts[block] > 0, weight[block], 1.0)
            L[block], _ = kernels.gaussian_rows(G, h, tau, np.eye(k), np.zeros(k), np.zeros_like(h))
    return L
