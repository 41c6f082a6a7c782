"""Packages that only some sources need: imported when they are, and named where they are absent."""

from __future__ import annotations

import importlib
from typing import Any

from flatrank.data.entries import InputError


def load(name: str, what: str, install: str, otherwise: str = "") -> Any:
    """A module by name.

    Parameters
    ----------
    name
        Of the module.
    what
        What needs it, as the beginning of a sentence.
    install
        What pip installs.
    otherwise
        What can be done without it.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as absent:
        package = name.partition(".")[0].replace("PIL", "pillow")
        raise InputError(
            f"{what} needs {package}, which is not installed: pip install {install}."
            + (f" ({otherwise})" if otherwise else "")
        ) from absent


def load_polars() -> Any:
    """The polars module, which reads text and parquet; `InputError` where it is not installed."""
    return load(
        "polars", "Reading text tables and parquet", '"flatrank[cli]"',
        "MatrixMarket and npz files are read without it.",
    )  # fmt: skip
