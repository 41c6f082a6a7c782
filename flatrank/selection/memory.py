"""Finished pieces of a long run, kept so that the run can go on from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Flat = dict[str, Any]


class Memory:
    """Results by name, each computed once.

    Parameters
    ----------
    resume : dict, optional
        What an earlier run had finished: flat, of arrays, numbers and text.
    checkpoint : callable, optional
        Receives all there is after each fit: often, so it is for the receiver to write seldom.
    """

    def __init__(self, resume: Flat | None, checkpoint: Callable[[Flat], None] | None):
        self._done: Flat = dict(resume or {})
        self._checkpoint = checkpoint

    def once(self, name: str, compute: Callable[[], Flat]) -> Flat:
        """The result called `name`, computed now if no run before this one has it."""
        prefix = name + "/"
        if prefix not in self._done:
            self.begin(name, compute() | {"": "done"})
        return self.begun(name)

    def begin(self, name: str, part: Flat) -> None:
        """Keep what there is of a piece, finished or not."""
        self._done |= {f"{name}/{key}": value for key, value in part.items()}
        if self._checkpoint is not None:
            self._checkpoint(dict(self._done))

    def begun(self, name: str) -> Flat:
        """What is kept of a piece, finished or not."""
        prefix = name + "/"
        return {
            key.removeprefix(prefix): value
            for key, value in self._done.items()
            if key.startswith(prefix) and key != prefix
        }


def to_text(records: list[dict[str, Any]]) -> str:
    """Records as text, for a checkpoint."""
    return json.dumps(records)


def from_text(text: Any) -> list[dict[str, Any]]:
    """Back from `to_text` (numpy strings included)."""
    return json.loads(str(text))
