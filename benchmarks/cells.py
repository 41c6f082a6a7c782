"""What the cells of the tables say, and how tables are written."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]


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
