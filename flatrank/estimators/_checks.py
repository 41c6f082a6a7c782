"""What the estimators check of their input, and say of an end without proof."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from flatrank.selection import CompletedTable
from flatrank.solvers import Solution, Status

_ADVICE = {
    Status.DEADLINE: "give a larger max_seconds, or none",
    Status.RANK_TOO_SMALL: "leave rank=None for the optimum, or keep the rank if it predicts "
    "better on held-out data",
}


class NotCertifiedWarning(ConvergenceWarning):
    """The answer is there, but the proof that was asked for is not; says what to do."""


def options_of(estimator: Any) -> dict[str, Any]:
    """What `complete` and `complete_again` are asked by the parameters of an estimator."""
    return {
        "rank": estimator.rank, "lam": estimator.lam, "predict": estimator.prediction,
        "tol": estimator.tol, "max_seconds": estimator.max_seconds,
        "seed": seed_of(estimator.random_state),
    }  # fmt: skip


def record(estimator: Any, solution: Solution, depth: int = 3) -> None:
    """Set what every estimator says of its solution; warn the caller if it is not proved."""
    estimator.certificate_ = solution.certificate
    estimator.status_ = solution.status
    estimator.rank_ = solution.rank
    estimator.flatness_ = solution.flatness
    if not solution.status.ok:
        advice = _ADVICE.get(solution.status, "try a larger tol, or another lam")
        warnings.warn(
            f"{type(estimator).__name__} ended without the proof asked for ({solution.status}). "
            f"What to do: {advice}",
            NotCertifiedWarning,
            stacklevel=depth,
        )


def record_completed(estimator: Any, completed: CompletedTable, depth: int = 4) -> None:
    """The same for a completed table, with the noise its posterior found."""
    average = completed.completion.average
    estimator.completed_ = completed
    estimator.noise_ = None if average is None else average.posterior.noise
    record(estimator, completed.solution, depth)


def seed_of(random_state: Any) -> int:
    """A whole number as it is; one drawn from a generator, or from the global one for None."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def as_places(pairs: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of (q, 2) pairs; that they are whole numbers is checked where they go.

    Raises
    ------
    ValueError
        If they are no pairs.
    """
    places = np.asarray(pairs)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(
            "expected an array of shape (q, 2), a row and a column of each place; got shape "
            f"{places.shape}"
        )
    return places[:, 0], places[:, 1]


def as_shape(
    rows: np.ndarray, cols: np.ndarray, features: Sequence[ArrayLike | None] | None = None
) -> tuple[int, int]:
    """The smallest shape that holds the places, and the features of rows and of columns."""
    lines = [0 if F is None else len(np.asarray(F)) for F in features or (None, None)]
    sides = zip((rows, cols), lines, strict=True)
    d1, d2 = (max(int(np.max(x, initial=-1)) + 1, n) for x, n in sides)
    return d1, d2
