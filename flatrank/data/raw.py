"""Opening a source: what is there, whether it can be read, and which format it holds."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flatrank.data.errors import InputError

Format = Literal["text", "parquet", "npz", "mtx"]
Source = str | os.PathLike[str]

HEAD = 1 << 16
_FORMATS = "a csv, tsv, parquet, MatrixMarket or npz file"
_BY_SUFFIX: dict[str, Format] = {".parquet": "parquet", ".npz": "npz", ".mtx": "mtx"}


@dataclass(frozen=True)
class Raw:
    """A source that is there and is not empty.

    Parameters
    ----------
    name
        What messages call it.
    suffix
        Lower-case ending of the file name, without `.gz`.
    path
        The file, or None when only the bytes are at hand.
    data
        All bytes (stdin, pipes, unpacked or re-encoded files), or None when the file is read in
        place.
    head
        The first bytes.
    """

    name: str
    suffix: str
    path: Path | None
    data: bytes | None
    head: bytes

    @property
    def whole(self) -> bool:
        """Whether `head` is everything."""
        return len(self.head) < HEAD

    def read(self) -> bytes:
        """All bytes."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        return self.path.read_bytes()


def open_raw(source: Source) -> Raw:
    """Look at a source: a path, or "-" for standard input. Gzip and UTF-16 are undone here.

    Parameters
    ----------
    source
        Path of a file, or "-".

    Returns
    -------
    Raw
        Ready to be read as the format that `format_of` finds.

    Raises
    ------
    InputError
        If nothing can be read from it.
    """
    if str(source) == "-":
        return raw_bytes("stdin", "", sys.stdin.buffer.read())
    path = Path(source).expanduser()
    name = str(source)
    try:
        if not path.exists():
            raise InputError(f"{name}: no such file; expected {_FORMATS}, or - for stdin.")
        if path.is_dir():
            raise InputError(f"{name}: is a directory; expected {_FORMATS}.")
        # Pipes and devices can be read only once, so they are read whole.
        data = None if path.is_file() else path.read_bytes()
        head = data[:HEAD] if data is not None else _first(path)
        if head[:2] == b"\x1f\x8b":
            data = _unpacked(name, data if data is not None else path.read_bytes())
    except OSError as refused:
        raise InputError(
            f"{name}: cannot be read ({refused.strerror}); check its permissions."
        ) from refused
    stem = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _settled(name, stem.suffix.lower(), path, data, head)


def is_bundle(source: Source) -> bool:
    """Whether a source is a folder, or a zip archive by name: several files rather than one."""
    path = Path(source).expanduser()
    try:
        return path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file())
    except OSError:  # left to the reading, which says why
        return False


def raw_bytes(name: str, suffix: str, data: bytes) -> Raw:
    """A source whose bytes are at hand; empty ones raise `InputError`."""
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(name, data)
    return _settled(name, suffix, None, data)


def format_of(raw: Raw) -> Format:
    """The format of a source, by its first bytes rather than by its name.

    Parameters
    ----------
    raw
        The opened source.

    Returns
    -------
    str
        `"text"`, `"parquet"`, `"npz"` or `"mtx"`.

    Raises
    ------
    InputError
        If the first bytes are of no known format, or contradict the name.
    """
    head = raw.head
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:2] == b"PK":
        return "npz"
    if head[:14].lower() == b"%%matrixmarket":
        return "mtx"
    if head[:6] == b"\x93NUMPY":
        raise InputError(
            f"{raw.name}: is a single NumPy array; expected an .npz with row, col, val and shape: "
            "np.savez(file, row=..., col=..., val=..., shape=...)."
        )
    if raw.suffix in _BY_SUFFIX:
        raise InputError(
            f"{raw.name}: is named {raw.suffix} but does not begin like such a file; "
            "it may be damaged or cut off, or be of another kind."
        )
    if b"\0" in head:
        raise InputError(f"{raw.name}: is binary and of no known kind; expected {_FORMATS}.")
    return "text"


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _unpacked(name: str, packed: bytes) -> bytes:
    try:
        return gzip.decompress(packed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as damaged:
        raise InputError(
            f"{name}: the gzip file is damaged or cut off ({damaged}); get it again."
        ) from damaged


def _settled(
    name: str, suffix: str, path: Path | None, data: bytes | None, head: bytes = b""
) -> Raw:
    if data is not None:
        head = data[:HEAD]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = _reencoded(name, data if data is not None or path is None else path.read_bytes())
    elif b"\n" not in head and b"\r" in head and b"\0" not in head:
        # Lines that end in a bare carriage return.
        whole = data if data is not None or path is None else path.read_bytes()
        data = (whole or b"").replace(b"\r", b"\n")
    if data is not None:
        head = data[:HEAD]
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise InputError(f"{name}: is empty; expected {_FORMATS} with at least one entry.")
    return Raw(name, suffix, None if data is not None else path, data, head)


def _reencoded(name: str, data: bytes | None) -> bytes:
    try:
        return (data or b"").decode("utf-16").encode("utf-8")
    except UnicodeDecodeError as damaged:
        raise InputError(
            f"{name}: begins like UTF-16 text but is not; save it as UTF-8."
        ) from damaged
