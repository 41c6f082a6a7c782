"""The output folder and the checkpoint in it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from flatrank.data import Entries, InputError

CHECKPOINT, LOCK = "checkpoint.safetensors", "flatrank.lock"
MODEL, RECORD = "model.safetensors", "run.json"
#: Seconds from one writing of the checkpoint to the next: what a crash may cost.
SELDOM = 20.0


def check_out(out: Path | None) -> None:
    """Refuse a file that could not be written, before anything is computed; None is stdout."""
    if out is not None and out.is_dir():
        raise InputError(f"--out {out}: is a folder; name a file.")
    if out is not None and not (parent := out.resolve().parent).is_dir():
        raise InputError(f"--out {out}: there is no folder {parent}; make it first.")


def check_input(source: str, out: Path, written: Callable[[Path], bool]) -> None:
    """Refuse to write over the input: the folder itself, or a file in it that would be written."""
    read, folder = Path(source).expanduser().resolve(), out.resolve()
    if source != "-" and (read == folder or (read.parent == folder and written(read))):
        raise InputError(
            f"--out {out}: the results would be written over the input; name another folder."
        )


def check_folder(out: Path, *, force: bool, resume: bool) -> None:
    """Refuse an output folder that could not be written, or holds what would be lost.

    Nothing is touched. With `force` what is in it may be lost; with `resume` it must be unfinished.

    Raises
    ------
    InputError
        If it, or the nearest folder above it, is not a folder or not writable; if another process
        is at work in it; if it holds a run and neither is asked; or nothing to resume.
    """
    if force and resume:
        raise InputError(
            "--force starts afresh and --resume goes on with what was begun: give one of them."
        )
    try:
        place = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except (OSError, ValueError) as refused:
        raise InputError(f"--out {out}: {refused}; name another folder.") from refused
    if not place.is_dir():
        raise InputError(f"--out {out}: {place} is not a folder; name another one.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: no permission to write in {place}; name another folder.")
    _refuse_if_held(out)
    unfinished = (out / CHECKPOINT).is_file()
    if resume and not unfinished:
        raise InputError(
            f"--resume: nothing was left unfinished in {out}; run without --resume to start afresh."
        )
    if unfinished and not (resume or force):
        raise InputError(
            f"--out {out}: holds an unfinished run; go on with it with --resume, start afresh with "
            "--force, or name another folder."
        )
    if not (resume or force) and any((out / name).exists() for name in (RECORD, MODEL)):
        raise InputError(
            f"--out {out}: holds a finished run, which would be lost; name another folder, or "
            "replace it with --force."
        )


def replace_run(out: Path, files: Mapping[str, Callable[[Path], Any]]) -> None:
    """Write the files of a run, all or none, and take away what is left of the one before.

    What writes each is called with the path to write to; see `write_together`.
    """
    from flatrank.solvers.writing import write_together

    before = {MODEL, RECORD, CHECKPOINT, "posterior.safetensors", "report.html"}
    with suppress(OSError, ValueError):
        named = json.loads((out / RECORD).read_text("utf-8")).get("files", [])
        before |= {name for name in named if ".." not in Path(name).parts and name[:1] != "/"}
    write_together(out, files)
    for name in before - files.keys():
        (out / name).unlink(missing_ok=True)
        if (folder := (out / name).parent) != out:
            with suppress(OSError):  # where there is something in it, or it is gone
                folder.rmdir()


@contextmanager
def reserved(out: Path) -> Iterator[None]:
    """Make the folder and keep other processes out of it for the time of the work.

    If the work fails, what was made is taken away.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or another process is at work in it.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        # A nameless file: nothing is seen of it, but a full or read-only disk shows now.
        with tempfile.TemporaryFile(dir=out):
            pass
        _hold(out)
    except OSError as refused:
        _take_away(made)
        raise InputError(
            f"--out {out}: cannot be written ({refused.strerror or refused}); name another folder."
        ) from refused
    try:
        yield
    finally:
        (out / LOCK).unlink(missing_ok=True)
        _take_away(made)


def _hold(out: Path) -> None:
    """Leave word that this process is at work in the folder; that of a dead one is replaced."""
    word = f"{os.getpid()} {socket.gethostname()}\n"
    for _ in range(2):
        with suppress(FileExistsError), (out / LOCK).open("x", encoding="ascii") as file:
            file.write(word)
            return
        _refuse_if_held(out)
        (out / LOCK).unlink(missing_ok=True)


