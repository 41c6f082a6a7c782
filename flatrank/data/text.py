"""Text tables: lines to columns of text, keeping line numbers and the lines that do not split."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flatrank.data.coding import load_polars
from flatrank.data.raw import Raw
from flatrank.data.screening import Defect, Places
from flatrank.data.sniffing import Layout, not_utf8, split_line

if TYPE_CHECKING:
    import polars as pl

#: Stands for separators of more than one character; it cannot occur in text.
_UNIT = "\x1f"
#: Lines with quotes that are looked at for the end of a field over several lines.
_CONTINUED = 10


@dataclass(frozen=True)
class Columns:
    """The columns asked for, as text, with what is known of their rows.

    Parameters
    ----------
    texts
        One (m,) column a role.
    places
        Where the rows stand in the file.
    broken
        Rows that do not split into fields.
    names
        What the columns are called.
    unused
        The columns that were left aside.
    opening
        How many comments and titles stand above the table.
    """

    texts: list[pl.Series]
    places: Places
    broken: list[Defect]
    names: tuple[str, ...]
    unused: tuple[str, ...] = ()
    opening: int = 0


def text_columns(raw: Raw, layout: Layout) -> Columns:
    """Read the columns of a text table.

    Parameters
    ----------
    raw
        The opened text.
    layout
        How to read it.

    Returns
    -------
    Columns
        The columns with line numbers; rows that do not split hold no text.

    Notes
    -----
    About half a second and 0.3 GB for a million lines.
    """
    polars = load_polars()
    lines, numbers = _lines(raw, layout.skip)
    parts, alone = _parts(lines, layout)
    lines, parts, numbers = lines.filter(alone), parts.filter(alone), numbers[alone.to_numpy()]
    widths = parts.list.len().fill_null(0).to_numpy()
    # Absent trailing fields that nobody asked for do no harm; extra ones shift the meaning.
    misfit = (widths > layout.width) | (widths <= max(layout.picks))
    unmatched = parts.is_null().to_numpy()
    found = [
        ("unmatched quotes", unmatched),
        (f"a number of fields other than {layout.width}", misfit & ~unmatched),
    ]
    broken = [Defect(reason, np.flatnonzero(mask)) for reason, mask in found if mask.any()]
    texts = [parts.list.get(n, null_on_oob=True) for n in layout.picks]
    if broken:
        texts = [text.set(polars.Series(misfit), None) for text in texts]
    places = Places("line", numbers, lambda at: str(lines[at]))
    used, unused = named_columns(layout.names, layout.picks)
    return Columns(texts, places, broken, used, unused, layout.opening)


def named_columns(
    names: Sequence[str], picks: Sequence[int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the columns taken, in the order of their roles, and those of the others."""
    unused = (name for n, name in enumerate(names) if n not in picks)
    return tuple(names[n] for n in picks), tuple(unused)


def kept(columns: Columns, good: NDArray[np.bool_]) -> Columns:
    """The rows where the mask is true."""
    mask = load_polars().Series(good)
    return replace(columns, texts=[text.filter(mask) for text in columns.texts], broken=[])


def _lines(raw: Raw, skip: int) -> tuple[pl.Series, NDArray[np.int64]]:
    """Lines that are not blank, after the first `skip`, with their 1-based numbers."""
    data = raw.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(raw.name, data, error) from error
    every = load_polars().Series([text]).str.split("\n").explode()[skip:].str.strip_chars_end("\r")
    filled = every.str.contains(r"\S")
    return every.filter(filled), np.flatnonzero(filled.to_numpy()) + (skip + 1)


def _parts(lines: pl.Series, layout: Layout) -> tuple[pl.Series, pl.Series]:
    """Fields of each line, null where its quotes do not match; false where it continues another."""
    polars, separator = load_polars(), layout.separator
    alone = polars.repeat(value=True, n=lines.len(), eager=True)
    if separator == " ":
        blank = lines.str.strip_chars(" \t").str.replace_all(r"[ \t]+", _UNIT)
        return blank.str.split(_UNIT), alone
    quoted = lines.str.contains('"', literal=True)
    if separator == "::" or not quoted.any():
        return lines.str.split(separator), alone
    # Where quotes enclose whole fields, and neither quotes nor separators, they say nothing.
    mark = re.escape(separator)
    field = rf'(?:"[^"{mark}]*"|[^"{mark}]*)'
    plain = lines.str.contains(rf"^{field}(?:{mark}{field})*$")
    units = lines.str.replace_all(separator, _UNIT, literal=True)
    units = units.zip_with(~plain, units.str.replace_all('"', "", literal=True))
    at = (quoted & ~plain).arg_true()
    joined, continued = _joined(lines, at.to_list(), layout)
    texts = polars.Series(joined, dtype=lines.dtype)
    return units.scatter(at, texts).str.split(_UNIT), alone.scatter(continued, values=False)


def _joined(lines: pl.Series, at: list[int], layout: Layout) -> tuple[list[str | None], list[int]]:
    """Rows with quotes as fields and units, null where quotes do not match; lines continued in."""
    quoted, separator = lines.gather(at).to_list(), layout.separator
    try:
        # A quote that is not closed takes in the next line, if nothing worse.
        together = [_UNIT.join(row) for row in csv.reader(quoted, delimiter=separator, strict=True)]
    except csv.Error:
        together = []
    if len(together) == len(quoted):
        return [*together], []
    whole, continued = [split_line(line, separator) for line in quoted], set[int]()
    for n, fields in enumerate(whole):
        if fields is not None or at[n] in continued:
            continue
        for last in at[n + 1 : n + 1 + _CONTINUED]:
            text = "\n".join(lines[at[n] : last + 1].to_list())
            found = split_line(text, separator)
            if found is not None and len(found) == layout.width:
                whole[n] = found
                continued.update(range(at[n] + 1, last + 1))
                break
    return [None if fields is None else _UNIT.join(fields) for fields in whole], sorted(continued)
