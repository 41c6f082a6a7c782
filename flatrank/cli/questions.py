"""What `flatrank evaluate` was asked, and the files it names as arguments of `fr.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flatrank.data import Entries, InputError, WideTableError, read_entries, read_wide


@dataclass(frozen=True)
class Question:
    """Everything `evaluate` was asked; `InputError` if it asks for two things at once.

    Parameters
    ----------
    source, reading
        What to read, and keyword arguments of `flatrank.data.read_entries`.
    wide, keep
        Whether it is said to be a wide table; columns of it to leave aside.
    folds, fold, test, seed
        How many parts; or the column that names them; or the file to predict instead.
    out
        Folder of the record.
    json, quiet, force
        Switches.
    command
        The command line, for the record.
    """

    source: str
    reading: dict[str, Any]
    wide: bool
    keep: list[str]
    folds: int
    fold: str | None
    test: str | None
    seed: int
    out: Path
    json: bool
    quiet: bool
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Check what needs no file."""
        if self.fold is not None and self.test is not None:
            raise InputError("--fold and --test both say what is hidden: give one of them.")
        if self.fold is not None and self.reading.get("missing"):
            raise InputError(
                "--fold needs a number for every line, and --missing leaves lines out: take these "
                "out of the file first."
            )
        if self.folds < 2:
            raise InputError(f"--folds must be a whole number from 2; got {self.folds}.")
        if self.seed < 0:
            raise InputError(f"--seed must be a whole number from 0; got {self.seed}.")
        if self.reading["bad_rows"] not in ("error", "skip"):
            raise InputError(f"--bad-rows must be error or skip; got {self.reading['bad_rows']}.")
        named = [name for name in ("row", "col", "value") if self.reading[name] is not None]
        if self.wide and (named or self.fold is not None):
            option = named[0] if named else "fold"
            raise InputError(
                f"--{option} names a column of a list of entries, and --wide says that it is none: "
                "give one of them."
            )
        if self.reading["query"] is not None and (self.wide or self.test is not None):
            raise InputError(
                f"--query asks a database for entries, and --{'wide' if self.wide else 'test'} is "
                "for files: leave one out."
            )
        if "-" in (self.source, self.test) and (self.fold is not None or self.source == self.test):
            raise InputError("standard input can be read once only: name a file.")

    @property
    def certain(self) -> bool:
        """Whether it is said that the file holds entries, or that it cannot be looked at twice."""
        given = any(self.reading[name] is not None for name in ("row", "col", "value"))
        asked = self.fold is not None or self.reading["query"] is not None
        return given or asked or self.source == "-"


class Material(NamedTuple):
    """Arguments of `flatrank.evaluate`, and how the file was read."""

    source: str
    table: tuple[Any, ...]
    options: dict[str, Any]
    how: str
    wide: bool


def read(question: Question) -> Material:
    """Read the file as entries, or as a wide table where it looks like one.

    Raises
    ------
    InputError
        If a file cannot be used, or two of them do not fit.
    """
    if question.wide or question.keep:
        return _wide(question)
    try:
        entries = read_entries(question.source, **question.reading)
    except WideTableError as refused:
        if question.certain:
            raise InputError(f"{refused} To evaluate it as a wide table: --wide.") from refused
        return _wide(question)
    except InputError as refused:
        raise InputError(f"{refused} (For a wide table, one line a row: --wide.)") from refused
    return _entries(question, entries)


def _wide(question: Question) -> Material:
    missing = question.reading.get("missing")
    table = read_wide(question.source, question.keep, missing)
    d1, d2 = table.values.shape
    how = f"a wide table of {d1} rows and {d2} columns"
    if table.aside:
        how += f"; left aside: {', '.join(table.aside)}"
    options: dict[str, Any] = {}
    if question.test is not None:
        aside = [n for n in question.keep if n not in table.columns]
        other = read_wide(question.test, aside, missing)
        if len(other.values) != d1:
            raise InputError(
                f"{other.source}: has {len(other.values)} lines, and {table.source} has {d1}; a "
                "wide table to test with has the same lines and columns, filled where the other "
                "has gaps."
            )
        places = {name: n for n, name in enumerate(other.columns)}
        options["test"] = np.full((d1, d2), np.nan)
        for n, name in enumerate(table.columns):
            if name in places:
                options["test"][:, n] = other.values[:, places[name]]
    return Material(table.source, (table.values,), options, how, wide=True)


def _entries(question: Question, entries: Entries) -> Material:
    rows, cols = entries.rows, entries.cols
    roles = zip(("rows from", "columns from", "values from"), entries.columns, strict=False)
    how = ", ".join([f"{entries.m} entries", *(f"{role} {name!r}" for role, name in roles)])
    options: dict[str, Any] = {}
    shape = entries.shape
    if question.fold is not None:
        options["folds"] = _folds(question, entries)
    if question.test is not None:
        other = read_entries(question.test, **question.reading)
        i, d1 = _codes(entries.row_labels, other.row_labels)
        j, d2 = _codes(entries.col_labels, other.col_labels)
        shape = d1, d2
        options["test"] = i[other.rows], j[other.cols], other.values
    known = rows, cols, entries.values, shape
    return Material(entries.source, known, options, how, wide=False)


def _folds(question: Question, entries: Entries) -> np.ndarray:
    """The fold of each entry, from a column of the same file."""
    reading: dict[str, Any] = question.reading | {"value": question.fold}
    named = read_entries(question.source, **reading)
    same = np.array_equal(named.rows, entries.rows) and np.array_equal(named.cols, entries.cols)
    if not same or np.any(named.values % 1):
        raise InputError(
            f"{entries.source}: column {question.fold!r} must hold a whole number for every entry, "
            "and the same one where a place occurs twice."
        )
    return named.values.astype(np.int64)


def _codes(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes of labels, those that are not known after the others; and how many in all."""
    places = {label: n for n, label in enumerate(known.tolist())}
    return np.array([places.setdefault(x, len(places)) for x in asked.tolist()]), len(places)
