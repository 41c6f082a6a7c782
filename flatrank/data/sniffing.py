"""The layout of a text table: separator, header, and the columns to take."""

from __future__ import annotations

import csv
import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flatrank.data.errors import InputError
from flatrank.data.raw import Raw

#: Tried in this order; an earlier one wins where two explain the lines equally well.
SEPARATORS = ("::", "\t", ",", ";", "|", " ")
_NAMES = {"::": "::", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}

#: Written for an absent value.
ABSENT = frozenset(
    ["", "na", "n/a", "<na>", "#n/a", "nat", "null", "none", "nil", "missing", "?", "-", "."]
)
#: Column names, less "id", that make a first line a header even when the ids are text too.
_HEADINGS = frozenset(
    ["", "row", "col", "column", "user", "item", "movie", "film", "title", "student", "lecturer"]
)
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
        Lines before the first data line: blank ones and the header.
    picks
        Indices of the columns to take, in the order row, column, value.
    ragged
        Whether some of the first lines are wider than the others.
    """

    separator: str
    width: int
    skip: int
    picks: tuple[int, ...]
    ragged: bool = False


def sniff(raw: Raw, wanted: dict[str, str | None]) -> Layout:
    """Find the layout of a text table from its first lines.

    Without names the first columns are taken. A first line whose value column is not a number is
    a header; without a value column, a first line that is text where all others hold numbers, or
    that reads like column names.

    Parameters
    ----------
    raw
        The opened text.
    wanted
        The columns to take, by role ("row", "col", "value"): a name from the header, or None for
        the first one that is left. Without a header, "1", "2", ... name the columns by position.

    Returns
    -------
    Layout
        The layout.

    Raises
    ------
    InputError
        If there are too few columns, a name is not there, or no line follows the header.
    """
    lines = _sample(raw)
    start = next(n for n, line in enumerate(lines) if line.strip())
    filled = [line for line in lines[start:] if line.strip()][:_SAMPLE]
    separator, width = _separator(raw, filled, len(wanted))
    fields = [split_line(line, separator) or [line] for line in filled]
    header = _has_header(fields, wanted, width)
    names = fields[0] if header else [str(n + 1) for n in range(width)]
    picks = choose_columns(raw.name, names, wanted, header=header)
    if header and len(fields) == 1 and raw.whole:
        raise InputError(f"{raw.name}: has a header but no rows; expected at least one entry.")
    if header and len(fields) > 1 and len(names) < width and any(fields[1][len(names) :]):
        raise InputError(
            f"{raw.name}: the header has {len(names)} names but the rows have {width} fields; "
            "name every column in the header."
        )
    ragged = any(len(row) > width for row in fields[header:])
    return Layout(separator, width, start + header, picks, ragged)


def split_line(line: str, separator: str) -> list[str] | None:
    """Fields of one line without surrounding blanks; None where its quotes do not match."""
    if separator == " ":
        return line.split()
    if separator == "::" or '"' not in line:
        return [field.strip() for field in line.split(separator)]
    try:
        parsed = next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return [field.strip() for field in parsed]


def choose_columns(
    source: str, names: Sequence[str], wanted: dict[str, str | None], *, header: bool
) -> tuple[int, ...]:
    """Index of the column for each role: the one named, else the first that is left.

    Parameters
    ----------
    source
        What messages call the file.
    names
        The columns present.
    wanted
        Column name, or None, by role.
    header
        Whether the names come from the file, or are positions.

    Returns
    -------
    tuple of int
        One index a role, in the order of `wanted`.

    Raises
    ------
    InputError
        If a name is absent, ambiguous or used twice, or there are too few columns.
    """
    for role, name in wanted.items():
        if name is not None and list(names).count(name) != 1:
            raise InputError(f"{source}: {_unfound(role, name, names, header)}")
    taken = [name for name in wanted.values() if name is not None]
    if len(set(taken)) < len(taken):
        raise InputError(
            f"{source}: the same column is named for two of {', '.join(wanted)}: "
            f"{', '.join(taken)}."
        )
    left = [n for n, name in enumerate(names) if name not in taken]
    if len(left) < len(wanted) - len(taken):
        raise InputError(
            f"{source}: expected columns for {', '.join(wanted)}, found {len(names)}: "
            f"{', '.join(names)}."
        )
    spare = iter(left)
    return tuple(
        list(names).index(name) if name is not None else next(spare) for name in wanted.values()
    )


def _unfound(role: str, name: str, names: Sequence[str], header: bool) -> str:
    if name in names:
        return f"{role} column {name!r} appears {list(names).count(name)} times in the header."
    if not header:
        return (
            f"no {role} column {name!r}: the file has no header; name columns by position, "
            f"1 to {len(names)}."
        )
    near = difflib.get_close_matches(name.lower(), [known.lower() for known in names], 1, 0.5)
    meant = [known for known in names if near and known.lower() == near[0]][:1]
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    return f"no {role} column {name!r}; the columns are {', '.join(map(repr, names))}.{hint}"


def _sample(raw: Raw) -> list[str]:
    head = raw.head.removeprefix(b"\xef\xbb\xbf")
    if not raw.whole and head[: head.rfind(b"\n") + 1].strip():
        head = head[: head.rfind(b"\n")]  # the last line may be cut off
    try:
        return head.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise not_utf8(raw.name, head[: error.start].count(b"\n") + 1) from error


def not_utf8(source: str, line: int) -> InputError:
    """The error for text in another encoding, first noticed on this line."""
    return InputError(
        f"{source}: line {line} is not UTF-8 text; convert the file, "
        "for instance: iconv -f latin1 -t utf-8."
    )


def _separator(raw: Raw, lines: list[str], least: int) -> tuple[str, int]:
    """The separator that gives the most lines the same number of fields, and that number."""
    best, best_share, most = None, 0.0, (1, "")
    body = lines[1:] or lines  # a header may differ
    for separator in _preferred(raw.suffix):
        counts = Counter(len(split_line(line, separator) or ()) for line in body)
        most = max(most, (counts.most_common(1)[0][0], separator))
        width = max(counts, key=lambda fields: (fields >= least, counts[fields], fields))
        share = counts[width] / len(body)
        # Prose has blanks too: believe in them only when nearly all lines agree.
        if width >= least and share > best_share and (separator != " " or share >= 0.9):
            best, best_share = (separator, width), share
    if best is None:
        split_by = f" (separated by {_NAMES[most[1]]})" if most[0] > 1 else ""
        raise InputError(
            f"{raw.name}: expected at least {least} columns, found {most[0]}{split_by}; "
            f"the first line is {lines[0][:60]!r}."
        )
    return best


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
        not _number(name) and later and all(len(row) > n and _number(row[n]) for row in later)
        for n, name in enumerate(first)
    )


def _is_heading(field: str) -> bool:
    # "userId", "user_ids", "Users", "id"
    stem = re.sub(r"_?(id)?s?$", "", field.lower())
    return len(field) > 1 and field[0].isalpha() and stem in _HEADINGS


def _reads_like_a_name(field: str) -> bool:
    # "3,5" or "4 stars" is a bad value, not a name: taking it for a header would lose a row.
    leads = field.lstrip("+-.")[:1]
    return not _number(field) and not leads.isdecimal() and field.lower() not in ABSENT


def _numbers(fields: list[str]) -> bool:
    return all(_number(field) for field in fields)


def _number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
