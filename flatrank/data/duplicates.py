"""Several values for one place: their mean, their sum, the last of them, or none of it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Duplicates = Literal["mean", "last", "sum", "error"]


class Merged(NamedTuple):
    """Places row by row, (m,), with one value each, and how many values were merged away."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    values: NDArray[np.float64]
    repeated: int


class RepeatedError(ValueError):
    """A place is named more than once: where first, and what it is said to hold."""

    def __init__(self, repeated: int, place: tuple[int, int], values: NDArray[np.float64]) -> None:
        said = ", ".join(f"{x:g}" for x in values[:5]) + (", ..." if values.size > 5 else "")
        super().__init__(f"{repeated} values are for a place that has one already, first {said}")
        self.repeated, self.place, self.said = repeated, place, said


def checked_duplicates(how: Any) -> Duplicates:
    """One of the four words; ValueError otherwise."""
    if how not in get_args(Duplicates):
        raise ValueError(f'duplicates must be "mean", "last", "sum" or "error"; got {how!r}')
    return how


def merge(
    rows: NDArray[Any],
    cols: NDArray[Any],
    values: NDArray[np.float64],
    width: int,
    how: Duplicates,
) -> Merged:
    """Entries row by row, with one value for each place.

    The same whatever the order of the input, but for the last of several; O(m log m) time.

    Parameters
    ----------
    rows, cols, values
        (m,) places, from 0, and values.
    width
        Number of columns.
    how
        What a place gets that is named more than once.

    Raises
    ------
    RepeatedError
        If there is one and `how` is "error".
    """
    key = rows.astype(np.int64) * width + cols
    if not (key[1:] > key[:-1]).all():
        order = np.argsort(key, kind="stable")
        key, values = key[order], values[order]
    starts = np.flatnonzero(np.append(True, key[1:] != key[:-1]))[: key.size]
    repeated = int(key.size - starts.size)
    if repeated:
        ends = np.append(starts[1:], key.size)
        if how == "error":
            n = int(np.argmax(ends - starts > 1))
            row, col = divmod(int(key[starts[n]]), width)
            raise RepeatedError(repeated, (row, col), values[starts[n] : ends[n]])
        if how == "last":
            values = values[ends - 1]
        else:
            # What is added up is divided by: 1 for the sum.
            lengths = np.ones_like(starts) if how == "sum" else ends - starts
            # Dividing before adding: the mean of two values near the largest float is one too.
            values = np.add.reduceat(values / np.repeat(lengths, ends - starts), starts)
        key = key[starts]
    row_codes, col_codes = np.divmod(key, width)
    return Merged(
        row_codes.astype(np.int32),
        col_codes.astype(np.int32),
        np.ascontiguousarray(values, dtype=np.float64),
        repeated,
    )
