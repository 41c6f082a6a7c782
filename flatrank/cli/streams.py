"""What goes to the terminal, to pipes and to files: never a traceback for a character or a pipe."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def prepare_streams() -> None:
    """Make standard output and error safe to write to, whatever the locale.

    Characters that the encoding lacks become "?"; a stream that was closed before the start
    swallows what is written.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def complain(message: str) -> None:
    """One line on standard error."""
    _deliver(lambda: sys.stderr.write(f"flatrank: {' '.join(message.split())}\n"), "stderr")


def say(text: str) -> None:
    """Text for people on standard output, in the encoding of the terminal."""
    _deliver(lambda: sys.stdout.write(text), "stdout")


def emit(text: str) -> None:
    """Data on standard output: UTF-8 whatever the locale, so that files and pipes agree."""

    def write() -> None:
        sys.stdout.flush()
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        else:
            sys.stdout.write(text)

    _deliver(write, "stdout")


def interactive(name: str) -> bool:
    """Whether "stdout" or "stderr" is a terminal that can redraw."""
    return getattr(sys, name).isatty() and os.environ.get("TERM") != "dumb"


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as csv text; numbers in the shortest form that reads back the same."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file so that it is never half-written.

    It is written beside and renamed, except into what is no regular file (a device, a pipe):
    renaming would put a file in its place.

    Parameters
    ----------
    path : Path
        Links are followed.
    text : str
        What to write.

    Raises
    ------
    OSError
        If that fails; what was there before is then intact.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
        return
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _deliver(write: Callable[[], Any], name: str) -> None:
    try:
        write()
        getattr(sys, name).flush()
    except BrokenPipeError:
        # The reader has what it wants. The interpreter must not try again when it exits.
        _silence(name)
    except OSError:
        # A full disk, say: told once, here, and not again by the interpreter when it exits.
        _silence(name)
        raise


def _silence(name: str) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, getattr(sys, name).fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
