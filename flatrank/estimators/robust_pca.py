"""Principal components of a matrix some entries of which are grossly wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from flatrank.estimators._checks import record, seed_of
from flatrank.problems import robust_pca
from flatrank.solvers import solve


class FlatRobustPCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Separate X = low rank + sparse, with proof, and project rows on the components.

    Nothing is centred: a common mean is part of what has low rank.

    Parameters
    ----------
    sparsity : float, optional
        Weight > 0 of the sparse part; by default 1/√max(n, d).
    radius : float, optional
        Sum of the absolute values of the sparse part at most, > 0, in place of `sparsity`.
    tol : float
        Relative duality gap.
    max_seconds : float, optional
        No new step of the fit starts after so many seconds.
    random_state : int, RandomState or None
        Of every random choice.

    Attributes
    ----------
    low_rank_, sparse_ : arrays of shape (n, d)
        The two parts; where the solve ended early their sum need not be X.
    components_ : array of shape (rank_, d)
        Right singular vectors of the low-rank part, largest first.
    singular_values_ : array of shape (rank_,)
        Of the low-rank part.
    certificate_, status_, rank_, flatness_
        Of the separation.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    See Also
    --------
    flatrank.robust_pca : The problem itself, with gaps and paths.

    Examples
    --------
    >>> import numpy as np
    >>> from flatrank import FlatRobustPCA
    >>> X = np.outer(np.arange(1.0, 21.0), np.ones(20))
    >>> X[3, 4] = 100.0
    >>> model = FlatRobustPCA().fit(X)
    >>> model.rank_, np.argwhere(np.abs(model.sparse_) > 1).tolist()
    (1, [[3, 4]])
    """

    def __init__(
        self,
        *,
        sparsity: float | None = None,
        radius: float | None = None,
        tol: float = 1e-6,
        max_seconds: float | None = None,
        random_state: Any = 0,
    ):
        self.sparsity = sparsity
        self.radius = radius
        self.tol = tol
        self.max_seconds = max_seconds
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> FlatRobustPCA:  # noqa: ARG002
        """Separate a matrix.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            Without gaps.
        y
            Ignored.

        Returns
        -------
        FlatRobustPCA
            Itself.

        Raises
        ------
        ValueError
            If X is no finite real matrix, or a parameter is out of range.

        Warns
        -----
        NotCertifiedWarning
            If the solve ends without its proof.

        Notes
        -----
        Cost: that of `flatrank.solve` for `flatrank.robust_pca`; memory O(n d).
        """
        X = validate_data(self, X, dtype=np.float64)
        solution = solve(
            robust_pca(X, sparsity=self.sparsity, radius=self.radius), tol=self.tol,
            max_seconds=self.max_seconds, seed=seed_of(self.random_state),
        )  # fmt: skip
        _, s, Vh = (np.asarray(x) for x in solution.svd())
        self.components_, self.singular_values_ = Vh, s
        self.low_rank_, self.sparse_ = solution.matrix(), np.asarray(solution.extra["sparse"])
        record(self, solution)
        return self

    def transform(self, X: Any) -> Any:
        """Project rows on the components: X Vᵀ.

        Parameters
        ----------
        X : array or data frame of shape (n, d)
            Without gaps.

        Returns
        -------
        array of shape (n, rank_)

        Raises
        ------
        ValueError
            If the columns are not those fitted, or an entry is not finite.
        """
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) @ self.components_.T

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows from their components: X V.

        Parameters
        ----------
        X : array of shape (n, rank_)
            As `transform` gives them.

        Returns
        -------
        array of shape (n, d)

        Raises
        ------
        ValueError
            If there are not as many columns as components.
        """
        check_is_fitted(self)
        scores = check_array(X, dtype="float64", ensure_min_features=0)
        if scores.shape[1] != self._n_features_out:
            raise ValueError(
                f"expected {self._n_features_out} columns, one a component; got {scores.shape[1]}"
            )
        return scores @ self.components_

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0]
