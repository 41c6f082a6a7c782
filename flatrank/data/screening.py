"""Telling usable rows from bad ones, and saying what is wrong with those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flatrank.data.coding import Coded, code_indices, code_text, load_polars
from flatrank.data.columns import ABSENT
from flatrank.data.entries import BadRow, InputError

BadRows = Literal["error", "skip"]
Mask = NDArray[np.bool_]
#: What is wrong, and with which rows; a row counts under the first defect that it has.
Defects = list[tuple[str, Mask]]

#: Where the first bad row is among so many at the end, they may be a footer.
_FOOTER = 5
#: How many line numbers a message names for each defect.
_NAMED_LINES = 5
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


@dataclass
class Table:
    """The columns asked for, row by row, with what is wrong and where the rows stand.

    Parameters
    ----------
    columns
        Row ids, column ids and, if asked for, values, (m,) each: polars text, null where missing;
        or integer indices; values may be numbers.
    numbers
        (m,) 1-based places in the file.
    unit
        What these count: "line", "row" or "entry".
    example
        The text of a row, by position in the table.
    shape
        Declared numbers of rows and columns, of indices.
    base
        What the first index is called: 0 or 1.
    defects
        What is known to be wrong; `screen` adds to it.
    names, unused
        What the columns are called, and those left aside.
    opening
        How many comments and titles stand above the table.
    """

    columns: list[Any]
    numbers: NDArray[np.int64]
    unit: str
    example: Callable[[int], str]
    shape: tuple[int, int] | None = None
    base: int = 0
    defects: Defects = field(default_factory=list)
    names: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    opening: int = 0

    def name(self, names: Sequence[str], picks: Sequence[int]) -> None:
        """Note which of all names were picked, in the order of their roles."""
        self.names = tuple(names[n] for n in picks)
        self.unused = tuple(name for n, name in enumerate(names) if n not in picks)

    def codes(self, side: int) -> Coded:
        """Codes and labels of the row ids (side 0) or column ids (side 1)."""
        ids = self.columns[side]
        if isinstance(ids, np.ndarray):
            return code_indices(ids, self.shape[side] if self.shape else None, self.base)
        return code_text(ids)


def screen(table: Table, source: str, policy: BadRows | None) -> tuple[BadRow, ...]:
    """Make numbers of the values and leave only rows that can be used in the table.

    Parameters
    ----------
    table
        Changed in place.
    source
        What messages call the file.
    policy
        What to do with bad rows: "error", "skip", or None for an error where the caller has no
        choice, so that none is offered.

    Returns
    -------
    tuple of BadRow
        Summary of the rows left out.

    Raises
    ------
    InputError
        If there are bad rows and they are to be an error, or if no good rows are left.
    """
    for side, ids in zip(("row", "column"), table.columns, strict=False):
        if not isinstance(ids, np.ndarray):
            missing = (ids.is_null() | (ids == "")).to_numpy()
            table.defects.append((f"missing {side} id", missing))
    if len(table.columns) > 2:
        table.columns[2], wrong = _numbers(table.columns[2])
        table.defects += wrong
    good, kinds = _judged(table)
    if kinds:
        if policy != "skip" or not good.any():
            raise InputError(f"{source}: {_complaint(kinds, good, table.unit, policy)}")
        table.columns = [
            column[good] if isinstance(column, np.ndarray) else column.filter(good)
            for column in table.columns
        ]
    return tuple(kinds)


def _numbers(values: Any) -> tuple[NDArray[np.float64], Defects]:
    """Values as (m,) float64, any number where there is none, and what is wrong with them.

    Decimals have points throughout, or commas throughout: "3,5" is read where no value has a point,
    and another value shows that it is not 1,234 that is meant.
    """
    if isinstance(values, np.ndarray):
        return values, _infinite(values)
    polars = load_polars()
    found = values.cast(polars.Float64, strict=False)
    if found.null_count() and values.dtype == polars.String:
        values = _with_points(values)
        found = values.cast(polars.Float64, strict=False)
    unread, numbers = found.is_null().to_numpy(), found.fill_null(0.0).to_numpy()
    defects = _infinite(numbers)
    if unread.any() and values.dtype == polars.String:
        absent = values.is_null() | values.str.to_lowercase().is_in(list(ABSENT))
        defects.append(("missing value", unread & absent.to_numpy()))
        for reason, (pattern, _) in _NEARLY.items():
            nearly = values.str.contains(pattern).fill_null(value=False)
            defects.append((reason, unread & nearly.to_numpy()))
        defects.append(("value not a number", unread))
    elif unread.any():
        defects.insert(0, ("missing value", unread))
    return numbers, defects


def _infinite(values: NDArray[np.float64]) -> Defects:
    if np.isfinite(values).all():
        return []
    return [("value NaN", np.isnan(values)), ("infinite value", np.isinf(values))]


def _with_points(texts: Any) -> Any:
    """Decimal commas made points, where it is certain that they are decimal commas."""
    commas = texts.filter(texts.str.contains(",", literal=True))
    certain = (
        commas.len() > 0
        and commas.str.contains(_DECIMAL_COMMA).all()
        and not commas.str.contains(_THOUSANDS).all()
        and not texts.str.contains(".", literal=True).any()
    )
    return texts.str.replace(",", ".", literal=True) if certain else texts


def _judged(table: Table) -> tuple[Mask, list[BadRow]]:
    """Which rows are good, and the others by their first defect."""
    good = np.ones(table.numbers.size, dtype=bool)
    kinds: list[BadRow] = []
    for reason, mask in table.defects:
        at = np.flatnonzero(mask & good)
        if at.size:
            good[at] = False
            lines = tuple(table.numbers[at[:_NAMED_LINES]].tolist())
            kinds.append(BadRow(reason, int(at.size), lines, table.example(int(at[0]))[:60]))
    return good, kinds


def _complaint(kinds: list[BadRow], good: Mask, unit: str, policy: BadRows | None) -> str:
    what = "; ".join(_named(kind, unit) for kind in kinds)
    remedies = [_NEARLY[kind.reason][1] for kind in kinds if kind.reason in _NEARLY]
    if not good.any():
        remedies = remedies or ["Are they separated as expected, and the columns the right ones?"]
        return f"no usable rows among {good.size}: {what}. {remedies[0]}"
    if not remedies:
        remedies = ["Correct them."]
        if policy is not None:
            skip = 'Correct them, or pass bad_rows="skip" (--bad-rows skip) to leave them out.'
            remedies = [_after(kinds, good) + skip]
    bad = sum(kind.count for kind in kinds)
    return f"{bad} of {good.size} rows cannot be used: {what}. {' '.join(remedies)}"


def _after(kinds: list[BadRow], good: Mask) -> str:
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
