"""Text tables: their layout from the first lines, and all lines to columns with line numbers."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flatrank.data.columns import ABSENT, Head, choose_columns, kind_of, number
from flatrank.data.entries import InputError
from flatrank.data.files import File
from flatrank.data.packages import load_polars
from flatrank.data.tables import Table

if TYPE_CHECKING:
    import polars as pl

#: Separators and what messages call them. Tried in this order; an earlier one wins where two
#: explain the lines equally well. A space stands for any run of blanks.
_NAMES = {"::": "::", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}
#: Stands for a separator outside quotes; it does not occur in text.
_UNIT = "\x1f"


@dataclass(frozen=True)
class _Layout:
    """Separator, fields of an ordinary line, lines above the first row, names, columns to take.

    Of the lines above, `opening` are comments or titles.
    """

    separator: str
    width: int
    skip: int
    names: list[str]
    picks: tuple[int, ...]
    opening: int


def read_text(file: File, wanted: dict[str, str | None]) -> Table:
    """Read the columns of a text table.

    A first line whose value column is not a number is a header; without a value column, a first
    line that is text where all others hold numbers, or that reads like column names. Comments (#,
    %), Excel's `sep=` and titles above a header are passed over; a comment right above the data
    that names their columns is a header. `wanted` are the columns to take by role, as for
    `choose_columns`; without a header "1", "2", ... name them by position. Rows that do not split
    into fields hold no text, and are among the defects. About half a second and 0.3 GB for a
    million lines.
    """
    polars = load_polars()
    lines = polars.Series([file.text()]).str.split("\n").explode().str.strip_chars_end("\r")
    filled = lines.str.contains(r"\S").arg_true()
    layout = _layout(file, lines.head((filled[:2000].max() or 0) + 1).to_list(), wanted)
    filled = filled.filter(filled >= layout.skip)
    lines, numbers = lines.gather(filled), filled.to_numpy().astype(np.int64) + 1
    fields, continued = _split(lines, layout)
    if continued:
        alone = np.delete(np.arange(lines.len()), continued)
        lines, fields, numbers = lines.gather(alone), fields.gather(alone), numbers[alone]
    widths = fields.list.len().fill_null(0)
    # Absent trailing fields that nobody asked for do no harm; extra ones shift the meaning.
    misfit = (widths > layout.width) | (widths <= max(layout.picks))
    columns = [fields.list.get(n, null_on_oob=True).str.strip_chars() for n in layout.picks]
    table = Table(columns, "line", lines=(lines, numbers), opening=layout.opening)
    table.name(layout.names, layout.picks)
    if misfit.any():
        table.columns = [column.set(misfit, None) for column in columns]
        wrong = f"a number of fields other than {layout.width}"
        table.defects.append(("unmatched quotes", fields.is_null().to_numpy()))
        table.defects.append((wrong, misfit.to_numpy()))
    return table


def _split(lines: pl.Series, layout: _Layout) -> tuple[pl.Series, list[int]]:
    """Fields of each line, null where its quotes do not match; which lines continue others."""
    separator = layout.separator
    if separator == " ":
        blank = lines.str.strip_chars(" \t").str.replace_all(r"[ \t]+", _UNIT)
        return blank.str.split(_UNIT), []
    quoted = lines.str.contains('"', literal=True)
    if separator == "::" or not quoted.any():
        return lines.str.split(separator), []
    # Where quotes enclose whole fields, and neither quotes nor separators, they say nothing.
    mark = re.escape(separator)
    field = rf'(?:"[^"{mark}]*"|[^"{mark}]*)'
    plain = lines.str.contains(rf"^{field}(?:{mark}{field})*$")
    at = (quoted & ~plain).arg_true()
    joined, continued = _joined(lines, at.to_list(), layout)
    units = lines.str.replace_all(separator, _UNIT, literal=True)
    units = units.str.replace_all('"', "", literal=True)
    texts = load_polars().Series(joined, dtype=lines.dtype)
    return units.scatter(at, texts).str.split(_UNIT), continued


def _joined(lines: pl.Series, at: list[int], layout: _Layout) -> tuple[list[str | None], list[int]]:
    """Rows with quotes as fields and units, null where quotes do not match; lines continued in."""
    separator, continued = layout.separator, set[int]()
    whole = [split_line(line, separator) for line in lines.gather(at).to_list()]
    for n, fields in enumerate(whole):
        if fields is not None or at[n] in continued:
            continue
        for last in at[n + 1 : n + 11]:  # a field that goes on for more is not closed
            text = "\n".join(lines[at[n] : last + 1].to_list())
            found = split_line(text, separator)
            if found is not None and len(found) == layout.width:
                whole[n] = found
                continued.update(range(at[n] + 1, last + 1))
                break
    return [None if fields is None else _UNIT.join(fields) for fields in whole], sorted(continued)


def split_line(line: str, separator: str) -> list[str] | None:
    """Fields of one line without surrounding blanks; None where its quotes do not match."""
    if separator == " ":
        return line.split()
    if separator == "::" or '"' not in line:
        return [field.strip() for field in line.split(separator)]
    try:
        # Lines are kept apart where a quoted field runs over several.
        parsed = next(csv.reader(line.splitlines(keepends=True), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return [field.strip() for field in parsed]


def _layout(file: File, lines: list[str], wanted: dict[str, str | None]) -> _Layout:
    start, separator, remarks = opening_of(file.name, lines)
    filled = [line for line in lines[start:] if line.strip()][:200]
    separator, width = separator_of(file, filled, len(wanted), separator)
    fields = [split_line(line, separator) or [line] for line in filled]
    titles = _titles(fields, wanted, width)
    start += lines[start:].index(filled[titles])
    fields = fields[titles:]
    named = header = _has_header(fields, wanted, width)
    names = fields[0] if header else [str(n + 1) for n in range(width)]
    noted = split_line(remarks[-1].lstrip("#% "), separator) if remarks else None
    if not header and noted and len(noted) == width and sum(map(_is_heading, noted)) > 1:
        names, named = noted, True
    rows = fields[header:]
    if not rows:
        raise InputError(f"{file.name}: has a header but no rows; expected at least one entry.")
    if len(names) < width and any(rows[0][len(names) :]):
        raise InputError(
            f"{file.name}: the header has {len(names)} names but the rows have {width} fields; "
            "name every column in the header"
            + (", and write decimals with a point." if separator == "," else ".")
        )
    head = Head(file.name, names, rows, named, _pandas(file, separator, rows, start, named))
    picks = choose_columns(head, wanted)
    if separator == "," and width == 4 and not named and not any(wanted.values()):
        _refuse_split_numbers(file.name, rows)
    return _Layout(separator, width, start + header, names, picks, len(remarks) + titles)


def opening_of(source: str, lines: list[str]) -> tuple[int, str | None, list[str]]:
    """The number of the first line of the table, a separator that Excel noted, and comments."""
    separator, remarks = None, []
    for n, line in enumerate(lines):
        noted = re.fullmatch(r'"?sep=(.)"?', line)
        if noted:
            separator = noted[1]
        elif _is_comment(line):
            remarks.append(line.strip())
        elif re.fullmatch(r"\s*\d+:\s*", line):
            script = '/:/{c=$1+0;next}{print $1","c","$2}'
            raise InputError(
                f"{source}: line {n + 1}, {line.strip()!r}, names one id for the lines below it, "
                "as in the files of the Netflix prize; expected row, column and value on each "
                f"line: awk -F, '{script}' {source} > entries.csv."
            )
        elif line.strip():
            return n, separator, remarks
    raise InputError(f"{source}: has comments but no rows; expected at least one entry.")


def _is_comment(line: str) -> bool:
    # "#12,x,3" is a row of the item #12, "# 12 items" and "#user,item,rating" are not.
    marked = re.match(r"\s*[#%]([#%\s]?)", line)
    return marked is not None and (
        bool(marked[1]) or not any(map(number, re.split(r"[\s,;|]+", line)))
    )


def _titles(fields: list[list[str]], wanted: dict[str, str | None], width: int) -> int:
    """How many lines stand above a header with less than it needs; 0 where no header follows."""
    full = (n for n, line in enumerate(fields) if sum(map(bool, line)) >= len(wanted))
    first = next(full, 0)
    return first if _has_header(fields[first:], wanted, width) else 0


def separator_of(file: File, lines: list[str], least: int, noted: str | None) -> tuple[str, int]:
    """The separator that gives the most lines the same number of fields, and that number."""
    likely = {".csv": ",", ".tsv": "\t"}.get(file.suffix)
    best, most = (0.0, 0.0, "", 0), (1, "")
    body = lines[1:] or lines  # a header may differ
    for separator in [noted] if noted else sorted(_NAMES, key=lambda s: s != likely):
        fields = [split_line(line, separator) or () for line in body]
        counts = Counter(map(len, fields))
        most = max(most, (counts.most_common(1)[0][0], separator))
        width = max(counts, key=lambda size: (size >= least, counts[size], size))
        share = counts[width] / len(body)
        # Of several, the one that leaves numbers: "1,0;2,0;3,5" is not separated by commas.
        numbers = sum(number(field) for line in fields for field in line)
        numbers /= max(1, sum(map(len, fields)))
        if separator == " ":
            # Prose and names have blanks too: believe in them only when nearly all lines agree.
            share, numbers = share if share >= 0.9 else 0.0, 0.0
        if width >= least and share:
            best = max(best, (share, numbers, separator, width), key=lambda found: found[:2])
    if not best[2]:
        split_by = f" (separated by {_NAMES.get(most[1], most[1])})" if most[0] > 1 else ""
        raise InputError(
            f"{file.name}: expected at least {least} columns, found {most[0]}{split_by}; "
            f"the first line is {lines[0][:60]!r}."
        )
    return best[2], best[3]


def _has_header(fields: list[list[str]], wanted: dict[str, str | None], width: int) -> bool:
    first, later = fields[0], fields[1:]
    named = [name for name in wanted.values() if name is not None]
    by_position = all(name.isdecimal() and 0 < int(name) <= width for name in named)
    if (
        named
        and all(name in first for name in named)
        and not (by_position and all(map(number, first)))
    ):
        return True
    value = wanted.get("value")
    at = int(value) - 1 if value is not None and by_position else 2
    if "value" in wanted:
        return len(first) > at and _reads_like_a_name(first[at])
    if all(map(_is_heading, first[:2])):
        return True
    return any(
        not number(name) and later and all(len(row) > n and number(row[n]) for row in later)
        for n, name in enumerate(first)
    )


def _is_heading(field: str) -> bool:
    return len(field) > 1 and kind_of(field)[0] in ("row", "col", "value")


def _reads_like_a_name(field: str) -> bool:
    # "3,5" or "4 stars" is a bad value, not a name: taking it for a header would lose a row.
    leads = field.lstrip("+-.$€£¥ ")[:1]
    return not number(field) and not leads.isdecimal() and field.lower() not in ABSENT


def _refuse_split_numbers(source: str, rows: list[list[str]]) -> None:
    """Without a header: "1,2,3,5", which may be 3.5, and "1,2,1,200.5", which may be 1200.5."""
    split = [row for row in rows if len(row) > 3 and row[3]]
    if split and all(
        re.fullmatch(r"[+-]?\d+", row[2]) and re.fullmatch(r"\d{1,3}(\.\d+)?", row[3])
        for row in split
    ):
        raise InputError(
            f"{source}: columns 3 and 4, such as '{split[0][2]},{split[0][3]}', may be one number "
            "with a comma in it, and there is no header; write such numbers with a point and "
            "without thousands separators, or, if column 3 alone holds the values, say --value 3 "
            '(value="3").'
        )


def _pandas(file: File, separator: str, rows: list[list[str]], skip: int, named: bool) -> str:
    """How pandas reads the table, for messages."""
    commas = separator != "," and any("," in field for row in rows for field in row)
    options = [
        *([f"sep={separator!r}"] if separator not in ", " else []),
        *(['sep=r"\\s+"'] if separator == " " else []),
        *([f"skiprows={skip}"] if skip else []),
        *([] if named else ["header=None"]),
        *(["decimal=','"] if commas else []),
    ]
    return f"pandas.read_csv({', '.join([repr(file.name), *options])})"
