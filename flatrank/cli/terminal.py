"""What goes to the terminal, to pipes and to files: never a traceback for a character or a pipe."""

from __future__ import annotations

import csv
import io
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatrank.solvers.status import Status

Rows = list[tuple[str, str]]

_STAGES = {
    "read": "Reading",
    "offsets": "Offsets",
    "coarse": "Smoothing",
    "path": "Path of weights",
    "holdout": "Hold-out model",
    "refit": "Final model",
    "certify": "Certificate",
    "compare": "Other ways",
    "posterior": "Posterior",
    "report": "Report",
}
_OFFSETS = {
    "none": "none",
    "mean": "one mean",
    "row": "mean and row effects",
    "col": "mean and column effects",
    "both": "mean, row and column effects",
}


def prepare_streams() -> None:
    """Make standard output and error safe to write to, whatever the locale.

    Characters that the encoding lacks become "?"; a stream that was closed before the start
    swallows what is written.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def complain(message: str) -> None:
    """One line on standard error."""
    _deliver(lambda: sys.stderr.write(f"flatrank: {' '.join(message.split())}\n"), "stderr")


def say(text: str) -> None:
    """Text for people on standard output, in the encoding of the terminal."""
    _deliver(lambda: sys.stdout.write(text), "stdout")


def show_record(
    record: dict[str, Any], table: Callable[[], None], *, quiet: bool, json: bool
) -> None:
    """What a command found: the record itself on standard output, or the table, or nothing."""
    if json:
        from flatrank.solvers.writing import to_json

        emit(to_json(record))
    elif not quiet:
        table()


def emit(text: str) -> None:
    """Data on standard output: UTF-8 whatever the locale, so that files and pipes agree."""

    def write() -> None:
        sys.stdout.flush()
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        else:
            sys.stdout.write(text)

    _deliver(write, "stdout")


def ascii_only(text: str) -> str:
    """Text that reads the same everywhere: ± and λ in plain letters."""
    return text.replace("±", "+-").replace("\u03bb", "lambda")


def interactive(name: str) -> bool:
    """Whether "stdout" or "stderr" is a terminal that can redraw."""
    return getattr(sys, name).isatty() and os.environ.get("TERM") != "dumb"


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as csv text; numbers in the shortest form that reads back the same."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file so that it is never half-written; links are followed."""
    path = path.resolve()
    # Renaming would put a file in the place of a device or a pipe.
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
        return
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def show_table(rows: Rows, title: str, columns: tuple[str, str] | None = None) -> None:
    """Print names and texts: a table on a terminal, aligned lines otherwise.

    Columns with headings hold names and numbers. The text is plain ASCII, so that it reads the
    same everywhere.
    """
    if interactive("stdout"):
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        first, second = columns or ("", "")
        table = Table(title=title, box=box.ROUNDED, show_header=bool(columns), title_justify="left")
        bold = "" if columns else "bold"
        table.add_column(first, style=bold, no_wrap=not columns, overflow="fold")
        table.add_column(second, overflow="fold", justify="right" if columns else "left")
        for name, text in rows:
            table.add_row(Text(name), Text(text))
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


def show_run(record: dict[str, Any], status: Status, out: Path) -> None:
    """Print what `complete` found: `run.json`, its status and folder."""
    from flatrank.reporting.words import choice_notes, status_sentence

    d1, d2 = record["shape"]
    rows = [
        ("input", f"{record['input']}: {record['observed']} entries of {d1} x {d2}"),
        ("status", status_sentence(status)),
        ("rank", str(record["rank"])),
        ("RMSE", _errors(record["rmse"])),
        ("predictions", _prediction_words(record["posterior"])),
        ("certificate", certificate_words(record["certificate"])),
        ("lambda", _lambda(record)),
        ("offsets", _OFFSETS[record["offsets"]["kind"]] + _scale_words(record["scales"])),
        ("time", _times(record["seconds"])),
    ]
    for side, known in record["features"].items():
        said = f"{known['features']} of {side}; {known['alone']} {side} have nothing else"
        rows.insert(-1, ("features", said))
    # Plain ASCII, as all of the table.
    notes = [ascii_only(note) for note in choice_notes(record)]
    rows += [("note", note) for note in (*notes, *_notes(record))]
    page = out / "report.html"
    rows.append(("report", str(page) if page.exists() else f"none; the model is in {out}"))
    show_table(rows, "flatrank complete")


