"""Rows of a file to entries: what is wrong with them, numbers, codes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatrank.data.columns import ABSENT
from flatrank.data.duplicates import Duplicates, RepeatedError, merge
from flatrank.data.entries import BadRow, Entries, InputError
from flatrank.data.files import File
from flatrank.data.markers import Markers
from flatrank.data.packages import load_polars

if TYPE_CHECKING:
    import polars as pl

Coded = tuple[NDArray[np.int32], NDArray[np.str_]]
BadRows = Literal["error", "skip"]
Mask = NDArray[np.bool_]
Defects = list[tuple[str, Mask]]


class Reading(NamedTuple):
    """What is done with rows that are not plainly one entry each."""

    bad_rows: BadRows = "error"
    duplicates: Duplicates = "mean"
    missing: Markers = Markers()


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


@dataclass
class Table:
    """The columns asked for, row by row, with what is wrong and where the rows stand."""

    #: Row ids, column ids and, if asked for, values, (m,) each: polars text, null where missing; or
    #: integer indices; values may be numbers.
    columns: list[Any]
    #: What the places in the file count: "line", "row" or "entry".
    unit: str
    #: Declared numbers of rows and columns, of indices; what the first index is called: 0 or 1.
    shape: tuple[int, int] | None = None
    base: int = 0
    #: Of a text: the lines, and their 1-based places in the file; of others rows are in order.
    lines: tuple[pl.Series, NDArray[np.int64]] | None = None
    #: What is wrong with which rows; a row counts under the first that it has.
    defects: Defects = field(default_factory=list)
    #: What the columns are called, and those left aside.
    names: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    #: How many comments and titles stand above the table.
    opening: int = 0
    #: Names of all rows and of all columns, where indices stand for them.
    titles: tuple[Sequence[str], Sequence[str]] | None = None
    #: How many rows were left out for a value that marks a missing one.
    missing: int = 0

    def name(self, names: Sequence[str], picks: Sequence[int]) -> None:
        """Note which of all names were picked, in the order of their roles."""
        self.names = tuple(names[n] for n in picks)
        self.unused = tuple(name for n, name in enumerate(names) if n not in picks)

    def entries(self, source: str, asked: Reading | None = None) -> Entries:
        """Sorted entries with labels; bad rows are an error, or left out and counted.

        Raises
        ------
        InputError
            If there are bad rows or repeated places and they are to be an error, or if no good rows
            are left.
        """
        asked = asked or Reading()
        dropped = self._screen(source, asked.bad_rows, asked.missing)
        (rows, row_labels), (cols, col_labels) = self._codes(0), self._codes(1)
        # Without a declared shape indices are mere ids, and a gap between them means nothing.
        declared = self.shape or (row_labels.size, col_labels.size)
        return assemble(
            rows,
            cols,
            self.columns[2],
            (row_labels, col_labels),
            asked.duplicates,
            source=source,
            dropped=dropped,
            missing=self.missing,
            empty_rows=declared[0] - row_labels.size,
            empty_cols=declared[1] - col_labels.size,
            columns=self.names,
            unused=self.unused,
            opening=self.opening,
        )

    def pairs(self, source: str) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Row and column labels, (m,) each, in the order of the file; bad rows are an error."""
        self._screen(source, None)
        if len(self.columns[0]) == 0:
            raise InputError(f"{source}: expected at least one pair, found none.")
        (rows, row_labels), (cols, col_labels) = self._codes(0), self._codes(1)
        return row_labels[rows], col_labels[cols]

    def _codes(self, side: int) -> Coded:
        """Codes and labels of the row ids (side 0) or column ids (side 1)."""
        ids = self.columns[side]
        if not isinstance(ids, np.ndarray):
            return code_text(ids)
        codes, present = _code_indices(ids, self.shape[side] if self.shape else None)
        if self.titles is None:
            return codes, (present + self.base).astype(str)
        return codes, np.asarray(self.titles[side], dtype=str)[present]

    def _screen(
        self, source: str, policy: BadRows | None, markers: Markers | None = None
    ) -> tuple[BadRow, ...]:
        """Make numbers of the values and leave only usable rows; without a policy all must be."""
        for side, ids in zip(("row", "column"), self.columns, strict=False):
            if not isinstance(ids, np.ndarray):
                missing = (ids.is_null() | (ids == "")).to_numpy()
                self.defects.append((f"missing {side} id", missing))
        found = [*self.columns]
        marked = np.zeros(len(found[0]), dtype=bool)
        if len(found) > 2:
            marked, values = _unmarked(found[2], markers or Markers())
            self.columns[2], wrong = _numbers(values)
            self.defects += wrong
        good, kinds = self._judged(found, marked)
        self.missing = int(np.count_nonzero(marked))
        if kinds or self.missing:
            if kinds and (policy != "skip" or not good.any()):
                raise InputError(f"{source}: {_complaint(kinds, good, self.unit, policy)}")
            self.columns = [
                column[good] if isinstance(column, np.ndarray) else column.filter(good)
                for column in self.columns
            ]
        return tuple(kinds)

    def _judged(self, found: list[Any], marked: Mask) -> tuple[Mask, list[BadRow]]:
        """Which rows are good, and the others by their first defect, with what was found there."""
        good = ~marked
        kinds: list[BadRow] = []
        for reason, mask in self.defects:
            at = np.flatnonzero(mask & good)
            if not at.size:
                continue
            good[at] = False
            if self.lines is not None:
                text, places = str(self.lines[0][int(at[0])]), self.lines[1][at[:5]]
            else:
                row, places = [column[int(at[0])] for column in found], at[:5] + 1
                named = [x + self.base if isinstance(x, np.integer) else x for x in row]
                text = ", ".join(map(str, named))
            kinds.append(BadRow(reason, int(at.size), tuple(places.tolist()), text[:60]))
        return good, kinds


