"""Which columns of a table hold rows, columns and values: by name, and by what they cannot be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flatrank.data.entries import InputError, WideTableError

Kind = Literal["row", "col", "value", "aside", "other"]

#: Written for an absent value.
ABSENT = frozenset(
    ["", "na", "n/a", "<na>", "#n/a", "nat", "null", "none", "nil", "missing", "?", "-", "."]
)
#: Last words of column names, by kind: those of the first set go before those of the second.
_WORDS: dict[Kind, tuple[str, str]] = {
    "row": (
        "row user person customer client reader reviewer viewer listener student patient "
        "respondent member visitor",
        "source src from",
    ),
    "col": (
        "col column item movie film book isbn product song track artist joke lecturer asin "
        "business",
        "title target dst to",
    ),
    "value": ("rating score value val star mark grade", "count weight amount quantity frequency"),
    # Neither a place nor a value while another column is left: times and running numbers.
    "aside": ("time timestamp ts date datetime year month when", "index id level unnamed rowname"),
}
#: What follows the word that counts: "userId", "movie_name", "FromNodeId".
_TAILS = ("id", "ids", "name", "node", "code", "key", "no")
_GIVEN = "name them with --row, --col and --value (row=, col=, value=)"


@dataclass(frozen=True)
class Head:
    """What is known of a table before its columns are chosen: names and some rows.

    `source` is what messages call the file, `reader` how pandas reads it; without a `header` the
    names are "1", "2", ...
    """

    source: str
    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    header: bool
    reader: str

    def column(self, n: int) -> list[str]:
        """Fields of one column, "" where a row has none."""
        return [row[n] if n < len(row) else "" for row in self.rows]


def choose_columns(head: Head, wanted: dict[str, str | None]) -> tuple[int, ...]:
    """Index of the column for each role.

    The one that was named; else the one whose name says so ("userId", "item", "rating"); else the
    first that are left, times and running numbers last. What that leaves open is refused. `wanted`
    are names, or None, by role ("row", "col", "value"), in the order of the answer.

    Raises
    ------
    InputError
        If a name is absent, ambiguous or used twice, there are too few columns, the table is wide,
        or names leave open which columns are meant.
    """
    names = list(head.names)
    for role, name in wanted.items():
        if name is not None and names.count(name) != 1:
            raise InputError(f"{head.source}: {_unfound(role, name, names, head.header)}")
    found = {role: names.index(name) for role, name in wanted.items() if name is not None}
    if len(set(found.values())) < len(found):
        raise InputError(
            f"{head.source}: the same column is named for two of {', '.join(wanted)}: "
            f"{', '.join(names[n] for n in found.values())}."
        )
    left = [n for n in range(len(names)) if n not in found.values()]
    filled = [n for n in left if not head.rows or any(head.column(n))]
    missing = [role for role in wanted if role not in found]
    if len(left) < len(missing):
        raise InputError(
            f"{head.source}: expected columns for {', '.join(wanted)}, found {len(names)}: "
            f"{', '.join(names)}."
        )
    if missing:
        left = filled if len(filled) >= len(missing) else left
        found |= _chosen(head, left, missing, "value" in wanted)
    return tuple(found[role] for role in wanted)


def number(field: str) -> bool:
    """Whether a field holds a number, its decimals behind a point or a comma."""
    try:
        float(field.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def kind_of(name: str) -> tuple[Kind, int]:
    """What a name says of its column, and how weakly: 0 for the usual words, 1 for others."""
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+", name)]
    if not words:
        return ("aside", 1) if not name.strip() else ("other", 0)
    bare = list(words)
    while len(bare) > 1 and bare[-1] in _TAILS:
        bare.pop()
    last = bare[-1]
    if bare == words and len(last) > 4 and last.endswith("id"):  # "userid"
        last = last.removesuffix("id")
    for kind, ranks in _WORDS.items():
        # "rating_id" names ratings, it does not hold them.
        if bare != words and kind in ("value", "aside"):
            continue
        for rank, known in enumerate(ranks):
            if {last, last.removesuffix("s")} & set(known.split()):
                return kind, rank
    return "other", 0


def _chosen(head: Head, left: list[int], missing: list[str], valued: bool) -> dict[str, int]:
    """Columns for the roles that are missing, from those that are left."""
    kinds = {n: kind_of(head.names[n] if head.header else "x") for n in left}
    found = {role: n for role in missing if (n := _named(head, kinds, role)) is not None}
    if valued and len(found) < 3:
        _refuse_wide(head, left)
    if not head.header and valued:
        _refuse_times(head, left)
    open_roles = [role for role in missing if role not in found]
    if not open_roles:
        return found
    if not valued:
        kinds = {n: ("aside", 1) if k == ("value", r) else (k, r) for n, (k, r) in kinds.items()}
    others = [n for n in left if kinds[n][0] == "other"]
    asides = [n for n in left if kinds[n][0] == "aside"]
    if len(others) >= len(open_roles):
        rest = dict(zip(open_roles, others, strict=False))
        taken = found | rest
        plain = [n for n in left if n not in asides][: len(missing)]
        times = [n for n in asides if kinds[n][1] == 0]
        late = [n for role, n in rest.items() if role != "value" and any(t < n for t in times)]
        if not late and (len(others) == len(open_roles) or sorted(taken.values()) == plain):
            return taken
    elif len(others) + len(asides) == len(open_roles):
        taken = found | dict(zip(open_roles, sorted(others + asides), strict=True))
        if taken.get("value") not in asides:
            return taken
    clear = "".join(f"{head.names[n]!r} reads like the {r} column; " for r, n in found.items())
    raise InputError(
        f"{head.source}: which columns hold the entries is not clear: {clear}"
        f"the columns are {_listed(head.names)}; {_GIVEN}."
    )


def _named(head: Head, kinds: dict[int, tuple[Kind, int]], role: str) -> int | None:
    """The column whose name says this role."""
    for rank in (0, 1):
        among = [n for n, kind in kinds.items() if kind == (role, rank)]
        ids = [n for n in among if re.search(r"(?i)id$", head.names[n])]
        among = ids if len(ids) == 1 else among
        if len(among) > 1:
            raise InputError(
                f"{head.source}: {_listed([head.names[n] for n in among])} all read like the "
                f"{role} column; name one with --{role} ({role}=)."
            )
        if among:
            return among[0]
    return None


def _refuse_wide(head: Head, left: list[int]) -> None:
    """Refuse a table of one line a row, where two columns of ids were to be expected."""
    if len(left) < 4 or not head.rows:
        return
    first, second = head.column(left[0]), head.column(left[1])
    numeric = [n for n in left[1:] if _numeric(head.column(n))]
    # Ids are no fractions, and the first of them recurs while both together do not.
    fractions = any(map(_fraction, second))
    # Nameless, four columns are ids, a value and a time; shuffled, such a file repeats no id soon.
    unplaced = len(left) >= 4 + (not head.header) and (
        len(set(first)) == len(first)
        or 5 * len(set(zip(first, second, strict=True))) < 4 * len(first)
    )
    if 5 * len(numeric) < 4 * (len(left) - 1) or not (fractions or unplaced):
        return
    labels = not any(map(_fraction, first)) and len(set(first)) == len(first)
    label = head.names[left[0]] if head.header else left[0]
    melt, index = (
        (f".melt({label!r})", "False") if labels else (".melt(ignore_index=False)", "True")
    )
    beside = f" beside {head.names[left[0]]!r}" if labels else ""
    raise WideTableError(
        f"{head.source}: looks like a wide table, one line a row, with {len(numeric)} columns of "
        f"numbers{beside}; expected one line an entry: row, column, value. To fill "
        f"its gaps as it is: flatrank impute {head.source}. For entries: Melt it, "
        f'{head.reader}{melt}.dropna().to_csv("entries.csv", index={index}), or, if three of its '
        f"columns hold the entries, {_GIVEN}."
    )


def _refuse_times(head: Head, left: list[int]) -> None:
    """Without a header: a third column that counts seconds since 1970, from 1980 to 2040."""
    if len(left) < 4 or not head.rows:
        return
    third = head.column(left[2])
    if all(x.isdecimal() and 315_532_800 <= int(x) < 2_208_988_800 for x in third):
        raise InputError(
            f"{head.source}: column {head.names[left[2]]} holds what look like times, such as "
            f"{third[0]}, and there is no header; {_GIVEN} by position, 1 to {len(head.names)}."
        )


def _fraction(field: str) -> bool:
    return number(field) and float(field.replace(",", ".", 1)) % 1 != 0


def _numeric(column: list[str]) -> bool:
    present = [field for field in column if field.lower() not in ABSENT]
    return bool(present) and all(map(number, present))


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*map(repr, names[:8]), *["..."] * (len(names) > 8)])


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
