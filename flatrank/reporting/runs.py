"""The run folder: a completed model with its names, the record of the run, the page.

| file                | holds                                                                    |
|---------------------|--------------------------------------------------------------------------|
| `model.safetensors` | `Solution.arrays()`, offsets, and the labels of rows and columns         |
| `posterior.safetensors` | draws of the factors, where predictions are their means              |
| `run.json`          | what was asked and found, as plain JSON                                  |
| `report.html`       | the page                                                                 |

`saved.load_run` reads it back: predictions by name, offsets and scales included.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flatrank.data import Entries
from flatrank.gibbs import save_posterior
from flatrank.problems import written_texts
from flatrank.selection.average import facts
from flatrank.solvers.writing import plain, to_json, write_arrays, write_together

if TYPE_CHECKING:
    from flatrank.selection import Completion

MODEL, RECORD, PAGE = "model.safetensors", "run.json", "report.html"
POSTERIOR = "posterior.safetensors"
#: What `seconds` tells apart, in order; "total" holds what lies between them too.
STAGES = ("read", "select", "solve", "certify", "posterior", "report", "total")
#: Packages whose versions a run depends on.
PACKAGES = ("flatrank", "numpy", "scipy", "llvmlite", "polars", "jax")


def make_record(
    completion: Completion,
    entries: Entries,
    *,
    options: dict[str, Any],
    seconds: dict[str, float],
    command: str = "",
) -> dict[str, Any]:
    """`run.json`: everything about a run but its arrays; the keys of the contract, and more.

    Parameters
    ----------
    completion : Completion
        What was found.
    entries : Entries
        What was read.
    options : dict
        What was asked.
    seconds : dict
        Wall times by stage; those of the completion are added.
    command : str
        The command that made it.

    Returns
    -------
    dict
        Ready for JSON.
    """
    solution = completion.solution
    gaps = solution.unidentifiable
    offsets = completion.offsets
    record = solution.record() | {
        "rmse": dict(completion.rmse),
        "dropped": entries.dropped_count,
        "duplicates": entries.duplicates,
        "missing": entries.missing,
        "bad_rows": [asdict(kind) for kind in entries.dropped],
        "unidentifiable": {
            "rows": entries.row_labels[gaps["rows"]].tolist(),
            "cols": entries.col_labels[gaps["cols"]].tolist(),
            "components": gaps["components"],
            "empty_rows": entries.empty_rows,
            "empty_cols": entries.empty_cols,
        },
        # A solver that certifies as it goes has no time of its own for the proof.
        "seconds": dict.fromkeys(STAGES, 0.0) | completion.seconds | seconds,
        "versions": versions(),
        "input": entries.source,
        "columns": dict(zip(("row", "col", "value"), entries.columns, strict=False)),
        "options": options,
        "command": command,
        "features": _features(entries),
        "offsets": {
            "kind": offsets.kind,
            "mean": offsets.mean,
            "ridge": list(offsets.ridge),
        },
        "scales": completion.scales.record(),
        "chosen_at": completion.chosen_at,
        "path_ended": completion.path_ended,
        "share": completion.share,
        "path": [asdict(point) for point in completion.path],
        "offset_trials": [asdict(trial) for trial in completion.offset_trials],
        "history": solution.history,
        "predict": "flat" if completion.average is None else "posterior",
        "posterior": None,
    }
    if completion.average is not None:
        record["posterior"] = facts(completion.average.posterior) | {
            "holdout": completion.holdout_check or None
        }
    return plain(record)


def _features(entries: Entries) -> dict[str, dict[str, int]]:
    """By side with features how many there are, and how many ids have nothing else."""
    codes = {"rows": entries.rows, "columns": entries.cols}
    return {
        side: {"features": F.shape[1], "alone": F.shape[0] - np.unique(codes[side]).size}
        for side, F in zip(codes, entries.features, strict=True)
        if F is not None
    }


def versions() -> dict[str, str]:
    """Versions of what a run depends on, those that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def save_run(
    folder: Path,
    completion: Completion,
    entries: Entries,
    record: dict[str, Any],
    page: str | None,
) -> None:
    """Write a run: all files beside their places first, then all renamed.

    A run that is in the folder stays whole until this one is. What this one does not have is
    removed from the folder, since it would belong to another run.
    """
    files: dict[str, Callable[[Path], Any]] = {
        MODEL: lambda part: write_arrays(part, _arrays(completion, entries)),
    }
    average = completion.average
    if average is not None:
        files[POSTERIOR] = lambda part: save_posterior(average.posterior, part)
    files[RECORD] = lambda part: part.write_text(to_json(record), encoding="utf-8")
    if page is not None:
        files[PAGE] = lambda part: part.write_text(page, encoding="utf-8")
    write_together(folder, files)
    for name in {MODEL, POSTERIOR, RECORD, PAGE} - files.keys():
        (folder / name).unlink(missing_ok=True)


def _arrays(completion: Completion, entries: Entries) -> dict[str, NDArray[Any]]:
    offsets = completion.offsets
    return completion.solution.arrays() | {
        "offset_row": np.ascontiguousarray(offsets.row),
        "offset_col": np.ascontiguousarray(offsets.col),
        "scale": np.ascontiguousarray(completion.scales.of),
        **_held_out(completion),
        **written_texts("row", entries.row_labels.tolist()),
        **written_texts("col", entries.col_labels.tolist()),
    }


def _held_out(completion: Completion) -> dict[str, NDArray[Any]]:
    """What conformal intervals are calibrated on: numbers of the held-out entries, their scores."""
    if completion.holdout is None or completion.scores is None:
        return {}
    return {"held": np.asarray(completion.holdout[0], np.int64), "scores": completion.scores}