def _unmarked(values: Any, missing: Markers) -> tuple[Mask, Any]:
    """Which values mark a missing one, and the values without them."""
    none = np.zeros(len(values), dtype=bool)
    if missing == Markers():
        return none, values
    if isinstance(values, np.ndarray):
        return missing.among(values), values
    polars = load_polars()
    marked = polars.Series(none)
    if values.dtype == polars.String:
        marked |= values.str.to_lowercase().is_in(list(missing.texts)).fill_null(value=False)
        values = values.set(marked, None)
    numbers = values.cast(polars.Float64, strict=False)
    marked |= numbers.is_in(list(missing.numbers)).fill_null(value=False)
    return marked.to_numpy(), values.set(marked, None)


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
    return [("value NaN", np.isnan(values)), ("infinite value", np.isinf(values))]


def _with_points(texts: Any) -> Any:
    """Decimal commas made points, where it is certain that they are decimal commas."""
    commas = texts.filter(texts.str.contains(",", literal=True))
    certain = (
        commas.len() > 0
        and commas.str.contains(r"^[+-]?\d*,\d*(?:[eE][+-]?\d+)?$").all()
        # Which could as well be commas between thousands.
        and not commas.str.contains(r"^[+-]?[1-9]\d{0,2}(?:,\d{3})+$").all()
        and not texts.str.contains(".", literal=True).any()
    )
    return texts.str.replace(",", ".", literal=True) if certain else texts


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
    if good.size - first > 5 or first < good.size - first:
        return ""
    line = min(kind.lines[0] for kind in kinds)
    return f"If the table ends above line {line}, delete what follows. "


def _named(kind: BadRow, unit: str) -> str:
    units = unit if kind.count == 1 else {"entry": "entries"}.get(unit, unit + "s")
    more = ", ..." if kind.count > len(kind.lines) else ""
    places = ", ".join(map(str, kind.lines))
    return f"{kind.count} with {kind.reason} ({units} {places}{more}: {kind.example!r})"


def read_frame(file: File) -> pl.DataFrame:
    """All of a parquet file.

    Raises
    ------
    InputError
        If the file is damaged or has no rows.
    """
    polars = load_polars()
    try:
        frame = polars.read_parquet(file.data)
    except (polars.exceptions.PolarsError, OSError) as damaged:
        reason = str(damaged).splitlines()[0]
        raise InputError(
            f"{file.name}: the parquet file is damaged or cut off ({reason}); write it again."
        ) from damaged
    if frame.height == 0:
        raise InputError(f"{file.name}: has no rows; expected at least one entry.")
    return frame


def code_text(ids: pl.Series, max_bytes: int = 2 << 30) -> Coded:
    """Codes of (m,) ids, none missing, and the (d,) labels: O(m) hashing, O(d log d) sorting.

    Raises
    ------
    InputError
        If labels take more than `max_bytes`: one overlong id would make the array enormous.
    """
    polars = load_polars()
    labels = ids.unique()
    # By number where all of them are integers, of any size, and as text otherwise.
    numbers = labels.cast(polars.Int128, strict=False)
    order = ["label"] if numbers.null_count() else ["number", "label"]
    labels = polars.DataFrame({"number": numbers, "label": labels}).sort(order)["label"]
    codes = ids.cast(polars.Enum(labels)).to_physical().to_numpy()
    longest = int(labels.str.len_chars().max() or 0)
    if 4 * longest * labels.len() > max_bytes:
        first = labels.filter(labels.str.len_chars() == longest)[0]
        raise InputError(
            f"An id is {longest} characters long, beginning {first[:60]!r}; is the separator right?"
        )
    return codes.astype(np.int32), np.array(labels.to_list(), dtype=f"<U{max(longest, 1)}")


def _code_indices(
    index: NDArray[np.int64], size: int | None
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the indices that occur, in order: codes, and which indices these are."""
    if size is None or size > 8 * index.size + 1024:
        present, codes = np.unique(index, return_inverse=True)
        return codes.astype(np.int32), present
    seen = np.zeros(size, dtype=bool)
    seen[index] = True
    codes = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    return codes[index], np.flatnonzero(seen)


def assemble(
    rows: NDArray[Any],
    cols: NDArray[Any],
    values: NDArray[np.float64],
    labels: tuple[NDArray[np.str_], NDArray[np.str_]],
    duplicates: Duplicates = "mean",
    *,
    source: str,
    **counts: Any,
) -> Entries:
    """Sort entries row by row and merge repeated positions, by default into their mean.

    Rows and columns are (m,) codes into the labels, each of which is used; `counts` are further
    fields of `Entries`. O(m log m) time.

    Raises
    ------
    InputError
        If there are no entries, or repeated positions that are to be an error.
    """
    if values.size == 0:
        raise InputError(f"{source}: expected at least one entry, found none.")
    try:
        found = merge(rows, cols, values, labels[1].size, duplicates)
    except RepeatedError as refused:
        names = (str(of[n]) for of, n in zip(labels, refused.place, strict=True))
        at = "row {!r}, column {!r}".format(*names)
        raise InputError(
            f"{source}: {refused.repeated} values are for a row and column that have one already, "
            f"first {at} with {refused.said}. Correct them, or say what they get with --duplicates "
            "mean or last (duplicates=)."
        ) from refused
    return Entries(
        *found[:3], labels[0], labels[1], duplicates=found.repeated, source=source, **counts
    )
