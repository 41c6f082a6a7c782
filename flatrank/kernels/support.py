"""Which path the kernels take here and why, and what compiling them has cost."""

from __future__ import annotations

import os
import platform
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec

VARIABLE = "FLATRANK_KERNELS"
CHOICES = ("auto", "reference")

asked: ContextVar[str | None] = ContextVar("flatrank_kernels", default=None)
crowd: ContextVar[Crowd | None] = ContextVar("flatrank_crowd", default=None)
# What went wrong while compiling here; one failure is enough to stop trying.
failures: list[str] = []
# Seconds that each loop took to compile here; one found on disk took none.
compiling: list[float] = []


class Crowd:
    """Jobs that run side by side: while there are several, the kernels of each stay on its thread.

    Parameters
    ----------
    jobs
        How many there are. They may have come out of another crowd's job.
    """

    def __init__(self, jobs: int):
        self.left, self.around, self._lock = jobs, crowd.get(), threading.Lock()

    @contextmanager
    def member(self) -> Iterator[None]:
        """One of the jobs, from its beginning to its end."""
        token = crowd.set(self)
        try:
            yield
        finally:
            crowd.reset(token)
            with self._lock:
                self.left -= 1

    @property
    def several(self) -> bool:
        """Whether other jobs want the processors too."""
        return self.left > 1 or (self.around is not None and self.around.several)


def unshared() -> bool:
    """Whether a kernel called now is to stay on the thread that calls it."""
    around = crowd.get()
    return around is not None and around.several


@contextmanager
def using(path: str) -> Iterator[None]:
    """Choose the path of kernels called inside a `with` block.

    "reference" for plain NumPy; "auto" for the compiled twins wherever they can run.
    """
    token = asked.set(checked(path, "using"))
    try:
        yield
    finally:
        asked.reset(token)


def checked(path: str, source: str) -> str:
    """A path's name, if it is one."""
    if path not in CHOICES:
        raise ValueError(f'{source}: expected "auto" or "reference", got {path!r}.')
    return path


def obstacle() -> str | None:
    """Why the compiled twins are not to be used now; None when they are."""
    if (asked.get() or "auto") == "reference":
        return "asked for by flatrank.kernels.using"
    if asked.get() is None and checked(os.environ.get(VARIABLE) or "auto", VARIABLE) != "auto":
        return f"asked for by {VARIABLE}"
    return failures[0] if failures else inability()


def failed(kernel: str, error: Exception) -> None:
    """Warn that a kernel cannot be compiled here: from now on the references run."""
    failures.append(f"compiling {kernel} failed: {error!r}")
    warnings.warn(f"flatrank.kernels: {failures[-1]}", RuntimeWarning, stacklevel=2)


def seconds_compiling() -> float:
    """Seconds that this process has spent compiling kernels; those found on disk are free."""
    return sum(compiling)


@cache
def inability() -> str | None:
    """Why the compiled twins cannot run here, or None."""
    if sys.platform not in ("linux", "darwin") or struct.calcsize("P") != 8:
        return f"no compiled kernels for {platform.system()} on {platform.machine()}"
    if sys.byteorder != "little":
        return "no compiled kernels for big-endian processors"
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed"
    return None


def path_in_use() -> str:
    """Which path a kernel takes on NumPy's arrays and why: "compiled: ..." or "reference: ..."."""
    reason = obstacle()
    return f"reference: {reason}" if reason else "compiled: llvmlite is installed"


def describe() -> dict[str, object]:
    """What is known about the kernels here, for a report on the installation.

    Path and reason; version of llvmlite; processor, width of the vectors in bytes and number of
    threads; where compiled kernels are kept.
    """
    path, _, reason = path_in_use().partition(": ")
    names = "threads", "llvmlite", "processor", "vector_bytes", "cache"
    out: dict[str, object] = {"path": path, "reason": reason, **dict.fromkeys(names)}
    out["processor"] = platform.machine()
    if not (failures or inability()):
        from flatrank.kernels import execution

        out |= execution.facts()
    return out
