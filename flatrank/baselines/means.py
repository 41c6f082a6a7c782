"""Predictions from the row and the column of an entry alone."""

from __future__ import annotations

import numpy as np

from flatrank.data import InputError, Offsets, choose_offsets, split
from flatrank.data.offsets import RIDGE
from flatrank.problems import Observed

COLUMN_MEAN, EFFECTS = "column mean", "row and column effects"


def column_mean(known: Observed) -> Offsets:
    """The mean of what is known of a column; of a column without entries, of everything."""
    (d1, d2), mean = known.shape, float(known.values.mean())
    counts = np.bincount(known.cols, minlength=d2)
    sums = np.bincount(known.cols, known.values - mean, d2)
    col = np.where(counts, sums / np.maximum(counts, 1), 0.0)
    return Offsets(mean, np.zeros(d1), col, (np.inf, 0.0), "col")


def effects(known: Observed, seed: int = 0) -> Offsets:
    """A mean, and effects of rows and columns as far as they help on a validation part."""
    rows, cols, values, shape = known[:4]
    train, validation = split((rows, cols), 0.1, seed=seed)
    try:
        chosen, _ = choose_offsets(rows, cols, values, shape, train, validation)
    except InputError:  # nothing can be held out
        return Offsets.fit(rows, cols, values, shape, ridge=RIDGE)
    return chosen.refit(rows, cols, values)
