"""Grids: which cells are asked for, checked, in order."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flatrank.data.entries import InputError
from flatrank.experiments.draws import FAMILIES, SHARES, SYMMETRIC, Ensemble, Family, MakeProblem


def checked_grid(
    family: Family | MakeProblem,
    rank: int | None,
    dims: Sequence[float] | None,
    sizes: Sequence[float] | None,
) -> tuple[MakeProblem, tuple[tuple[int, ...], tuple[float, ...]]]:
    """make_problem, and the grid in order."""
    if isinstance(family, str):
        if family not in FAMILIES:
            raise InputError(f"family must be one of {', '.join(FAMILIES)}; got {family}.")
        rank = (3 if family == "quadratic" else 2) if rank is None else rank
        family = Ensemble(family, rank)
    elif not callable(family):
        raise InputError(f"family must be a name or make_problem(d, size, seed); got {family!r}.")
    elif rank is not None:
        raise InputError(f"rank is of a named family; got rank={rank} with a make_problem.")
    if not isinstance(family, Ensemble):
        if dims is None or sizes is None:
            raise InputError("dims and sizes must be given with a make_problem.")
        return family, (_whole("dims", dims, 1), _distinct(sizes))
    check_whole("rank", family.rank, 1)
    if not family.aspect > 0 or (family.family in SYMMETRIC and family.aspect != 1):
        raise InputError(
            f"aspect must be above 0, and 1 where M is symmetric; got {family.aspect:g}."
        )
    least = 16 if family.family == "robust" else 10
    dims = range(least, 41, 6) if dims is None else dims
    if not dims or any(not float(d).is_integer() or min(family.shape(int(d))) <= family.rank
                       for d in dims):  # fmt: skip
        raise InputError(
            f"dims must be whole numbers above the rank {family.rank}; got {_listed(dims)}."
        )
    return family, (_whole("dims", dims, 1), _sizes(family.family, sizes))


def _sizes(family: Family, sizes: Sequence[float] | None) -> tuple[float, ...]:
    """Those of a family, in order."""
    if sizes is None and family == "completion":
        sizes = [round(0.12 + 0.08 * n, 2) for n in range(12)]
    elif sizes is None:
        robust = [round(0.03 + 0.03 * n, 2) for n in range(12)]
        sizes = robust if family == "robust" else range(30, 526, 45)
    if family not in SHARES:
        return tuple(float(m) for m in _whole("sizes", sizes, 1))
    if not sizes or any(not 0 < p <= 1 for p in sizes):
        what = "probabilities" if family == "completion" else "shares"
        raise InputError(f"sizes must be {what} from above 0 to 1; got {_listed(sizes)}.")
    return _distinct(sizes)


def check_whole(name: str, value: float, least: int) -> None:
    """InputError unless the value is a whole number, `least` or more."""
    if not float(value).is_integer() or value < least:
        raise InputError(f"{name} must be a whole number from {least}; got {value}.")


def _whole(name: str, values: Sequence[float], least: int) -> tuple[int, ...]:
    if not values or any(not float(x).is_integer() or x < least for x in values):
        raise InputError(f"{name} must be whole numbers from {least}; got {_listed(values)}.")
    return tuple(sorted({int(x) for x in values}))


def _distinct(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted({float(x) for x in values}))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"


def checked_numbers(name: str, values: Sequence[float], *, whole: bool = False) -> list[float]:
    """Positive numbers in order; InputError for others."""
    if whole:
        return list(_whole(name, values, 1))
    if not len(values) or any(not 0 < x < math.inf for x in values):
        raise InputError(f"{name} must be numbers above 0; got {_listed(values)}.")
    return list(_distinct(values))
