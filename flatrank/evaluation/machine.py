"""Three small instances that `flatrank bench` times, each method in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from flatrank.baselines import Predictor, fitters, within
from flatrank.problems import Observed, completion
from flatrank.selection import complete
from flatrank.selection.comparison import FLATRANK
from flatrank.solvers import solve

#: Seconds that another way may take on one instance.
BUDGET = 20.0


class Case(NamedTuple):
    """Known entries, hidden ones, and how flatrank is asked."""

    known: Observed
    hidden: Observed
    fit: Callable[[Observed], Predictor]


def _solved(known: Observed) -> Predictor:
    return solve(completion(*known[:4])).entries


def _completed(known: Observed) -> Predictor:
    return complete(*known[:4], holdout=0.0).predict


def _case(X: np.ndarray, seen: np.ndarray, fit: Callable[[Observed], Predictor]) -> Case:
    parts = ((part, *np.nonzero(part)) for part in (seen, ~seen))
    known, hidden = (Observed(i, j, X[part], X.shape, None) for part, i, j in parts)
    return Case(known, hidden, fit)


def exact() -> Case:
    """The README's example: 300 x 200 of rank 3, 15 % of the entries without noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 200))
    return _case(X, rng.random(X.shape) < 0.15, _solved)


def table() -> Case:
    """300 rows of 15 columns, of rank 3 with a tenth of noise, a fifth of the cells blank."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 15))
    X += 0.1 * X.std() * rng.standard_normal(X.shape)
    return _case(X, rng.random(X.shape) > 0.2, _completed)


def ratings() -> Case:
    """Ratings from 1 to 5 in halves, 600 x 300, a tenth of them known."""
    rng = np.random.default_rng(2)
    X = 3.5 + 0.5 * rng.standard_normal((600, 1)) + 0.5 * rng.standard_normal(300)
    X += 0.4 * rng.standard_normal((600, 3)) @ rng.standard_normal((3, 300))
    X = np.clip(np.round(2 * (X + 0.6 * rng.standard_normal(X.shape))) / 2, 1.0, 5.0)
    return _case(X, rng.random(X.shape) < 0.1, _completed)


CASES = {"exact": exact, "table": table, "ratings": ratings}


def methods(name: str) -> list[str]:
    """flatrank, and what else is installed and fits into the time."""
    return [FLATRANK, *within(CASES[name]().known, BUDGET)[0]]


def measure(name: str, method: str, started: float) -> dict[str, float]:
    """Seconds from the start of the process to the first answer, of the same again, and its error.

    Parameters
    ----------
    name
        Of the instance.
    method
        One of `methods`.
    started
        `time.time()` when the process was started.

    Returns
    -------
    dict
        cold, warm (seconds), and error: RMSE of the hidden entries over their standard deviation.
    """
    case = CASES[name]()
    fit = case.fit if method == FLATRANK else fitters()[method]
    places = case.hidden.rows, case.hidden.cols
    fit(case.known)(*places)
    cold = time.time() - started
    begin = time.perf_counter()
    predicted = fit(case.known)(*places)
    warm = time.perf_counter() - begin
    error = float(np.sqrt(np.mean((predicted - case.hidden.values) ** 2)))
    return {"cold": cold, "warm": warm, "error": error / float(case.hidden.values.std())}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
