"""What a completed table consists of: the model, and every λ that was tried on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flatrank.data import Offsets, OffsetTrial
from flatrank.solvers import Solution


@dataclass(frozen=True)
class PathPoint:
    """One λ on one path: what it predicts on the validation part, and how well it is solved.

    `stage` is "path", or "coarse" for the few loose ones that the smoothings were chosen by.
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


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed table.

    Parameters
    ----------
    solution : Solution
        Fitted to everything left after the offsets, and certified.
    offsets : Offsets
        The prediction is offsets.at(rows, cols) + solution.entries(rows, cols).
    rmse : dict
        "train" of the final model; "holdout" and "baseline" (offsets only) on the hold-out, from
        models that saw nothing of it; None where there is no hold-out.
    path : list of PathPoint
        Every λ tried.
    offset_trials : list of OffsetTrial
        The offsets tried.
    holdout : (indices, predictions) or None
        Hold-out entries and what the model that did not see them says.
    seconds : dict
        Wall time: "select", "solve" (proofs included), and "certify": the proof made once more,
        from the final factors alone.
    """

    solution: Solution
    offsets: Offsets
    rmse: dict[str, float | None]
    path: list[PathPoint]
    offset_trials: list[OffsetTrial]
    holdout: tuple[np.ndarray, np.ndarray] | None
    seconds: dict[str, float] = field(default_factory=dict)
