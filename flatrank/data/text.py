"""Text tables: all columns at once while nothing is wrong, line by line once something is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
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


@dataclass(frozen=True)
class Columns:
    """The columns asked for, as text, with what is known of their rows.

    Parameters
    ----------
    texts
        One (m,) column a role.
    places
        Where the rows stand in the file; None after a fast reading, which does not know.
    broken
        Rows that do not split into fields.
    """

    texts: list[pl.Series]
    places: Places | None
    broken: list[Defect]


def fast_columns(raw: Raw, layout: Layout) -> Columns | None:
    """Read the columns with polars; None where a line does not fit the layout.

    Parameters
    ----------
    raw
        The opened text.
    layout
        How to read it.

    Returns
    -------
    Columns or None
        The columns without line numbers.

    Notes
    -----
    About 0.3 s for a million lines on two cores.
    """
    polars = load_polars()
    if layout.ragged:  # polars would take the first line for the width of all
        return None
    separator, skip = layout.separator, layout.skip
    source = raw.path if raw.path is not None else raw.read()
    if skip > 1:
        # Blank lines count among the skipped ones in some versions of polars, and not in others.
        source, skip = raw.read().split(b"\n", skip)[skip], 0
    if separator in ("::", " "):
        source = _single_separator(raw.read() if isinstance(source, Path) else source, separator)
        separator = _UNIT
    wanted = sorted(layout.picks)
    try:
        table = polars.read_csv(
            source,
            has_header=False,
            skip_rows=skip,
            separator=separator,
            quote_char=None if separator == _UNIT else '"',
            columns=wanted,
            infer_schema=False,
        )
    except polars.exceptions.PolarsError:
        return None
    found = dict(zip(wanted, table.get_columns(), strict=True))
    texts = _without_blank_end(raw, [found[n] for n in layout.picks])
    # A line break inside a field is a quote that was never closed.
    if any(text.str.contains("\n", literal=True).any() for text in texts):
        return None
    return Columns(texts, None, [])


def slow_columns(raw: Raw, layout: Layout) -> Columns:
    """Read the columns line by line, keeping line numbers and the lines that do not split.

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
    About 0.6 s and 0.3 GB for a million lines, more where many of them have quotes.
    """
    polars = load_polars()
    lines, numbers = _lines(raw, layout.skip)
    parts = _parts(lines, layout)
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
    return Columns(texts, Places("line", numbers, lambda at: str(lines[at])), broken)


def kept(columns: Columns, good: NDArray[np.bool_]) -> Columns:
    """The rows where the mask is true."""
    mask = load_polars().Series(good)
    return replace(columns, texts=[text.filter(mask) for text in columns.texts], broken=[])


def _lines(raw: Raw, skip: int) -> tuple[pl.Series, NDArray[np.int64]]:
    """Lines that are not blank, after the first `skip`, with their 1-based numbers."""
    data = raw.read()
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise not_utf8(raw.name, data[: error.start].count(b"\n") + 1) from error
    every = load_polars().Series(lines[skip:]).str.strip_chars_end("\r")
    filled = every.str.contains(r"\S")
    return every.filter(filled), np.flatnonzero(filled.to_numpy()) + (skip + 1)


def _parts(lines: pl.Series, layout: Layout) -> pl.Series:
    """Fields of each line, as a list; null where its quotes do not match."""
    separator = layout.separator
    if separator == " ":
        return lines.str.strip_chars(" \t").str.replace_all(r"[ \t]+", _UNIT).str.split(_UNIT)
    quoted = lines.str.contains('"', literal=True)
    if separator == "::" or not quoted.any():
        return lines.str.split(separator)
    parsed = [split_line(line, separator) for line in lines.filter(quoted)]
    joined = [None if fields is None else _UNIT.join(fields) for fields in parsed]
    units = lines.str.replace_all(separator, _UNIT, literal=True)
    texts = load_polars().Series(joined, dtype=lines.dtype)
    return units.scatter(quoted.arg_true(), texts).str.split(_UNIT)


def _single_separator(data: bytes, separator: str) -> bytes:
    unit = _UNIT.encode()
    if separator == "::":
        return data.replace(b"::", unit)
    trimmed = re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", data)
    return re.sub(rb"[ \t]+", unit, trimmed)


def _without_blank_end(raw: Raw, texts: list[pl.Series]) -> list[pl.Series]:
    """Drop the empty rows that polars makes of blank lines at the end of the file."""
    total = texts[0].len()
    blank = 0
    while blank < total and all(text[total - 1 - blank] is None for text in texts):
        blank += 1
    if blank == 0 or blank != _blank_end(raw):
        return texts
    return [text.head(total - blank) for text in texts]


def _blank_end(raw: Raw) -> int:
    if raw.data is not None or raw.path is None:
        tail = (raw.data or b"")[-4096:]
    else:
        with raw.path.open("rb") as file:
            file.seek(max(0, raw.path.stat().st_size - 4096))
            tail = file.read()
    lines = tail.removesuffix(b"\n").split(b"\n")
    return next((n for n, line in enumerate(reversed(lines)) if line.strip()), len(lines))
