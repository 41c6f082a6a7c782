"""The layout of a text table: separator, header, and the columns to take."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

from flatrank.data.columns import ABSENT, Table, choose_columns, kind_of, number
from flatrank.data.errors import InputError
from flatrank.data.raw import Raw

#: Tried in this order; an earlier one wins where two explain the lines equally well.
SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_NAMES = {"::": "::", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}
_SAMPLE = 200


@dataclass(frozen=True)
class Layout:
    """How the lines of a text table are to be read.

    Parameters
    ----------
    separator
        One of `SEPARATORS`; a space stands for any run of blanks.
    width
        Number of fields of an ordinary line.
    skip
        Lines before the first data line: blank ones, comments, titles and the header.
    picks
        Indices of the columns to take, in the order row, column, value.
    names
        The names of all columns, or their positions.
    opening
        How many of the skipped lines are comments or titles.
    """

    separator: str
    width: int
    skip: int
    picks: tuple[int, ...]
    names: tuple[str, ...]
    opening: int = 0


def sniff(raw: Raw, wanted: dict[str, str | None]) -> Layout:
    """Find the layout of a text table from its first lines.

    A first line whose value column is not a number is a header; without a value column, a first
    line that is text where all others hold numbers, or that reads like column names. Comments (#,
    %), Excel's `sep=` and titles above a header are passed over; a comment right above the data
    that names their columns is a header.

    Parameters
    ----------
    raw
        The opened text.
    wanted
        The columns to take, by role ("row", "col", "value"): a name from the header, or None for
        what `choose_columns` finds. Without a header, "1", "2", ... name columns by position.

    Returns
    -------
    Layout
        The layout.

    Raises
    ------
    InputError
        If there are too few columns, a name is not there, no line follows the header, or the
        columns are not clear.
    """
    lines = _sample(raw)
    start, separator, remarks = _opening(raw, lines)
    filled = [line for line in lines[start:] if line.strip()][:_SAMPLE]
    separator, width = _separator(raw, filled, len(wanted), separator)
    fields = [split_line(line, separator) or [line] for line in filled]
    titles = _titles(fields, wanted, width)
    start += lines[start:].index(filled[titles])
    fields = fields[titles:]
    named = header = _has_header(fields, wanted, width)
    names = fields[0] if header else [str(n + 1) for n in range(width)]
    noted = split_line(remarks[-1].lstrip("#% "), separator) if remarks else None
    if not header and noted and len(noted) == width and sum(map(_is_heading, noted)) > 1:
        names, named = noted, True
    if header and len(fields) == 1 and raw.whole:
        raise InputError(f"{raw.name}: has a header but no rows; expected at least one entry.")
    rows = fields[header:]
    if len(names) < width and rows and any(rows[0][len(names) :]):
        raise InputError(
            f"{raw.name}: the header has {len(names)} names but the rows have {width} fields; "
            "name every column in the header"
            + (", and write decimals with a point." if separator == "," else ".")
        )
    opening = len(remarks) + titles
    table = Table(raw.name, names, rows, named, _reader(raw, separator, rows, start, named))
    picks = choose_columns(table, wanted)
    if separator == "," and width == 4 and not named and not any(wanted.values()):
        _refuse_split_numbers(raw.name, rows)
    return Layout(separator, width, start + header, picks, tuple(names), opening)


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


def not_utf8(source: str, data: bytes, error: UnicodeDecodeError) -> InputError:
    """The error for text in another encoding, with the first line where it is noticed."""
    # Where Windows has quotation marks and the euro, Latin-1 has control characters.
    name = "windows-1252" if 0x80 <= data[error.start] < 0xA0 else "latin1"
    line = data[: error.start].count(b"\n") + 1
    return InputError(
        f"{source}: line {line} is not UTF-8 text; convert the file, for instance: "
        f"iconv -f {name} -t utf-8."
    )


def _sample(raw: Raw) -> list[str]:
    head = raw.head.removeprefix(b"\xef\xbb\xbf")
    if not raw.whole and head[: head.rfind(b"\n") + 1].strip():
        head = head[: head.rfind(b"\n")]  # the last line may be cut off
    try:
        return head.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise not_utf8(raw.name, head, error) from error


def _opening(raw: Raw, lines: list[str]) -> tuple[int, str | None, list[str]]:
    """The number of the first line of the table, a separator that Excel noted, and comments."""
    separator, remarks = None, []
    for n, line in enumerate(lines):
        noted = re.fullmatch(r'"?sep=(.)"?\r?', line)
        if noted:
            separator = noted[1]
        elif _is_comment(line):
            remarks.append(line.strip())
        elif re.fullmatch(r"\s*\d+:\s*", line):
            script = '/:/{c=$1+0;next}{print $1","c","$2}'
            raise InputError(
                f"{raw.name}: line {n + 1}, {line.strip()!r}, names one id for the lines below it, "
                "as in the files of the Netflix prize; expected row, column and value on each "
                f"line: awk -F, '{script}' {raw.name} > entries.csv."
            )
        elif line.strip():
            return n, separator, remarks
    raise InputError(f"{raw.name}: has comments but no rows; expected at least one entry.")


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


def _separator(raw: Raw, lines: list[str], least: int, told: str | None) -> tuple[str, int]:
    """The separator that gives the most lines the same number of fields, and that number."""
    best, most = None, (1, "")
    body = lines[1:] or lines  # a header may differ
    for separator in (told,) if told else _preferred(raw.suffix):
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
            best = max(best or (0.0, 0.0, "", 0), (share, numbers, separator, width), key=_merit)
    if best is None:
        split_by = f" (separated by {_NAMES.get(most[1], most[1])})" if most[0] > 1 else ""
        raise InputError(
            f"{raw.name}: expected at least {least} columns, found {most[0]}{split_by}; "
            f"the first line is {lines[0][:60]!r}."
        )
    return best[2], best[3]


def _merit(found: tuple[float, float, str, int]) -> tuple[float, float]:
    return found[:2]


def _preferred(suffix: str) -> tuple[str, ...]:
    first = {".csv": ",", ".tsv": "\t"}.get(suffix)
    return SEPARATORS if first is None else (first, *(s for s in SEPARATORS if s != first))


def _has_header(fields: list[list[str]], wanted: dict[str, str | None], width: int) -> bool:
    first, later = fields[0], fields[1:]
    named = [name for name in wanted.values() if name is not None]
    by_position = all(name.isdecimal() and 0 < int(name) <= width for name in named)
    if named and all(name in first for name in named) and not (by_position and _numbers(first)):
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


def _numbers(fields: list[str]) -> bool:
    return all(map(number, fields))


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


def _reader(raw: Raw, separator: str, rows: list[list[str]], skip: int, named: bool) -> str:
    """How pandas reads the table, for messages."""
    commas = separator != "," and any("," in field for row in rows for field in row)
    options = [
        *([f"sep={separator!r}"] if separator not in ", " else []),
        *(['sep=r"\\s+"'] if separator == " " else []),
        *([f"skiprows={skip}"] if skip else []),
        *([] if named else ["header=None"]),
        *(["decimal=','"] if commas else []),
    ]
    return f"pandas.read_csv({', '.join([repr(raw.name), *options])})"
