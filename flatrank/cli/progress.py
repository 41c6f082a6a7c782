"""How far the work has come, on standard error, where that is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from flatrank.cli.streams import interactive

_NAMES = {
    "read": "Reading",
    "offsets": "Offsets",
    "coarse": "Smoothing",
    "path": "Path of weights",
    "holdout": "Hold-out model",
    "refit": "Final model",
    "certify": "Certificate",
    "report": "Report",
}


class Progress:
    """One line a stage: what, how far, since when, and the latest word.

    Parameters
    ----------
    quiet
        Show nothing, as where standard error is no terminal.
    """

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
        """Take an event: `stage`, and if known `step`, `of`, `message`.

        Parameters
        ----------
        event
            From `flatrank.selection.complete`, or `{"stage": "read"}`.
        """
        if self._bar is None:
            return
        stage = str(event["stage"])
        if stage not in self._tasks:
            self._finish()
            name = _NAMES.get(stage, stage.capitalize())
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
