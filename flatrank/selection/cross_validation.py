"""λ by cross-validation over entries: the error of each share of λ_max, and its uncertainty."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from flatrank.data import folds as random_folds
from flatrank.problems import Problem, completion, entries_of
from flatrank.selection.fits import fitted_entries, rmse
from flatrank.selection.path import check_count, falling
from flatrank.solvers import Status, approximate, largest_lam
from flatrank.solvers.side_by_side import side_by_side

Rule = Literal["min", "one_se"]
#: Entries from which on folds run side by side; of fewer, Python itself takes most of the time.
ALONE = 20_000


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The error of each λ, ready to plot: `lams`, `mean`, `standard_error`, and the two choices.

    Parameters
    ----------
    problem : Problem
        At the λ chosen: solve it.
    shares : array of shape (n,)
        λ/λ_max, falling.
    lams : array of shape (n,)
        The same shares of the λ_max of the whole problem.
    errors : array of shape (folds, n)
        RMSE of each fold, in the unit of the data.
    ranks : array of shape (folds, n)
        Of the fits.
    rule : "min" or "one_se"
        What chose.
    """

    problem: Problem
    shares: np.ndarray
    lams: np.ndarray
    errors: np.ndarray
    ranks: np.ndarray
    rule: Rule

    @property
    def mean(self) -> np.ndarray:
        """Mean RMSE over the folds, (n,)."""
        return self.errors.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard deviation over the folds by the root of their number, (n,)."""
        return self.errors.std(axis=0, ddof=1) / np.sqrt(len(self.errors))

    @property
    def lam_min(self) -> float:
        """The λ of the least mean error."""
        return float(self.lams[np.argmin(self.mean)])

    @property
    def lam_one_se(self) -> float:
        """The largest λ whose mean error is within a standard error of the least."""
        least = np.argmin(self.mean)
        near = self.mean <= self.mean[least] + self.standard_error[least]
        return float(self.lams[np.argmax(near)])

    @property
    def lam(self) -> float:
        """The one chosen."""
        return self.problem.lam

    def __repr__(self) -> str:
        """One line: what was tried, and what was chosen."""
        return (
            f"CrossValidation({len(self.errors)} folds, {self.lams.size} values of lam from "
            f"{self.lams[0]:.4g} to {self.lams[-1]:.4g}; lam {self.lam:.4g} chosen by "
            f"{self.rule!r}, RMSE {self.mean[self.lams == self.lam][0]:.4g})"
        )


def cross_validate(  # noqa: PLR0913 - options, each named
    problem: Any,
    shares: Sequence[float] | None = None,
    *,
    folds: int = 5,
    rule: Rule = "one_se",
    count: int = 20,
    tol: float = 1e-3,
    seed: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> CrossValidation:
    """Choose λ of a completion: hide each part of the entries in turn, and predict it.

    Parameters
    ----------
    problem : Problem or table
        From `flatrank.completion`, its λ ignored; or what that takes as a table.
    shares : sequence of float, optional
        Of λ_max, in (0, 1). By default `count` of them, geometric, from 0.95 to 0.02.
    folds : int
        How many parts, at random; no row or column is hidden as a whole.
    rule : "one_se" or "min"
        The largest λ whose error is within one standard error of the least (Breiman et al., 1984),
        so that the rank is no higher than the data can justify; or the λ of the least error.
    count : int
        Number of values by default.
    tol : float
        Relative duality gap of each fit, as far as it is seen without a proof.
    seed : int
        Of the folds and the fits.
    progress : callable, optional
        Receives stage, step, of and message.

    Returns
    -------
    CrossValidation
        `solve(found.problem)` is the answer, with its certificate.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    TypeError
        If the problem is no completion.
    ValueError
        If an argument is out of range.

    Notes
    -----
    Cost: folds · count fits without proofs, each from the one before it. λ is carried between
    folds and the whole as its share of λ_max, which has no unit and does not depend on how many
    entries there are. From `ALONE` entries on folds run side by side, one on each thread, as many
    at a time as FLATRANK_NUM_THREADS says: 0.7 to 0.9 of the time, and the memory of so many fits;
    what they find is the same. Values are taken as they are: for offsets, scales and λ together
    there is `flatrank.complete`.
    """
    problem = _entries(problem)
    if rule not in ("min", "one_se"):
        raise ValueError(f"rule must be 'one_se' or 'min'; got {rule!r}")
    grid = _shares(shares, count)
    parts = random_folds(problem.measurement.places(), folds, seed=seed)
    errors, ranks = np.empty((folds, grid.size)), np.empty((folds, grid.size), np.int64)
    stop, telling = threading.Event(), threading.Lock()

    def follow(f: int, held: np.ndarray) -> None:
        stage = f"fold {f + 1} of {folds}"
        for n, (error, rank) in enumerate(_followed(problem, held, grid, (tol, seed, stop))):
            errors[f, n], ranks[f, n] = error, rank
            if progress is not None:
                message = f"lambda at {grid[n]:.3g} of its largest, RMSE {error:.4g}"
                with telling:
                    progress({"stage": stage, "step": n + 1, "of": grid.size, "message": message})

    jobs = [partial(follow, f, held) for f, held in enumerate(parts)]
    if problem.m < ALONE:
        for job in jobs:
            job()
    elif side_by_side(jobs, stop):
        raise KeyboardInterrupt
    lams = grid * largest_lam(problem, seed)
    found = CrossValidation(problem, grid, lams, errors, ranks, rule)
    lam = found.lam_min if rule == "min" else found.lam_one_se
    return replace(found, problem=problem.with_lam(lam))


def _followed(
    problem: Problem,
    held: np.ndarray,
    grid: np.ndarray,
    how: tuple[float, int, threading.Event],
) -> Iterator[tuple[float, int]]:
    """RMSE on what is held, and rank, λ by λ; `how` is tolerance, seed, and what ends it if set."""
    tol, seed, stop = how

    def look(_: dict[str, Any]) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    (rows, cols), values = problem.measurement.places(), np.asarray(problem.b)
    rest = np.delete(np.arange(values.size), held)
    fit = completion(
        rows[rest], cols[rest], values[rest], problem.shape, smoothing=problem.smoothing
    )
    top, start = largest_lam(fit, seed), None
    if not (top > 0 and held.size):
        raise ValueError(
            "a fold has nothing to choose by: all of it is needed to keep rows and columns known, "
            "or all other entries are zero; take fewer folds"
        )
    for share in grid:
        here = fit.with_lam(share * top)
        found = approximate(here, tol=tol, start=start, seed=seed, progress=look)
        if found.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        start = found.factors if found.rank else start
        predicted = fitted_entries(found, rows[held], cols[held])
        yield rmse(predicted - values[held]), found.rank


def _entries(problem: Any) -> Problem:
    if not isinstance(problem, Problem):
        return completion(problem)
    entries_of(problem, "cross_validate")
    return problem


def _shares(shares: Sequence[float] | None, count: int) -> np.ndarray:
    """Falling, if they lie between 0 and 1."""
    if shares is None:
        check_count(count)
        return falling(1.0, count, None)
    grid = np.sort(np.asarray(shares, dtype=np.float64).reshape(-1))[::-1]
    if not grid.size or not np.all((grid > 0) & (grid < 1)):
        raise ValueError(f"shares of the largest lambda must lie between 0 and 1; got {shares!r}")
    return grid
