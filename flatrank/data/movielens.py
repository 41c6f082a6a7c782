"""MovieLens folders and zip archives as GroupLens publishes them."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flatrank.data.collections import unique_titles
from flatrank.data.entries import Entries
from flatrank.data.errors import InputError
from flatrank.data.intake import entries_of
from flatrank.data.raw import Raw, Source, open_raw, raw_bytes
from flatrank.data.screening import BadRows, check_policy

#: (ratings, films, what separates the fields of the films), by release.
_LAYOUTS = (
    ("ratings.csv", "movies.csv", ","),  # latest-small, latest, 20M, 25M, 32M
    ("ratings.dat", "movies.dat", "::"),  # 1M, 10M
    ("u.data", "u.item", "|"),  # 100K
)


def load_movielens(path: Source, *, bad_rows: BadRows = "error") -> Entries:
    """Read a MovieLens release: ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m or ml-latest.

    Parameters
    ----------
    path
        The unpacked folder, or the zip as it is downloaded.
    bad_rows
        As in `read_entries`.

    Returns
    -------
    Entries
        Rows are user ids; columns are titles with the year, in order of the film ids. Films that
        share a title, or have none, carry their id: "Hamlet (2000) [3598]", "film 108583".
        Without the file of films columns are ids.

    Raises
    ------
    InputError
        If the path is neither, holds no ratings of a known layout, or these cannot be read.

    Notes
    -----
    As `read_entries`; a zip is unpacked in memory.
    """
    check_policy(bad_rows)
    release = _opened(path)
    for ratings, films, separator in _LAYOUTS:
        if ratings in release.members:
            wanted: dict[str, str | None] = {"row": None, "col": None, "value": None}
            entries = entries_of(release.open(ratings), wanted, bad_rows)
            entries = replace(entries, source=str(path))
            if films not in release.members:
                return entries
            titles = _titles(release.open(films).read(), separator)
            ids = entries.col_labels.tolist()
            named = unique_titles([titles.get(code) for code in ids], ids)
            return replace(entries, col_labels=named)
    expected = ", ".join(ratings for ratings, _, _ in _LAYOUTS)
    raise InputError(
        f"{path}: is not a MovieLens release; expected one of {expected} in it, found "
        f"{', '.join(sorted(release.members)[:8]) or 'nothing'}. Other files are named one by one."
    )


@dataclass(frozen=True)
class _Release:
    """The files of a release by bare name, and how to open one."""

    members: frozenset[str]
    open: Callable[[str], Raw]


def _opened(path: Source) -> _Release:
    place = Path(path).expanduser()
    if place.is_dir():
        # Unpacking often leaves one folder inside another.
        inner = sorted(place.glob("ml-*/"))
        folder = inner[0] if len(inner) == 1 else place
        names = frozenset(file.name for file in folder.iterdir() if file.is_file())
        return _Release(names, lambda name: open_raw(folder / name))
    if not place.exists():
        raise InputError(f"{path}: no such folder or zip archive.")
    try:
        with zipfile.ZipFile(place) as archive:
            inside = {Path(name).name: name for name in archive.namelist() if name[-1:] != "/"}
    except (zipfile.BadZipFile, OSError) as damaged:
        raise InputError(
            f"{path}: expected a folder or a zip archive of MovieLens files ({damaged})."
        ) from damaged
    return _Release(frozenset(inside), lambda name: _member(place, inside[name]))


def _member(archive: Path, name: str) -> Raw:
    try:
        with zipfile.ZipFile(archive) as opened:
            data = opened.read(name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError) as damaged:
        raise InputError(
            f"{archive}: {name} is damaged ({damaged}); get the archive again."
        ) from damaged
    return raw_bytes(f"{archive}: {name}", Path(name).suffix.lower(), data)


def _titles(data: bytes, separator: str) -> dict[str, str]:
    """Film id to title. The older releases are in Latin-1, which never fails to decode."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = data.decode("latin-1").splitlines()
    rows = csv.reader(lines) if separator == "," else (line.split(separator) for line in lines)
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1 and row[1].strip()}
