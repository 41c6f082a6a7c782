"""The run folder: a completed model with its names, the record of the run, the page.

| file                | holds                                                                    |
|---------------------|--------------------------------------------------------------------------|
| `model.safetensors` | `Solution.arrays()`, offsets, and the labels of rows and columns         |
| `run.json`          | what was asked and found, as plain JSON                                  |
| `report.html`       | the page                                                                 |

`flatrank.load` reads the same folder as a `Solution`; `load_run` adds names and offsets.
"""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from flatrank.data import Entries, InputError, Offsets
from flatrank.solvers.solution import Solution, load
from flatrank.solvers.writing import plain, to_json

if TYPE_CHECKING:
    from flatrank.measurements.entries import SampledEntries
    from flatrank.selection import Completion

MODEL, RECORD, PAGE = "model.safetensors", "run.json", "report.html"
#: What `seconds` tells apart, in order; "total" holds what lies between them too.
STAGES = ("read", "select", "solve", "certify", "report", "total")
#: Packages whose versions a run depends on.
PACKAGES = ("flatrank", "jax", "jaxlib", "numpy", "scipy", "numba", "equinox", "polars")


@dataclass(frozen=True, eq=False)
class Run:
    """A run read back from its folder.

    Parameters
    ----------
    solution : Solution
        Of the problem with the offsets taken off.
    offsets : Offsets
        What is added back.
    row_labels, col_labels : arrays of str
        Names of rows and columns, (d1,) and (d2,).
    record : dict
        `run.json`.
    """

    solution: Solution
    offsets: Offsets
    row_labels: NDArray[np.str_]
    col_labels: NDArray[np.str_]
    record: dict[str, Any]

    @cached_property
    def row_codes(self) -> dict[str, int]:
        """Index of each row by name."""
        return {label: code for code, label in enumerate(self.row_labels.tolist())}

    @cached_property
    def col_codes(self) -> dict[str, int]:
        """Index of each column by name."""
        return {label: code for code, label in enumerate(self.col_labels.tolist())}

    @property
    def tol(self) -> float:
        """The relative gap that the run was asked to prove."""
        return float(self.record.get("options", {}).get("tol", 1e-6))

    def seen(self, row: int) -> NDArray[np.int32]:
        """Columns in which a row, by code, has an entry; ascending."""
        measurement = cast("SampledEntries", self.solution.problem.measurement)
        rows, cols = measurement.places()
        return cols[rows == row]

    def predict(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.float64]:
        """Values at places, in the units of the input.

        Parameters
        ----------
        rows, cols
            (n,) codes; −1 stands for an unknown row or column, which leaves the offsets alone.

        Returns
        -------
        ndarray
            (n,); the offsets alone too where nothing ties the place to the data, as between two
            unconnected blocks of a table that is fitted exactly.
        """
        i, j, known = _coded(rows, cols)
        values = self.offsets.at(i, j)
        values[known] += np.nan_to_num(np.asarray(self.solution.entries(i[known], j[known])))
        return values

    def determined(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.bool_]:
        """Whether there are data enough to determine the values (`Solution.determined`).

        Parameters
        ----------
        rows, cols
            (n,) codes, as for `predict`; a value of an unknown row or column is not determined.

        Returns
        -------
        ndarray
            (n,)
        """
        i, j, known = _coded(rows, cols)
        marks = np.zeros(i.size, dtype=bool)
        marks[known] = self.solution.determined(i[known], j[known])
        return marks


