"""Problems from the arrays of a file: the front door that these are the arguments of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from flatrank.problems.flat import Problem
from flatrank.problems.quadratic import covariance, phase_retrieval, quadratic_network
from flatrank.problems.sensing import bilinear, sensing
from flatrank.problems.tomography import tomography


class Door(NamedTuple):
    """A front door, the arrays it takes in order, other names of the last, and its numbers."""

    function: Callable[..., Problem]
    arrays: tuple[str, ...]
    also: str
    numbers: tuple[str, ...]


#: By the name of the family.
DOORS = {
    "sensing": Door(sensing, ("A", "b"), "y", ("lam", "lam_ratio", "smoothing")),
    "bilinear": Door(bilinear, ("a", "c", "b"), "y", ("lam", "lam_ratio", "smoothing")),
    "covariance": Door(covariance, ("x", "y"), "b", ("lam", "lam_ratio")),
    "quadratic_network": Door(quadratic_network, ("x", "y"), "b", ("lam", "lam_ratio")),
    "phase_retrieval": Door(phase_retrieval, ("x", "y"), "b", ("lam", "lam_ratio")),
    "tomography": Door(tomography, ("effects", "frequencies"), "b", ("lam",)),
}
_NUMBERS: tuple[str, ...] = ("lam", "lam_ratio", "smoothing")


class Stated(NamedTuple):
    """A problem, its family, and the names of arrays that it has no use for."""

    problem: Problem
    family: str
    unused: list[str]


def from_arrays(
    arrays: Mapping[str, np.ndarray], family: str | None = None, **numbers: float | None
) -> Stated:
    """The problem that some arrays are the arguments of.

    Parameters
    ----------
    arrays : mapping of str to array
        By the names of a front door's arguments: `A` (m, d1, d2), or (m, d1·d2) with `shape`, and
        `b`; `a`, `c` and `b`; `x` and `y`; or `effects` and `frequencies`. The data may be called
        `b` or `y` throughout. Numbers among them, `lam`, `lam_ratio` and `smoothing`, are taken
        where they are not given.
    family : str, optional
        The front door; by default the one whose arrays are there: with `x` phase_retrieval where it
        is complex and else covariance.
    **numbers
        `lam`, `lam_ratio` and `smoothing`; None for those of the arrays, or the usual ones.

    Returns
    -------
    Stated

    Raises
    ------
    ValueError
        If no family, or more than one, has such arrays, one is missing, or the front door refuses
        them.
    """
    family = _family(arrays) if family is None else family
    door = DOORS.get(family)
    if door is None:
        raise ValueError(f"family must be one of {', '.join(DOORS)}; got {family!r}")
    given: list[np.ndarray] = []
    used: set[str] = set(_NUMBERS)
    for name in door.arrays:
        held = name if name in arrays or name != door.arrays[-1] else door.also
        if held not in arrays:
            raise ValueError(
                f"{family} takes arrays {_listed(door.arrays)}; there is no {name!r} among "
                f"{_listed(sorted(arrays))}"
            )
        used.add(held)
        given.append(arrays[held])
    if family == "sensing" and "shape" in arrays:
        given[0] = _reshaped(given[0], arrays["shape"])
        used.add("shape")
    held = {name: _number(name, arrays[name]) for name in _NUMBERS if name in arrays}
    asked = {name: x for name, x in numbers.items() if x is not None}
    if {"lam", "lam_ratio"} & asked.keys():  # either takes the place of either
        held = {name: x for name, x in held.items() if name == "smoothing"}
    chosen = held | asked
    refused = [name for name in chosen if name not in door.numbers]
    if refused:
        raise ValueError(f"{family} has no {refused[0]}; it takes {_listed(door.numbers)}")
    problem = door.function(*given, **chosen)
    return Stated(problem, family, sorted(arrays.keys() - used))


def _family(arrays: Mapping[str, np.ndarray]) -> str:
    found = [
        family
        for family, sign in (("sensing", "A"), ("bilinear", "a"), ("tomography", "effects"))
        if sign in arrays
    ]
    if "x" in arrays:
        found.append("phase_retrieval" if np.iscomplexobj(arrays["x"]) else "covariance")
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{family}: {_listed(door.arrays)}" for family, door in DOORS.items())
    held = f"{_listed(sorted(arrays))} are there" if arrays else "there are none"
    fit = " and ".join(found)
    which = f"they fit {fit}: name one with --family (family=)" if fit else "expected those of one"
    raise ValueError(f"which arrays hold the measurements is not clear: {held}, {which}. {known}")


def _reshaped(A: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """(m, d1 d2) as (m, d1, d2)."""
    size = tuple(int(d) for d in np.ravel(shape))
    if len(size) != 2 or A.ndim not in (2, 3) or A[0].size != size[0] * size[1]:
        raise ValueError(
            f"A must hold matrices of shape {size}, as `shape` says; got an array {A.shape}"
        )
    return A.reshape(-1, *size)


def _number(name: str, value: np.ndarray) -> float:
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be one number; got shape {value.shape} of {value.dtype}")
    return float(value.reshape(()))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names) or "none"
