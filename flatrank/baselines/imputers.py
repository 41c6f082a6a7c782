"""scikit-learn's imputers at their defaults: nearest neighbours, and a regression on all columns.

They take a table as an array. Columns should be alike in unit for the distances between rows.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays import scope
from flatrank.problems import Observed

NEIGHBOURS, REGRESSION = "nearest neighbours", "regression on the other columns"

# Seconds, as measured on two cores to within a factor of two. Of neighbours: for each pair of rows;
# for each column of it; for each pair of a row with a gap in a column and any other; for each where
# that other has none. Of regressions: for each; for each of its n d².
_ROWS, _COLUMN, _GAP, _DONOR = 8e-8, 1e-9, 5e-9, 3e-8
_FIT, _FLOP = 4e-3, 2.2e-9
# Rounds over the columns that `IterativeImputer` goes by default.
_ROUNDS = 10


def seconds(name: str, known: Observed) -> float:
    """About how long an imputer takes to fill everything that is not known."""
    (d1, d2), there = known.shape, np.bincount(known.cols, minlength=known.shape[1])
    if name == NEIGHBOURS:
        gaps = d1 - there
        lookups = _GAP * d1 * float(gaps.sum()) + _DONOR * float(there @ gaps)
        return lookups + (_ROWS + _COLUMN * d2) * float(d1) ** 2
    with_gaps = there[there < d1]
    return _ROUNDS * float(np.sum(_FIT + _FLOP * with_gaps * float(d2) ** 2))


def fit_imputer(name: str, known: Observed, seed: int = 0) -> np.ndarray:
    """The table filled by the imputer of that name, (d1, d2).

    Memory of a few arrays of the shape of the table. A column without entries is filled with 0.
    """
    from sklearn.exceptions import ConvergenceWarning

    X = np.full(known.shape, np.nan)
    X[known.rows, known.cols] = known.values
    with warnings.catch_warnings(), scope():
        # Rounds at their default are what is compared, whether they were enough or not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _imputer(name, seed).fit_transform(X)


def _imputer(name: str, seed: int) -> Any:
    # scikit-learn asks for this before it lets go of `IterativeImputer`.
    import_module("sklearn.experimental.enable_iterative_imputer")
    from sklearn.impute import IterativeImputer, KNNImputer

    if name == NEIGHBOURS:
        return KNNImputer(keep_empty_features=True)
    return IterativeImputer(max_iter=_ROUNDS, random_state=seed, keep_empty_features=True)
