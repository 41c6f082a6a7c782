"""Which intervals a command is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import typer

if TYPE_CHECKING:
    from flatrank.selection import IntervalKind

#: The option of that name.
Intervals = Annotated[
    str | None,
    typer.Option(
        metavar="posterior|conformal",
        help="What they rest on: a model of the values, or errors on held-out entries.",
    ),
]


class Asked(NamedTuple):
    """Level and kind."""

    level: float
    kind: IntervalKind


def asked_for(level: float | None, kind: str | None) -> Asked | None:
    """What --interval and --intervals ask for; None where neither is given.

    Raises
    ------
    InputError
        If the level is not between 0 and 1, or the kind is none.
    """
    # Imported here: the room costs half a second, which --help should not take.
    from flatrank.data.entries import InputError

    if level is None and kind is None:
        return None
    from flatrank.selection.average import LEVEL  # as in Python where only a kind is given

    level, kind = LEVEL if level is None else level, kind or "posterior"
    if not 0 < level < 1:
        raise InputError(f"--interval must lie between 0 and 1, such as 0.9; got {level}.")
    if kind not in ("posterior", "conformal"):
        raise InputError(f"--intervals must be posterior or conformal; got {kind}.")
    return Asked(level, cast("IntervalKind", kind))
