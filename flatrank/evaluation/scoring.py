"""One split: the model and the baselines fitted to what is known, and scored on the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from flatrank.baselines import Predictor, fitters
from flatrank.data.standard import Standard
from flatrank.evaluation.hiding import Split
from flatrank.evaluation.ranking import ranked, whole
from flatrank.problems import Observed
from flatrank.selection import CompletedTable, complete
from flatrank.selection.average import LEVEL
from flatrank.selection.comparison import FLATRANK
from flatrank.solvers import Status

FLAT = "flat solution"


class Score(NamedTuple):
    """Mean over the folds; its standard error, None of a single fold; how many there were."""

    mean: float
    error: float | None
    folds: int


@dataclass(frozen=True)
class Fold:
    """One part of the entries, predicted from all others.

    Parameters
    ----------
    hidden : int
        Number of entries predicted.
    scores : dict
        By model and measure: "rmse" and "mae"; "coverage" and "width" of the intervals of
        "flatrank", where it has them; "precision", "recall" and "ndcg" where rankings are scored.
    seconds : dict
        Wall time by model; the flat solution is made on the way to "flatrank".
    rank : int
        Of the flat solution.
    """

    hidden: int
    scores: dict[str, dict[str, float]]
    seconds: dict[str, float]
    rank: int


class _Units:
    """Standardised columns, or values as they are; and the unit that errors are given in."""

    def __init__(self, known: Observed, unit: np.ndarray | None):
        d2 = known.shape[1]
        self.mean, self.scale, self.unit = np.zeros(d2), np.ones(d2), np.ones(d2)
        if unit is not None:
            X = np.full(known.shape, np.nan)
            X[known.rows, known.cols] = known.values
            self.mean, self.scale = Standard.of(X)
            self.unit = unit

    def without(self, part: Observed) -> Observed:
        """The entries in standard deviations of what is known of their column."""
        values = (part.values - self.mean[part.cols]) / self.scale[part.cols]
        return part._replace(values=values)

    def of_errors(self, cols: np.ndarray) -> np.ndarray:
        """What differences of such entries are multiplied by."""
        return self.scale[cols] / self.unit[cols]


def score(
    split: Split,
    names: list[str],
    unit: np.ndarray | None,
    seed: int,
    tell: Callable[[str], None],
) -> Fold:
    """Fit everything to what is known, and score what it says of the hidden entries.

    Parameters
    ----------
    split : Split
        Known and hidden entries.
    names : list of str
        Of the baselines.
    unit : array of shape (d2,), or None
        What errors in each column are divided by, where columns have units of their own: they are
        standardised then. None where all values are alike: rankings are scored then.
    seed : int
        Of every random choice.
    tell : callable
        Told what is being done.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C: half a fold is none.
    """
    units = _Units(split.known, unit)
    known, hidden = units.without(split.known), units.without(split.hidden)
    clock, completed = _Clock(), _completed(known, seed, tell)
    seconds = {FLATRANK: clock.lap()}
    flat = replace(completed, completion=replace(completed.completion, average=None))
    models: dict[str, Predictor] = {FLATRANK: completed.predict, FLAT: flat.predict}
    for name in names:
        tell(name)
        clock.lap()
        models[name] = fitters(seed)[name](known)
        seconds[name] = clock.lap()
    tell("scoring")
    places, of_errors = (hidden.rows, hidden.cols), units.of_errors(hidden.cols)
    scores = {
        name: _errors(of_errors * (predict(*places) - hidden.values))
        for name, predict in models.items()
    }
    scores[FLATRANK] |= _intervals(completed, hidden, of_errors)
    if unit is None:
        d2 = known.shape[1]
        rows = {name: whole(predict, d2) for name, predict in models.items()}
        rows |= {FLATRANK: completed.whole_rows, FLAT: flat.whole_rows}
        for name, measures in ranked(rows, known, hidden, seed).items():
            scores[name] |= measures
    return Fold(hidden.values.size, scores, seconds, completed.solution.rank)


def _completed(known: Observed, seed: int, tell: Callable[[str], None]) -> CompletedTable:
    completed = complete(
        *known[:4],
        holdout=0.0,
        seed=seed,
        progress=lambda event: tell(str(event.get("message") or event["stage"])),
    )
    average = completed.completion.average
    cut_short = average is not None and average.posterior.diagnostics.stopped
    if completed.status is Status.INTERRUPTED or cut_short:
        raise KeyboardInterrupt
    return completed


def _errors(error: np.ndarray) -> dict[str, float]:
    return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}


def _intervals(
    completed: CompletedTable, hidden: Observed, of_errors: np.ndarray
) -> dict[str, float]:
    """How many of the entries the intervals hold, and how wide they are."""
    if completed.completion.average is None:
        return {}
    low, high = completed.interval(hidden.rows, hidden.cols, LEVEL)
    inside = (low <= hidden.values) & (hidden.values <= high)
    return {
        "coverage": float(np.mean(inside)),
        "width": float(np.mean(of_errors * (high - low))),
    }


class _Clock:
    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last time."""
        before, self._last = self._last, time.perf_counter()
        return self._last - before
