"""The table at the end of a run. Plain ASCII, so that it reads the same everywhere."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from flatrank.cli.streams import interactive, say

Rows = list[tuple[str, str]]


def run_rows(record: dict[str, Any], sentence: str, out: Path) -> Rows:
    """What `complete` found, as names and texts.

    Parameters
    ----------
    record : dict
        `run.json`.
    sentence : str
        The status in words.
    out : Path
        The run folder.

    Returns
    -------
    list of (str, str)
    """
    d1, d2 = record["shape"]
    rows = [
        ("input", f"{record['input']}: {record['observed']} entries of {d1} x {d2}"),
        ("status", sentence),
        ("rank", str(record["rank"])),
        ("RMSE", _errors(record["rmse"])),
        ("certificate", certificate_words(record["certificate"])),
        ("lambda", _lambda(record)),
        ("offsets", _offset_words(record["offsets"]["kind"]) + _scale_words(record["scales"])),
        ("time", _times(record["seconds"])),
    ]
    rows += [("note", note) for note in _notes(record)]
    page = out / "report.html"
    rows.append(("report", str(page) if page.exists() else f"none; the model is in {out}"))
    return rows


def certificate_words(certificate: dict[str, Any] | None) -> str:
    """The proof in one line."""
    if certificate is None:
        return "none: nothing is proved"
    alone = "unique" if certificate["unique"] else "uniqueness not proved"
    kind = certificate["operator_norm_kind"]
    if kind != "exact":
        kind = f"{kind}, failing at most {certificate['failure_probability']:.0e}"
    return (
        f"relative gap {max(certificate['relative_gap'], 0.0):.1e}: the optimum lies between "
        f"{certificate['dual_bound']:.9g} and {certificate['primal']:.9g} ({kind}; {alone})"
    )


def show_table(rows: Rows, title: str = "") -> None:
    """Print names and texts: a table on a terminal, aligned lines otherwise.

    Parameters
    ----------
    rows : list of (str, str)
        What to show.
    title : str
        Above it, on a terminal.
    """
    if interactive("stdout"):
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title or None, box=box.ROUNDED, show_header=False, title_justify="left")
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in rows:
            table.add_row(name, Text(text))
        Console().print(table)
        return
    width = max(len(name) for name, _ in rows) + 2
    lines = [
        textwrap.fill(
            text,
            100,
            initial_indent=name.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in rows
    ]
    say("\n".join(lines) + "\n")


def _errors(rmse: dict[str, float | None]) -> str:
    parts = [f"train {_short(rmse['train'])}"]
    held, base = rmse["holdout"], rmse["baseline"]
    if held is None:
        parts.append("nothing held out")
    else:
        parts.append(f"hold-out {_short(held)}")
    if base is not None:
        parts.append(f"offsets alone {_short(base)}")
    if held is not None and base:
        change = 100.0 * (1.0 - held / base)
        parts.append(f"{abs(change):.2g} % {'better' if change >= 0 else 'worse'} than offsets")
    return ", ".join(parts)


def _lambda(record: dict[str, Any]) -> str:
    if record["lam"] == 0:
        return f"0: the entries are fitted exactly; smoothing {record['smoothing']:g}"
    return f"{record['lam']:.6g}, smoothing {record['smoothing']:g}"


def _offset_words(kind: str) -> str:
    return {
        "none": "none",
        "mean": "one mean",
        "row": "mean and row effects",
        "col": "mean and column effects",
        "both": "mean, row and column effects",
    }[kind]


def _scale_words(scales: dict[str, Any]) -> str:
    if scales["side"] == "none":
        return ""
    spread = scales["most"] / scales["least"]
    return f"; {scales['side']} brought to one scale, which lay up to {spread:.3g} times apart"


def _times(seconds: dict[str, float]) -> str:
    parts = [f"{stage} {s:.1f}" for stage, s in seconds.items() if stage != "total"]
    return f"{seconds['total']:.1f} s ({', '.join(parts)})"


def _notes(record: dict[str, Any]) -> list[str]:
    from flatrank.reporting.words import choice_notes

    # Plain ASCII, as all of the table.
    notes = [note.replace("\u03bb", "lambda") for note in choice_notes(record)]
    if record["dropped"]:
        kinds = ", ".join(f"{kind['count']} with {kind['reason']}" for kind in record["bad_rows"])
        notes.append(f"{record['dropped']} bad rows were left out: {kinds}")
    if record["duplicates"]:
        notes.append(f"{record['duplicates']} repeated entries were averaged away")
    if record.get("remark"):
        notes.append(record["remark"])
    gaps = record["unidentifiable"]
    for side, name in (("rows", "rows"), ("cols", "columns")):
        if gaps[side]:
            shown = ", ".join(gaps[side][:5]) + (", ..." if len(gaps[side]) > 5 else "")
            notes.append(f"the data do not determine {len(gaps[side])} {name}: {shown}")
        if gaps[f"empty_{side}"]:
            notes.append(f"{gaps[f'empty_{side}']} declared {name} have no entry")
    if gaps["components"] > 1:
        notes.append(f"the entries fall into {gaps['components']} unconnected blocks")
    return notes


def _short(x: float | None) -> str:
    return "-" if x is None else f"{x:.4g}"
