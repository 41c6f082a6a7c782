"""How well the best unseen columns of a row are found: top-N recommendation on hidden entries."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from flatrank.baselines import Predictor
from flatrank.problems import Observed

#: How many columns are recommended.
TOP = 10
#: Cells predicted at most: rows beyond that are left out at random.
CELLS = 4_000_000

Measures = dict[str, float]
#: Predictions of all entries of some rows: (q,) to (q, d2).
WholeRows = Callable[[np.ndarray], np.ndarray]


def whole(predict: Predictor, d2: int) -> WholeRows:
    """Whole rows from predictions at places."""

    def rows_of(rows: np.ndarray) -> np.ndarray:
        places = np.repeat(rows, d2), np.tile(np.arange(d2), rows.size)
        return predict(*places).reshape(rows.size, d2)

    return rows_of


def ranked(
    models: dict[str, WholeRows], known: Observed, hidden: Observed, seed: int
) -> dict[str, Measures]:
    """Precision, recall and nDCG of the ten best columns of each row, by model.

    All columns in which a row has no known entry are ranked, as `flatrank recommend` does. Relevant
    are those with a hidden entry above the mean of the row's known ones; every other counts as a
    miss, so that a chance ranking scores near 0. Rows with nothing relevant are left out. Means
    over rows; nDCG is scikit-learn's, and absent without it.

    Returns
    -------
    dict
        By model and measure: "precision", "recall", "ndcg". Empty where no row has anything
        relevant.
    """
    d1, d2 = known.shape
    counts = np.bincount(known.rows, minlength=d1)
    means = np.bincount(known.rows, known.values, d1) / np.maximum(counts, 1)
    good = (counts[hidden.rows] > 0) & (hidden.values > means[hidden.rows])
    rows = np.unique(hidden.rows[good])
    most = max(1, CELLS // d2)
    if rows.size > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    if not rows.size or d2 <= TOP:
        return {name: {} for name in models}
    relevant = _table(rows, hidden.rows[good], hidden.cols[good], d2)
    seen = _table(rows, known.rows, known.cols, d2)
    return {name: _measured(of(rows), relevant, seen) for name, of in models.items()}


def _table(rows: np.ndarray, i: np.ndarray, j: np.ndarray, d2: int) -> np.ndarray:
    """Which columns the rows have an entry in, (rows, d2)."""
    out, at = np.zeros((rows.size, d2), dtype=bool), np.searchsorted(rows, i)
    among = (at < rows.size) & (rows[np.minimum(at, rows.size - 1)] == i)
    out[at[among], j[among]] = True
    return out


def _measured(scores: np.ndarray, relevant: np.ndarray, seen: np.ndarray) -> Measures:
    # Below everything, and finite, as scikit-learn asks.
    scores = np.where(seen, scores.min() - 1.0, scores)
    best = np.argpartition(-scores, TOP - 1, axis=1)[:, :TOP]
    hits = np.take_along_axis(relevant, best, axis=1).sum(axis=1)
    out = {
        "precision": float(np.mean(hits / TOP)),
        "recall": float(np.mean(hits / relevant.sum(axis=1))),
    }
    if find_spec("sklearn") is not None:
        from sklearn.metrics import ndcg_score

        out["ndcg"] = float(ndcg_score(relevant, scores, k=TOP))
    return out
