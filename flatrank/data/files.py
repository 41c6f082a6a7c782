"""Opening a source: its bytes, and which format they hold."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flatrank.data.entries import InputError
from flatrank.data.packages import load_polars

Format = Literal["text", "parquet", "npz", "mtx", "h5ad"]
Source = str | os.PathLike[str]

_FORMATS = "a csv, tsv, parquet, MatrixMarket or npz file"
_BY_SUFFIX: dict[str, Format] = {
    ".parquet": "parquet", ".npz": "npz", ".mtx": "mtx", ".h5ad": "h5ad"
}  # fmt: skip
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class File:
    """A source that was read, is unpacked, and is not empty.

    `name` is what messages call it, `suffix` the lower-case ending of the file name without `.gz`
    or `.zst`.
    """

    name: str
    suffix: str
    data: bytes

    @property
    def format(self) -> Format:
        """By the first bytes rather than by the name; unknown ones raise `InputError`."""
        head = self.data[: 1 << 16]
        if head[:4] == b"PAR1":
            return "parquet"
        if head[:2] == b"PK":
            return "npz"
        if head[:14].lower() == b"%%matrixmarket":
            return "mtx"
        if head[:8] == b"\x89HDF\r\n\x1a\n":
            return "h5ad"
        if head[:6] == b"\x93NUMPY":
            raise InputError(
                f"{self.name}: is a single NumPy array; expected an .npz with row, col, val and "
                "shape: np.savez(file, row=..., col=..., val=..., shape=...)."
            )
        if self.suffix in _BY_SUFFIX:
            raise InputError(
                f"{self.name}: is named {self.suffix} but does not begin like such a file; "
                "it may be damaged or cut off, or be of another kind."
            )
        if b"\0" in head and head[:2] not in _UTF16:
            raise InputError(f"{self.name}: is binary and of no known kind; expected {_FORMATS}.")
        return "text"

    def text(self) -> str:
        """All of it, once, from UTF-8 or UTF-16, with lines that end in a line feed.

        Raises
        ------
        InputError
            If it is in another encoding; the first line where that is noticed is named.
        """
        # Given up here: the bytes would lie beside the lines for as long as these are worked on.
        data, self.data = self.data, b""
        try:
            text = data.decode("utf-16" if data[:2] in _UTF16 else "utf-8-sig")
        except UnicodeDecodeError as error:
            if data[:2] in _UTF16:
                raise InputError(
                    f"{self.name}: begins like UTF-16 text but is not; save it as UTF-8."
                ) from error
            # Where Windows has quotation marks and the euro, Latin-1 has control characters.
            name = "windows-1252" if 0x80 <= data[error.start] < 0xA0 else "latin1"
            line = data[: error.start].count(b"\n") + 1
            raise InputError(
                f"{self.name}: line {line} is not UTF-8 text; convert the file, for instance: "
                f"iconv -f {name} -t utf-8."
            ) from error
        return text if "\n" in text else text.replace("\r", "\n")


def open_file(source: Source) -> File:
    """Read a path, or "-" for standard input; whatever cannot be read raises `InputError`."""
    if str(source) == "-":
        return unpacked("stdin", "", sys.stdin.buffer.read())
    path, name = Path(source).expanduser(), str(source)
    try:
        if not path.exists():
            raise InputError(f"{name}: no such file; expected {_FORMATS}, or - for stdin.")
        if path.is_dir():
            raise InputError(f"{name}: is a directory; expected {_FORMATS}.")
        data = path.read_bytes()
    except OSError as refused:
        raise InputError(
            f"{name}: cannot be read ({refused.strerror}); check its permissions."
        ) from refused
    stem = path.with_suffix("") if path.suffix.lower() in (".gz", ".zst") else path
    return unpacked(name, stem.suffix.lower(), data)


def unpacked(name: str, suffix: str, data: bytes) -> File:
    """Bytes as a file, gzip and zstandard undone; damaged or empty ones raise `InputError`."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as damaged:
            raise InputError(
                f"{name}: the gzip file is damaged or cut off ({damaged}); get it again."
            ) from damaged
    if data[:4] == b"\x28\xb5\x2f\xfd":
        data = _lines_of_zst(name, data)
    content = data.removeprefix(b"\xef\xbb\xbf")
    if not content or content.isspace():
        raise InputError(f"{name}: is empty; expected {_FORMATS} with at least one entry.")
    return File(name, suffix, data)


def _lines_of_zst(name: str, data: bytes) -> bytes:
    """Zstandard undone, as polars does it for text: every line is one field of a table."""
    polars = load_polars()
    try:
        lines = polars.read_csv(
            data, separator="\x01", has_header=False, quote_char=None, infer_schema=False,
            truncate_ragged_lines=False,
        )  # fmt: skip
    except (polars.exceptions.PolarsError, OSError) as refused:
        raise InputError(
            f"{name}: does not read as UTF-8 text that zstandard compressed "
            f"({str(refused).splitlines()[0]}); of zst files only csv, tsv and MatrixMarket are "
            "read: unpack it with zstd -d."
        ) from refused
    return "\n".join(lines.to_series().fill_null("").to_list()).encode()
