"""Predictions of a table averaged over the posterior of its factors, with intervals."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from flatrank.data import Entries, Units
from flatrank.factors import FactorPair
from flatrank.gibbs import Posterior, posterior
from flatrank.problems import completion

Vector = np.ndarray

#: Sweeps of each chain, those left out first, and bytes of the draws kept on disk.
DRAWS, BURN, BYTES = 100, 20, 64e6
#: What intervals are checked at on the hold-out.
LEVEL = 0.9
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
#: Level of the interval whose lower end a cautious recommendation goes by: 0.9 lies above that end.
CAUTION = 0.8
#: A row or column with fewer entries counts as one with few.
FEW = 10


class Average(NamedTuple):
    """A posterior of the values divided by the scales, and the way back to their unit."""

    posterior: Posterior
    units: Units

    def predict(self, rows: Vector, cols: Vector) -> Vector:
        """The posterior mean of each entry, (n,), in the unit of the values."""
        return self.units.scales.at(rows, cols) * self.posterior.mean(rows, cols)

    def whole_rows(self, rows: Vector) -> Vector:
        """The posterior means of all entries of some rows, (q, d2), by one product of matrices."""
        cols = np.arange(self.posterior.shape[1])
        scale = self.units.scales.at(rows[:, None], cols[None, :])
        return scale * self.posterior.whole_rows(rows)

    def interval(self, rows: Vector, cols: Vector, level: float) -> tuple[Vector, Vector]:
        """Ends of the intervals of new observations, (n,) each, in the unit of the values."""
        scale = self.units.scales.at(rows, cols)
        low, high = self.posterior.interval(rows, cols, level)
        return scale * low, scale * high

    def spread(self, rows: Vector, cols: Vector) -> Vector:
        """Standard deviations of new observations, (n,), in the unit of the values."""
        return self.units.scales.at(rows, cols) * self.posterior.spread(rows, cols)


def average(
    entries: Entries,
    part: Vector,
    units: Units,
    pair: tuple[Vector, Vector],
    width: int | None = None,
    law: str | None = None,
    **options: Any,
) -> Average:
    """The posterior given some of the entries, its chains started near an optimum.

    Parameters
    ----------
    entries, part
        The table, and the indices of the entries to use.
    units
        Scales of the values; their offsets belong to the optimum.
    pair
        Factors (L, R) of what the offsets leave.
    width, law
        Of the factors and of the noise, as for `flatrank.posterior`; by default both are chosen.
    **options
        `seed`, `max_seconds` and `progress` of `flatrank.posterior`.
    """
    rows, cols = entries.rows[part], entries.cols[part]
    values = entries.values[part] / units.scales.at(rows, cols)
    offsets = units.offsets
    ones1, ones2 = (np.ones(d) for d in entries.shape)
    start = FactorPair(
        np.column_stack([pair[0], offsets.mean + offsets.row, ones1]),
        np.column_stack([pair[1], ones2, offsets.col]),
    )
    found = posterior(
        completion(rows, cols, values, entries.shape),
        start=start,
        width=width,
        noise=law,
        features=entries.features,
        draws=DRAWS,
        burn=BURN,
        max_bytes=BYTES,
        **options,
    )
    return Average(found, units)


def checked(
    found: Average, entries: Entries, held: Vector, part: Vector
) -> tuple[dict[str, Any], Vector]:
    """How predictions and intervals did on a hold-out, as a whole and by group; predictions."""
    rows, cols, values = entries.rows[held], entries.cols[held], entries.values[held]
    predictions = found.predict(rows, cols)
    # Intervals of a level hold what lies between two quantiles: all of them by one distribution.
    below = found.posterior.share_below(rows, cols, values / found.units.scales.at(rows, cols))
    coverage = {c: float(np.mean(np.abs(2 * below - 1) <= c)) for c in LEVELS}
    low, high = found.interval(rows, cols, LEVEL)
    inside, error = (low <= values) & (values <= high), predictions - values
    d1, d2 = entries.shape
    by_row = np.bincount(entries.rows[part], minlength=d1)[rows]
    by_col = np.bincount(entries.cols[part], minlength=d2)[cols]
    few = np.minimum(by_row, by_col) < FEW
    groups = {"all": np.ones(held.size, bool), "few": few, "many": ~few}
    return {
        "level": LEVEL,
        "few": FEW,
        "coverage": list(coverage.items()),
        "groups": {
            name: {
                "entries": int(members.sum()),
                "rmse": float(np.sqrt(np.mean(error[members] ** 2))),
                "coverage": float(np.mean(inside[members])),
                "width": float(np.mean((high - low)[members])),
            }
            for name, members in groups.items()
            if members.any()
        },
    }, predictions


def facts(found: Posterior) -> dict[str, Any]:
    """What `run.json` says of a posterior."""
    return {
        "width": found.width,
        "rank": found.rank,
        "noise": found.noise,
        "noise_model": found.noise_model.value,
        "kept": len(found.draws),
        "diagnostics": asdict(found.diagnostics),
        "good": found.diagnostics.good,
        "sentence": str(found.diagnostics),
        "seconds": found.seconds,
    }
