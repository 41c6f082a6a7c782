"""Options that several commands have: what is out of range is refused before anything is read."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from flatrank.data.entries import InputError


def check_fit(fit: dict[str, Any]) -> None:
    """Refuse options of a fit that are out of range: its seed, tolerance and time, what predicts.

    Raises
    ------
    InputError
        For the first of them, by name.
    """
    if not (math.isfinite(fit.get("tol", 1.0)) and fit.get("tol", 1.0) > 0.0):
        refuse("tol", "a positive number, such as 1e-4", fit["tol"])
    if fit["seed"] < 0:
        refuse("seed", "a whole number from 0", fit["seed"])
    if fit.get("predict", "flat") not in ("posterior", "flat"):
        refuse("predict", "posterior or flat", fit["predict"])
    if fit["max_seconds"] is not None and not fit["max_seconds"] > 0.0:
        refuse("max-seconds", "a positive number of seconds", fit["max_seconds"])


def number_of(option: str, text: str, wanted: str, *, whole: bool = False) -> float | None:
    """A number from 0, or a whole one from 1; None for auto.

    Raises
    ------
    InputError
        If the text is neither.
    """
    if text.strip().lower() == "auto":
        return None
    try:
        number = float(text)
    except ValueError:
        return refuse(option, wanted, text)
    if not (math.isfinite(number) and number >= whole) or (whole and not number.is_integer()):
        refuse(option, wanted, text)
    return int(number) if whole else number


def refuse(option: str, wanted: str, got: Any) -> NoReturn:
    """Say what an option must be, and what it was: always an `InputError`."""
    raise InputError(f"--{option} must be {wanted}; got {got}.")
