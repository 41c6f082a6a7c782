"""Results as JSON, two files a section (the project, its peers), and the page made of them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.running import HERE, ROOT, Peer, machine

RESULTS = HERE / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
Row = dict[str, Any]


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
    if section == "figures":
        return f"{small(row['seconds'])} an instance, gap {number(row['relative_gap'])}"
    if section == "ratings":
        best = row.get("best", row)
        return f"RMSE {best['rmse']:.4f} in {seconds(row['seconds'])}"
    return f"{seconds(row['seconds'])}, error {number(row['error'])}"


def write() -> Path:
    """The page docs/benchmarks.md from all results there are."""
    parts = [conditions(), *(block(load(name)) for name, block in BLOCKS.items() if load(name))]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return PAGE


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


def completion(rows: list[Row]) -> str:
    text = ("## Exact completion: time to relative error 1e-6 of the whole matrix\n\n"
            "Noiseless, Gaussian factors, entries uniform without repetition; the rank is given to "
            "everybody. Peers are timed up to their first iterate below the target, with the error "
            "computed off the clock; *own clock* is what an author's code reports itself, without "
            "its starting point. *Error* is that of the answer timed. cmfrec, softImpute and "
            "fancyimpute never get there: they are regularised, for noisy data.")  # fmt: skip
    head = ["solver", "seconds", "cold", "own clock", "error", "steps", "load"]
    return text + "".join(
        f"\n\n### {title}\n\n"
        + grid(head, [
            [label(r), seconds(r["seconds"]), seconds(r.get("cold_seconds")),
             seconds(r.get("own_seconds")), number(r["error"]), str(r.get("iterations", "")),
             load_of(r)]
            if "failed" not in r else [label(r), "not measured", "", "", "", "", ""]
            for r in sorted(group, key=lambda r: r.get("seconds") or float("inf"))
        ])
        for title, group in grouped(rows, "title")
    ) + notes(rows)  # fmt: skip


def certified(rows: list[Row]) -> str:
    text = ("## Certified, noiseless\n\nThe rank is found, not told; the proof is part "
            "of the time.")  # fmt: skip
    head = [
        "instance",
        "solver",
        "seconds",
        "cold",
        "status",
        "rank",
        "unique",
        "gap",
        "error",
        "load",
    ]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), seconds(r.get("cold_seconds")), r["status"],
         str(r["rank"]), yes(r["unique"]), number(r["relative_gap"]), number(r["error"]),
         load_of(r)]
        for r in rows if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def hard(rows: list[Row]) -> str:
    text = ("## Near the limit of information, and ill-conditioned\n\nExact data, misfit brought "
            "to rounding. *Found*: instances with an error below 1e-3 over the whole matrix, as is "
            "usual in publications; *error* is the largest among these. *Seconds* is the median "
            "over all instances, found or not, warm; at most 20 s were allowed.")  # fmt: skip
    head = ["instance", "solver", "found", "right rank", "seconds", "slowest", "error", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), f"{r['found']} of {r['of']}", str(r["right_rank"]),
         seconds(r["seconds"]), seconds(r["slowest"]),
         number(r["error"]) if r["found"] else "", load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def penalised(rows: list[Row]) -> str:
    text = ("## Penalised, to a proved gap\n\nmin ½‖𝒜(X) − b‖² + λ‖X‖_* on data of the shape of "
            "MovieLens 100k: integers 1 to 5 from a rank-10 model with noise, counts falling by a "
            "power. Asked for a relative duality gap of 1e-8, the proofs part of the time; "
            "BMGlobal for its published stop instead. "
            "*CPU* is the time of the process on all cores: read it where the machine was "
            "loaded.")  # fmt: skip
    head = ["instance", "solver", "seconds", "CPU", "status", "objective", "gap", "rank", "steps",
            "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), seconds(r["cpu_seconds"]), r["status"],
         f"{r['objective']:.4f}", number(r["relative_gap"]), str(r["rank"]), str(r["steps"]),
         load_of(r)]
        for r in rows if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def scale(rows: list[Row]) -> str:
    text = ("## Scale\n\nOne process, one solve, compilation included. *Peak* is the whole "
            "process: interpreter, libraries and the instance too.")  # fmt: skip
    head = ["instance", "solver", "seconds", "peak GB", "status", "rank", "gap", "error", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], label(r), seconds(r["seconds"]), f"{r['peak_bytes'] / 1e9:.2f}", r["status"],
         str(r["rank"]), number(r["relative_gap"]), number(r["error"]), load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def ratings(rows: list[Row]) -> str:
    text = ("## Ratings: RMSE on a tenth held out\n\nMean over the splits (± standard deviation "
            "between them). flatrank chooses offsets, smoothing and λ within the training part; "
            "peers get the best of their grid *on the test part*. Seconds are for everything a "
            "solver does for one split, its whole path or grid; splits run on another machine "
            "count for the error alone.")  # fmt: skip
    head = ["solver", "RMSE", "defaults", "splits", "seconds", "rank", "certified", "load"]
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        lines = []
        for _, runs in grouped(group, "solver"):
            scores = [r.get("best", r)["rmse"] for r in runs]
            plain = [r["default"]["rmse"] for r in runs if "default" in r]
            lines.append((mean(scores), [
                label(runs[0]), spread(scores), spread(plain), str(len(runs)),
                seconds(mean(r["seconds"] for r in runs if "elsewhere" not in r["conditions"])),
                ", ".join(str(r["rank"]) for r in runs if "rank" in r),
                certified_count(runs), load_of(runs[0]),
            ]))  # fmt: skip
        own = [r["offsets_rmse"] for r in group if r["solver"] == "flatrank-ratings"]
        if own:
            lines.append(
                (
                    mean(own),
                    ["offsets alone (ours)", spread(own), "", str(len(own)), "", "", "", ""],
                )
            )
        text += f"\n\n### {title}\n\n" + grid(head, [row for _, row in sorted(lines)])
    return text + notes(rows)


def cli(rows: list[Row]) -> str:
    text = ("## From the command line\n\nFile in, certified completion and report out, start of "
            "the interpreter included. *Cold* is the first run after installing: nothing is "
            "compiled yet. RMSE is on the tenth that the command itself holds out.")  # fmt: skip
    head = ["set", "seconds", "cold", "status", "rank", "gap", "RMSE", "offsets", "peak GB", "load"]
    return f"{text}\n\n" + grid(head, [
        [r["title"], seconds(r["seconds"]), seconds(r["cold_seconds"]), r["status"],
         str(r["rank"]), number(r["relative_gap"]), f"{r['error']:.4f}", f"{r['baseline']:.4f}",
         f"{r['peak_bytes'] / 1e9:.2f}", load_of(r)]
        for r in rows if "failed" not in r
    ])  # fmt: skip


def kernels(rows: list[Row]) -> str:
    text = ("## One gradient\n\nResidual and both sides, nanoseconds an entry; *error* is against "
            "SciPy in float64.")  # fmt: skip
    head = ["instance", "compiled", "XLA alone", "SciPy", "× XLA", "× SciPy", "error", "load"]
    lines = []
    for r in rows:
        if "failed" in r:
            continue
        ours, xla, scipy = (r[name]["ns_per_entry"] for name in ("compiled", "xla", "scipy"))
        lines.append([r["title"], f"{ours:.1f}", f"{xla:.0f}", f"{scipy:.0f}",
                      f"{xla / ours:.0f}", f"{scipy / ours:.0f}",
                      number(r["compiled"]["error"]), load_of(r)])  # fmt: skip
    return f"{text}\n\n" + grid(head, lines)


def figures(rows: list[Row]) -> str:
    text = ("## Instances of the figures\n\nFlat solutions of 20 draws a cell, to a relative gap "
            "of at most 1e-6, computed for everybody in the same way; neither the truth nor its "
            "rank is told. *Seconds* and *CPU* are for one instance, on the wall and of all "
            "processors: flatrank takes the draws together, cvxpy one after another. cvxpy is "
            "given the rescaled measurements, and the loosest tolerance that closes the gap; "
            "*own clock* is SCS alone. × says how many times as long as flatrank.")  # fmt: skip
    head = ["instance", "solver", "seconds", "×", "CPU", "× CPU", "own clock", "× own", "closed",
            "gap", "recovered", "load"]  # fmt: skip
    lines = []
    for title, group in grouped([r for r in rows if "failed" not in r], "title"):
        ours = next((r for r in group if r["label"].startswith("flatrank")), None)
        lines += [
            [
                title, label(r), small(r["seconds"]), times(r, ours, "seconds", "seconds"),
                small(r["cpu_seconds"]), times(r, ours, "cpu_seconds", "cpu_seconds"),
                small(r.get("own_seconds")), times(r, ours, "own_seconds", "seconds"),
                f"{r['certified']} of {r['of']}", number(r["relative_gap"]),
                f"{r['recovered']} of {r['of']}", load_of(r),
            ]
            for r in group
        ]  # fmt: skip
    return f"{text}\n\n" + grid(head, lines) + notes(rows)


def times(row: Row, ours: Row | None, key: str, other: str) -> str:
    """How many times ours; nothing for ours itself."""
    if ours is None or row is ours or key not in row:
        return ""
    return f"{row[key] / ours[other]:.0f}"


BLOCKS = {
    "completion": completion,
    "certified": certified,
    "hard": hard,
    "penalised": penalised,
    "kernels": kernels,
    "figures": figures,
    "cli": cli,
    "ratings": ratings,
    "scale": scale,
}


def grouped(rows: list[Row], key: str) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return list(groups.items())


def grid(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def label(row: Row) -> str:
    return f"**{row['label']}**" if row["label"].startswith("flatrank") else row["label"]


def notes(rows: list[Row]) -> str:
    said = {r["label"]: r["note"] for r in rows if r.get("note")}
    missing = {r["label"]: r["failed"] for r in rows if "failed" in r}
    lines = [f"- {who}: {what}" for who, what in (said | missing).items()]
    return "\n\n" + "\n".join(lines) if lines else ""


def load_of(row: Row) -> str:
    found = row.get("conditions")
    return f"{found['load_before']:.1f}-{found['load_after']:.1f}" if found else ""


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def small(value: float | None) -> str:
    """Seconds, to two figures where there are few."""
    return seconds(value) if value is None or value >= 0.1 else f"{value:.4f} s"


def number(value: float) -> str:
    return f"{value:.1e}"


def spread(scores: list[float]) -> str:
    if not scores:
        return ""
    return f"{mean(scores):.4f}" + (f" ± {stdev(scores):.4f}" if len(scores) > 1 else "")


def certified_count(runs: list[Row]) -> str:
    statuses = [r["status"] for r in runs if "status" in r]
    return f"{statuses.count('certified')} of {len(statuses)}" if statuses else ""


def yes(flag: bool) -> str:
    return "yes" if flag else "no"
