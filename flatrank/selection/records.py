"""What a completed table consists of: the model, and every λ that was tried on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatrank.data import Offsets, OffsetTrial, Scales, Units
from flatrank.selection.average import Average
from flatrank.selection.conformal import Calibration
from flatrank.solvers import Solution


@dataclass(frozen=True)
class PathPoint:
    """One λ on one path: what it predicts on the validation part, and how well it is solved.

    `stage` is "path", or "coarse" for the loose ones that scales were chosen by;
    `side` which side had scales of its own: "none", "columns" or "rows". Errors are in the unit of
    the values. At share 1 X is 0. `relative_gap` is as much of it as is seen without a proof.
    """

    lam: float
    share: float
    smoothing: float
    validation_rmse: float
    train_rmse: float
    rank: int
    relative_gap: float
    seconds: float
    stage: str = "path"
    side: str = "none"


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed table.

    Parameters
    ----------
    solution : Solution
        Fitted to everything left after the offsets, and certified.
    offsets : Offsets
        Of the values divided by the scales; see `predict`.
    rmse : dict
        "train" of the final model; on the hold-out, from models that saw nothing of it: "holdout"
        of the predictions, "flat" of the flat solution, "baseline" of the offsets alone; None where
        there is no hold-out.
    path : list of PathPoint
        Every λ tried.
    offset_trials : list of OffsetTrial
        The offsets tried.
    holdout : (indices, predictions) or None
        Hold-out entries and what the model that did not see them says.
    seconds : dict
        Wall time: "select", and "solve", proofs included.
    scales : Scales
        What the values were divided by.
    chosen_at : "inside", "smallest", "zero" or "given"
        Where on its path λ was chosen: between others, at the smallest tried, at λ_max, from which
        on X = 0 is the best; or it was given.
    path_ended : "turned", "settled", "floor", "time" or "interrupted"
        Why no smaller λ was tried: the validation error had turned; it no longer changed; λ/λ_max
        came to its least; or the search was cut short. Empty where λ was given.
    share : float or None
        λ/λ_max that was chosen: of the best point tried, or between it and its neighbours; None
        where λ was given.
    average : Average or None
        What predictions are means over, fitted to everything; None where the flat solution itself
        predicts.
    holdout_check : dict
        How intervals did on the hold-out (`average.checked`); empty without an average.
    scores : array or None
        How far off predictions of the hold-out were, in what `spread` said there: what conformal
        intervals are calibrated on. None without a hold-out, and where the run ended before
        predictions were of the same kind as those.
    """

    solution: Solution
    offsets: Offsets
    rmse: dict[str, float | None]
    path: list[PathPoint]
    offset_trials: list[OffsetTrial]
    holdout: tuple[np.ndarray, np.ndarray] | None
    seconds: dict[str, float] = field(default_factory=dict)
    scales: Scales = field(default_factory=Scales.none)
    chosen_at: str = "given"
    path_ended: str = ""
    share: float | None = None
    average: Average | None = None
    holdout_check: dict[str, Any] = field(default_factory=dict)
    scores: np.ndarray | None = None

    @cached_property
    def calibration(self) -> Calibration | None:
        """Of conformal intervals; None where there is nothing to calibrate them on."""
        if self.holdout is None or self.scores is None:
            return None
        return Calibration.of(self.solution.problem.measurement, self.holdout[0], self.scores)

    def predict(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.float64]:
        """Values at known places, in the unit of the input; where nothing is determined, NaN."""
        if self.average is not None:
            return self.average.predict(np.asarray(rows), np.asarray(cols))
        units = Units(self.offsets, self.scales)
        return units.restore(rows, cols, np.asarray(self.solution.entries(rows, cols)))

    def spread(self, rows: np.ndarray, cols: np.ndarray) -> NDArray[np.float64]:
        """What errors are measured in: standard deviations of the posterior, else scales."""
        if self.average is None:
            return self.scales.at(rows, cols)
        return self.average.spread(rows, cols)

    def half_width(self, rows: np.ndarray, cols: np.ndarray, level: float) -> NDArray[np.float64]:
        """How far conformal intervals reach to either side, (q,); ValueError without scores."""
        if self.calibration is None:
            raise ValueError(
                "no held-out entries are there to calibrate conformal intervals on: give a "
                "holdout, such as 0.1, and the time to end"
            )
        return self.calibration.multiples(rows, cols, level) * self.spread(rows, cols)
