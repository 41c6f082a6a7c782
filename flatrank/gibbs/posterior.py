"""Predictions that average over everything the data leave open, with error bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, compact_svd
from flatrank.gibbs.chains import Draws, row_by_row
from flatrank.gibbs.diagnostics import Diagnostics
from flatrank.gibbs.mixtures import log_density, quantile, share_below, spread
from flatrank.gibbs.new_rows import New, drawn_factors, mean_factors
from flatrank.gibbs.regression import checked_features
from flatrank.gibbs.sampler import Noise
from flatrank.problems import checked_entries, checked_pairs, checked_places, portions

#: Draws, evenly spaced, that the mean of a new row is taken over.
MEANS = 16


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of the factors and of the noise, given sampled entries.

    Parameters
    ----------
    draws : Draws
        In units in which the data have mean 0 and variance 1.
    mean_value, unit : float
        Mean and standard deviation of the data.
    noise_model : Noise
        One precision for all entries, or one of each row times one of each column.
    diagnostics : Diagnostics
        Whether the chains agree; its `str` is a sentence.
    noise : float
        Root mean square of the noise over the observed entries, in the data's unit.
    seed : int
        Of every random choice.
    seconds : float
        Wall time.
    chosen : list of dict
        The widths and laws of the noise that were tried, with what they predict of entries kept
        out: `width`, `noise`, `log_density` and `rmse`; empty where both were given.
    """

    draws: Draws
    mean_value: float
    unit: float
    noise_model: Noise
    diagnostics: Diagnostics
    noise: float
    seed: int
    seconds: float
    chosen: list[dict[str, Any]]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.draws.L.shape[1], self.draws.R.shape[1]

    @property
    def width(self) -> int:
        """k, the number of columns of the factors."""
        return self.draws.L.shape[2]

    @cached_property
    def rank(self) -> float:
        """Effective rank: exp(−Σ p log p) of the shares p = σ/Σσ of the singular values of L Rᵀ.

        The mean over (at most twenty) draws (Roy and Vetterli, 2007).
        """
        some = np.unique(np.linspace(0, len(self.draws) - 1, 20).astype(int))
        return float(np.mean([self._rank(s) for s in some]))

    def _rank(self, s: int) -> float:
        pair = FactorPair(*(x[s].astype(np.float64) for x in (self.draws.L, self.draws.R)))
        p = compact_svd(pair).s
        p = p[p > 0] / np.sum(p)
        return float(np.exp(-np.sum(p * np.log(p))))

    def mean(self, rows: ArrayLike, cols: ArrayLike) -> Float[np.ndarray, " q"]:
        """Mean of the entries at some places: the prediction of least expected squared error.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q,)
            In the data's unit. A place in a row without data gets its column's mean level.

        Raises
        ------
        ValueError
            If a place lies outside the matrix, or the lengths differ.

        Notes
        -----
        2 S q k flops for S draws.
        """
        return self._over(rows, cols, lambda x, _: x.mean(axis=0))[0]

    def whole_rows(self, rows: ArrayLike) -> Float[np.ndarray, "q d2"]:
        """`mean` of all entries of some rows, by one product of matrices.

        Parameters
        ----------
        rows : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q, d2)
            In the data's unit, in single precision.

        Raises
        ------
        ValueError
            If a row lies outside the matrix.

        Notes
        -----
        2 S q d2 k flops for S draws. Memory 4 (S k (q + d2) + q d2) bytes.
        """
        i = checked_places("rows", np.atleast_1d(rows), self.shape[0])
        d = self.draws
        L = np.concatenate(d.L[:, i], axis=1) * np.float32(self.unit / len(d))
        return L @ np.concatenate(d.R, axis=1).T + np.float32(self.mean_value)

    def interval(
        self, rows: ArrayLike, cols: ArrayLike, level: float = 0.9, *, noise: bool = True
    ) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
        """Equal-tailed intervals: a new observation lies in one with probability `level`.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.
        level : float
            In (0, 1).
        noise : bool
            False: of the low-rank part alone, without the noise of an observation.

        Returns
        -------
        low, high : arrays of shape (q,)
            In the data's unit. That they hold what they say rests on the model: compare the
            coverage of entries kept out.

        Raises
        ------
        ValueError
            As for `mean`; if `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level is a probability between 0 and 1; got {level!r}")
        ends = np.array([(1 - level) / 2, (1 + level) / 2])
        if noise:
            both = self._over(rows, cols, lambda x, sd: [quantile(p, x, sd) for p in ends])
        else:
            both = self._over(rows, cols, lambda x, _: np.quantile(x, ends, axis=0))
        return both[0], both[1]

    def spread(self, rows: ArrayLike, cols: ArrayLike) -> Float[np.ndarray, " q"]:
        """Standard deviation of a new observation at some places, its noise included.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q,)
            In the data's unit.

        Raises
        ------
        ValueError
            As for `mean`.
        """
        return self.unit * self._over(rows, cols, spread, scaled=False)[0]

    def log_density(
        self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike
    ) -> Float[np.ndarray, " q"]:
        """Logarithm of the predictive density of values, in the data's unit; what to compare by.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.
        values : array of shape (q,)
            In the data's unit.

        Returns
        -------
        array of shape (q,)

        Raises
        ------
        ValueError
            As for `mean`.
        """
        return self._of_values(log_density, rows, cols, values) - np.log(self.unit)

    def share_below(
        self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike
    ) -> Float[np.ndarray, " q"]:
        """Probability that a new observation is below a value: uniform where the model holds.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.
        values : array of shape (q,)
            In the data's unit.

        Returns
        -------
        array of shape (q,)

        Raises
        ------
        ValueError
            As for `mean`.
        """
        return self._of_values(share_below, rows, cols, values)

    def predict_rows(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        features: ArrayLike | None = None,
    ) -> Posterior:
        """The posterior of new rows, given entries of theirs and everything learnt before.

        For each draw of R and of the law of the rows, their factors are drawn from their exact
        conditional, in turn with their noise where rows have noise of their own.

        Parameters
        ----------
        rows : integer array of shape (q,)
            Which new row, from 0.
        cols : integer array of shape (q,)
            Columns of the table the posterior belongs to.
        values : array of shape (q,)
            In the data's unit.
        features : array of shape (n, p), optional
            Of the n new rows, where the rows had features; some may have no entries then.

        Returns
        -------
        Posterior
            Of a table of the new rows and the same columns.

        Raises
        ------
        ValueError
            If lengths differ, a place is outside the table, or there are features of the new rows
            and were none of the rows, or the other way round.
        """
        n = int(np.max(rows, initial=-1)) + 1 if features is None else len(np.atleast_1d(features))
        new = self._new(rows, cols, values, n, features)
        L, gamma = drawn_factors(new, self.draws, self.noise_model, self.seed)
        return replace(self, draws=replace(self.draws, L=L, row_noise=gamma))

    def mean_rows(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        n: int,
        features: ArrayLike | None = None,
    ) -> Float[np.ndarray, "n d2"]:
        """Mean of all entries of new rows, given entries of theirs and everything learnt before.

        For some draws of R and of the laws, at most `MEANS` of them, the mean of each row's factors
        is exact; where rows have noise of their own, given a draw of it. What is drawn is drawn
        alike for all rows: none depends on which others there are.

        Parameters
        ----------
        rows, cols, values
            As for `predict_rows`.
        n : int
            Number of new rows; one without entries gets the mean level of each column, or what its
            features say.
        features
            As for `predict_rows`.

        Returns
        -------
        array of shape (n, d2)
            In the data's unit.

        Raises
        ------
        ValueError
            As for `predict_rows`.

        Notes
        -----
        For each draw 2 k² flops for each entry, k³/3 + 5 k² for each row, and 2 n d2 k. Memory
        O(n d2).
        """
        new = self._new(rows, cols, values, n, features)
        some = np.unique(np.linspace(0, len(self.draws) - 1, MEANS).astype(int))
        R = np.concatenate(self.draws.R[some], axis=1) * (self.unit / some.size)
        out = np.empty((n, self.shape[1]))
        for block, part in new.blocks(self.width):
            means = mean_factors(part, self.draws, self.noise_model, self.seed, some)
            np.matmul(means, R.T, out=out[block])
        out += self.mean_value
        return out

    def new_features(self, features: ArrayLike | None, n: int) -> Float[np.ndarray, "n p"] | None:
        """Features of n new rows as numbers; ValueError unless the rows have had the same ones."""
        B = self.draws.row_weights
        if B is None:
            if features is not None:
                raise ValueError(
                    "new rows come with features, and the rows that were fitted had none: leave "
                    "them out, or fit with features of the rows"
                )
            return None
        p = B.shape[1]
        if features is None:
            raise ValueError(
                f"the rows that were fitted had features, {p} each: give those of the new rows "
                f"too, an array of shape (new rows, {p})"
            )
        F, _ = checked_features((features, None), (n, self.shape[1]))
        if F is not None and F.shape[1] != p:
            raise ValueError(
                f"new rows need the {p} features of the rows that were fitted; got {F.shape[1]}"
            )
        return F

    def _new(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        n: int,
        features: ArrayLike | None,
    ) -> New:
        """What is known of new rows."""
        F = self.new_features(features, n)
        rows, cols, values = checked_entries(rows, cols, values, (n, self.shape[1]))
        place = rows.astype(np.int64) * self.shape[1] + cols
        if np.any(place[1:] < place[:-1]):
            order = np.argsort(place, kind="stable")
            cols, values = cols[order], values[order]
        C = row_by_row(np.bincount(rows, minlength=n), cols, self.shape[1])
        return New(C, (values - self.mean_value) / self.unit, F)

    def _of_values(
        self, what: Callable[..., Any], rows: ArrayLike, cols: ArrayLike, values: ArrayLike
    ) -> Float[np.ndarray, " q"]:
        """Something of the predictive laws at values in the data's unit."""
        at = (np.asarray(values, np.float64) - self.mean_value) / self.unit
        return self._over(rows, cols, what, at, scaled=False)[0]

    def _over(
        self,
        rows: ArrayLike,
        cols: ArrayLike,
        what: Callable[..., Any],
        *given: np.ndarray,
        scaled: bool = True,
    ) -> Float[np.ndarray, "r q"]:
        """Something of the values and standard deviations, (S, q), portion by portion."""
        i, j = checked_pairs(rows, cols, self.shape)
        d, parts = self.draws, [np.empty((2, 0))]
        for part in portions(i.size, len(d)):
            tau = d.row_noise[:, i[part]] * d.col_noise[:, j[part]] * d.alpha[:, None]
            x = d.entries(i[part], j[part])
            parts.append(np.atleast_2d(what(*(g[part] for g in given), x, tau**-0.5)))
        out = np.hstack([x[: parts[-1].shape[0]] for x in parts])
        return self.mean_value + self.unit * out if scaled else out
