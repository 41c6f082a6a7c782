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
        Receives all that is finished after each new piece.
    """

    def __init__(self, resume: Flat | None, checkpoint: Callable[[Flat], None] | None):
        self._done: Flat = dict(resume or {})
        self._checkpoint = checkpoint

    def once(self, name: str, compute: Callable[[], Flat]) -> Flat:
        """The result called `name`, computed now if no run before this one has it."""
        prefix = name + "/"
        if prefix not in self._done:
            fresh = compute()
            self._done |= {prefix + key: value for key, value in fresh.items()}
            self._done[prefix] = "done"
            if self._checkpoint is not None:
                self._checkpoint(dict(self._done))
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