def _refuse_if_held(out: Path) -> None:
    """Refuse a folder in which a process that lives is at work, as far as can be told."""
    try:
        pid, _, host = (out / LOCK).read_text("ascii").strip().partition(" ")
    except (OSError, ValueError):
        return
    here = host == socket.gethostname()
    if not pid.isdigit() or (here and not _lives(int(pid))):
        return
    where = "" if here else f" on {host}"
    raise InputError(
        f"--out {out}: another flatrank is at work there (process {pid}{where}); wait for it, name "
        f"another folder, or remove {out / LOCK} if there is none."
    )


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # where asking would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return pid != os.getpid()


class Checkpoint:
    """Finished work, kept in the run folder until the run is done.

    It is bound to what was read, and to what was asked, as far as that decides the answer.
    """

    def __init__(self, out: Path, entries: Entries, options: dict[str, Any]) -> None:
        from importlib.metadata import version

        self.path = out / CHECKPOINT
        self._unwritten: dict[str, Any] = {}
        self._written = -math.inf
        self._lock = threading.Lock()
        self.about = {
            "flatrank": version("flatrank"),
            "input": fingerprint(entries),
            "options": options,
        }

    def save(self, state: dict[str, Any]) -> None:
        """Keep arrays, numbers and texts; they are written if the last time was a while ago."""
        with self._lock:
            self._unwritten = state
            due = time.monotonic() - self._written > SELDOM
        if due:
            self.flush()

    def flush(self) -> None:
        """Write what was kept last, if it is not; beside, then renamed."""
        with self._lock:
            state, self._unwritten = self._unwritten, {}
            if state:
                self._write(state)
                self._written = time.monotonic()

    def _write(self, state: dict[str, Any]) -> None:
        from flatrank.solvers.writing import write_arrays

        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in state.items()
            if hasattr(value, "dtype") and hasattr(value, "shape")
        }
        plain = {name: value for name, value in state.items() if name not in arrays}
        write_arrays(self.path, arrays, json.dumps(self.about | {"plain": plain}))

    def load(self) -> dict[str, Any]:
        """The state of an earlier run of the same input and options, or `InputError`."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="numpy") as file:
                about = json.loads(file.metadata()["flatrank"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            plain = about["plain"]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as damaged:
            raise InputError(
                f"{self.path} is damaged ({damaged}); run again without --resume."
            ) from damaged
        self._compare(about)
        return arrays | plain

    def remove(self) -> None:
        """Forget the finished work."""
        self.path.unlink(missing_ok=True)

    def _compare(self, about: dict[str, Any]) -> None:
        again = "Repeat the command that was interrupted, or run without --resume to start afresh."
        if about.get("flatrank") != self.about["flatrank"]:
            raise InputError(
                f"{self.path.parent} was begun by flatrank {about.get('flatrank')}, and this is "
                f"{self.about['flatrank']}. {again}"
            )
        if about.get("input") != self.about["input"]:
            raise InputError(f"{self.path.parent} was begun with another input. {again}")
        before, now = about.get("options", {}), self.about["options"]
        other = [
            f"--{name.replace('_', '-')} was {_shown(before.get(name))}, now {_shown(value)}"
            for name, value in now.items()
            if before.get(name) != value
        ]
        if other:
            raise InputError(
                f"{self.path.parent} was begun with other options: {', '.join(other)}. {again}"
            )


def fingerprint(entries: Entries) -> str:
    """A digest of positions, values and names; O(m)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (entries.rows, entries.cols, entries.values):
        digest.update(np.ascontiguousarray(part).data)
    for labels in (entries.row_labels, entries.col_labels):
        digest.update("\0".join(labels.tolist()).encode("utf-8", "surrogatepass"))
        digest.update(b"\0\0")
    for known in entries.features:
        if known is not None:
            digest.update(np.ascontiguousarray(known).data)
    return digest.hexdigest()


def _take_away(made: list[Path]) -> None:
    with suppress(OSError):
        for folder in made:
            folder.rmdir()


def _shown(value: Any) -> str:
    return "auto" if value is None else str(value)
