"""Runs one adapter as a process of its own, and says under what conditions.

Peers live in environments of their own under .venvs/, made when first asked for. Everybody gets
every core. Variables that pin OpenBLAS to an older processor are taken away: they slow it down.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import tomllib
import venv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
ADAPTERS = HERE / "adapters"
ENVIRONMENTS = ROOT / ".venvs"
REMOVED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Peer:
    """One row of peers.toml."""

    name: str
    section: str
    adapter: str
    title: str = ""
    note: str = ""
    environment: str = ""
    requires: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    variable: str = ""
    takes_repeats: bool = True
    instances: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether this is the project itself."""
        ours = "flatrank", "gradient", "gibbs"
        return self.name.startswith(ours) or self.adapter.startswith(ours)


class Absent(Exception):
    """A peer that cannot be run here, with the reason."""


def peers(section: str, only: list[str]) -> list[Peer]:
    """The solvers of a section; with `only`, those whose name begins with one of its words."""
    with (HERE / "peers.toml").open("rb") as file:
        rows = tomllib.load(file)
    every = [
        Peer(name, **{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()})
        for name, row in rows.items()
    ]
    return [
        peer
        for peer in every
        if peer.section == section
        and (not only or any(peer.name.lower().startswith(word.lower()) for word in only))
    ]


def run(peer: Peer, instance: str, repeats: int, timeout: float) -> dict[str, Any]:
    """Run a solver on an instance; its JSON, or {"failed": reason}, with the conditions."""
    before, begin = os.getloadavg()[0], time.perf_counter()
    try:
        python = interpreter(peer)
        outcome = spoken(peer, python, instance, repeats, timeout)
        versions = versions_of(python, peer)
    except Absent as reason:
        return {"failed": str(reason)}
    conditions = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "load_before": round(before, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "wall_seconds": round(time.perf_counter() - begin, 1),
        "versions": versions,
    }
    return outcome | {"conditions": conditions}


def interpreter(peer: Peer) -> Path:
    """The Python that runs a peer, its environment made if there is none yet."""
    if peer.variable and not os.environ.get(peer.variable):
        raise Absent(f"{peer.variable} is not set: see benchmarks/README.md")
    if not peer.environment:
        return Path(sys.executable)
    folder = ENVIRONMENTS / peer.environment
    python = folder / "bin" / "python"
    missing = [name for name in peer.requires if not installed(python, name)]
    if missing:
        say(f"making {folder.relative_to(ROOT)}: {', '.join(peer.requires)}")
        if not python.exists():
            venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", *peer.requires]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Absent(f"not installable here: {last_line(done.stderr)}")
    return python


def table_file(folder: Path, name: str) -> Path:
    """The .npz of a table of `imputing`, written where the packages are that it comes in."""
    path = folder / f"table-{name}.npz"
    if not path.exists():
        source = Peer(
            "tables",
            "",
            "",
            environment="tables",
            requires=("tensorly", "scikit-image", "scikit-learn"),
        )
        command = [interpreter(source), "-m", "benchmarks.imputing", name, path]
        subprocess.run(command, check=True, cwd=ROOT)
    return path


def installed(python: Path, name: str) -> bool:
    """Whether that interpreter has the distribution."""
    code = f"import importlib.metadata as m; m.version({name!r})"
    return (
        python.exists() and not subprocess.run([python, "-c", code], capture_output=True).returncode
    )


def spoken(peer: Peer, python: Path, instance: str, repeats: int, timeout: float) -> dict[str, Any]:
    """What the adapter prints last, as JSON."""
    command = [str(python), str(ADAPTERS / peer.adapter), instance, *peer.arguments]
    if peer.takes_repeats:
        command += ["--repeats", str(repeats)]
    kept = {key: value for key, value in os.environ.items() if key not in REMOVED}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=kept, cwd=ROOT
        )
    except subprocess.TimeoutExpired as late:
        raise Absent(f"no answer in {timeout:.0f} s") from late
    if done.returncode:
        raise Absent(f"{last_line(done.stderr)} (exit code {done.returncode})")
    return json.loads(done.stdout.strip().splitlines()[-1])


def versions_of(python: Path, peer: Peer) -> dict[str, str]:
    """Versions of what matters in that environment."""
    names = ["numpy", "scipy", *peer.requires]
    if peer.ours:
        names += ["flatrank", "llvmlite"]
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {'python': sys.version.split()[0]}\n"
        f"for name in {names!r}:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if peer.adapter.startswith("author_codes"):
        octave = subprocess.run(["octave-cli", "--version"], capture_output=True, text=True)
        found["octave"] = octave.stdout.splitlines()[0].split()[-1] if octave.stdout else "unknown"
    return found


def machine() -> dict[str, Any]:
    """What every figure of one file was taken on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": "all cores, for everybody",
        "variables_removed": [name for name in REMOVED if name in os.environ],
    }


def processor() -> str:
    """Model, family and number, as the system names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    fields = dict(part.split(":", 1) for part in lines if ":" in part)
    found = {key.strip(): value.strip() for key, value in fields.items()}
    name = found.get("model name", "unknown")
    return f"{name} (family {found.get('cpu family')}, model {found.get('model')})"


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "failed without a word"


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
