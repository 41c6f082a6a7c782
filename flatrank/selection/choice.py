"""What a run is asked, and what ends it early."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Choice:
    """Options of a run that every stage reads."""

    lam: float | None
    rank: int | None
    smoothing: float | None
    seed: int
    tol: float
    deadline: float
    monitor: Callable[[dict[str, Any]], None]
    predict: Literal["posterior", "flat"] = "posterior"

    @property
    def averages(self) -> bool:
        """Whether predictions are means over the posterior; an exact fit is asked for its own."""
        return self.predict == "posterior" and self.lam != 0

    def left(self) -> float | None:
        """Seconds until the deadline; None where there is none."""
        if self.deadline == float("inf"):
            return None
        return max(0.0, self.deadline - time.perf_counter())


class OutOfTimeError(Exception):
    """The deadline has passed while choosing."""


class StoppedError(Exception):
    """Ctrl-C between two steps of a fit, which is given up: `solve` would still prove it."""
