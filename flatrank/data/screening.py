"""Telling usable rows from bad ones, and saying what is wrong with those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from flatrank.data.coding import load_polars
from flatrank.data.columns import ABSENT
from flatrank.data.entries import BadRow
from flatrank.data.errors import InputError

if TYPE_CHECKING:
    import polars as pl

BadRows = Literal["error", "skip"]
#: "refuse" is "error" where the caller has no choice, so none is offered.
Policy = Literal["error", "skip", "refuse"]

#: Where the first bad row is among so many at the end, they may be a footer.
_FOOTER = 5
#: How many line numbers a message names for each defect.
NAMED_LINES = 5
_NO_NUMBER = "value not a number"
#: Values that are numbers to people, and what to do; for each the pattern of such a value.
_NEARLY = {
    "value with a comma": (
        r"^[+-]?[\d.]*\d,[\d.,]*$",
        "Write decimals with a point, and leave out thousands separators.",
    ),
    "value with a thousands separator": (
        r"^[+-]?\d{1,3}(?:[ \u00a0\u202f'\u2019]\d{3})+(?:[.,]\d*)?$",
        "Leave out thousands separators.",
    ),
    "value with a percent sign": (r"^[+-]?[\d.,]+\s?%$", "Leave out the percent signs."),
    "value with a currency sign": (
        r"^[+-]?(?:\p{Sc}\s?[\d.,]+|[\d.,]+\s?\p{Sc})$",
        "Leave out the currency signs.",
    ),
}
#: A number with a decimal comma, and one that could as well have a comma between thousands.
_DECIMAL_COMMA = r"^[+-]?\d*,\d*(?:[eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(?:,\d{3})+$"


@dataclass(frozen=True)
class Defect:
    """Rows with the same defect, by position in the table (0-based)."""

    reason: str
    at: NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Where the rows of a table stand in their file.

    Parameters
    ----------
    unit
        What the numbers count: "line", "row" or "entry".
    numbers
        (m,) 1-based numbers.
    example
        The text of a row, by position in the table.
    """

    unit: str
    numbers: NDArray[np.int64]
    example: Callable[[int], str]


def check_policy(bad_rows: str) -> None:
    """Refuse anything but the two ways to treat bad rows.

    Parameters
    ----------
    bad_rows
        What the caller asked for.

    Raises
    ------
    InputError
        If it is neither "error" nor "skip".
    """
    if bad_rows not in ("error", "skip"):
        raise InputError(f'bad_rows must be "error" or "skip", got {bad_rows!r}.')


def number_defects(values: NDArray[np.float64]) -> list[Defect]:
    """Defects of values that are numbers already: NaN and infinities."""
    if np.isfinite(values).all():
        return []
    found = [("value NaN", np.isnan(values)), ("infinite value", np.isinf(values))]
    return [Defect(reason, np.flatnonzero(mask)) for reason, mask in found if mask.any()]


def id_defects(codes: Sequence[NDArray[np.int32]]) -> list[Defect]:
    """Defects of row and column ids: those without text, which have code -1."""
    named = zip(("missing row id", "missing column id"), codes, strict=True)
    missing = [(reason, np.flatnonzero(code < 0)) for reason, code in named]
    return [Defect(reason, at) for reason, at in missing if at.size]


