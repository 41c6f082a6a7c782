"""Solutions read back from the folders they were saved in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from flatrank.arrays import xp
from flatrank.certificates import Certificate
from flatrank.factors import FactorPair
from flatrank.problems import rebuilt
from flatrank.solvers.solution import Counts, Solution
from flatrank.solvers.status import Status


def load(folder: str | Path) -> Solution:
    """Read back what `Solution.save` wrote.

    A folder of `flatrank complete` is for `flatrank.load_run`: its solution is what is left of the
    values after offsets and scales, and its entries are no predictions.

    Raises
    ------
    ValueError
        If the folder holds a table completed with offsets or scales, no run, or a damaged file.
    """
    record, solution = read_solution(folder)
    offsets, scales = record.get("offsets") or {}, record.get("scales") or {}
    if offsets.get("kind", "none") != "none" or scales.get("side", "none") != "none":
        raise ValueError(
            f"{folder} holds a table completed with offsets, which entries of a solution leave "
            "out: read it with flatrank.load_run, whose predict takes pairs of row and column "
            "names, and whose solution is what this would be"
        )
    return solution


def read_solution(folder: str | Path) -> tuple[dict[str, Any], Solution]:
    """What `run.json` says, and the solution, whatever else belongs to it.

    Raises
    ------
    ValueError
        If the folder does not hold a run, or a file in it is damaged.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "model.safetensors")
        return record, _assemble(record, arrays)
    except FileNotFoundError as missing:
        raise ValueError(
            f"{folder} is not a run folder: {Path(missing.filename or '?').name} is missing"
        ) from None
    except Exception as damaged:
        raise ValueError(f"{folder} holds a damaged run: {damaged}") from damaged


def _assemble(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> Solution:
    problem = rebuilt(record.get("problem"), record, arrays)
    seconds = record["seconds"]
    return Solution(
        factors=FactorPair(xp.asarray(arrays["L"]), xp.asarray(arrays["R"])),
        y=xp.asarray(arrays["y"]),
        certificate=Certificate.from_dict(record["certificate"]) if record["certificate"] else None,
        status=Status[record["status"].upper()],
        counts=Counts(**record["counts"]),
        history=record.get("history", []),
        seconds=seconds["solve"] if isinstance(seconds, dict) else seconds,
        problem=problem,
        seed=record["seed"],
        extra={
            name.removeprefix("extra."): xp.asarray(x)
            for name, x in arrays.items()
            if name.startswith("extra.")
        },
    )
