"""`flatrank bench`: this machine's figures, flatrank beside other ways that are installed."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from typing import Any

from flatrank.cli.doctor import usable_processors
from flatrank.cli.terminal import Progress, complain, show_record, show_table
from flatrank.data import InputError


def bench(*, quiet: bool, as_json: bool) -> int:
    """Time every method on every instance, each in a new process; print a table."""
    from flatrank.evaluation.machine import CASES, methods
    from flatrank.reporting.runs import versions

    found: list[dict[str, Any]] = []
    with Progress(quiet=quiet or as_json) as progress:
        for name in CASES:
            for method in methods(name):
                progress({"stage": name, "message": method})
                found.append({"instance": name, "method": method} | _measured(name, method))
    system = f"{platform.system()} {platform.machine()}, {usable_processors()} processors"
    record = {"system": system, "versions": versions(), "figures": found}
    show_record(record, lambda: _show(record), quiet=quiet, json=as_json)
    if not (quiet or as_json or any(one["method"] == "nearest neighbours" for one in found)):
        complain('with pip install "flatrank[sklearn]" imputers of scikit-learn are measured too.')
    return 0


def _measured(name: str, method: str) -> dict[str, float]:
    command = [sys.executable, "-m", "flatrank.evaluation.machine", name, method]
    done = subprocess.run(
        [*command, repr(time.time())], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise InputError(f"bench: {method} on {name} ended with an error: {last}")
    return json.loads(done.stdout)


def _show(record: dict[str, Any]) -> None:
    rows = [("machine", record["system"])]
    rows += [
        (
            f"{one['instance']}, {one['method']}",
            f"error {one['error']:.2g}; first {one['cold']:.1f} s, again {one['warm']:.2g} s",
        )
        for one in record["figures"]
    ]
    show_table(rows, "flatrank bench")
