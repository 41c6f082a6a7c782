"""Features of rows and columns from tables: what is known of them beside their entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from flatrank.data.entries import Entries, InputError
from flatrank.data.files import Source, open_file
from flatrank.data.markers import Markers
from flatrank.data.packages import load_polars
from flatrank.data.wide import GAPS, column_numbers, frame_of

if TYPE_CHECKING:
    import polars as pl

#: Between several words in one field, such as Action|Comedy.
BAR = "|"
#: Words of one column that become features, the commonest first.
MOST_WORDS = 500


@dataclass(frozen=True)
class Features:
    """What one table says of the rows, or of the columns, of another.

    Parameters
    ----------
    ids : list of str
        (n,)
    values : array of shape (n, p)
        NaN where nothing is known.
    names : list of str
        Columns of the table that were used.
    source : str
        What messages call the table.
    """

    ids: list[str]
    values: np.ndarray
    names: list[str]
    source: str


def read_features(source: Source, key: str | None = None) -> Features:
    """Read features from csv, tsv, other separated text, gzip of these, or parquet.

    A column of numbers is one feature. A column of words is one feature for each word that at least
    two ids have, 1 or 0; a field may hold several words with bars between, Action|Comedy. Text that
    most ids have for themselves, such as titles, is left aside.

    Parameters
    ----------
    source
        A path, with names in the first line.
    key
        Name of the column of ids; by default, and where there is none of the name, the first.

    Returns
    -------
    Features

    Raises
    ------
    InputError
        If the source cannot be used, an id comes twice, or no column can be made features.
    """
    file = open_file(source)
    frame, separator = frame_of(file)
    key = key if key in frame.columns else frame.columns[0]
    ids = [(x or "").strip() for x in frame[key].cast(load_polars().String).to_list()]
    twice = next((name for name, n in Counter(ids).items() if n > 1 or not name), None)
    if twice is not None:
        what = f"the id {twice!r} comes more than once" if twice else "a line has no id"
        raise InputError(f"{file.name}: {what} in column {key!r}; features need one line an id.")
    parts, names = [], []
    for name in frame.columns:
        part = None if name == key else _encoded(frame[name], separator)
        if part is not None and part.shape[1]:
            parts.append(part)
            names.append(name)
    if not parts:
        raise InputError(
            f"{file.name}: no column beside {key!r} holds numbers, or words that two ids share."
        )
    return Features(ids, np.hstack(parts), names, file.name)


def _encoded(column: pl.Series, separator: str) -> np.ndarray | None:
    """Numbers as they are; 0 and 1 for each common word, NaN in empty fields; None: aside."""
    numbers = column_numbers(column, separator, Markers())
    if numbers is not None:
        return numbers[0][:, None]
    fields = [(x or "").strip() for x in column.cast(load_polars().String).to_list()]
    said = [set() if f.lower() in GAPS else {w.strip() for w in f.split(BAR)} for f in fields]
    among = Counter(w for s in said for w in s)
    shared = [(n, word) for word, n in among.items() if n > 1]
    if 2 * sum(any(among[w] > 1 for w in s) for s in said) < sum(map(bool, said)):
        return None
    words = [word for _, word in sorted(shared, key=lambda x: (-x[0], x[1]))[:MOST_WORDS]]
    return np.array([[float(w in s) if s else np.nan for w in words] for s in said])


def with_features(
    entries: Entries, rows: Features | None = None, cols: Features | None = None
) -> Entries:
    """The entries with features of their rows and columns; ids that only these have come last.

    Parameters
    ----------
    entries
        As they were read.
    rows, cols
        Of each side, or none.

    Returns
    -------
    Entries
        What is not known of an id is put at the mean over the ids with entries.

    Raises
    ------
    InputError
        If no id of the features is one of the entries'.
    """
    row_labels, row_values = _joined(entries.row_labels, rows, "row")
    col_labels, col_values = _joined(entries.col_labels, cols, "column")
    return replace(
        entries, row_labels=row_labels, col_labels=col_labels, features=(row_values, col_values)
    )


def _joined(
    labels: np.ndarray, found: Features | None, side: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """All ids of one side, and a line of features for each."""
    if found is None:
        return labels, None
    place, known = {name: n for n, name in enumerate(found.ids)}, labels.tolist()
    at = np.array([place.get(name, -1) for name in known])
    if np.all(at < 0):
        raise InputError(
            f"{found.source}: none of its ids, such as {found.ids[0]!r}, is the id of a {side}, "
            f"such as {known[0]!r}; the ids stand in its first column, or in one of the name that "
            "they have among the entries."
        )
    among = set(known)
    new = [n for n, name in enumerate(found.ids) if name not in among]
    F = np.vstack([np.where((at >= 0)[:, None], found.values[at], np.nan), found.values[new]])
    there = ~np.isnan(F)
    of_known = there[: len(known)]
    sums = np.where(of_known, F[: len(known)], 0.0).sum(axis=0)
    mean = sums / np.maximum(of_known.sum(axis=0), 1)
    return np.array(known + [found.ids[n] for n in new]), np.where(there, F, mean)
