"""Text tables: all columns at once while nothing is wrong, line by line once something is."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
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
    separator, source = layout.separator, raw.path if raw.path is not None else raw.data
    if separator in ("::", " "):
        source, separator = _single_separator(raw.read(), separator), _UNIT
    wanted = sorted(layout.picks)
    try:
        table = polars.read_csv(
            source,
            has_header=False,
            skip_rows=layout.skip,
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
    About 2 s and 0.3 GB for a million lines.
    """
    polars = load_polars()
    fields: list[list[str | None]] = [[] for _ in layout.picks]
    numbers: list[int] = []
    broken: dict[str, list[int]] = {}
    pieces: dict[int, str] = {}
    for number, line in _lines(raw, layout.skip):
        parts = split_line(line, layout.separator)
        reason = _misfit(parts, layout)
        if reason is not None:
            broken.setdefault(reason, []).append(len(numbers))
            pieces[len(numbers)] = line
        for column, n in zip(fields, layout.picks, strict=True):
            column.append(None if reason is not None or parts is None else parts[n])
        numbers.append(number)
    texts = [polars.Series(column, dtype=polars.String) for column in fields]

    def example(at: int) -> str:
        shown = (str(column[at]) for column in fields)
        return pieces[at] if at in pieces else layout.separator.join(shown)

    defects = [Defect(reason, np.array(at, dtype=np.int64)) for reason, at in broken.items()]
    return Columns(texts, Places("line", np.array(numbers, dtype=np.int64), example), defects)


def kept(columns: Columns, good: NDArray[np.bool_]) -> Columns:
    """The rows where the mask is true."""
    mask = load_polars().Series(good)
    return replace(columns, texts=[text.filter(mask) for text in columns.texts], broken=[])


def _misfit(parts: list[str] | None, layout: Layout) -> str | None:
    if parts is None:
        return "unmatched quotes"
    # Absent trailing fields that nobody asked for do no harm; extra ones shift the meaning.
    if len(parts) > layout.width or len(parts) <= max(layout.picks):
        return f"a number of fields other than {layout.width}"
    return None


def _lines(raw: Raw, skip: int) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, after the first `skip`."""
    stream = io.BytesIO(raw.data) if raw.data is not None else open(raw.path or "", "rb")  # noqa: PTH123, SIM115
    with stream:
        for number, line in enumerate(stream, 1):
            if number > skip and line.strip():
                try:
                    yield number, line.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise not_utf8(raw.name, number) from error


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