def certificate_words(certificate: dict[str, Any] | None) -> str:
    """The proof in one line."""
    if certificate is None:
        return "none: nothing is proved"
    if certificate["dual_bound"] == math.inf:
        return "no matrix fits the data exactly, and that is proved"
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
    if rmse.get("flat") is not None and rmse["flat"] != held:
        parts.append(f"flat solution {_short(rmse['flat'])}")
    if base is not None:
        parts.append(f"offsets alone {_short(base)}")
    if held is not None and base:
        change = 100.0 * (1.0 - held / base)
        parts.append(f"{abs(change):.2g} % {'better' if change >= 0 else 'worse'} than offsets")
    return ", ".join(parts)


def _prediction_words(found: dict[str, Any] | None) -> str:
    """Where predictions come from, and how far their intervals can be trusted."""
    if found is None:
        return "entries of the flat solution and offsets; no intervals"
    said = (
        f"means over the posterior of {found['width']} factors, estimated and not proved; noise "
        f"{_short(found['noise'])}"
    )
    if found["holdout"]:
        everyone = found["holdout"]["groups"]["all"]
        said += (
            f"; {100 * everyone['coverage']:.0f} % of the held-out entries lie in "
            f"{100 * found['holdout']['level']:.0f} % intervals"
        )
    return said if found["good"] else f"{said}; {found['sentence']}"


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
        last = record["options"].get("duplicates") == "last"
        how = "replaced by later ones" if last else "averaged away"
        notes.append(f"{record['duplicates']} repeated entries were {how}")
    if record.get("missing"):
        notes.append(f"{record['missing']} entries marked as missing were left out")
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


class Progress:
    """One line a stage on a terminal: what, how far, since when, and the latest word."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        if not quiet and interactive("stderr"):
            self._bar = _bar()

    def __enter__(self) -> Progress:
        """Start drawing."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the finished lines standing."""
        if self._bar is not None:
            if error is None:
                self._finish()
            self._bar.stop()

    def stop(self) -> None:
        """Stop drawing and leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event: `stage`, and if known `step`, `of`, `message` and numbers."""
        if self._bar is None:
            return
        stage = str(event["stage"])
        if stage not in self._tasks:
            self._finish()
            name = _STAGES.get(stage, stage.capitalize())
            self._tasks[stage] = self._bar.add_task(name, total=None, word="")
        self._bar.update(
            self._tasks[stage],
            completed=event.get("step", 0),
            total=event.get("of"),
            word=_word(event),
        )

    def _finish(self) -> None:
        for task in self._bar.tasks:
            if not task.finished:
                total = task.total or 1
                self._bar.update(task.id, total=total, completed=total)


def _word(event: dict[str, Any]) -> str:
    """The message, and the numbers that say how it is going."""
    parts = [str(event["message"])] if event.get("message") else []
    if event.get("rank") is not None:
        parts.append(f"rank {event['rank']}")
    if event.get("validation_rmse") is not None:
        parts.append(f"validation RMSE {event['validation_rmse']:.4f}")
    elif event.get("relative_gap") is not None:
        parts.append(f"gap {max(event['relative_gap'], 0.0):.1e}")
    return ", ".join(parts)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<16}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[word]}", style="dim", markup=False),
        console=Console(stderr=True),
        refresh_per_second=8,
    )


def _deliver(write: Callable[[], Any], name: str) -> None:
    try:
        write()
        getattr(sys, name).flush()
    except BrokenPipeError:
        # The reader has what it wants. The interpreter must not try again when it exits.
        _silence(name)
    except OSError:
        # A full disk, say: told once, here, and not again by the interpreter when it exits.
        _silence(name)
        raise


def _silence(name: str) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, getattr(sys, name).fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
