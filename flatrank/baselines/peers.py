"""Which baselines a table can have, by what is installed and by the time they take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np

from flatrank.baselines.imputers import NEIGHBOURS, REGRESSION, fit_imputer, seconds
from flatrank.baselines.means import COLUMN_MEAN, EFFECTS, column_mean, effects
from flatrank.problems import Observed

#: Values at places: rows and columns of shape (q,) to (q,).
Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: Bytes that a table as an array may take.
BYTES = 2e8


def fitters(seed: int = 0) -> dict[str, Callable[[Observed], Predictor]]:
    """Every baseline by name: known entries in, predictions at places out."""

    def imputer(name: str, known: Observed) -> Predictor:
        filled = fit_imputer(name, known, seed)
        return lambda rows, cols: filled[rows, cols]

    return {
        COLUMN_MEAN: lambda known: column_mean(known).at,
        EFFECTS: lambda known: effects(known, seed).at,
        NEIGHBOURS: partial(imputer, NEIGHBOURS),
        REGRESSION: partial(imputer, REGRESSION),
    }


def within(known: Observed, budget: float) -> tuple[list[str], dict[str, str]]:
    """Names of the baselines that fit into a time, and why the others are left out.

    Parameters
    ----------
    known : Observed
        The entries that they would be fitted to.
    budget : float
        Seconds for each, as far as they can be told beforehand; the means always fit.

    Returns
    -------
    names, left_out
        `left_out` has a reason for each name.
    """
    names, left_out = [COLUMN_MEAN, EFFECTS], {}
    size = 8.0 * known.shape[0] * known.shape[1]
    for name in (NEIGHBOURS, REGRESSION):
        needed = seconds(name, known)
        if find_spec("sklearn") is None:
            left_out[name] = 'scikit-learn is not installed: pip install "flatrank[sklearn]"'
        elif size > BYTES:
            left_out[name] = f"the table would take {size / 1e9:.1f} GB as an array"
        elif needed > budget:
            left_out[name] = f"it would take about {_long(needed)}, more than {budget:.3g} s"
        else:
            names.append(name)
    return names, left_out


def _long(seconds: float) -> str:
    """A time in words."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
