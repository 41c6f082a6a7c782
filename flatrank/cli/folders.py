"""The output folder and the checkpoint in it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from flatrank.data import Entries, InputError

CHECKPOINT = "checkpoint.safetensors"


def check_folder(out: Path) -> None:
    """Refuse an output folder that could not be written, without touching anything.

    Parameters
    ----------
    out : Path
        May or may not exist.

    Raises
    ------
    InputError
        If it, or the nearest folder above it, is not a folder or not writable.
    """
    try:
        place = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except (OSError, ValueError) as refused:
        raise InputError(f"--out {out}: {refused}; name another folder.") from refused
    if not place.is_dir():
        raise InputError(f"--out {out}: {place} is not a folder; name another one.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: no permission to write in {place}; name another folder.")


@contextmanager
def reserved(out: Path) -> Iterator[None]:
    """Make the folder for the time of the work; if that fails, what was made is taken away.

    Parameters
    ----------
    out : Path
        The run folder.

    Yields
    ------
    None

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        # A nameless file: nothing is seen of it, but a full or read-only disk shows now.
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as refused:
        _take_away(made)
        raise InputError(
            f"--out {out}: cannot be written ({refused.strerror or refused}); name another folder."
        ) from refused
    try:
        yield
    finally:
        _take_away(made)


class Checkpoint:
    """Finished work, kept in the run folder until the run is done.

    Parameters
    ----------
    out : Path
        The run folder.
    entries : Entries
        What was read.
    options : dict
        What was asked, as far as it decides the answer.
    """

    def __init__(self, out: Path, entries: Entries, options: dict[str, Any]) -> None:
        from importlib.metadata import version

        self.path = out / CHECKPOINT
        self.about = {
            "flatrank": version("flatrank"),
            "input": fingerprint(entries),
            "options": options,
        }

    def save(self, state: dict[str, Any]) -> None:
        """Write arrays, numbers and texts; beside, then renamed."""
        from flatrank.reporting.runs import write_arrays

        arrays = {
            name: np.ascontiguousarray(value)
            for name, value in state.items()
            if hasattr(value, "dtype") and hasattr(value, "shape")
        }
        plain = {name: value for name, value in state.items() if name not in arrays}
        beside = self.path.with_name(CHECKPOINT + ".part")
        try:
            write_arrays(beside, arrays, json.dumps(self.about | {"plain": plain}))
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def load(self) -> dict[str, Any]:
        """The state of an earlier run of the same work.

        Raises
        ------
        InputError
            If there is none, it is damaged, or it belongs to another input or other options.
        """
        from safetensors import SafetensorError, safe_open

        require_checkpoint(self.path.parent)
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


def require_checkpoint(out: Path) -> None:
    """Refuse to resume where nothing was begun.

    Raises
    ------
    InputError
        If the folder holds no checkpoint.
    """
    if not (out / CHECKPOINT).is_file():
        raise InputError(
            f"--resume: nothing was left unfinished in {out}; run without --resume to start afresh."
        )


def fingerprint(entries: Entries) -> str:
    """A digest of positions, values and names; O(m)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (entries.rows, entries.cols, entries.values):
        digest.update(np.ascontiguousarray(part).data)
    for labels in (entries.row_labels, entries.col_labels):
        digest.update("\0".join(labels.tolist()).encode("utf-8", "surrogatepass"))
        digest.update(b"\0\0")
    return digest.hexdigest()


def _take_away(made: list[Path]) -> None:
    for folder in made:
        try:
            folder.rmdir()
        except OSError:
            return


def _shown(value: Any) -> str:
    return "auto" if value is None else str(value)
