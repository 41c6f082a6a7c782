"""Columns in standard deviations, so that their units change nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: A column whose standard deviation is so much of its mean is constant to rounding.
ROUNDING = 10 * np.finfo(np.float64).eps


class Standard(NamedTuple):
    """Mean and standard deviation of what is observed of each column; 1 where that is rounding."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray) -> Standard:
        """Of a table with NaN in its gaps; ValueError names columns without an entry."""
        empty = np.flatnonzero(np.isnan(X).all(axis=0))
        if empty.size:
            named = ", ".join(map(str, empty[:5])) + (", ..." if empty.size > 5 else "")
            raise ValueError(
                f"no entry is observed of column {named}: nothing says what belongs there; leave "
                "such columns out"
            )
        mean, sd = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
        return cls(mean, np.where(sd > ROUNDING * np.abs(mean), sd, 1.0))
