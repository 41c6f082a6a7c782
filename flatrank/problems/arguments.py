"""Arguments that every front door takes."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Number
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import tree_map
from flatrank.measurements import Measurement

M = TypeVar("M", bound=Measurement)
#: Numbers looked at together, of many places.
PORTION = 1 << 20
# By number of axes: what an array is called, and how small its largest number may be. Those of
# vectors are data, to be scaled; fourth and second powers of the others make the Grams.
_KINDS = {
    1: ("a vector", 1e-300),
    2: ("a matrix", 1e-50),
    3: ("an array (m, d1, d2)", 1e-100),
}


def checked_number(name: str, value: float, low: float, high: float, meaning: str) -> float:
    """A number from `low` to `high`, as a float.

    Raises
    ------
    ValueError
        If it is something else; the message ends with the `meaning` of the range.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number; got {value!r}") from None
    if not (low <= number <= high and np.isfinite(number)):
        raise ValueError(f"{name} must {meaning.format(value)}")
    return number


def checked_parameters(lam: float, smoothing: float = 0.0) -> tuple[float, float]:
    """λ, finite and ≥ 0, and θ, between 0 and 1, as floats; ValueError otherwise."""
    finite = "be a finite number >= 0; got {}. Use 0 to interpolate"
    between = "lie between 0 (flat) and 1 (norm-minimal); got {}"
    return (
        checked_number("lam", lam, 0.0, np.inf, finite),
        checked_number("smoothing", smoothing, 0.0, 1.0, between),
    )


def checked_multiple(lam: float, factor: float) -> float:
    """λ in another unit, positive if it was; ValueError where it leaves the range of float64."""
    scaled = lam * factor
    if lam and not np.finfo(float).tiny <= scaled < np.inf:
        raise ValueError(
            f"lam = {lam:.3g} is out of the range of float64 in the unit of these data, where it "
            f"is {factor:.3g} times as much: give a lam that is some share of the one from which "
            "X = 0 is optimal, or 0 to interpolate"
        )
    return scaled


def checked_chance(failure_probability: float) -> float:
    """The chance in [0, 1) that a bound may fail, as a float; ValueError otherwise."""
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


def rectangular(name: str, values: ArrayLike, ndim: int | None = None) -> np.ndarray:
    """An array of lists, columns of data frames (one where `ndim` is 1), numbers as objects."""
    plain = values.to_numpy() if hasattr(values, "to_numpy") else values  # pyright: ignore[reportAttributeAccessIssue]
    try:
        x = np.asarray(plain)
    except ValueError:
        raise ValueError(
            f"{name} must be an array, every row as long as the others; got lists of different "
            "lengths"
        ) from None
    if ndim == 1 and x.ndim == 2 and x.shape[1] == 1 and hasattr(values, "columns"):
        x = x[:, 0]
    if x.dtype.kind != "O" or x.ndim == 0:
        return x
    missing = [n for n, v in enumerate(x.flat) if absent(v)]
    if missing:
        raise ValueError(
            f"{name} hold {len(missing)} missing entries, the first at {missing[0]}; leave them "
            "out, with what belongs to them"
        )
    if all(isinstance(v, Number) for v in x.flat):
        return x.astype(complex if any(isinstance(v, complex) for v in x.flat) else float)
    return x


def absent(value: object) -> bool:
    """Whether an object stands for a missing number: None, NaN, NaT, NA."""
    try:
        return value is None or bool(value != value)  # only NaN differs from itself
    except TypeError:  # NA has no truth
        return True
    except ValueError:  # an array
        return False


def checked_array(
    name: str,
    values: ArrayLike,
    ndim: int = 1,
    *,
    smallest: float | None = None,
    masked: str = "leave them out, with the measurements they belong to",
    gaps: str = "Leave a missing one out instead of marking it",
) -> np.ndarray:
    """A copy of an array of finite real numbers, float64.

    Parameters
    ----------
    name : str
        What to call it.
    values : array
        To be checked.
    ndim : int
        Number of its dimensions.
    smallest : float, optional
        The largest of its numbers must lie between this and its reciprocal, or be zero.
    masked, gaps : str
        Advice for masked entries, and for those that are not finite.

    Raises
    ------
    ValueError
        If it is something else.
    """
    v, (kind, least) = rectangular(name, values, ndim), _KINDS[ndim]
    hidden = np.ma.count_masked(values) if isinstance(values, np.ma.MaskedArray) else 0
    if hidden:
        raise ValueError(f"{name} hold {hidden} masked entries; {masked}")
    if v.ndim != ndim or (v.size and v.dtype.kind not in "fiub"):
        advice = (
            ". A complex X is a real one of twice the size and rank, [[Re X, -Im X], [Im X, Re X]]:"
            " give real and imaginary parts as data of that"
        )
        raise ValueError(
            f"{name} must be {kind} of real numbers; got shape {v.shape} of {v.dtype}"
            + (advice if v.dtype.kind == "c" else "")
        )
    v = np.array(v, dtype=np.float64)
    wrong = ~np.isfinite(v)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = ", ".join(map(str, first))
        raise ValueError(
            f"{name} must be finite; {int(wrong.sum())} are not, first {name}[{place}] = "
            f"{v[first]}. {gaps}"
        )
    top = max(float(v.max(initial=0.0)), -float(v.min(initial=0.0)))
    least = smallest or least
    if top and not least <= top <= 1 / least:
        raise ValueError(
            f"the largest of {name} is {top:.3g} in size; expected between {least:.0e} and "
            f"{1 / least:.0e}: divide by a common unit first"
        )
    return v


def checked_places(name: str, places: ArrayLike, size: int) -> np.ndarray:
    """Whole numbers from 0 to size − 1, int32; ValueError if they are something else."""
    x = rectangular(name, places, 1)
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


def checked_entries(
    rows: ArrayLike, cols: ArrayLike, values: ArrayLike, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places as `checked_pairs` has them, and a finite number for each; ValueError otherwise."""
    (i, j), v = checked_pairs(rows, cols, shape), np.asarray(values, np.float64)
    if v.shape != i.shape or not np.all(np.isfinite(v)):
        raise ValueError(
            f"values must be finite numbers, one for each place; got {v.shape} for {i.size} places"
        )
    return i, j, v


def portions(size: int, each: int = 1) -> Iterator[slice]:
    """Slices of a list of places that need at most `PORTION` numbers, `each` a place."""
    step = max(1, PORTION // each)
    return (slice(first, first + step) for first in range(0, size, step))


def checked_pairs(
    rows: ArrayLike, cols: ArrayLike, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a matrix, int32 rows and columns of one length; ValueError if they are not."""
    i, j = (
        checked_places(name, np.atleast_1d(np.asarray(x)), d)
        for name, x, d in zip(("rows", "cols"), (rows, cols), shape, strict=True)
    )
    if i.size != j.size:
        raise ValueError(
            f"rows and cols must have one length, a column for each row; got {i.size} and {j.size}"
        )
    return i, j
