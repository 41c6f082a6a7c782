"""Matrices given whole: a wide table, an array on disk, the frames of a film; written in kind."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flatrank.data.entries import InputError
from flatrank.data.files import File, Source, open_file
from flatrank.data.markers import Markers
from flatrank.data.packages import load
from flatrank.data.wide import WideTable, wide_of

#: Endings of pictures in a folder; other files in it are left alone.
PICTURES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"])
#: Modes of pictures with one number a pixel, by the largest it can be; others are read as RGB.
_GREY = {"1": 255, "L": 255, "I;16": 65535}

Files = dict[str, Callable[[Path], Any]]


class Whole(Protocol):
    """A matrix with what its form on disk needs."""

    @property
    def source(self) -> str:
        """What messages call it."""
        ...

    @property
    def values(self) -> np.ndarray:
        """(d1, d2), NaN where nothing is known."""
        ...

    def described(self) -> str:
        """Its size, in the words of its form."""
        ...

    def place(self, i: int, j: int) -> str:
        """What an entry is called."""
        ...

    def files(self, name: str, X: np.ndarray) -> Files:
        """What writes another matrix of the same shape in the same form, by the names of files."""
        ...


@dataclass
class Table:
    """A wide table, whose other columns travel along."""

    table: WideTable

    @property
    def source(self) -> str:
        """What messages call it."""
        return self.table.source

    @property
    def values(self) -> np.ndarray:
        """(rows, columns of numbers), NaN in the gaps."""
        return self.table.values

    def described(self) -> str:
        """How many rows and columns of numbers, and what was left aside."""
        d1, d2 = self.values.shape
        aside = f" (left aside: {', '.join(self.table.aside)})" if self.table.aside else ""
        return f"{d1} rows of {d2} columns{aside}"

    def place(self, i: int, j: int) -> str:
        """The row, from 1, with its first label, and the name of the column."""
        name = self.table.frame[self.table.aside[0]][i] if self.table.aside else None
        return f"row {i + 1}{'' if name is None else f' ({name})'}, column {self.table.columns[j]}"

    def files(self, name: str, X: np.ndarray) -> Files:
        """One table."""
        ending = {"": ".parquet", "\t": ".tsv"}.get(self.table.separator, ".csv")
        return {name + ending: partial(self.table.write, X)}


@dataclass
class Stack:
    """An array: a matrix, or things of one shape, each a row of the matrix."""

    source: str
    array: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """(things, numbers of each)."""
        return self.array.reshape(self.array.shape[0], -1)

    def described(self) -> str:
        """The shape; of more than two axes as frames."""
        n, *frame = self.array.shape
        size = " x ".join(map(str, frame))
        return f"{n} x {size}" if len(frame) == 1 else f"{n} frames of {size}"

    def place(self, i: int, j: int) -> str:
        """The indices, from 0."""
        at = (i, *(int(n) for n in np.unravel_index(j, self.array.shape[1:])))
        return f"[{', '.join(map(str, at))}]"

    def files(self, name: str, X: np.ndarray) -> Files:
        """One array."""
        return {f"{name}.npy": partial(_save_array, X.reshape(self.array.shape))}


@dataclass
class Film(Stack):
    """Pictures of one size: numbers from 0 to `top`, in the order of their names."""

    names: list[str]
    top: int

    def place(self, i: int, j: int) -> str:
        """The picture, and the place in it."""
        row, col, *_ = (int(n) for n in np.unravel_index(j, self.array.shape[1:]))
        return f"{self.names[i]}, line {row + 1}, column {col + 1}"

    def files(self, name: str, X: np.ndarray) -> Files:
        """A folder of pictures: the sizes of the numbers, in the range of a picture; 0 for NaN."""
        stems = [Path(frame).stem for frame in self.names]
        named = stems if len(set(stems)) == len(stems) else self.names
        kind = np.uint8 if self.top == 255 else np.uint16
        sizes = np.clip(np.abs(np.nan_to_num(X)), 0, self.top)
        frames = np.rint(sizes).astype(kind).reshape(self.array.shape)
        return {
            f"{name}/{frame}.png": partial(_save_picture, picture)
            for frame, picture in zip(named, frames, strict=True)
        }


def read_whole(source: Source, keep: Sequence[str] = (), missing: Any = None) -> Whole:
    """Read a matrix that is given whole, or with some gaps.

    Parameters
    ----------
    source
        A wide table (see `read_wide`), also "-" for standard input; an array in an npy file, of
        two axes, or of more: things along the first; or a folder of pictures of one size.
    keep
        Columns of a wide table to leave aside.
    missing
        Values that stand for gaps, one or several, besides blanks, "NA" and NaN.

    Returns
    -------
    Whole
        NaN in its gaps. Of pictures with colours each pixel has three numbers.

    Raises
    ------
    InputError
        If the source cannot be used.
    """
    markers = Markers.of(missing)
    if str(source) != "-" and Path(source).expanduser().is_dir():
        whole = _film(str(source))
    else:
        file = open_file(source)
        if file.data[:6] != b"\x93NUMPY":
            if file.format == "npz":
                raise InputError(
                    f"{file.name}: is an npz; expected the matrix alone: np.save('matrix.npy', Y)."
                )
            return Table(wide_of(file, keep, markers))
        whole = _array(file)
    if keep:
        raise InputError(f"{whole.source}: has no named columns; leave out --keep.")
    whole.array[markers.among(whole.array)] = np.nan
    return whole


def _array(file: File) -> Stack:
    try:
        array = np.load(io.BytesIO(file.data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as damaged:
        raise InputError(
            f"{file.name}: the npy file is damaged or cut off, or holds Python objects, which are "
            f"never unpickled ({damaged}); save a plain array of numbers."
        ) from damaged
    if array.dtype.kind not in "biuf" or array.ndim < 2 or not array.size:
        raise InputError(
            f"{file.name}: expected an array of real numbers with two axes, or more for frames; "
            f"got {array.dtype} of shape {array.shape}."
        )
    return Stack(file.name, array.astype(np.float64))


def _film(folder: str) -> Film:
    paths = sorted(
        path for path in Path(folder).expanduser().iterdir() if path.suffix.lower() in PICTURES
    )
    if len(paths) < 2:
        raise InputError(
            f"{folder}: expected a folder with at least two pictures of one size "
            f"({', '.join(sorted(PICTURES))}); found {len(paths)}."
        )
    image = _load_pillow()
    frames, modes = [], set()
    for path in paths:
        try:
            with image.open(path) as opened:
                mode = opened.mode if opened.mode in _GREY else "RGB"
                read = opened.convert("L") if mode == "1" else opened
                frames.append(np.asarray(read if mode in _GREY else read.convert(mode)))
        except (OSError, SyntaxError, ValueError) as damaged:
            raise InputError(f"{path}: does not read as a picture ({damaged}).") from damaged
        modes.add((frames[-1].shape, _GREY.get(mode, 255)))
        if len(modes) > 1:
            raise InputError(
                f"{folder}: pictures must have one size and depth, all grey or all in colours; "
                f"{path.name} is {_size(frames[-1])}, {paths[0].name} {_size(frames[0])}."
            )
    array = np.stack(frames).astype(np.float64)
    return Film(folder, array, [path.name for path in paths], modes.pop()[1])


def _size(frame: np.ndarray) -> str:
    """Lines, columns, colours and depth of a picture."""
    colours = "in colours" if frame.ndim == 3 else "grey"
    return f"{frame.shape[0]} x {frame.shape[1]} {colours} of {8 * frame.itemsize} bits"


def _load_pillow() -> Any:
    return load(
        "PIL.Image", "Reading pictures", '"flatrank[cli]"',
        "An npy file with the frames along its first axis is read without it.",
    )  # fmt: skip


def _save_array(array: np.ndarray, path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def _save_picture(picture: np.ndarray, path: Path) -> None:
    _load_pillow().fromarray(picture).save(path, format="PNG")