def parse_values(texts: pl.Series) -> tuple[NDArray[np.float64], list[Defect]]:
    """Text to numbers.

    Decimals have points throughout, or commas throughout: "3,5" is read where no value has a point,
    and another value shows that it is not 1,234 that is meant.

    Parameters
    ----------
    texts
        (m,) text (exponents, surrounding blanks), or numbers already.

    Returns
    -------
    values
        (m,) float64, any number where there is none.
    defects
        Absent values (also written NA, null, ? and the like), text that is no number, NaN,
        infinities.
    """
    polars = load_polars()
    if texts.dtype.is_numeric():
        absent = texts.is_null().to_numpy()
        values = texts.fill_null(0.0).to_numpy()
        missing = [Defect("missing value", np.flatnonzero(absent))] if absent.any() else []
        return values, [*missing, *number_defects(values)]
    numbers = texts.cast(polars.Float64, strict=False)
    if numbers.null_count() == 0:
        values = numbers.to_numpy()
        return values, number_defects(values)
    stripped = _with_points(texts.str.strip_chars())
    numbers = stripped.cast(polars.Float64, strict=False)
    unread = numbers.is_null().to_numpy()
    absent = stripped.is_null() | stripped.str.to_lowercase().is_in(list(ABSENT))
    absent = absent.fill_null(value=True).to_numpy()
    values = numbers.fill_null(0.0).to_numpy()
    defects = number_defects(values)
    nearly = [(reason, stripped.str.contains(pattern)) for reason, (pattern, _) in _NEARLY.items()]
    for reason, mask in (
        ("missing value", unread & absent),
        *((reason, unread & mask.fill_null(value=False).to_numpy()) for reason, mask in nearly),
        (_NO_NUMBER, unread & ~absent),
    ):
        unread = unread & ~mask
        if mask.any():
            defects.append(Defect(reason, np.flatnonzero(mask)))
    return values, defects


def _with_points(texts: pl.Series) -> pl.Series:
    """Decimal commas made points, where it is certain that they are decimal commas."""
    commas = texts.filter(texts.str.contains(",", literal=True))
    certain = (
        commas.len() > 0
        and commas.str.contains(_DECIMAL_COMMA).all()
        and not commas.str.contains(_THOUSANDS).all()
        and not texts.str.contains(".", literal=True).any()
    )
    return texts.str.replace(",", ".", literal=True) if certain else texts


def judge(
    source: str, defects: Sequence[Defect], places: Places, policy: Policy
) -> tuple[NDArray[np.bool_], tuple[BadRow, ...]]:
    """Decide about bad rows: an error that names them, or their removal.

    A row with several defects counts under the first.

    Parameters
    ----------
    source
        What messages call the file.
    defects
        What was found.
    places
        Where the rows stand in the file.
    policy
        "error", "skip" or "refuse".

    Returns
    -------
    good
        (m,) mask of the rows to keep.
    dropped
        Summary of the others.

    Raises
    ------
    InputError
        If there are bad rows and they are to be an error, or if no good rows are left.
    """
    numbers = places.numbers
    good = np.ones(numbers.size, dtype=bool)
    kinds: list[BadRow] = []
    for defect in defects:
        at = defect.at[good[defect.at]]
        if at.size:
            good[at] = False
            at = at[np.argsort(numbers[at], kind="stable")]
            first = tuple(int(number) for number in numbers[at[:NAMED_LINES]])
            kinds.append(
                BadRow(defect.reason, int(at.size), first, places.example(int(at[0]))[:60])
            )
    if not kinds or (policy == "skip" and good.any()):
        return good, tuple(kinds)
    what = "; ".join(_named(kind, places.unit) for kind in kinds)
    remedies = [_NEARLY[kind.reason][1] for kind in kinds if kind.reason in _NEARLY]
    if not good.any():
        remedies = remedies or ["Are they separated as expected, and the columns the right ones?"]
        raise InputError(f"{source}: no usable rows among {good.size}: {what}. {remedies[0]}")
    if not remedies:
        remedies = [
            _after(kinds, good)
            + 'Correct them, or pass bad_rows="skip" (--bad-rows skip) to leave them out.'
            if policy == "error"
            else "Correct them."
        ]
    bad = sum(kind.count for kind in kinds)
    raise InputError(
        f"{source}: {bad} of {good.size} rows cannot be used: {what}. {' '.join(remedies)}"
    )


def _after(kinds: list[BadRow], good: NDArray[np.bool_]) -> str:
    """Whether the bad rows look like lines below the table, such as totals."""
    first = int(np.argmin(good))
    if good.size - first > _FOOTER or first < good.size - first:
        return ""
    line = min(kind.lines[0] for kind in kinds)
    return f"If the table ends above line {line}, delete what follows. "


def _named(kind: BadRow, unit: str) -> str:
    units = unit if kind.count == 1 else {"entry": "entries"}.get(unit, unit + "s")
    more = ", ..." if kind.count > len(kind.lines) else ""
    places = ", ".join(map(str, kind.lines))
    return f"{kind.count} with {kind.reason} ({units} {places}{more}: {kind.example!r})"
