"""Which path the kernels take here, and why."""

from __future__ import annotations

import os
import platform
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

import jax

# Versions of XLA's C interface whose structs were compared with `ffi.LAYOUT`.
KNOWN_VERSIONS = ((0, 3), (0, 4), (0, 5))  # jax 0.10, 0.11, 0.12
VARIABLE = "FLATRANK_KERNELS"
CHOICES = ("auto", "reference")

asked: ContextVar[str | None] = ContextVar("flatrank_kernels", default=None)
# What went wrong while compiling here; one failure is enough to stop trying.
failures: list[str] = []


@contextmanager
def using(path: str) -> Iterator[None]:
    """Choose the path of kernels traced inside a `with` block.

    A program that is compiled already keeps the path it was traced with.

    Parameters
    ----------
    path
        "reference" for plain JAX; "auto" for the compiled twins wherever they can run.

    Raises
    ------
    ValueError
        When `path` is neither.
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
    return failures[0] if failures else inability(api_version())


@cache
def inability(version: tuple[int, int] | None) -> str | None:
    """Why the compiled twins cannot run under a version of XLA's interface, or None."""
    if sys.platform not in ("linux", "darwin") or struct.calcsize("P") != 8:
        return f"no compiled kernels for {platform.system()} on {platform.machine()}"
    if sys.byteorder != "little":
        return "no compiled kernels for big-endian processors"
    if find_spec("numba") is None:
        return "numba is not installed"
    if version is None:
        return "this jaxlib ships no header that states the version of its FFI"
    if version not in KNOWN_VERSIONS:
        known = ", ".join(f"{a}.{b}" for a, b in KNOWN_VERSIONS)
        return f"XLA's FFI has version {version[0]}.{version[1]} here, and {known} are known"
    return None


def header() -> Path:
    """The C header of XLA's FFI that ships with jaxlib."""
    return Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"


@cache
def api_version() -> tuple[int, int] | None:
    """Version of XLA's C interface in the jaxlib installed, as its header states it."""
    try:
        text = header().read_text(encoding="utf-8")
    except OSError:
        return None
    numbers = [
        re.search(rf"#define XLA_FFI_API_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR")
    ]
    major, minor = (int(found[1]) if found else None for found in numbers)
    return None if major is None or minor is None else (major, minor)


def path_in_use() -> str:
    """Which path a kernel traced now takes on a CPU, with the reason.

    Returns
    -------
    str
        "compiled: ..." or "reference: ...".
    """
    reason = obstacle()
    if reason:
        return f"reference: {reason}"
    return "compiled: XLA's FFI {}.{} is known and numba is installed".format(*api_version() or ())


def processors() -> int | None:
    """How many processors this process may use, which is how many threads XLA's pool has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def describe() -> dict[str, object]:
    """What is known about the kernels here, for a report on the installation.

    Returns
    -------
    dict
        Path and reason; versions of XLA's interface, jaxlib, numba and llvmlite; processor, width
        of the vectors in bytes and number of threads; where compiled kernels are kept.
    """
    path, _, reason = path_in_use().partition(": ")
    version = api_version()
    out: dict[str, object] = {
        "path": path,
        "reason": reason,
        "ffi_version": f"{version[0]}.{version[1]}" if version else None,
        "jaxlib": installed_version("jaxlib"),
        "threads": processors(),
        "numba": None,
        "llvmlite": None,
        "processor": platform.machine(),
        "vector_bytes": None,
        "cache": None,
    }
    if inability(version) is None:
        from flatrank.kernels import native

        out |= native.facts()
    return out
