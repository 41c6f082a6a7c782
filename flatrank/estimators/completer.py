"""Entries in, predictions of entries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from flatrank.estimators._checks import as_places, as_shape, options_of, record_completed
from flatrank.estimators._new_rows import NewRows, added
from flatrank.problems import Observed, checked_entries, observed
from flatrank.selection import CompletedTable, IntervalKind, complete


class FlatCompleter(RegressorMixin, BaseEstimator):
    """Predict entries of a matrix from others, with everything chosen and proved.

    Parameters
    ----------
    shape : (d1, d2), optional
        Of the matrix, where entries are given as pairs; by default the smallest that holds them.
        Give it for cross-validation: a part may lack the last row.
    prediction : "posterior" or "flat"
        What predictions are: means over the posterior of the factors, or the flat solution itself.
    rank : int, optional
        Rank limit of the flat solution; the posterior chooses a width of its own.
    lam : float, optional
        λ ≥ 0; by default chosen on held-out entries.
    tol : float
        Relative duality gap of the flat solution.
    holdout : float
        Share of the entries in [0, 1) that intervals with `kind="conformal"` are calibrated on;
        they cost a second fit, which has not seen them. 0 leaves that out.
    max_seconds : float, optional
        No new step of the fit starts after so many seconds.
    random_state : int, RandomState or None
        Of every random choice.

    Attributes
    ----------
    completed_ : CompletedTable
        The whole table.
    certificate_, status_, rank_, flatness_
        Of the flat solution.
    noise_ : float or None
        Root mean square of the noise, in the unit of the values (over their scales, of geometric
        mean 1, where rows or columns have some); None without a posterior.

    See Also
    --------
    flatrank.complete : The same in one call, without scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from flatrank import FlatCompleter
    >>> pairs = np.argwhere(~np.eye(8, dtype=bool))
    >>> model = FlatCompleter(prediction="flat").fit(pairs, pairs.sum(axis=1))
    >>> model.predict([[2, 2], [3, 3]]).shape
    (2,)
    """

    completed_: CompletedTable | NewRows

    def __init__(  # noqa: PLR0913 - options, each named
        self,
        *,
        shape: tuple[int, int] | None = None,
        prediction: Literal["posterior", "flat"] = "posterior",
        rank: int | None = None,
        lam: float | None = None,
        tol: float = 1e-4,
        holdout: float = 0.0,
        max_seconds: float | None = None,
        random_state: Any = 0,
    ):
        self.shape = shape
        self.prediction: Literal["posterior", "flat"] = prediction
        self.rank = rank
        self.lam = lam
        self.tol = tol
        self.holdout = holdout
        self.max_seconds = max_seconds
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        features: Sequence[ArrayLike | None] | None = None,
    ) -> FlatCompleter:
        """Complete the matrix.

        Parameters
        ----------
        X : integer array of shape (m, 2); or a table
            Row and column of each observed entry, 0-based, each place at most once. Without `y`, a
            table as for `flatrank.completion`: NaN in its gaps, or SciPy sparse, of which what is
            stored is observed.
        y : array of shape (m,), optional
            The values.
        features : (array of shape (d1, p) or None, array of shape (d2, q) or None), optional
            What is known of rows, and of columns, in numbers. Those without entries are then
            predicted from them; `shape` need not be given for these.

        Returns
        -------
        FlatCompleter
            Itself.

        Raises
        ------
        ValueError
            If places are not (row, column) pairs within the shape, occur twice, a value is not
            finite or a parameter is out of range.
        TypeError
            If there is no `y` and X is no table.

        Warns
        -----
        NotCertifiedWarning
            If the flat solution ends without its proof.

        Notes
        -----
        Cost: that of `flatrank.complete`. Memory O(m + (d1 + d2) k); a sparse matrix stays so.
        """
        given: tuple[Any, ...] = (X,)
        if y is not None:
            rows, cols = as_places(X)
            given = rows, cols, y, self.shape or as_shape(rows, cols, features)
        completed = complete(*given, holdout=self.holdout, features=features, **options_of(self))
        record_completed(self, completed)
        self._featured = features is not None
        return self

    def partial_fit(self, X: Any, y: ArrayLike | None = None) -> FlatCompleter:
        """Fit to further entries too, of new rows or of known ones; without a fit, `fit`.

        All entries are fitted, those before and the new ones: the answer is that of `fit` on all of
        them at the same share of λ_max. Offsets, scales, λ and the width of the posterior are not
        chosen again, and the search starts where the last one ended, new rows folded in.

        Parameters
        ----------
        X : integer array of shape (q, 2); or a table
            Row and column of each further entry; rows from d1 on are new. Without `y`, a table of
            new rows, which are numbered from d1.
        y : array of shape (q,), optional
            The values.

        Returns
        -------
        FlatCompleter
            Itself.

        Raises
        ------
        ValueError
            As for `fit`; if a place has an entry already, or lies outside the columns, or there are
            features, which new rows have none of.

        Warns
        -----
        NotCertifiedWarning
            If the flat solution ends without its proof.

        Notes
        -----
        Cost: one fit, where `fit` takes a dozen or two, and the posterior. Memory as for `fit`.
        """
        if not hasattr(self, "completed_"):
            return self.fit(X, y)
        if self._featured:
            raise ValueError(
                "it was fitted with features, and new entries bring none: fit all entries, with "
                "features of all rows and columns"
            )
        d1, d2 = self.completed_.shape
        if y is None:
            found = observed(X)
            more = found._replace(rows=found.rows + d1, shape=(found.shape[0] + d1, found.shape[1]))
        else:
            rows, cols = as_places(X)
            shape = max(d1, as_shape(rows, cols)[0]), d2
            more = Observed(*checked_entries(rows, cols, y, shape), shape)
        record_completed(self, added(self.completed_, more, **options_of(self)))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predictions at some places.

        Parameters
        ----------
        X : integer array of shape (q, 2)
            Row and column of each place.

        Returns
        -------
        array of shape (q,)
            In the unit of the values. In a row or column without entries, the level of the other.

        Raises
        ------
        ValueError
            If a place lies outside the matrix.
        """
        check_is_fitted(self)
        return self.completed_.predict(*as_places(X))

    def predict_interval(
        self, X: ArrayLike, level: float = 0.9, kind: IntervalKind = "posterior"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intervals that hold new observations with probability `level`.

        Parameters
        ----------
        X : integer array of shape (q, 2)
            Row and column of each place.
        level : float
            In (0, 1).
        kind : "posterior" or "conformal"
            What they rest on, as for `CompletedTable.interval`; the second needs a `holdout`, and
            rows that were fitted.

        Returns
        -------
        low, high : arrays of shape (q,)
            In the unit of the values.

        Raises
        ------
        ValueError
            As for `predict`; if there is no posterior, or nothing to calibrate on, or the level is
            out of range.
        """
        check_is_fitted(self)
        return self.completed_.interval(*as_places(X), level, kind)
