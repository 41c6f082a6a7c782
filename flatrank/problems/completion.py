"""Matrix completion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import scope, to_numpy
from flatrank.data.duplicates import Duplicates, checked_duplicates, merge
from flatrank.factors import FactorPair
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.entries import SampledEntries, sample_entries
from flatrank.problems.arguments import checked_array, checked_parameters, checked_places
from flatrank.problems.flat import Problem
from flatrank.problems.sensing import stated
from flatrank.problems.share import at_share
from flatrank.problems.tables import checked_markers, observed


@scope()
def completion(  # noqa: PLR0913 - the contract's arguments, each named
    rows: Any,
    cols: ArrayLike | None = None,
    values: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    lam: float = 0.0,
    lam_ratio: float | None = None,
    smoothing: float = 0.0,
    duplicates: Duplicates = "error",
    missing: Any = None,
) -> Problem:
    """A matrix known at some of its entries.

    lam = 0: min ‖D1 X D2‖_* over X that agrees with every observed entry;
    lam > 0: min ½ Σ (X_ij − b_ij)² + lam ‖D1 X D2‖_*, D1² = diag(nᵢ)/(m d2), D2² = diag(cⱼ)/(m d1)
    with row and column counts nᵢ, cⱼ: the empirically weighted trace norm, whose factored form is
    alternating least squares with count-scaled regularisation.

    Parameters
    ----------
    rows, cols : integer arrays of shape (m,)
        0-based places of the observed entries, in any order. Arrays, lists,
        ranges, or columns of data frames; floats where they are whole. Or a table in place of all
        four: an array with NaN in its gaps, a masked array, a data frame of pandas or polars, an
        xarray.DataArray; or a SciPy sparse matrix, of which what is stored is observed.
    values : real array of shape (m,)
        The observed values, finite.
    shape : (d1, d2)
        Shape of the matrix.
    lam : float
        Weight λ ≥ 0 of the norm; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.
    smoothing : float
        θ in [0, 1]: D² ← (1−θ)D² + θ·mean(D²). 0 is flat, 1 is norm-minimal.
    duplicates : "error", "mean" or "last"
        What a place gets that occurs more than once: the mean of its values, or the last of them.
    missing : number, or several, optional
        Values that stand for gaps, such as -999, besides NaN.

    Raises
    ------
    ValueError
        If lengths differ, nothing is observed, a place lies outside `shape`, or occurs twice and
        that is an error, a value is not finite or not real, or a parameter is out of range.
    TypeError
        If `rows` alone is given and is no table.

    Warns
    -----
    UserWarning
        If a table has no gaps and is mostly zeros: they may stand for gaps.

    Notes
    -----
    Cost: O(m + d1 + d2) time and memory.
    """
    labels = None
    if cols is None and values is None and shape is None:
        rows, cols, values, shape, labels = observed(rows, missing)
    if cols is None or values is None or shape is None:
        raise ValueError(
            "completion takes a table, or all four of rows, cols, values and shape; got "
            f"{type(rows).__name__} of shape {np.shape(rows)} and some of the others"
        )
    d1, d2 = checked_shape(shape)
    i, j = checked_places("rows", rows, d1), checked_places("cols", cols, d2)
    duplicates, markers = checked_duplicates(duplicates), checked_markers(missing)
    v = checked_array("values", values)
    if not i.shape == j.shape == v.shape:
        raise ValueError(
            f"rows, cols and values must have one length; got {i.size}, {j.size} and {v.size}"
        )
    if v.size == 0:
        raise ValueError("no entry is observed; give at least one (row, col, value)")
    marked = markers.among(v)
    if marked.any():
        i, j, v = i[~marked], j[~marked], v[~marked]
    if duplicates != "error":
        i, j, v, _ = merge(i, j, v, d2, duplicates)
    if v.size == 0:
        raise ValueError("no entry is observed: every value is one that stands for a gap")
    lam, smoothing = checked_parameters(lam, smoothing)
    A, b = sample_entries(i, j, v, (d1, d2))
    del rows, cols, values, i, j, v  # as large as the problem, which holds its own
    problem = stated(A, b, lam, smoothing)
    return at_share(replace(problem, labels=labels), lam, lam_ratio)


def core(problem: Problem, pair: FactorPair, rank: int) -> tuple[Problem, FactorPair]:
    """The largest part of which every row and column holds `rank` entries, and the pair on it.

    A row with fewer entries than the rank fits them whatever the column factors are: it is
    undetermined itself and says nothing about the others. The problem itself where no row is to be
    left out, as of measurements that are no entries; an empty pair where none stays.
    """
    gaps = problem.unidentifiable
    entries = isinstance(problem.measurement, SampledEntries)
    if not (entries and (gaps.rows(rank).size or gaps.cols(rank).size)):
        return problem, pair
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
