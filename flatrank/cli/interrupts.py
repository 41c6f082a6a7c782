"""Ctrl-C: soon, in one line, without a traceback, whatever the process is doing.

A step of a fit, or the compilation of one, may keep the interpreter for many seconds, and no
handler runs meanwhile. So a thread waits for the signal beside the work, which it can since long
computations let other threads run: where the work has not ended by itself soon after, the thread
keeps what is finished and ends the process.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

#: The exit code of an interrupted command.
INTERRUPTED = 130
#: Seconds that the work has to end by itself, best answer written.
GRACE = 1.2


def exit_code(status: str) -> int:
    """0 for what is certified, 130 for what was interrupted, 3 for the rest."""
    return {"certified": 0, "interrupted": INTERRUPTED}.get(status, 3)


class Interrupts:
    """Whether Ctrl-C was pressed and nobody has been told.

    `give_up` keeps what is finished and says so; it is called from another thread, at most once,
    `grace` seconds after Ctrl-C, before the process ends.
    """

    def __init__(self, give_up: Callable[[], None] | None = None, grace: float = GRACE) -> None:
        self._pending = False
        self._times = 0
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._give_up, self._grace = give_up, grace

    def note(self, number: int, frame: Any) -> None:
        """Take the signal: the first waits for `check`, a second one does not."""
        self._times += 1
        if self._times > 1:
            signal.default_int_handler(number, frame)
        self._pending = True

    def check(self) -> None:
        """Raise KeyboardInterrupt, once, if Ctrl-C was pressed."""
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While files are written: short, and not to be cut."""
        with self._writing:
            yield

    def watch(self, signals: socket.socket) -> None:
        """Wait for Ctrl-C beside the work, and end the process where the work does not end."""
        while not self._over.is_set():
            # The other end is closed when the work is over.
            number = signals.recv(1)
            if not number:
                return
            if number[0] != signal.SIGINT:
                continue
            # A second Ctrl-C ends the waiting.
            signals.settimeout(self._grace)
            with suppress(TimeoutError):
                if not signals.recv(1):
                    return
            with self._writing:
                if self._over.is_set():
                    return
                if self._give_up is not None:
                    self._give_up()
                leave()

    def finish(self) -> None:
        """The work is over."""
        self._over.set()


def leave() -> None:
    """End the process as interrupted, now: threads of libraries would still be waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(INTERRUPTED)


@contextmanager
def between_steps(give_up: Callable[[], None] | None = None) -> Iterator[Interrupts]:
    """Hold Ctrl-C back until `check`; where none comes soon, another thread calls `give_up`."""
    interrupts = Interrupts(give_up)
    # Outside the main thread no signal comes.
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts.note)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    other = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=interrupts.watch, args=(ours,), daemon=True)
    if give_up is not None:
        watcher.start()
    try:
        yield interrupts
    finally:
        interrupts.finish()
        signal.set_wakeup_fd(other)
        signal.signal(signal.SIGINT, before)
        theirs.close()
        if give_up is not None:
            watcher.join(GRACE)
        ours.close()
