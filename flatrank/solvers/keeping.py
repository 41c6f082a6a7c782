"""What is computed once and kept: small json files, each written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Monitor = Callable[[dict[str, Any]], None]


def digest(known: dict[str, Any], *arrays: np.ndarray) -> str:
    """Eight digits that tell apart settings and data."""
    found = hashlib.blake2b(json.dumps(known).encode(), digest_size=4)
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def kept(path: Path | None, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the file holds, if it is whole; otherwise what `compute` gives, which is then kept."""
    if path is None:
        return compute()
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        found = compute()
    # Written to another name, then renamed: a file is never half there.
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(path)
    return found
