"""The best columns for rows, known ones and new ones."""

from __future__ import annotations

from copy import copy
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from sklearn.utils.validation import check_is_fitted

from flatrank.estimators._best import best_columns
from flatrank.estimators._checks import as_places, as_shape
from flatrank.estimators._new_rows import NewRows
from flatrank.estimators.completer import FlatCompleter
from flatrank.problems import portions
from flatrank.selection.average import CAUTION


class FlatRecommender(FlatCompleter):
    """Recommend columns to rows: items to users, by their ratings of other items.

    Parameters and attributes are those of `FlatCompleter`, which predicts the ratings.

    Examples
    --------
    >>> import numpy as np
    >>> from flatrank import FlatRecommender
    >>> pairs = np.argwhere(~np.eye(8, dtype=bool))
    >>> model = FlatRecommender(prediction="flat").fit(pairs, pairs.sum(axis=1))
    >>> items, ratings = model.recommend(3, top=1)
    >>> items
    array([3])
    """

    def recommend(
        self,
        rows: ArrayLike,
        top: int = 10,
        *,
        exclude_seen: bool = True,
        by: Literal["mean", "low"] = "mean",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best columns for some rows, best first.

        Parameters
        ----------
        rows : int, or integer array of shape (q,)
            For whom.
        top : int
            How many columns, at most d2.
        exclude_seen : bool
            Leave out columns in which the row has an entry.
        by : "mean" or "low"
            Order by the prediction, or by what it exceeds with probability 0.9: a cautious list.

        Returns
        -------
        cols, values : arrays of shape (q, top), or (top,) for one row
            −1 and −∞ where fewer columns are left.

        Raises
        ------
        ValueError
            If a row lies outside the matrix, `top` is below 1, or `by` is "low" without a posterior
            or not a word above.

        Notes
        -----
        2 S q d2 k flops for S draws. Memory O(q top), and a portion of the predictions.
        """
        check_is_fitted(self)
        if by not in ("mean", "low"):
            raise ValueError(f"by must be 'mean' or 'low'; got {by!r}")
        d2 = self.completed_.shape[1]
        if top < 1:
            raise ValueError(f"top must be at least 1; got {top!r}")
        asked, top = np.atleast_1d(rows), min(top, d2)
        cols, values = np.empty((asked.size, top), np.int64), np.empty((asked.size, top))
        for part in portions(asked.size, d2):
            scores = self._scores(asked[part], by)
            if exclude_seen:
                scores[self._seen(asked[part])] = -np.inf
            cols[part], values[part] = best_columns(scores, top)
        cols[values == -np.inf] = -1
        return (cols, values) if np.ndim(rows) else (cols[0], values[0])

    def fold_in(
        self, X: ArrayLike, y: ArrayLike, *, features: ArrayLike | None = None
    ) -> FlatRecommender:
        """The same recommender for new rows, given entries of theirs; the columns stay as they are.

        Parameters
        ----------
        X : integer array of shape (q, 2)
            New row, from 0, and column of each entry.
        y : array of shape (q,)
            The values.
        features : array of shape (n, p), optional
            Of the n new rows, where the rows that were fitted had features; needed then. A row
            without entries is predicted from them.

        Returns
        -------
        FlatRecommender
            Its rows are the new ones; what it says of proof and noise is that of the fit.

        Raises
        ------
        ValueError
            If a column lies outside the matrix, lengths differ or a value is not finite; if
            features are given that the fit had not, or lack though it had them.

        Notes
        -----
        2 k² flops for each entry and k³/3 for each row, for each draw.
        """
        check_is_fitted(self)
        rows, cols = as_places(X)
        folded = copy(self)
        n = as_shape(rows, cols, (features, None))[0]
        folded.completed_ = NewRows(self.completed_.completion, rows, cols, y, n, features)
        return folded

    def _scores(self, rows: np.ndarray, by: str) -> np.ndarray:
        if by == "mean":
            return self.completed_.whole_rows(rows)
        d2 = self.completed_.shape[1]
        places = np.repeat(rows, d2), np.tile(np.arange(d2), rows.size)
        return self.completed_.interval(*places, CAUTION)[0].reshape(rows.size, d2)

    def _seen(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where some of the rows, (q, d2), have entries."""
        i, j, _, shape, _ = self.completed_.observed
        return csr_array((np.ones(i.size, bool), (i, j)), shape=shape)[rows].nonzero()
