"""Random hold-outs of entries, one or several in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatrank.data.entries import InputError

Sides = tuple[NDArray[Any], NDArray[Any]]


def split(
    places: tuple[ArrayLike, ArrayLike], fraction: float, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out a random fraction of the entries.

    The last training entry of a row or column is never held out: such an entry goes back to
    training and another one is drawn in its place, as long as there are others. (This keeps every
    one in training; it does not promise that a connected observation graph stays connected.)

    Parameters
    ----------
    places
        Row and column, (m,) each, of the entries.
    fraction
        Share to hold out, 0 ≤ fraction < 1; round(fraction · m) entries.
    seed
        The same seed gives the same split.

    Returns
    -------
    train, test
        Sorted indices into the entries, disjoint, covering all of them. At most one entry a row and
        one a column is given back, so fewer than asked are held out only when m - d1 - d2 is less.
        O(m) time and memory for each of the few rounds of replacement.

    Raises
    ------
    InputError
        If the fraction is outside [0, 1), or rows and columns are not equally long.
    """
    if not 0.0 <= fraction < 1.0:
        raise InputError(f"The held-out fraction must be at least 0 and below 1, got {fraction}.")
    rows, cols = _checked(places)
    order = np.random.default_rng(seed).permutation(rows.size)
    held = _held_out(order, round(fraction * rows.size), (rows, cols))
    return np.flatnonzero(~held), np.flatnonzero(held)


def folds(
    places: tuple[ArrayLike, ArrayLike], number: int, *, seed: int
) -> list[NDArray[np.int64]]:
    """Deal the entries at random into folds, to be hidden in turn.

    Of a row or column that lies in one fold with all its entries one is never hidden. (As with
    `split`, what is left need not be connected.)

    Parameters
    ----------
    places
        Row and column, (m,) each, of the entries.
    number
        Of the folds, at least 2; at most m.
    seed
        The same seed gives the same folds.

    Returns
    -------
    list of index arrays
        Sorted and disjoint; O(m) time and memory for each fold.

    Raises
    ------
    InputError
        If the number is out of range, or rows and columns are not equally long.
    """
    rows, cols = _checked(places)
    whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    if not (whole and 2 <= number <= rows.size):
        raise InputError(
            "The number of folds must be whole, at least 2 and at most that of the entries, "
            f"{rows.size}; got {number!r}."
        )
    out = []
    for part in np.array_split(np.random.default_rng(seed).permutation(rows.size), number):
        held = np.zeros(rows.size, dtype=bool)
        held[part] = True
        _give_back(held, part, (rows, cols))
        out.append(np.flatnonzero(held))
    return out


def _checked(places: tuple[ArrayLike, ArrayLike]) -> Sides:
    rows, cols = np.asarray(places[0]), np.asarray(places[1])
    if rows.shape != cols.shape or rows.ndim != 1:
        raise InputError(
            "rows and cols must be one-dimensional and equally long, "
            f"got {rows.shape} and {cols.shape}."
        )
    return rows, cols


def _held_out(order: NDArray[np.int64], wanted: int, sides: Sides) -> NDArray[np.bool_]:
    """So many entries in the order given, but for those that would empty a row or column."""
    held = np.zeros(order.size, dtype=bool)
    drawn, missing = 0, wanted
    while missing > 0 and drawn < order.size:
        fresh = order[drawn : drawn + missing]
        drawn += fresh.size
        held[fresh] = True
        missing = _give_back(held, order[drawn - 1 :: -1], sides)
    return held


def _give_back(held: NDArray[np.bool_], latest_first: NDArray[np.int64], sides: Sides) -> int:
    """Give back a held entry of each row, then column, that has no other; how many."""
    number = 0
    for codes in sides:
        left = np.bincount(codes[~held], minlength=int(codes.max()) + 1)
        emptied = latest_first[(held & (left[codes] == 0))[latest_first]]
        # One entry for each emptied code is enough; the last one drawn keeps it random.
        rescued = emptied[np.unique(codes[emptied], return_index=True)[1]]
        held[rescued] = False
        number += rescued.size
    return number
