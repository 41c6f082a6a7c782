"""Ctrl-C between steps: libraries' callbacks would swallow a KeyboardInterrupt raised in them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """Whether Ctrl-C was pressed and nobody has been told."""

    def __init__(self) -> None:
        self._pending = False

    def note(self, number: int, frame: Any) -> None:
        """Take the signal: the first waits for `check`, a second one does not."""
        if self._pending:
            signal.default_int_handler(number, frame)
        self._pending = True

    def check(self) -> None:
        """Tell, once.

        Raises
        ------
        KeyboardInterrupt
            If Ctrl-C was pressed since the last time.
        """
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt


@contextmanager
def between_steps() -> Iterator[Interrupts]:
    """Hold Ctrl-C back until `check`; nothing where no signal comes, outside the main thread."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts.note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
