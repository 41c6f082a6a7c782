"""What `complete` is asked, checked before anything is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from flatrank.data.entries import InputError


@dataclass(frozen=True)
class Job:
    """Everything `complete` was asked; what no data could make sense of raises `InputError`.

    Parameters
    ----------
    source, reading
        What to read, and keyword arguments of `flatrank.data.read_entries`.
    fit
        Keyword arguments of `flatrank.selection.complete`; lam and rank as they were written.
    out
        The run folder.
    report, quiet, json, resume, force
        Switches.
    command
        The command line, for the record.
    """

    source: str
    reading: dict[str, Any]
    fit: dict[str, Any]
    out: Path
    report: bool
    quiet: bool
    json: bool
    resume: bool
    force: bool
    command: str

    def __post_init__(self) -> None:
        """Check the options; make numbers, or None for auto, of λ and the rank."""
        fit = self.fit
        fit["lam"] = _number(
            "lam", fit["lam"], "auto or a number from 0 (0 fits the entries exactly)"
        )
        fit["rank"] = _number("rank", fit["rank"], "auto or a whole number from 1", whole=True)
        smoothing, limit = fit["smoothing"], fit["max_seconds"]
        if smoothing is not None and not 0.0 <= smoothing <= 1.0:
            _refuse("smoothing", "a number from 0 (flat) to 1 (norm-minimal)", smoothing)
        if not 0.0 <= fit["holdout"] < 1.0:
            _refuse("holdout", "a share from 0 to below 1, such as 0.1", fit["holdout"])
        if fit["seed"] < 0:
            _refuse("seed", "a whole number from 0", fit["seed"])
        if not (math.isfinite(fit["tol"]) and fit["tol"] > 0.0):
            _refuse("tol", "a positive number, such as 1e-4", fit["tol"])
        if limit is not None and not limit > 0.0:
            _refuse("max-seconds", "a positive number of seconds", limit)
        if self.reading["bad_rows"] not in ("error", "skip"):
            _refuse("bad-rows", "error or skip", self.reading["bad_rows"])


def _number(option: str, text: str, wanted: str, *, whole: bool = False) -> float | None:
    """A number from 0, or a whole one from 1; None for auto."""
    if text.strip().lower() == "auto":
        return None
    try:
        number = float(text)
    except ValueError:
        return _refuse(option, wanted, text)
    if not (math.isfinite(number) and number >= whole) or (whole and not number.is_integer()):
        _refuse(option, wanted, text)
    return int(number) if whole else number


def _refuse(option: str, wanted: str, got: Any) -> NoReturn:
    raise InputError(f"--{option} must be {wanted}; got {got}.")
