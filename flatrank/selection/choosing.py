"""From entries to a completed, certified model: offsets and λ chosen on held-out data.

    hold-out   a tenth of the entries, seen by nothing that is fitted or chosen
    validation a tenth of the rest: offsets and λ are chosen on it
    hold-out RMSE     of the model refitted to all but the hold-out
    the model saved   refitted to everything, and certified

λ is carried from fit to fit as its share of λ_max, which has no unit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from flatrank.data import Entries, InputError
from flatrank.selection.choice import Choice, OutOfTimeError, StoppedError
from flatrank.selection.memory import Flat, Memory
from flatrank.selection.records import Completion
from flatrank.selection.run import Run
from flatrank.solvers import Status

_LARGEST = 1e100


def complete_entries(  # noqa: PLR0913 - the command line's options, each named
    entries: Entries,
    *,
    lam: float | None = None,
    rank: int | None = None,
    smoothing: float | None = None,
    holdout: float = 0.1,
    seed: int = 0,
    tol: float = 1e-4,
    max_seconds: float | None = None,
    predict: Literal["posterior", "flat"] = "posterior",
    monitor: Callable[[dict[str, Any]], None] | None = None,
    resume: Flat | None = None,
    checkpoint: Callable[[Flat], None] | None = None,
) -> Completion:
    """Choose offsets and λ on held-out entries, then fit and certify on all of them.

    Parameters
    ----------
    entries : Entries
        From `flatrank.data.read_entries`.
    lam : float, optional
        λ of the final fit; by default chosen on the path.
    rank : int, optional
        Rank limit of every fit; by default as high as the optimum asks.
    smoothing : float, optional
        θ in [0, 1]; by default ½: on public tables within 0.1 % of the best of 0, ½ and 1.
    holdout : float
        Share of the entries held out, in [0, 1); 0 skips the hold-out (nothing is then reported).
    seed : int
        Of the splits and the solvers.
    tol : float
        Relative duality gap of the final fit.
    max_seconds : float, optional
        No new step starts after this many seconds from the beginning; what has been chosen until
        then is fitted as far as it is.
    predict : "posterior" or "flat"
        What predictions, their error and their intervals come from: means over the posterior of
        the factors (`flatrank.posterior`), or the flat solution itself, which has no intervals.
        With λ = 0 always the latter.
    monitor : callable, optional
        Receives stage, step, of, message and numbers.
    resume, checkpoint
        See `flatrank.selection.memory.Memory`.

    Returns
    -------
    Completion
        On Ctrl-C or out of time with the best model so far, its solution's status
        `Status.INTERRUPTED` or `Status.DEADLINE`.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C before there is any model.
    InputError
        If the values are too large or too small to square, or too few to hold any out.
    ValueError
        If an argument is out of range.
    """
    if predict not in ("posterior", "flat"):
        raise ValueError(f"predict must be 'posterior' or 'flat'; got {predict!r}")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout is a share between 0 and 1; got {holdout}")
    _check_size(entries)
    begin = time.perf_counter()
    deadline = float("inf") if max_seconds is None else begin + max_seconds
    choice = Choice(lam, rank, smoothing, seed, tol, deadline, monitor or _silent, predict)
    memory = Memory(resume, checkpoint)
    run = Run(entries, choice, memory, holdout)
    try:
        try:
            run.select()
            run.hold_out()
        except OutOfTimeError:
            return run.refit(begin, Status.DEADLINE)
        return run.refit(begin)
    except (KeyboardInterrupt, StoppedError):
        if run.best is None:
            raise KeyboardInterrupt from None
        return run.unfinished(begin)


def _check_size(entries: Entries) -> None:
    largest = float(np.max(np.abs(entries.values), initial=0.0))
    if largest and not 1 / _LARGEST <= largest <= _LARGEST:
        raise InputError(
            f"the largest value is {largest:.3g} in size, and its square leaves the range of "
            f"numbers; expected between {1 / _LARGEST:.0e} and {_LARGEST:.0e}: divide the values "
            "by a common unit first"
        )


def _silent(_: dict[str, Any]) -> None:
    """Show nothing."""
