"""A model and the baselines on one hold-out: their errors, and weights to average them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.baselines import fitters, within
from flatrank.problems import Observed
from flatrank.selection.fits import rmse
from flatrank.selection.tables import CompletedTable

#: What the model is called beside the baselines.
FLATRANK = "flatrank"
#: Parts of the hold-out, each predicted by weights from the others, to judge the weights by.
PARTS = 5
#: Weight of the equation Σ w = 1 beside the others, which then holds to its inverse squared.
HEAVY = 1e4

Vector = np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the model and the baselines say of entries that none of them saw.

    Parameters
    ----------
    values : array of shape (n,)
        The hold-out.
    predictions : dict
        Of shape (n,), by name.
    left_out : dict
        Baselines that are not among them, with the reason.
    """

    values: Vector = field(default_factory=lambda: np.empty(0))
    predictions: dict[str, Vector] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def errors(self) -> dict[str, float]:
        """RMSE by name; empty without a hold-out."""
        return {name: rmse(x - self.values) for name, x in self.predictions.items()}

    def ahead(self, name: str, other: str) -> tuple[float, float]:
        """By what share of its RMSE one is better than another, and the standard error of that.

        Entry by entry: with squared errors p and q, mean(q − p)/(2 mean q), to first order.
        """
        p, q = ((self.predictions[x] - self.values) ** 2 for x in (name, other))
        scale = 2.0 * max(float(q.mean()), np.finfo(float).tiny)
        gain = float(1.0 - np.sqrt(p.mean() / max(q.mean(), np.finfo(float).tiny)))
        return gain, float(np.std(q - p) / np.sqrt(p.size) / scale)

    def weights(self) -> dict[str, float]:
        """min_w ‖Σ wₖ pₖ − v‖² over w ≥ 0 with Σ w = 1, by name; zeros are left out."""
        names, P = list(self.predictions), np.column_stack(list(self.predictions.values()))
        found = zip(names, _weights(P, self.values), strict=True)
        return {name: float(weight) for name, weight in found if weight > 0}

    def error_of_average(self, seed: int = 0) -> float:
        """RMSE of the average: each part of the hold-out, at random, by weights from the others."""
        P, v = np.column_stack(list(self.predictions.values())), self.values
        predicted, order = np.empty(v.size), np.random.default_rng(seed).permutation(v.size)
        for part in np.array_split(order, min(PARTS, v.size)):
            rest = np.setdiff1d(order, part)
            predicted[part] = P[part] @ _weights(P[rest], v[rest])
        return rmse(predicted - v)


def _weights(P: Vector, v: Vector) -> Vector:
    """The convex weights of least squared error: one more equation, which outweighs all others."""
    heavy = HEAVY * max(float(np.linalg.norm(P)), float(np.linalg.norm(v)), 1.0)
    row = np.full((1, P.shape[1]), heavy)
    nnls = import_module("scipy.optimize").nnls  # a tenth of a second: only where needed
    w, _ = nnls(np.vstack([P, row]), np.append(v, heavy))
    return w / w.sum()


def compare(
    known: Observed,
    completed: CompletedTable,
    budget: float,
    seed: int = 0,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> Comparison:
    """Fit the baselines to all but the hold-out of a model, and predict that.

    Parameters
    ----------
    known : Observed
        The entries, row by row.
    completed : CompletedTable
        Of the same entries.
    budget : float
        Seconds that each baseline may take.
    seed : int
        Of the baselines.
    tell : callable, optional
        Told before each of them.

    Returns
    -------
    Comparison
        Empty where there is no hold-out.
    """
    holdout = completed.completion.holdout
    if holdout is None or not holdout[0].size:
        return Comparison()
    held, predicted = holdout
    rest = np.delete(np.arange(known.values.size), held)
    training = Observed(known.rows[rest], known.cols[rest], known.values[rest], known.shape)
    names, left_out = within(training, budget)
    predictions, fits = {FLATRANK: np.asarray(predicted)}, fitters(seed)
    for n, name in enumerate(names):
        if tell is not None:
            tell({"stage": "compare", "step": n, "of": len(names), "message": name})
        predictions[name] = fits[name](training)(known.rows[held], known.cols[held])
    return Comparison(known.values[held], predictions, left_out)
