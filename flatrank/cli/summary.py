"""The table at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatrank.cli.terminal import Rows

if TYPE_CHECKING:
    from flatrank.solvers.status import Status

_OFFSETS = {
    "none": "none",
    "mean": "one mean",
    "row": "mean and row effects",
    "col": "mean and column effects",
    "both": "mean, row and column effects",
}


def run_rows(record: dict[str, Any], status: Status, out: Path) -> Rows:
    """What `complete` found, as names and texts: `run.json`, its status and folder."""
    from flatrank.reporting.words import choice_notes, status_sentence

    d1, d2 = record["shape"]
    rows = [
        ("input", f"{record['input']}: {record['observed']} entries of {d1} x {d2}"),
        ("status", status_sentence(status)),
        ("rank", str(record["rank"])),
        ("RMSE", _errors(record["rmse"])),
        ("certificate", certificate_words(record["certificate"])),
        ("lambda", _lambda(record)),
        ("offsets", _OFFSETS[record["offsets"]["kind"]] + _scale_words(record["scales"])),
        ("time", _times(record["seconds"])),
    ]
    # Plain ASCII, as all of the table.
    notes = [note.replace("\u03bb", "lambda") for note in choice_notes(record)]
    rows += [("note", note) for note in (*notes, *_notes(record))]
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


def _scale_words(scales: dict[str, Any]) -> str:
    if scales["side"] == "none":
        return ""
    spread = scales["most"] / scales["least"]
    return f"; {scales['side']} brought to one scale, which lay up to {spread:.3g} times apart"


def _times(seconds: dict[str, float]) -> str:
    parts = [f"{stage} {s:.1f}" for stage, s in seconds.items() if stage != "total"]
    return f"{seconds['total']:.1f} s ({', '.join(parts)})"


def _notes(record: dict[str, Any]) -> list[str]:
    notes = []
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
