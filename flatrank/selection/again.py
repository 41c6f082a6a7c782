"""A completed table with more entries: fitted to all of them, with everything chosen as before."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from flatrank.data import Entries, Units
from flatrank.problems import Observed, completion
from flatrank.selection.choice import Choice
from flatrank.selection.memory import Memory
from flatrank.selection.records import Completion
from flatrank.selection.run import Run
from flatrank.selection.tables import CompletedTable, complete
from flatrank.selection.trail import Best


def complete_again(
    before: CompletedTable, more: Observed, start: np.ndarray, **options: Any
) -> CompletedTable:
    """Fit once more, to entries that came in later too.

    What was chosen is kept: kinds of offsets and scales, the smoothing, λ as its share of λ_max,
    width and noise of the posterior. So this is one fit in place of the many that a choice takes,
    and it starts from the factors before.

    Parameters
    ----------
    before
        The table so far, of shape (d1, d2).
    more : Observed
        Further entries; rows from d1 on are new ones.
    start : array of shape (new rows, k)
        Factors of the new rows for the columns before.
    **options
        `lam`, `rank`, `predict`, `tol`, `max_seconds` and `seed` of `complete`.

    Returns
    -------
    CompletedTable

    Raises
    ------
    ValueError
        If a place has an entry already, or the columns are not as many.
    """
    seen, d2 = before.observed, before.shape[1]
    if more.shape[1] != d2:
        raise ValueError(f"rows have {more.shape[1]} columns, and those fitted have {d2}")
    shape = max(before.shape[0], more.shape[0]), d2
    i, j, v = (np.concatenate(both) for both in zip(seen[:3], more[:3], strict=True))
    if before.completion.share is None and options["lam"] is None:
        # Nothing was chosen: there was too little to hold any out.
        return complete(i, j, v, shape, holdout=0.0, **options)
    problem = completion(i, j, v, shape)
    i, j = problem.measurement.places()
    v = np.asarray(problem.b, np.float64)
    names = [np.arange(d).astype(str) for d in shape]
    entries = Entries(i, j, v, names[0], names[1])
    found = _refitted(before.completion, entries, start, options)
    return CompletedTable(found, Observed(i, j, v, shape))


def _refitted(
    before: Completion, entries: Entries, start: np.ndarray, options: dict[str, Any]
) -> Completion:
    begin, solution = time.perf_counter(), before.solution
    seconds = options["max_seconds"]
    choice = Choice(
        options["lam"], options["rank"], solution.problem.smoothing, options["seed"],
        options["tol"], float("inf") if seconds is None else begin + seconds, lambda _: None,
        options["predict"],
    )  # fmt: skip
    run = Run(entries, choice, Memory(None, None), holdout=0.0)
    blank = replace(before.offsets, row=np.zeros(entries.shape[0]))  # refitted, as the scales are
    side = before.scales.side
    run.units[side] = Units(blank, before.scales)
    L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
    share = 1.0 if before.share is None else before.share
    run.best = Best(
        side, choice.smoothing or 0.0, share, solution.problem.lam, float("inf"),
        np.vstack([L, start]), R,
    )  # fmt: skip
    if before.average is not None:
        drawn = before.average.posterior
        run.averaged = {"width": drawn.width, "law": drawn.noise_model.value}
    found = run.refit(begin)
    return replace(found, holdout_check={}, chosen_at=before.chosen_at)
