"""Arguments that every front door takes."""

from __future__ import annotations

from numbers import Number
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import tree_map
from flatrank.measurements import Measurement

# Largest values below this leave the range of full precision when they are scaled.
SMALLEST = 1e-300
#: What to do with a complex matrix X.
COMPLEX = (
    "A complex X is a real one of twice the size and rank, [[Re X, -Im X], [Im X, Re X]]: give "
    "real and imaginary parts as data of that"
)
M = TypeVar("M", bound=Measurement)
_KINDS = {1: "a vector", 2: "a matrix", 3: "an array (m, d1, d2)"}


def checked_parameters(lam: float, smoothing: float) -> tuple[float, float]:
    """λ and θ as floats.

    Raises
    ------
    ValueError
        If λ is not a finite number ≥ 0, or θ not between 0 and 1.
    """
    try:
        lam, smoothing = float(lam), float(smoothing)
    except (TypeError, ValueError):
        raise ValueError(
            f"lam and smoothing must be numbers; got {lam!r} and {smoothing!r}"
        ) from None
    if not (np.isfinite(lam) and lam >= 0):
        raise ValueError(f"lam must be a finite number >= 0; got {lam}. Use 0 to interpolate")
    if not 0 <= smoothing <= 1:
        raise ValueError(
            f"smoothing must lie between 0 (flat) and 1 (norm-minimal); got {smoothing}"
        )
    return lam, smoothing


def checked_multiple(lam: float, factor: float) -> float:
    """λ in another unit, positive if it was.

    Raises
    ------
    ValueError
        If it leaves the range of float64.
    """
    scaled = lam * factor
    if lam and not np.finfo(float).tiny <= scaled < np.inf:
        raise ValueError(
            f"lam = {lam:.3g} is out of the range of float64 in the unit of these data, where it "
            f"is {factor:.3g} times as much: give a lam that is some share of the one from which "
            "X = 0 is optimal, or 0 to interpolate"
        )
    return scaled


def checked_chance(failure_probability: float) -> float:
    """The chance that a bound may fail, as a float.

    Raises
    ------
    ValueError
        If it is not in [0, 1).
    """
    chance = np.asarray(failure_probability)
    if chance.ndim or chance.dtype.kind not in "fiu" or not 0 <= chance < 1:
        raise ValueError(
            "failure_probability must be a number in [0, 1), such as 1e-9, or 0 for exact norms; "
            f"got {failure_probability!r}"
        )
    return float(chance)


def own(measurement: M) -> M:
    """A measurement whose arrays, where they are NumPy's, nobody else can write to."""
    return tree_map(lambda x: np.array(x) if isinstance(x, np.ndarray) else x, measurement)


def rectangular(name: str, values: ArrayLike) -> np.ndarray:
    """An array of whatever it holds: columns of data frames too, and numbers kept as objects.

    Raises
    ------
    ValueError
        If it is made of lists of different lengths, or an entry is missing.
    """
    plain = values.to_numpy() if hasattr(values, "to_numpy") else values  # pyright: ignore[reportAttributeAccessIssue]
    try:
        x = np.asarray(plain)
    except ValueError:
        raise ValueError(
            f"{name} must be an array, every row as long as the others; got lists of different "
            "lengths"
        ) from None
    if x.dtype.kind != "O" or x.ndim == 0:
        return x
    absent = [n for n, v in enumerate(x.flat) if _absent(v)]
    if absent:
        raise ValueError(
            f"{name} hold {len(absent)} missing entries, the first at {absent[0]}; leave them out, "
            "with what belongs to them"
        )
    if all(isinstance(v, Number) for v in x.flat):
        return x.astype(complex if any(isinstance(v, complex) for v in x.flat) else float)
    return x


def _absent(value: object) -> bool:
    """Whether an object stands for a missing number: None, NaN, NaT, NA."""
    try:
        return value is None or bool(value != value)  # only NaN differs from itself
    except TypeError:  # NA has no truth
        return True
    except ValueError:  # an array
        return False


def checked_array(
    name: str, values: ArrayLike, ndim: int = 1, smallest: float = SMALLEST
) -> np.ndarray:
    """An array of finite real numbers, float64.

    Parameters
    ----------
    name : str
        What to call it.
    values : array
        To be checked.
    ndim : int
        Number of its dimensions.
    smallest : float
        The largest of its numbers must lie between this and its reciprocal, or be zero.

    Returns
    -------
    array
        A copy: the caller's may change later.

    Raises
    ------
    ValueError
        If it is something else.
    """
    v = rectangular(name, values)
    masked = np.ma.count_masked(values) if isinstance(values, np.ma.MaskedArray) else 0
    if masked:
        raise ValueError(
            f"{name} hold {masked} masked entries; leave them out, with the measurements they "
            "belong to"
        )
    if ndim == 1 and v.ndim == 2 and v.shape[1] == 1 and hasattr(values, "columns"):
        v = v[:, 0]  # a data frame of one column
    if v.dtype.kind == "c":
        raise ValueError(
            f"{name} must be {_KINDS[ndim]} of real numbers; got shape {v.shape} of {v.dtype}. "
            f"{COMPLEX}"
        )
    if v.ndim != ndim or (v.size and v.dtype.kind not in "fiub"):
        raise ValueError(
            f"{name} must be {_KINDS[ndim]} of real numbers; got shape {v.shape} of {v.dtype}"
        )
    v = np.array(v.astype(np.float64, copy=False))
    wrong = ~np.isfinite(v)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = ", ".join(map(str, first))
        raise ValueError(
            f"{name} must be finite; {int(wrong.sum())} are not, first {name}[{place}] = "
            f"{v[first]}. Leave a missing one out instead of marking it"
        )
    top = float(np.max(np.abs(v), initial=0.0))
    if top and not smallest <= top <= 1 / smallest:
        raise ValueError(
            f"the largest of {name} is {top:.3g} in size; expected between {smallest:.0e} and "
            f"{1 / smallest:.0e}: divide by a common unit first"
        )
    return v
