"""Split-conformal intervals: as wide as predictions of held-out entries were off.

A fit that has not seen the entries h = 1, …, n that were held out scores them by

    s_h = |v_h − x_h| / ρ_h,

x_h its prediction, ρ_h the standard deviation its posterior gives a new observation there; without
a posterior ρ is the scale of the row or column, 1 where there is none. The interval at a place
(i, j) is x_ij ± q_ij ρ_ij,

    q_ij = min {s_h : Σ_{s_g ≤ s_h} w_g ≥ level · (Σ_g w_g + w_ij)},

or infinite where no s_h will do. The weights are the odds that an entry is missing, w = (1 − P)/P,
since the held-out entries, which were seen, stand for those that were not.

What holds: with x and ρ of the fit that has not seen the held-out entries, entries seen
independently of each other and of their noise, and the right w, a missing entry drawn at random
lies in its interval with probability `level` or more, whatever matrix, noise and prediction are
(Gui, Foygel Barber and Ma 2023; Tibshirani, Foygel Barber, Candès and Ramdas 2019).

What does not: w is estimated (`missing_odds`), and what is reported is centred on the final fit,
which has seen the held-out entries too and predicts better as a rule. The last entry of a row or
column is never held out. Nothing is promised of one entry, or one row, by itself; nor where
entries could not have been seen at all, as in a block that is missing by design.

References
----------
R. J. Tibshirani, R. Foygel Barber, E. J. Candès, A. Ramdas, "Conformal prediction under covariate
shift", NeurIPS 2019.
Y. Gui, R. Foygel Barber, C. Ma, "Conformalized matrix completion", NeurIPS 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from flatrank.arrays.shapes import Float
from flatrank.measurements import Measurement, SampledEntries
from flatrank.selection.missing import missing_odds

#: What intervals rest on: the model of the posterior, or errors on held-out entries.
IntervalKind = Literal["posterior", "conformal"]
#: Sums of weights that differ by so much of themselves are equal.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of held-out entries, and what each of them counts.

    Parameters
    ----------
    scores : array of shape (n,)
        s, ascending.
    weights : array of shape (n,)
        w of each.
    row, col : arrays of shape (d1,) and (d2,)
        w_ij = row_i col_j of any place.
    """

    scores: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    row: Float[np.ndarray, " d1"]
    col: Float[np.ndarray, " d2"]

    @classmethod
    def of(cls, A: Measurement, held: np.ndarray, scores: np.ndarray) -> Calibration:
        """From what was seen, the numbers (n,) of the held-out entries in it, and their scores."""
        seen, order = cast("SampledEntries", A), np.argsort(scores, kind="stable")
        rows, cols = (x[held[order]] for x in seen.places())
        u, v = missing_odds(seen)
        return cls(scores[order], u[rows] * v[cols], u, v)

    def multiples(
        self, rows: np.ndarray, cols: np.ndarray, level: float
    ) -> Float[np.ndarray, " q"]:
        """q at some places: how many times ρ an interval reaches to either side.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            Inside the table.
        level : float
            In (0, 1).

        Returns
        -------
        array of shape (q,)
            Infinite at a place so unlikely to be seen that the held-out entries do not speak for
            it, as in a row without entries.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1, or too few entries were held out for it.

        Notes
        -----
        O(n + q log n).
        """
        least = needed(level)
        if self.scores.size < least:
            raise ValueError(
                f"conformal intervals of level {level:g} need at least {least} held-out entries, "
                f"and {self.scores.size} were held out: give a larger holdout, or a lower level"
            )
        sums = np.cumsum(self.weights)
        wanted = level * (sums[-1] + self.row[rows] * self.col[cols])
        return np.append(self.scores, np.inf)[np.searchsorted(sums, wanted * (1 - ROUNDING))]


def needed(level: float) -> int:
    """The least n of equal weight with level · (n + 1) ≤ n; ValueError for what is no level."""
    if not 0 < level < 1:
        raise ValueError(f"level is a probability between 0 and 1; got {level!r}")
    return math.ceil(level / (1 - level) * (1 - ROUNDING))


def checked_kind(kind: Any) -> IntervalKind:
    """The kind of an interval; ValueError for another word."""
    if kind not in ("posterior", "conformal"):
        raise ValueError(f"kind must be 'posterior' or 'conformal'; got {kind!r}")
    return kind
