"""Counts as JSON, and the table in the documentation made of them."""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.judging import KINDS
from audit.running import Outcome

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "audit-counts.md"
# Examples kept of one kind, family and fit.
KEPT = 3
COLUMNS = ("instances", "open", "tries", "refused", "certified", "unique")


@dataclass
class Totals:
    """What has been counted so far: blocks 0 to `blocks` − 1 of a seed."""

    seed: int
    blocks: int = 0
    seconds: float = 0.0
    rows: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tries(self) -> int:
        """Certificates asked for, those refused with them."""
        return sum(row["tries"] for row in self.rows.values())

    @property
    def violations(self) -> Counter[str]:
        """By kind."""
        total: Counter[str] = Counter()
        for row in self.rows.values():
            total.update(violations(row))
        return total

    def add(self, outcome: Outcome) -> None:
        """One block more."""
        self.blocks += 1
        self.rows.setdefault((outcome.family, outcome.fit), Counter()).update(outcome.counts)
        for example in outcome.examples:
            place = [example[key] for key in ("kind", "family", "fit")]
            same = [e for e in self.examples if [e[k] for k in ("kind", "family", "fit")] == place]
            if len(same) < KEPT:
                self.examples.append(example)

    def save(self, path: Path) -> None:
        """As a whole, so that an interruption leaves the file before or the file after."""
        rows = [{"family": f, "fit": t} | dict(sorted(c.items())) for (f, t), c in self.ordered()]
        names = ("flatrank", "llvmlite", "numpy", "scipy")
        stored = {
            "seed": self.seed,
            "blocks": self.blocks,
            "tries": self.tries,
            "seconds": round(self.seconds, 1),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "versions": {name: importlib.metadata.version(name) for name in names},
            "rows": rows,
            "examples": self.examples,
        }
        new = path.with_suffix(".new")
        new.write_text(json.dumps(stored, indent=1, default=float) + "\n", encoding="utf-8")
        new.replace(path)

    def ordered(self) -> list[tuple[tuple[str, str], Counter[str]]]:
        """Rows by family and fit."""
        return sorted(self.rows.items())


def load(path: Path) -> Totals:
    """The counts of an earlier run."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    totals = Totals(stored["seed"], stored["blocks"], stored["seconds"])
    for row in stored["rows"]:
        totals.rows[row.pop("family"), row.pop("fit")] = Counter(row)
    totals.examples = stored["examples"]
    return totals


def violations(row: Counter[str]) -> Counter[str]:
    """By kind, of one row."""
    head = "violation: "
    return Counter({k.removeprefix(head): n for k, n in row.items() if k.startswith(head) and n})


def page(path: Path = RESULTS) -> str:
    """The table, and the kinds counted."""
    stored, totals = json.loads(path.read_text(encoding="utf-8")), load(path)
    versions = ", ".join(f"{name} {version}" for name, version in stored["versions"].items())
    found = totals.violations
    lines = [
        "<!-- Written by `python -m audit --page`; edit nothing here. -->",
        "",
        f"{totals.tries:,} tries on {totals.blocks:,} instances, seed {totals.seed}, "
        f"{stored['date']}, {versions}: **{found.total():,} violations**.",
        "",
        "| family | fit | instances | open | tries | refused | certified | unique | violations |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for (family, fit), row in totals.ordered():
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(violations(row).items())) or "0"
        numbers = " | ".join(f"{row[name]:,}" for name in COLUMNS)
        lines.append(f"| {family} | {fit} | {numbers} | {kinds} |")
    lines += ["", "| violation | what it is | counted |", "|---|---|--:|"]
    lines += [f"| {kind} | {text} | {found[kind]:,} |" for kind, text in KINDS.items()]
    return "\n".join(lines) + "\n"


def write(path: Path = RESULTS) -> Path:
    """The file that the page on the audit includes."""
    PAGE.write_text(page(path), encoding="utf-8")
    return PAGE


def summary(totals: Totals) -> str:
    """One line."""
    found = totals.violations
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(found.items()))
    return (
        f"{totals.tries:,} tries, {totals.blocks:,} instances, {totals.seconds:.0f} s: "
        f"{found.total():,} violations{f' ({kinds})' if kinds else ''}"
    )