def make_record(
    completion: Completion,
    entries: Entries,
    *,
    options: dict[str, Any],
    seconds: dict[str, float],
    command: str = "",
) -> dict[str, Any]:
    """`run.json`: everything about a run but its arrays.

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
        The keys of the contract, and more; ready for JSON.
    """
    solution = completion.solution
    gaps = solution.unidentifiable
    offsets = completion.offsets
    record = solution.record() | {
        "rmse": dict(completion.rmse),
        "dropped": entries.dropped_count,
        "duplicates": entries.duplicates,
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
        "offsets": {
            "kind": offsets.kind,
            "mean": offsets.mean,
            "ridge": list(offsets.ridge),
        },
        "path": [asdict(point) for point in completion.path],
        "offset_trials": [asdict(trial) for trial in completion.offset_trials],
        "history": solution.history,
    }
    return plain(record)


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

    Parameters
    ----------
    folder : Path
        Made if need be. A run that is in it stays whole until this one is.
    completion : Completion
        The model.
    entries : Entries
        For the labels.
    record : dict
        From `make_record`.
    page : str or None
        The report; with None an older one is removed, since it would belong to another run.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: folder / f"{name}.part" for name in (MODEL, RECORD, PAGE)}
    try:
        write_arrays(parts[MODEL], _arrays(completion, entries))
        parts[RECORD].write_text(to_json(record), encoding="utf-8")
        if page is not None:
            parts[PAGE].write_text(page, encoding="utf-8")
        for name in (MODEL, RECORD, PAGE):
            if name != PAGE or page is not None:
                parts[name].replace(folder / name)
        if page is None:
            (folder / PAGE).unlink(missing_ok=True)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def load_run(folder: str | Path) -> Run:
    """Read what `save_run`, or `Solution.save`, wrote.

    Parameters
    ----------
    folder : str or Path
        The run folder.

    Returns
    -------
    Run
        Without names in the folder rows and columns are called "0", "1", ...

    Raises
    ------
    InputError
        If the folder does not hold a run, or a file in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a run folder; expected one that `flatrank complete` wrote."
        )
    try:
        solution = load(folder)
    except ValueError as refused:
        raise InputError(f"{refused}.") from refused
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        with safe_open(folder / MODEL, framework="numpy") as file:
            rows, cols = (_read_labels(file, side, d) for side, d in _sides(solution))
            offsets = _read_offsets(file, record, solution.problem.shape)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as damaged:
        raise InputError(f"{folder} holds a damaged run: {damaged}.") from damaged
    return Run(solution, offsets, rows, cols, record)


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]], about: str | None = None) -> None:
    """Write a safetensors file; `about` is a text that travels with it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    # save_file makes a file that only its owner may read. A run is for colleagues too, so it gets
    # the permissions of any new file.
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(arrays, path, metadata=None if about is None else {"flatrank": about})
    except SafetensorError as refused:
        raise OSError(f"{path}: {refused}") from refused
    path.chmod(mode)


def _coded(rows: ArrayLike, cols: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes as integers, and where both are known."""
    i, j = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    return i, j, np.flatnonzero((i >= 0) & (j >= 0))


def _sides(solution: Solution) -> tuple[tuple[str, int], tuple[str, int]]:
    d1, d2 = solution.problem.shape
    return ("row", d1), ("col", d2)


def _arrays(completion: Completion, entries: Entries) -> dict[str, NDArray[Any]]:
    offsets = completion.offsets
    return completion.solution.arrays() | {
        "offset_row": np.ascontiguousarray(offsets.row),
        "offset_col": np.ascontiguousarray(offsets.col),
        **_written_labels("row", entries.row_labels),
        **_written_labels("col", entries.col_labels),
    }


def _written_labels(side: str, labels: NDArray[np.str_]) -> dict[str, NDArray[Any]]:
    """UTF-8 text end to end, and where each label ends (in bytes)."""
    pieces = [label.encode("utf-8", "surrogatepass") for label in labels.tolist()]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return {f"{side}_labels": np.frombuffer(b"".join(pieces), np.uint8), f"{side}_ends": ends}


def _read_labels(file: Any, side: str, d: int) -> NDArray[np.str_]:
    if f"{side}_labels" not in file.keys():  # noqa: SIM118 - not a mapping
        return np.arange(d).astype(str)
    text = file.get_tensor(f"{side}_labels").tobytes()
    ends = file.get_tensor(f"{side}_ends").tolist()
    if len(ends) != d or (ends[-1] if ends else 0) != len(text):
        raise ValueError(f"the labels of the {side}s do not fit the factors")
    starts = [0, *ends[:-1]]
    pieces = [text[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)]
    return np.array(pieces, dtype=str)


def _read_offsets(file: Any, record: dict[str, Any], shape: tuple[int, int]) -> Offsets:
    about = record.get("offsets")
    if about is None:
        return Offsets.none(shape)
    row, col = file.get_tensor("offset_row"), file.get_tensor("offset_col")
    if (row.size, col.size) != tuple(shape):
        raise ValueError("the offsets do not fit the factors")
    ridge = tuple(math.inf if x is None else float(x) for x in about["ridge"])
    return Offsets(float(about["mean"]), row, col, (ridge[0], ridge[1]), about["kind"])
