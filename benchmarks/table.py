"""Results as JSON, two files a section (the project, its peers), and the page made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmarks.blocks import BLOCKS
from benchmarks.cells import Row, grouped, number, seconds, small
from benchmarks.predictions import by_known
from benchmarks.running import HERE, ROOT, Peer, machine

RESULTS = HERE / "results"
PAGE = ROOT / "docs" / "benchmarks.md"


def keep(
    section: str, peer: Peer, instance: tuple[str, str], outcome: Row, faster: bool = False
) -> None:
    """Put an outcome in its file, in the place of the one before (with `faster`, only if it is)."""
    path = RESULTS / f"{section}_{'flatrank' if peer.ours else 'peers'}.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": []}
    name, title = instance
    row = {"instance": name, "title": title, "solver": peer.name,
           "label": peer.title or peer.name, "note": peer.note} | outcome  # fmt: skip
    place = (name, peer.name)
    others = [r for r in stored["rows"] if (r["instance"], r["solver"]) != place]
    before = [r for r in stored["rows"] if (r["instance"], r["solver"]) == place]
    if "failed" in outcome and before:
        return  # a figure that exists is not replaced by "not installed"
    if faster and before and time_of(before[0]) <= time_of(outcome):
        return
    rows = sorted([*others, row], key=lambda r: (r["instance"], r["solver"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), "rows": rows}, indent=1, default=float)
    path.write_text(text + "\n", encoding="utf-8")


def time_of(row: Row) -> float:
    """Seconds, for a kernel the compiled one's; infinite where the target was not reached."""
    return row.get("seconds") or row.get("compiled", {}).get("seconds") or float("inf")


def load(section: str) -> list[Row]:
    """Every row of a section, the project's own first."""
    rows: list[Row] = []
    for side in ("flatrank", "peers"):
        path = RESULTS / f"{section}_{side}.json"
        if path.exists():
            rows += json.loads(path.read_text(encoding="utf-8"))["rows"]
    return rows


def line(section: str, row: Row) -> str:
    """One outcome in a few words."""
    if "failed" in row:
        return f"not measured: {row['failed']}"
    if section == "kernels":
        return ", ".join(
            f"{p} {row[p]['ns_per_entry']:.1f} ns" for p in ("compiled", "xla", "scipy")
        )
    if section == "hard":
        return f"{row['found']} of {row['of']}, median {seconds(row['seconds'])}"
    if section == "penalised":
        return f"{seconds(row['seconds'])}, {row['status']}, gap {number(row['relative_gap'])}"
    if section == "ordinary":
        return f"{row['certified']} of {row['tries']}, slowest {small(row['slowest'])}"
    if section == "tomography":
        return f"{seconds(row['seconds'])}, certified {row['certified']} of {row['of']}"
    if section == "balanced":
        return f"{row['reached']} of {row['of']}, median {small(row['seconds'])}"
    if section == "robust":
        return f"{seconds(row['seconds'])}, {row['status']}, rank {row['rank']}"
    if section == "figures":
        return f"{small(row['seconds'])} an instance, gap {number(row['relative_gap'])}"
    if section == "coverage":
        return f"{100 * row['coverage']:.1f} % in 90 %, {seconds(row['seconds'])}"
    if section == "sweeps":
        return f"{small(row['seconds'])} a sweep, speedup {row['speedup']:.2f}"
    if section == "sharpness":
        found = f"trace {row['trace']:.5g}, largest {row['largest']:.5g}"
        return f"{found} in {seconds(row['seconds'])}"
    if section == "imputing":
        return f"error {row['relative']:.4f} in {seconds(row['seconds'])}"
    if section == "implicit":
        return f"{small(row['seconds'])} a sweep, NDCG {row['ndcg']:.4f}"
    if section == "ratings":
        best = row.get("best", row)
        return f"RMSE {best['rmse']:.4f} in {seconds(row['seconds'])}"
    return f"{seconds(row['seconds'])}, error {number(row['error'])}"


def write() -> Path:
    """The page docs/benchmarks.md from all results there are, and the picture of coverage."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    picture(load("ratings"), PAGE.parent / "assets" / "coverage.svg")
    return PAGE


def page() -> str:
    """A section for each that has results, marked so that other pages can include it alone."""
    parts = [conditions()]
    for name, block in BLOCKS.items():
        if rows := load(name):
            title, text = block(rows).split("\n\n", 1)
            start, end = (f"<!-- --8<-- [{edge}:{name}] -->" for edge in ("start", "end"))
            parts.append(f"{title}\n\n{start}\n\n{text}\n\n{end}")
    return "\n\n".join(parts) + "\n"


def conditions() -> str:
    files = sorted(RESULTS.glob("*.json"))
    machines = {json.loads(p.read_text(encoding="utf-8"))["machine"]["processor"] for p in files}
    cores = {json.loads(p.read_text(encoding="utf-8"))["machine"]["cores"] for p in files}
    return (
        "<!-- Written by `make bench`; edit nothing here. -->\n\n"
        f"Measured on {', '.join(sorted(machines)) or 'nothing yet'}, "
        f"{'/'.join(map(str, sorted(cores)))} cores, all of them for everybody. "
        "The fastest of several runs counts. *Load* is how busy the machine was when a run began "
        "and ended (0 is quiet); a figure taken under load is slower than it need be. "
        "Raw results, versions and dates: `benchmarks/results/`."
    )


def picture(rows: list[Row], path: Path) -> None:
    """How many held-out ratings lie in their intervals: by level, and by what is known of them."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "flatrank"
    from matplotlib.figure import Figure

    runs = [r for r in rows if r["solver"] == "flatrank-ratings" and "levels" in r]
    if not runs:
        return
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0.5, 1], [0.5, 1], color="0.8")
    right.axhline(0.9, color="0.8")
    for (title, group), marker in zip(grouped(runs, "title"), "osv^", strict=False):
        at = [level for level, _ in group[0]["levels"]]
        inside = [np.mean([dict(r["levels"])[level] for r in group]) for level in at]
        left.plot(at, inside, marker + "-", label=title)
        known = by_known(group)
        right.plot(list(known), list(known.values()), marker + "-")
    left.set(xlabel="level of the interval", ylabel="share of ratings inside")
    left.legend(frameon=False)
    right.set(
        xscale="log", ylim=(0.8, 1.0), xlabel="entries of the row or column, at least",
        ylabel="share inside 90 %",
    )  # fmt: skip
    figure.savefig(path, metadata={"Date": None})
