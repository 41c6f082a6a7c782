"""Rank correlations of measures of flatness with the test error, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap, rankdata

Statistic = Callable[[np.ndarray], float]

#: What is measured at the end of each run, beside its errors.
MEASURES = (
    "train loss", "trace", "scaled trace", "largest eigenvalue", "adaptive trace",
    "adaptive largest", "norm", "imbalance", "distance", "excess",
)  # fmt: skip
#: Of the intervals, and how many resamples are behind them.
LEVEL, RESAMPLES = 0.95, 999


def correlated(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spearman's ρ of each measure with the test error, of the runs of one task, in three ways.

    "methods": all methods at their chosen strengths, seeds pooled. "strengths": within a method,
    over its strengths and seeds, the mean over methods. "seeds": within a method and a strength,
    the mean over both. Intervals are percentiles of the bootstrap over the groups, methods or
    (method, strength): what other such groups might have given. Runs of one method resemble each
    other, and are not drawn one by one.

    Parameters
    ----------
    runs : sequence of dict
        method, strength, chosen, test and `MEASURES`.

    Returns
    -------
    list of dict
        measure, within, rho, low, high, groups, and runs; without those that are not defined.
    """
    chosen = [run for run in runs if run["chosen"]]
    found = []
    for measure in MEASURES:
        for within, some, keys in (
            ("methods", chosen, ("method",)),
            ("strengths", runs, ("method",)),
            ("seeds", runs, ("method", "strength")),
        ):
            groups = _grouped(some, measure, keys)
            statistic = _pooled(groups) if within == "methods" else _mean(groups)
            rho = _interval(len(groups), statistic)
            if rho is not None:
                count = sum(len(group) for group in groups)
                row = {"measure": measure, "within": within} | rho
                found.append(row | {"groups": len(groups), "runs": count})
    return found


def _grouped(
    runs: Sequence[dict[str, Any]], measure: str, keys: tuple[str, ...]
) -> list[np.ndarray]:
    """(measure, test error) of each run that has both, by groups."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for run in runs:
        if run[measure] is not None and run["test"] is not None:
            key = tuple(run[name] for name in keys)
            found.setdefault(key, []).append((run[measure], run["test"]))
    return [np.array(group) for group in found.values()]


def _pooled(groups: Sequence[np.ndarray]) -> Statistic:
    return lambda which: _spearman(np.concatenate([groups[i] for i in which]))


def _mean(groups: Sequence[np.ndarray]) -> Statistic:
    """Groups without a ρ, as all their numbers are the same, are left out."""
    each = np.array([_spearman(group) for group in groups])
    return lambda which: float(np.mean(seen)) if (seen := _finite(each[which])).size else np.nan


def _finite(x: np.ndarray) -> np.ndarray:
    return x[np.isfinite(x)]


def _spearman(pairs: np.ndarray) -> float:
    if len(pairs) < 3 or np.ptp(pairs, axis=0).min() == 0:
        return np.nan
    return float(np.corrcoef(rankdata(pairs, axis=0), rowvar=False)[0, 1])


def _interval(groups: int, statistic: Statistic) -> dict[str, float] | None:
    """ρ and the percentiles of its bootstrap over groups; None where it is not defined."""
    every = np.arange(groups)
    if groups < 2 or not np.isfinite(rho := statistic(every)):
        return None
    drawn = bootstrap(
        (every,),
        statistic,
        n_resamples=RESAMPLES,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(0),
    ).bootstrap_distribution
    tail = 0.5 * (1 - LEVEL)
    low, high = np.quantile(_finite(drawn), (tail, 1 - tail))
    return {"rho": rho, "low": float(low), "high": float(high)}
