"""Matrix completion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import scope, to_numpy
from flatrank.factors import FactorPair
from flatrank.flatness import Rescaling
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.entries import SampledEntries, sample_entries
from flatrank.problems.arguments import checked_array, checked_parameters, rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable
from flatrank.problems.share import at_share

_INCOMPLETE = (
    "completion takes rows, cols, values and shape; got {} alone. Of a whole table X with NaN in "
    "its gaps: X = np.asarray(X, dtype=float); rows, cols = np.nonzero(~np.isnan(X)); "
    "completion(rows, cols, X[rows, cols], X.shape)"
)


@scope()
def completion(  # noqa: PLR0913 - the contract's arguments, each named
    rows: ArrayLike,
    cols: ArrayLike | None = None,
    values: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    lam: float = 0.0,
    lam_ratio: float | None = None,
    smoothing: float = 0.0,
) -> Problem:
    """A matrix known at some of its entries.

    lam = 0: min ‖D1 X D2‖_* over X that agrees with every observed entry;
    lam > 0: min ½ Σ (X_ij − b_ij)² + lam ‖D1 X D2‖_*, D1² = diag(nᵢ)/(m d2), D2² = diag(cⱼ)/(m d1)
    with row and column counts nᵢ, cⱼ: the empirically weighted trace norm, whose factored form is
    alternating least squares with count-scaled regularisation.

    Parameters
    ----------
    rows, cols : integer arrays of shape (m,)
        0-based places of the observed entries, in any order, each at most once. Arrays, lists,
        ranges, or columns of data frames; floats where they are whole.
    values : real array of shape (m,)
        The observed values, finite. None of the four may be left out.
    shape : (d1, d2)
        Shape of the matrix.
    lam : float
        Weight λ ≥ 0 of the norm; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.
    smoothing : float
        θ in [0, 1]: D² ← (1−θ)D² + θ·mean(D²). 0 is flat, 1 is norm-minimal.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If lengths differ, nothing is observed, a place lies outside `shape` or occurs twice, a
        value is not finite or not real, or a parameter is out of range.

    Notes
    -----
    Cost: O(m + d1 + d2) time and memory.
    """
    if cols is None or values is None or shape is None:
        raise ValueError(_INCOMPLETE.format(_described(rows)))
    d1, d2 = checked_shape(shape)
    i, j = _checked_places("rows", rows, d1), _checked_places("cols", cols, d2)
    v = checked_array("values", values)
    if not i.shape == j.shape == v.shape:
        raise ValueError(
            f"rows, cols and values must have one length; got {i.size}, {j.size} and {v.size}"
        )
    if v.size == 0:
        raise ValueError("no entry is observed; give at least one (row, col, value)")
    lam, smoothing = checked_parameters(lam, smoothing)
    measurement, b = sample_entries(i, j, v, (d1, d2))
    problem = Problem(
        measurement,
        b,
        Rescaling.of(measurement, smoothing),
        lam,
        smoothing,
        Unidentifiable.of_pattern(i, j, (d1, d2)),
    )
    return at_share(problem, lam, lam_ratio)


def core(problem: Problem, pair: FactorPair, rank: int) -> tuple[Problem, FactorPair]:
    """The largest part of which every row and column holds `rank` entries, and the pair on it.

    A row with fewer entries than the rank fits them whatever the column factors are: it is
    undetermined itself and says nothing about the others.

    Parameters
    ----------
    problem : Problem
        Of sampled entries; any other is left whole.
    pair : FactorPair
        Of X.
    rank : int
        Entries wanted in each row and column.

    Returns
    -------
    (Problem, FactorPair)
        The problem itself where nothing is to be left out; an empty pair where nothing is left.
    """
    gaps = problem.unidentifiable
    if not (gaps.rows(rank).size or gaps.cols(rank).size):
        return problem, pair
    if not isinstance(problem.measurement, SampledEntries):
        return problem, pair  # nothing to leave out: a row has no measurements of its own
    rows, cols = problem.measurement.places()
    d1, d2 = problem.shape
    keep = np.ones(rows.size, dtype=bool)
    while True:
        n, c = np.bincount(rows[keep], minlength=d1), np.bincount(cols[keep], minlength=d2)
        fewer = keep & (n[rows] >= rank) & (c[cols] >= rank)
        if fewer.sum() == keep.sum():
            break
        keep = fewer
    if not keep.any():
        return problem, pair.resized(0)
    left, i = np.unique(rows[keep], return_inverse=True)
    right, j = np.unique(cols[keep], return_inverse=True)
    pair, b = to_numpy((pair, problem.b))
    part = completion(i, j, b[keep], (left.size, right.size), smoothing=problem.smoothing)
    return part, FactorPair(pair.L[left], pair.R[right])


def _described(x: ArrayLike) -> str:
    return f"{type(x).__name__} of shape {np.shape(x)}"


def _checked_places(name: str, places: ArrayLike, size: int) -> np.ndarray:
    x = rectangular(name, places)
    if x.ndim == 2 and x.shape[1] == 1 and hasattr(places, "columns"):
        x = x[:, 0]  # a data frame of one column
    if x.dtype.kind == "f" and x.ndim == 1:
        wrong = np.flatnonzero(~(np.isfinite(x) & (x % 1 == 0)))
        if wrong.size:
            raise ValueError(
                f"{name} must be whole numbers; {wrong.size} are not, first {name}[{wrong[0]}] = "
                f"{x[wrong[0]]}"
            )
    elif x.ndim != 1 or (x.size and x.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} must be a vector of integers; got shape {x.shape} of {x.dtype}. Number labels "
            "of other types: labels, places = np.unique(x, return_inverse=True)"
        )
    if x.size and not (x.min() >= 0 and x.max() < size):
        bad = int(x[(x < 0) | (x >= size)][0])
        raise ValueError(f"{name} must lie between 0 and {size - 1}; got {bad}. Places are 0-based")
    return x.astype(np.int32, copy=False)
