"""Where to look for the λ of the least validation error: ways along one trail, no numerics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from flatrank.selection.records import PathPoint
from flatrank.selection.trail import Best, Trail

#: Solves at a share of λ_max from a pair, notes the point on the trail, and returns its pair.
Visit = Callable[[float, Any], Any]

# Coarse shares of λ_max: the first, each one's share of the one before, and where they end.
_FIRST, _RATIO, LEAST_SHARE = 0.95, 0.7, 1e-4
# Fine ones: so many steps to a coarse one.
_FINE = 3


def climb(trail: Trail, visit: Visit, best: Best | None, start: Any = None) -> None:
    """Find the neighbourhood of the best λ on the coarse shares.

    Without a best so far, λ is followed down from λ_max until the validation error has turned. Else
    the search begins at the share of that best: downwards while that helps, otherwise upwards.
    Errors fall ever more slowly towards the best λ, so that a climb which could not beat the best
    so far at its present pace is ended.

    Parameters
    ----------
    trail : Trail
        Takes the points, and why the search ended.
    visit : callable
        Solves.
    best : Best or None
        The best so far, of other trails.
    start : pair, optional
        Factors to start from at its share.
    """
    if best is None or best.share >= 1:
        pair, step = None, 0
        while not trail.ended:
            pair = visit(_share(step), pair)
            step += 1
            trail.ended = _why(trail, _share(step))
        return
    at = max(0, round(float(np.log(best.share / _FIRST) / np.log(_RATIO))))
    first = pair = visit(_share(at), start)
    step = at + 1
    while _share(step) >= LEAST_SHARE:
        pair = visit(_share(step), pair)
        if trail.rises or trail.promises() > best.rmse:
            break
        step += 1
    if trail.best.share in (_share(at), 1.0):
        _upwards(trail, visit, first, (_share(step) for step in range(at - 1, -1, -1)))
    trail.ended = "turned"


def refine(trail: Trail, visit: Visit, best: Best, coarse: list[PathPoint]) -> None:
    """Take the share where a parabola through the best coarse point and its neighbours is least.

    Where one of the neighbours is missing, go on in finer steps until the error has turned.

    Parameters
    ----------
    trail : Trail
        Takes the points, and why the search ended.
    visit : callable
        Solves.
    best : Best
        The best so far.
    coarse : list of PathPoint
        The coarse points of the same smoothing and scales.
    """
    trail.ended = "turned"
    if best.share >= 1:
        return
    lowest = _vertex(coarse, best.share)
    if lowest is not None:
        trail.best = replace(best, share=lowest, lam=lowest * trail.zero.lam)
        return
    ratio, share, trail.ended = _RATIO ** (1 / _FINE), best.share, ""
    pair = visit(share, (best.L, best.R))
    while not trail.ended:
        share *= ratio
        if share < LEAST_SHARE:
            trail.ended = "floor"
            break
        pair = visit(share, pair)
        trail.ended = _why(trail, share * ratio)
    lowest = _vertex(trail.points, trail.best.share)
    if lowest is not None:
        visit(lowest, (trail.best.L, trail.best.R))


def _upwards(trail: Trail, visit: Visit, pair: Any, shares: Iterable[float]) -> None:
    """Follow rising shares from a pair until the error rises."""
    trail.rises = 0
    for share in shares:
        pair = visit(share, pair)
        if trail.rises:
            break


def _vertex(found: list[PathPoint], best: float) -> float | None:
    """Where the parabola in log λ through the best point and its neighbours is least."""
    points = sorted(found, key=lambda p: p.share)
    at = [p.share for p in points].index(best)
    if at in (0, len(points) - 1):
        return None
    (x0, e0), (x1, e1), (x2, e2) = (
        (float(np.log(p.share)), p.validation_rmse) for p in points[at - 1 : at + 2]
    )
    left, right = (e1 - e0) / (x1 - x0), (e2 - e1) / (x2 - x1)
    bend = (right - left) / (x2 - x0)
    if bend <= 0:
        return None
    return float(np.exp(np.clip((x0 + x1) / 2 - left / (2 * bend), x0, x2)))


def _share(step: int) -> float:
    return float(_FIRST * _RATIO**step)


def _why(trail: Trail, coming: float) -> str:
    """Why not to go on to the share that comes next; empty where there is no reason."""
    if trail.turned():
        return "turned"
    if trail.settled():
        return "settled"
    return "floor" if coming < LEAST_SHARE else ""
