"""What `complete` is asked, checked before anything is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, cast

from flatrank.data.entries import InputError
from flatrank.data.screening import BadRows


@dataclass(frozen=True)
class Fit:
    """How to fit; None leaves the choice to the validation part.

    Parameters
    ----------
    lam, rank, smoothing
        Weight of the norm (0 fits exactly), rank limit, θ.
    holdout
        Share of entries kept aside, below 1.
    seed
        Of every random choice.
    tol
        Relative gap to prove.
    max_seconds
        Time allowed.
    """

    lam: float | None
    rank: int | None
    smoothing: float | None
    holdout: float
    seed: int
    tol: float
    max_seconds: float | None

    def __post_init__(self) -> None:
        """Refuse what no data could make sense of."""
        if self.smoothing is not None and not 0.0 <= self.smoothing <= 1.0:
            _refuse("smoothing", "a number from 0 (flat) to 1 (norm-minimal)", self.smoothing)
        if not 0.0 <= self.holdout < 1.0:
            _refuse("holdout", "a share from 0 to below 1, such as 0.1", self.holdout)
        if self.seed < 0:
            _refuse("seed", "a whole number from 0", self.seed)
        if not (math.isfinite(self.tol) and self.tol > 0.0):
            _refuse("tol", "a positive number, such as 1e-4", self.tol)
        if self.max_seconds is not None and not self.max_seconds > 0.0:
            _refuse("max-seconds", "a positive number of seconds", self.max_seconds)

    def arguments(self) -> dict[str, Any]:
        """As keyword arguments."""
        return dict(vars(self))


@dataclass(frozen=True)
class Job:
    """Everything `complete` was asked.

    Parameters
    ----------
    source, row, col, value, bad_rows
        What to read, and how.
    fit
        How to fit.
    out
        The run folder.
    report, quiet, json, resume, force
        Switches.
    command
        The command line, for the record.
    """

    source: str
    row: str | None
    col: str | None
    value: str | None
    bad_rows: BadRows
    fit: Fit
    out: Path
    report: bool
    quiet: bool
    json: bool
    resume: bool
    command: str
    force: bool = False

    def record(self) -> dict[str, Any]:
        """The options as `run.json` keeps them."""
        named = {"row": self.row, "col": self.col, "value": self.value, "bad_rows": self.bad_rows}
        return self.fit.arguments() | named


def parse_lam(text: str) -> float | None:
    """`auto` or a number ≥ 0."""
    wanted = "auto or a number from 0 (0 fits the entries exactly)"
    lam = _number("lam", text, wanted)
    if lam is not None and not (math.isfinite(lam) and lam >= 0.0):
        _refuse("lam", wanted, text)
    return lam


def parse_rank(text: str) -> int | None:
    """`auto` or a whole number ≥ 1."""
    wanted = "auto or a whole number from 1"
    rank = _number("rank", text, wanted)
    if rank is None:
        return None
    if not (rank >= 1.0 and float(rank).is_integer()):
        _refuse("rank", wanted, text)
    return int(rank)


def check_bad_rows(policy: str) -> BadRows:
    """`error` or `skip`.

    Raises
    ------
    InputError
        If it is neither.
    """
    if policy not in ("error", "skip"):
        raise InputError(f"--bad-rows must be error or skip; got {policy}.")
    return cast("BadRows", policy)


def check_report_packages() -> None:
    """Refuse to start a run whose report could not be drawn.

    Raises
    ------
    InputError
        If matplotlib or jinja2 is missing.
    """
    absent = [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]
    if absent:
        raise InputError(
            f"The report needs {' and '.join(absent)}, not installed here: "
            'pip install "flatrank[report]", or pass --no-report.'
        )


def _number(option: str, text: str, wanted: str) -> float | None:
    if text.strip().lower() == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        return _refuse(option, wanted, text)


def _refuse(option: str, wanted: str, got: Any) -> NoReturn:
    raise InputError(f"--{option} must be {wanted}; got {got}.")
