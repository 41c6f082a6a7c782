"""What rows and columns of a table are called: kept beside a problem, and in its file.

A file holds each label as text, and of which type it was. Text, whole and other numbers, truth
values, times, and columns in which these are mixed come back as they were; labels of other types,
such as periods and intervals, come back as text, and categories as what they are made of.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

#: What JSON gives back as it was, where a column of labels is of no one type.
_PLAIN = (str, int, float, bool, type(None))


class Axis(NamedTuple):
    """The labels of one side of a pandas table: levels (d,) each, their names and time zones."""

    levels: list[np.ndarray]
    names: list[Any]
    zones: list[str | None]

    @classmethod
    def of(cls, index: Any) -> Axis:
        """A pandas index taken apart; an axis as it is."""
        if isinstance(index, cls):
            return index
        parts = [index.get_level_values(n) for n in range(index.nlevels)]
        zones = [None if (zone := getattr(x, "tz", None)) is None else str(zone) for x in parts]
        bare = [
            x if zone is None else x.tz_convert("UTC").tz_localize(None)
            for x, zone in zip(parts, zones, strict=True)
        ]
        names = [x if isinstance(x, _PLAIN) else str(x) for x in index.names]
        return cls([x.to_numpy() for x in bare], names, zones)

    def as_index(self) -> Any:
        """The pandas index again."""
        pandas = _package("pandas")
        parts = [
            pandas.Index(x.tolist() if x.dtype.kind in "UO" else x, name=name)
            for x, name in zip(self.levels, self.names, strict=True)
        ]
        parts = [
            x if zone is None else x.tz_localize("UTC").tz_convert(zone)
            for x, zone in zip(parts, self.zones, strict=True)
        ]
        return parts[0] if len(parts) == 1 else pandas.MultiIndex.from_arrays(parts)


@dataclass(frozen=True, eq=False)
class Labels:
    """What the rows and columns of a table are called, and what kind of table it was.

    Parameters
    ----------
    kind
        The package whose table it was.
    rows, cols
        A pandas index each, or an `Axis`, as after reading from disk; for polars None and a list of
        names; for xarray the coordinates by name, those of both sides in `rows`, and the two
        dimensions in `cols`.
    """

    kind: Literal["pandas", "polars", "xarray"]
    rows: Any
    cols: Any

    def table(self, X: np.ndarray) -> Any:
        """The same kind of table with the numbers of X, of shape (d1, d2).

        Raises
        ------
        ValueError
            If the labels were read from disk, and the package is not installed here.
        """
        package = _package(self.kind)
        if self.kind == "pandas":
            rows, cols = (
                x.as_index() if isinstance(x, Axis) else x for x in (self.rows, self.cols)
            )
            return package.DataFrame(X, index=rows, columns=cols)
        if self.kind == "polars":
            return package.DataFrame(X, schema=self.cols, orient="row")
        return package.DataArray(X, coords=self.rows, dims=self.cols)

    def saved(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What `from_saved` makes the labels from: plain JSON, and arrays by name.

        The texts of rows and columns are `row_labels` and `col_labels`, end to end, and end at
        `row_ends` and `col_ends` (in bytes). O(bytes of the labels).
        """
        about: dict[str, Any] = {"kind": self.kind}
        arrays: dict[str, np.ndarray] = {}
        if self.kind == "polars":
            about["col"] = _put(arrays, "col", [np.asarray(self.cols, dtype=str)])
        elif self.kind == "pandas":
            for side, index in (("row", self.rows), ("col", self.cols)):
                axis = Axis.of(index)
                about[side] = _put(arrays, side, axis.levels)
                about[side] |= {"names": axis.names, "zones": axis.zones}
        else:
            about |= {"dims": list(self.cols), "coordinates": []}
            sides = dict(zip(self.cols, ("row", "col"), strict=True))
            for n, (name, x) in enumerate(self.rows.items()):
                dims, values = x if isinstance(x, tuple) else (x.dims, x.values)
                at = sides.get(name, f"coordinate{n}")
                found = _put(arrays, at, [np.atleast_1d(values)])
                found |= {"name": name, "dims": list(dims), "at": at}
                about["coordinates"].append(found)
        return about, arrays

    @classmethod
    def from_saved(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Labels:
        """The labels of `saved`; ValueError or KeyError where they are damaged."""
        kind = about["kind"]
        if kind == "polars":
            return cls(kind, None, _get(arrays, "col", about["col"])[0].tolist())
        if kind == "pandas":
            sides = (
                Axis(_get(arrays, side, part), part["names"], part["zones"])
                for side in ("row", "col")
                for part in (about[side],)
            )
            return cls(kind, *sides)
        if kind != "xarray":
            raise ValueError(f"unknown kind of table {kind!r}")
        coordinates = {}
        for part in about["coordinates"]:
            (values,) = _get(arrays, part["at"], part)
            dims = tuple(part["dims"])
            coordinates[part["name"]] = dims, values if dims else values[0]
        return cls(kind, coordinates, tuple(about["dims"]))


def written_texts(side: str, texts: list[str]) -> dict[str, np.ndarray]:
    """Texts as two arrays: UTF-8 end to end, and where each ends (in bytes)."""
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return {f"{side}_labels": np.frombuffer(b"".join(pieces), np.uint8), f"{side}_ends": ends}


def read_texts(arrays: Mapping[str, np.ndarray], side: str) -> list[str]:
    """The texts of `written_texts`; ValueError where the two arrays do not fit."""
    text, ends = arrays[f"{side}_labels"].tobytes(), arrays[f"{side}_ends"].tolist()
    if (ends[-1] if ends else 0) != len(text):
        raise ValueError(f"the labels of the {side}s are damaged")
    starts = [0, *ends[:-1]]
    return [text[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)]


def _put(arrays: dict[str, np.ndarray], side: str, levels: list[np.ndarray]) -> dict[str, Any]:
    """Add the texts of some labels to the arrays; of which types they are."""
    types, texts = zip(*(_texts(level) for level in levels), strict=True)
    joined = texts[0] if len(texts) == 1 else [json.dumps(x) for x in zip(*texts, strict=True)]
    arrays |= written_texts(side, joined)
    return {"types": list(types)}


def _get(arrays: Mapping[str, np.ndarray], side: str, about: Mapping[str, Any]) -> list[np.ndarray]:
    """The levels of the labels that `_put` added."""
    types, texts = about["types"], read_texts(arrays, side)
    several = len(types) > 1
    split = zip(*map(json.loads, texts), strict=True) if several and texts else [texts] * len(types)
    return [_values(kind, list(level)) for kind, level in zip(types, split, strict=True)]


def _texts(values: np.ndarray) -> tuple[str, list[str]]:
    """Labels as text, and what turns it back: a type of NumPy's, or "json"."""
    kind = values.dtype.kind
    if kind == "M":
        return values.dtype.str, np.datetime_as_string(values).tolist()
    if kind == "m":
        return values.dtype.str, [str(x) for x in values.astype(np.int64).tolist()]
    if kind in "iufb":
        return values.dtype.str, [repr(x) for x in values.tolist()]
    labels = values.tolist()
    if all(isinstance(x, str) for x in labels):
        return "str", labels
    if all(isinstance(x, _PLAIN) for x in labels):
        return "json", [json.dumps(x) for x in labels]
    return "str", [str(x) for x in labels]


def _values(kind: str, texts: list[str]) -> np.ndarray:
    if kind == "str":
        return np.array(texts, dtype=str if texts else "<U1")
    if kind == "json":
        out = np.empty(len(texts), dtype=object)
        out[:] = [json.loads(text) for text in texts]
        return out
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        return np.array([text == "True" for text in texts], dtype=bool)
    if dtype.kind == "m":
        return np.array([int(text) for text in texts], dtype=np.int64).astype(dtype)
    if dtype.kind in "iu":
        return np.array([int(text) for text in texts], dtype=dtype)
    return (
        np.array(texts, dtype=dtype)
        if dtype.kind == "M"
        else np.array([float(text) for text in texts], dtype=dtype)
    )


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as absent:
        raise ValueError(
            f"the table came from {name}, which is not installed here: pip install {name}, or use "
            "matrix(), which has no labels"
        ) from absent
