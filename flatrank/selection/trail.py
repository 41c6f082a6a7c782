"""λ followed for one smoothing and one scale: its points in the order they were tried, the best."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from flatrank.problems import Problem
from flatrank.selection.memory import Flat, from_text, to_text
from flatrank.selection.records import PathPoint

# A share of the validation error that is more than the luck of one split.
_REAL_GAIN = 1e-3
# A share by which three points in succession differ where λ makes no difference any more.
_NO_CHANGE = 1e-4


class Stage(NamedTuple):
    """A name, the relative gap of each fit, and how many points above the best end a search.

    So many more are allowed while nothing beats X = 0 yet: the first few λ may explain nothing that
    is seen elsewhere, such as one gross error.
    """

    name: str
    gap: float
    patience: int
    hope: int


CLIMB, PATH = Stage("coarse", 5e-2, 3, 6), Stage("path", 2e-3, 2, 2)


@dataclass
class Best:
    """The choice so far, and factors near its optimum; with share 1 it is X = 0."""

    side: str
    smoothing: float
    share: float
    lam: float
    rmse: float
    L: np.ndarray
    R: np.ndarray


class Trail:
    """The points of one search, and the best of them.

    Parameters
    ----------
    problem : Problem
        Any λ.
    stage : Stage
        How closely to look.
    zero : PathPoint
        X = 0, optimal from λ_max = `zero.lam` on.
    begun : dict
        What an earlier run had found of the same search: `flat`, or empty.
    """

    def __init__(self, problem: Problem, stage: Stage, zero: PathPoint, begun: Flat):
        self.problem, self.stage, self.zero = problem, stage, zero
        self.points: list[PathPoint] = [zero]
        L, R = (np.zeros((d, 0)) for d in problem.shape)
        self.best = Best(zero.side, zero.smoothing, 1.0, zero.lam, zero.validation_rmse, L, R)
        self.rises = 0
        self.ended = ""
        self._before = {p["share"]: PathPoint(**p) for p in from_text(begun.get("points", "[]"))}
        self._begun = begun

    def add(self, point: PathPoint, L: np.ndarray, R: np.ndarray) -> None:
        """Note a point and its factors."""
        self.points.append(point)
        if point.validation_rmse < self.best.rmse:
            self.best = replace(
                self.best, share=point.share, lam=point.lam, rmse=point.validation_rmse, L=L, R=R
            )
            self.rises = 0
        else:
            self.rises += 1

    def again(self, share: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Repeat a point of an earlier run; factors near it, or None where there was none."""
        point = self._before.get(share)
        if point is None:
            return None
        pair = np.asarray(self._begun["L"]), np.asarray(self._begun["R"])
        self.add(point, *pair)
        return pair

    def turned(self) -> bool:
        """Whether the error has clearly left its best, or been above it for long."""
        least = self.best.rmse
        if least < (1 - _REAL_GAIN) * self.zero.validation_rmse:
            clear = self.points[-1].validation_rmse > (1 + _REAL_GAIN) * least
            return clear or self.rises >= self.stage.patience
        # Nothing beats X = 0 yet; what still falls may, and what goes on rising will not.
        errors = [point.validation_rmse for point in self.points[-self.stage.patience - 1 :]]
        steps = [after / before - 1 for before, after in pairwise(errors)]
        if self.rises >= self.stage.patience and min(steps) > _REAL_GAIN:
            return True
        return self.rises >= self.stage.hope and not steps[-1] < -_REAL_GAIN

    def settled(self) -> bool:
        """Whether the last three points say that λ makes no difference any more."""
        last = [p.validation_rmse for p in self.points[-3:]]
        gained = self.best.rmse < (1 - _REAL_GAIN) * self.zero.validation_rmse
        return gained and len(last) == 3 and max(last) - min(last) <= _NO_CHANGE * last[-1]

    def promises(self) -> float:
        """The error after the next step if it gained as much as the last one did."""
        last, now = (p.validation_rmse for p in self.points[-2:])
        return 2 * now - last

    def flat(self) -> Flat:
        """For the memory."""
        points = to_text([asdict(p) for p in self.points[1:]])
        return {"points": points, "ended": self.ended, **asdict(self.best)}
