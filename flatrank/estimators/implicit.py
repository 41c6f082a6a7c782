"""The best columns for rows of clicks, all cells counted."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from flatrank.arrays import scope
from flatrank.certificates import Certificate, certify
from flatrank.estimators._best import best_columns
from flatrank.estimators._checks import seed_of
from flatrank.kernels import Compressed
from flatrank.problems import checked_places, implicit
from flatrank.solvers import ImplicitLeastSquares, Solution, approximate
from flatrank.solvers.implicit import ridge_rows, sided

#: Scores computed at a time.
PORTION = 1 << 22


class FlatImplicitRecommender(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Recommend columns to rows by their clicks, of which no click is a weak word against.

    Weighted matrix factorisation: min ½ Σ c (p − L Rᵀ)² + λ/2 (‖L‖² + ‖R‖²) over all cells, p = 1
    where there is a click and 0 elsewhere, c = 1 + α r with r the count of the cell.

    Parameters
    ----------
    factors : int
        k, columns of the factors; at most min(d1, d2) are used.
    alpha : float
        α >= 0, what a click adds to the confidence of a cell.
    lam : float, optional
        λ > 0.
    lam_ratio : float, optional
        λ as a share of λ_max, in (0, 1], in place of `lam`; that of `flatrank.implicit` by default.
    sweeps : int
        Sweeps of alternating least squares.
    random_state : int, RandomState or None
        Of the start.

    Attributes
    ----------
    row_factors_ : array of shape (d1, k)
        L of the rows that were fitted, or folded in.
    column_factors_ : array of shape (d2, k)
        R. The score of a cell is the inner product of the two: what an index of vectors takes.
    solution_ : Solution
        With its problem, history and status.
    certificate_ : Certificate
        How far the fit is from the optimum at any rank; computed when it is first asked for.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    See Also
    --------
    flatrank.implicit : The problem itself.
    flatrank.FlatRecommender : By ratings, where a cell without one says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from flatrank import FlatImplicitRecommender
    >>> clicks = np.kron(np.eye(2), np.ones((3, 4)))
    >>> clicks[0, 3] = 0
    >>> model = FlatImplicitRecommender(factors=2).fit(clicks)
    >>> items, scores = model.recommend(0, top=1)
    >>> items
    array([3])
    """

    solution_: Solution
    row_factors_: np.ndarray
    column_factors_: np.ndarray

    def __init__(
        self,
        *,
        factors: int = 64,
        alpha: float = 5.0,
        lam: float | None = None,
        lam_ratio: float | None = None,
        sweeps: int = 15,
        random_state: Any = 0,
    ):
        self.factors = factors
        self.alpha = alpha
        self.lam = lam
        self.lam_ratio = lam_ratio
        self.sweeps = sweeps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> FlatImplicitRecommender:  # noqa: ARG002
        """Factor a matrix of counts.

        Parameters
        ----------
        X : SciPy sparse matrix, array or data frame of shape (d1, d2)
            Counts >= 0, users by items.
        y
            Ignored.

        Returns
        -------
        FlatImplicitRecommender
            Itself.

        Raises
        ------
        ValueError
            If a count is negative or not finite, all are 0, or a parameter is out of range.

        Notes
        -----
        A sweep costs 32 m k + 8 (d1 + d2) k² flops for m clicks. Memory O(m + (d1 + d2) k).
        """
        X = self._counts(X, reset=True)
        problem = implicit(X, alpha=self.alpha, lam=self.lam, lam_ratio=self.lam_ratio)
        solver = ImplicitLeastSquares(rank=self.factors, sweeps=self.sweeps)
        seed = seed_of(self.random_state)
        self.solution_ = approximate(problem, solver=solver, tol=solver.tol, seed=seed)
        self.row_factors_, self.column_factors_ = (
            np.asarray(x) for x in (self.solution_.factors.L, self.solution_.factors.R)
        )
        self._seen = X
        self.__dict__.pop("certificate_", None)
        return self

    @cached_property
    def certificate_(self) -> Certificate:
        """How far the fit is from the optimum; some hundred products with the clicks."""
        check_is_fitted(self)
        return certify(self.solution_.problem, self.solution_.factors)

    def transform(self, X: Any) -> np.ndarray:
        """The factors of rows, known or new, given their clicks; the columns stay as they are.

        Parameters
        ----------
        X : SciPy sparse matrix, array or data frame of shape (q, d2)
            Counts >= 0.

        Returns
        -------
        array of shape (q, k)
            Of each row the exact minimiser, whatever the others are; 0 without clicks.

        Raises
        ------
        ValueError
            If the columns are not those fitted, or a count is negative or not finite.

        Notes
        -----
        4 k² flops a click at most, 4 k² for each row, and 2 d2 k² once.
        """
        check_is_fitted(self)
        return self._folded(self._counts(X, reset=False))

    def fold_in(self, X: Any) -> FlatImplicitRecommender:
        """The same recommender for other rows, given their clicks; the columns stay as they are.

        Parameters
        ----------
        X : SciPy sparse matrix, array or data frame of shape (q, d2)
            Counts >= 0.

        Returns
        -------
        FlatImplicitRecommender
            Its rows are those of X; `solution_` and `certificate_` are those of the fit.

        Raises
        ------
        ValueError
            As for `transform`.
        """
        check_is_fitted(self)
        folded = copy(self)
        folded._seen = self._counts(X, reset=False)
        folded.row_factors_ = self._folded(folded._seen)
        return folded

    def recommend(
        self, rows: ArrayLike | None = None, top: int = 10, *, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best columns for some rows, or for all of them, best first.

        Parameters
        ----------
        rows : int, or integer array of shape (q,), optional
            For whom; all by default.
        top : int
            How many columns, at most d2.
        exclude_seen : bool
            Leave out columns in which the row has a click.

        Returns
        -------
        cols, scores : arrays of shape (q, top), or (top,) for one row
            −1 and −∞ where fewer columns are left.

        Raises
        ------
        ValueError
            If a row lies outside the matrix or `top` is below 1.

        Notes
        -----
        2 q d2 k flops in single precision. Memory O(q top), and a portion of the scores.
        """
        check_is_fitted(self)
        (d1, _), (d2, _) = self.row_factors_.shape, self.column_factors_.shape
        if top < 1:
            raise ValueError(f"top must be at least 1; got {top!r}")
        asked = np.arange(d1) if rows is None else np.atleast_1d(rows)
        asked = checked_places("rows", asked, d1)
        top = min(top, d2)
        cols, scores = np.empty((asked.size, top), np.int64), np.empty((asked.size, top))
        L, R = (x.astype(np.float32) for x in (self.row_factors_[asked], self.column_factors_))
        step = max(1, PORTION // d2)
        for first in range(0, asked.size, step):
            part = slice(first, first + step)
            X = L[part] @ R.T
            if exclude_seen:
                X[self._seen[asked[part]].nonzero()] = -np.inf
            cols[part], scores[part] = best_columns(X, top)
        cols[scores == -np.inf] = -1
        one = rows is not None and np.ndim(rows) == 0
        return (cols[0], scores[0]) if one else (cols, scores)

    def _counts(self, X: Any, *, reset: bool) -> csr_array:
        """The counts above 0, each place once."""
        given = validate_data(
            self, X, accept_sparse="csr", dtype=np.float64, ensure_non_negative=True, reset=reset
        )
        counts = csr_array(given, copy=True)
        counts.sum_duplicates()
        counts.eliminate_zeros()
        return counts

    def _folded(self, X: csr_array) -> np.ndarray:
        R, n = self.column_factors_, X.indptr.size - 1
        places = Compressed(X.indptr.astype(np.int64), X.indices.astype(np.int32), R.shape[0])
        side, k = sided(places, 1 + self.alpha * X.data, np.float64), R.shape[1]
        with scope():
            lam = self.solution_.problem.lam
            return ridge_rows(side, np.zeros((n, k)), R, R.T @ R, lam, k)

    @property
    def _n_features_out(self) -> int:
        return self.column_factors_.shape[1]

    def __sklearn_tags__(self) -> Tags:
        """Counts: sparse ones too, none below 0."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.positive_only = True
        return tags
