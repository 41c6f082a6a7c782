"""Files of a solution, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file


def write_together(folder: Path, files: Mapping[str, Callable[[Path], Any]]) -> None:
    """Write several files so that what was there stays whole until all of them are.

    Parameters
    ----------
    folder : Path
        It, and folders inside it, are made where they are not.
    files : mapping of str to callable
        What writes each file, by its name in the folder, such as "frames/1.png".
    """
    parts = {folder / name: folder / f"{name}.part" for name in files}
    inside = {place.parent for place in parts} - {folder}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for (place, part), write in zip(parts.items(), files.values(), strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            write(part)
        for place, part in parts.items():
            part.replace(place)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
        for made in inside:
            with suppress(OSError):  # where there is something in it
                made.rmdir()


def write_arrays(path: Path, arrays: dict[str, np.ndarray], about: str | None = None) -> None:
    """Write a safetensors file so that `path` is never half-written.

    `about` is a text that travels with it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    # save_file makes a file that only its owner may read. A run is for colleagues too, so it gets
    # the permissions of any new file.
    part.touch()
    mode = part.stat().st_mode
    try:
        save_file(arrays, part, metadata=None if about is None else {"flatrank": about})
        part.chmod(mode)
        part.replace(path)
    except SafetensorError as refused:
        raise OSError(f"{path}: {refused}") from refused
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file so that `path` is never half-written."""
    part = path.with_name(path.name + ".part")
    part.write_text(to_json(record), encoding="utf-8")
    part.replace(path)


def to_json(record: dict[str, Any]) -> str:
    """The text of `run.json`: ASCII, so that it survives every terminal, and JSON: see `plain`."""
    return json.dumps(plain(record), indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """What JSON knows: scalars as Python's, NaN and infinities as null, at any depth."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
