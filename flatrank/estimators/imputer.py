"""A table with gaps in, the table filled out."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from flatrank.data.standard import Standard
from flatrank.estimators._checks import options_of, record_completed
from flatrank.estimators._new_rows import NewRows, added
from flatrank.problems import Observed
from flatrank.selection import CompletedTable, IntervalKind, complete


class FlatImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill the gaps of a table by a matrix of low rank, with everything chosen and proved.

    Columns are standardised first: the unit of a column changes nothing.

    Parameters
    ----------
    prediction : "posterior" or "flat"
        What fills the gaps: means over the posterior of the factors, or the flat solution itself.
    rank : int, optional
        Rank limit of the flat solution; the posterior chooses a width of its own.
    lam : float, optional
        λ ≥ 0 for the standardised columns; by default chosen on held-out entries.
    tol : float
        Relative duality gap of the flat solution.
    holdout : float
        Share of the entries in [0, 1) that intervals with `kind="conformal"` are calibrated on;
        they cost a second fit, which has not seen them. 0 leaves that out.
    max_seconds : float, optional
        No new step of the fit starts after so many seconds.
    random_state : int, RandomState or None
        Of every random choice.
    keep_empty_features : bool
        Keep columns that had no entry when fitted, their gaps filled with 0; else they are dropped.

    Attributes
    ----------
    completed_ : CompletedTable
        The fitted table, without empty columns and **in standardised units**.
    mean_, scale_ : arrays of shape (kept columns,)
        Mean and standard deviation of the observed entries of each column, in its unit; the scale
        of a constant column is 1.
    certificate_, status_, rank_, flatness_
        Of the flat solution.
    noise_ : float or None
        Root mean square of the noise, in standard deviations of a column; None without a posterior.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    See Also
    --------
    flatrank.impute : The same in one call, without scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from flatrank import FlatImputer
    >>> X = np.outer(np.arange(1.0, 9.0), [1.0, 2.0, 3.0])
    >>> X[2, 1] = np.nan
    >>> FlatImputer(prediction="flat").fit_transform(X).shape
    (8, 3)
    """

    completed_: CompletedTable

    def __init__(  # noqa: PLR0913 - options, each named
        self,
        *,
        prediction: Literal["posterior", "flat"] = "posterior",
        rank: int | None = None,
        lam: float | None = None,
        tol: float = 1e-4,
        holdout: float = 0.0,
        max_seconds: float | None = None,
        random_state: Any = 0,
        keep_empty_features: bool = False,
    ):
        self.prediction: Literal["posterior", "flat"] = prediction
        self.rank = rank
        self.lam = lam
        self.tol = tol
        self.holdout = holdout
        self.max_seconds = max_seconds
        self.random_state = random_state
        self.keep_empty_features = keep_empty_features

    def fit(self, X: Any, y: Any = None) -> FlatImputer:  # noqa: ARG002
        """Learn columns and their relations.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            NaN in its gaps.
        y
            Ignored.

        Returns
        -------
        FlatImputer
            Itself.

        Raises
        ------
        ValueError
            If nothing is observed, an entry is infinite or a parameter is out of range.

        Warns
        -----
        NotCertifiedWarning
            If the flat solution ends without its proof.

        Notes
        -----
        Cost: that of `flatrank.complete`.
        """
        self._fit(X)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> FlatImputer:
        """Learn from further rows too; without a fit, `fit`.

        All rows are fitted, those before and the new ones, at the same share of λ_max. Offsets, λ
        and the width of the posterior are not chosen again, columns keep the means and scales of
        the first fit, those that had no entry in it stay left out, and the search starts where the
        last one ended.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            Further rows, NaN in their gaps.
        y
            Ignored.

        Returns
        -------
        FlatImputer
            Itself.

        Raises
        ------
        ValueError
            If the columns are not those fitted, or an entry is infinite.

        Warns
        -----
        NotCertifiedWarning
            If the flat solution ends without its proof.

        Notes
        -----
        Cost: one fit, where `fit` takes a dozen or two, and the posterior.
        """
        if not hasattr(self, "completed_"):
            return self.fit(X, y)
        X = self._checked(X)
        Z, d1 = (X[:, self._kept] - self.mean_) / self.scale_, self.completed_.shape[0]
        i, j = np.nonzero(~np.isnan(Z))
        more = Observed(i + d1, j, Z[i, j], (d1 + len(Z), Z.shape[1]))
        record_completed(self, added(self.completed_, more, **options_of(self)))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:  # noqa: ARG002 # pyright: ignore[reportIncompatibleMethodOverride]
        """Fit, and fill the same table: each row as it was fitted, not folded in anew.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            NaN in its gaps.
        y
            Ignored.

        Returns
        -------
        array of shape (n, features out)
            Observed entries as they came.
        """
        X = self._fit(X)
        return self._filled(X, self.completed_.predict)

    def transform(self, X: Any) -> Any:
        """Fill the gaps of rows, given their own entries and the columns that were learnt.

        A row of the table that was fitted is folded in like any other.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            NaN in its gaps.

        Returns
        -------
        array of shape (n, features out)
            Observed entries as they came. A gap is the mean given the row's entries, exact for each
            of at most 16 draws of the columns (`Posterior.mean_rows`); with `prediction="flat"` it
            comes from the exact regularised least squares of the row, weighted by its count.

        Raises
        ------
        ValueError
            If the columns are not those fitted, or an entry is infinite.

        Notes
        -----
        2 k² flops for each entry and k³/3 for each row, for each draw. Memory O(n d).
        """
        X = self._checked(X)
        return self._filled(X, lambda i, j: self._new_rows(X).means(i, j))

    def predict_interval(
        self, X: Any = None, level: float = 0.9, kind: IntervalKind = "posterior"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends of intervals that hold what is missing with probability `level`.

        Parameters
        ----------
        X : array or data frame of shape (n, d), optional
            NaN in its gaps, its rows folded in as by `transform`; by default the table that was
            fitted, as by `fit_transform`.
        level : float
            In (0, 1).
        kind : "posterior" or "conformal"
            What they rest on, as for `CompletedTable.interval`; the second needs a `holdout`, and
            is for the table that was fitted.

        Returns
        -------
        low, high : arrays of shape (n, features out)
            Both the number itself, to rounding, where an entry is observed.

        Raises
        ------
        ValueError
            As for `transform`; if there is no posterior, or nothing to calibrate on, if the level
            is out of range, or rows are new and `kind` is "conformal".
        """
        check_is_fitted(self)
        if X is None:
            rows, cols, values, shape, _ = self.completed_.observed
            X = np.full((shape[0], self._kept.size), np.nan)
            X[rows, np.flatnonzero(self._kept)[cols]] = (
                self.mean_[cols] + self.scale_[cols] * values
            )
            model: CompletedTable | NewRows = self.completed_
        else:
            X = self._checked(X)
            model = self._new_rows(X)
        i, j = np.nonzero(np.isnan(X[:, self._kept]))
        low, high = model.interval(i, j, level, kind)
        return self._filled(X, lambda *_: low), self._filled(X, lambda *_: high)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that come out.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the columns that go in, where they had none.

        Returns
        -------
        array of str
        """
        check_is_fitted(self)
        names = np.asarray(super().get_feature_names_out(input_features))
        return names if self.keep_empty_features else names[self._kept]

    def __sklearn_tags__(self) -> Any:
        """Gaps are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _fit(self, X: Any) -> np.ndarray:
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self._kept = ~np.all(np.isnan(X), axis=0)
        if not self._kept.any():
            raise ValueError("no entry of the table is observed; expected at least one")
        Z = X[:, self._kept]
        self.mean_, self.scale_ = Standard.of(Z)
        Z = (Z - self.mean_) / self.scale_
        rows, cols = np.nonzero(~np.isnan(Z))
        completed = complete(
            rows, cols, Z[rows, cols], Z.shape, holdout=self.holdout, **options_of(self)
        )
        record_completed(self, completed, depth=5)
        return X

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return np.asarray(
            validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        )

    def _new_rows(self, X: np.ndarray) -> NewRows:
        Z = (X[:, self._kept] - self.mean_) / self.scale_
        rows, cols = np.nonzero(~np.isnan(Z))
        return NewRows(self.completed_.completion, rows, cols, Z[rows, cols], len(Z))

    def _filled(self, X: np.ndarray, predict: Any) -> np.ndarray:
        out = X[:, self._kept]
        i, j = np.nonzero(np.isnan(out))
        if i.size:
            out[i, j] = self.mean_[j] + self.scale_[j] * predict(i, j)
        if not self.keep_empty_features:
            return out
        whole = np.nan_to_num(X)
        whole[:, self._kept] = out
        return whole
