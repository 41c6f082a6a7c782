"""One smoothing followed along λ: its points in the order they were tried, and the best of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from flatrank.problems import Problem
from flatrank.selection.memory import Flat, to_text
from flatrank.selection.records import PathPoint
from flatrank.solvers import Solution

PATH_COUNT = 30
PATH_GAP = 1e-2
# A share of the validation error that is more than the luck of one split.
_REAL_GAIN = 1e-3


class Stage(NamedTuple):
    """A name, how many λ at most, and the relative gap each is solved to."""

    name: str
    most: int
    gap: float


CLIMB, PATH = Stage("coarse", 8, 5e-2), Stage("path", PATH_COUNT, PATH_GAP)


@dataclass
class Best:
    """The choice so far, and factors near its optimum."""

    smoothing: float
    share: float
    rmse: float
    L: np.ndarray
    R: np.ndarray


class Trail:
    """The points of one smoothing in the order they were tried, and the best of them."""

    def __init__(self, problem: Problem, top: float, stage: Stage):
        self.problem, self.top, self.stage = problem, top, stage
        self.points: list[PathPoint] = []
        zero = (np.zeros((d, 0)) for d in problem.shape)
        self.best = Best(problem.smoothing, 1.0, float("inf"), *zero)
        self.rises = 0

    def add(self, point: PathPoint, solution: Solution) -> None:
        """Note a point."""
        self.points.append(point)
        if point.validation_rmse < self.best.rmse:
            pair = solution.factors
            self.best = replace(
                self.best, share=point.share, rmse=point.validation_rmse,
                L=np.asarray(pair.L), R=np.asarray(pair.R),
            )  # fmt: skip
            self.rises = 0
        else:
            self.rises += 1

    def past_best(self) -> bool:
        """One rise after a real gain, or two: the first few λ explain next to nothing."""
        gained = self.best.rmse < (1 - _REAL_GAIN) * self.points[0].validation_rmse
        return self.rises >= (1 if gained else 2)

    def promises(self) -> float:
        """The error after the next step if it gained as much as the last one did."""
        last, now = (p.validation_rmse for p in self.points[-2:])
        return 2 * now - last

    def ended(self, rmse: float) -> Flat:
        """Without points, where the offsets leave nothing to fit."""
        self.best = replace(self.best, rmse=rmse)
        return self.flat()

    def flat(self) -> Flat:
        """For the memory."""
        return {"points": to_text([asdict(p) for p in self.points]), **asdict(self.best)}
