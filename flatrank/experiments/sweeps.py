"""The figures of the theory: a grid of cells, each kept as soon as it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flatrank.data.entries import InputError
from flatrank.experiments.cells import Cell, Draw, solve_cell
from flatrank.experiments.dimension import (
    degrees_of_freedom,
    statistical_dimension,
    symmetric_degrees_of_freedom,
    symmetric_statistical_dimension,
)
from flatrank.experiments.draws import FAMILIES, Family

Monitor = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Sweep:
    """A grid of cells for one family: arguments as of `phase_transition`, and what came out.

    `cells` are d by d, in the order of `sizes`.
    """

    family: Family
    rank: int
    seed: int
    dims: tuple[int, ...]
    sizes: tuple[float, ...]
    cells: tuple[Cell, ...]

    @property
    def solutions(self) -> int:
        """How many problems were solved."""
        return 2 * sum(len(cell.draws) for cell in self.cells)

    @property
    def uncertified(self) -> int:
        """How many of the solutions have a relative gap above 1e-6."""
        return sum(cell.uncertified for cell in self.cells)

    @property
    def worst_gap(self) -> float:
        """The largest relative gap."""
        return max(max(one.gap) for cell in self.cells for one in cell.draws)

    def limits(self, d: int) -> tuple[float, float]:
        """Degrees of freedom and statistical dimension at d, in the units of `sizes`.

        The second is about Gaussian matrices; for the other families it is a reference only.
        """
        if self.family == "quadratic":
            of_rank = symmetric_degrees_of_freedom(d, self.rank)
            return float(of_rank), symmetric_statistical_dimension(d, self.rank)
        unit = d * d if self.family == "completion" else 1
        return (
            degrees_of_freedom(d, d, self.rank) / unit,
            statistical_dimension(d, d, self.rank) / unit,
        )

    def recovery(self) -> list[dict[str, float]]:
        """Figure 3 as a table: the shares of draws recovered in each cell."""
        limits = "degrees_of_freedom", "statistical_dimension"
        return [
            {
                "d": cell.d,
                self.size_name: cell.size,
                "flat": cell.share(0),
                "norm_minimal": cell.share(1),
                "draws": len(cell.draws),
                "uncertified": cell.uncertified,
                **dict(zip(limits, self.limits(cell.d), strict=True)),
            }
            for cell in self.cells
        ]

    def regularity(self) -> list[dict[str, float]]:
        """Figure 4 as a table: how far flat is from norm-minimal, and from balanced.

        Medians over the draws with D1, D2 nonsingular; NaN where there is none. Beside each measure
        its bound of Theorem 3.3: κ² − 1 and 2(κ² − 1), and how many draws exceed one.
        """
        return [
            {"d": cell.d, self.size_name: cell.size, "flat": cell.share(0), **_regularity(cell)}
            for cell in self.cells
        ]

    @property
    def size_name(self) -> str:
        """What `sizes` are: m, or p for completion."""
        return "p" if self.family == "completion" else "m"


def phase_transition(  # noqa: PLR0913 - one keyword for each thing that a figure may vary
    family: Family = "sensing",
    *,
    dims: Sequence[float] | None = None,
    sizes: Sequence[float] | None = None,
    rank: int | None = None,
    draws: int = 10,
    seed: int = 0,
    folder: Path | str | None = None,
    monitor: Monitor | None = None,
) -> Sweep:
    """How often flat and norm-minimal solutions are the truth, over sizes and numbers of data.

    Figure 3 of the flat-minima paper. In every cell one M of rank r with ‖M‖_F = 1, and several
    draws of the measurements; min ‖D1 X D2‖_* and min ‖X‖_* s.t. 𝒜(X) = 𝒜(M), each certified.
    Recovered means ‖X − M‖_F ≤ 1e-6.

    Parameters
    ----------
    family : str
        "sensing", "bilinear", "completion" or "quadratic".
    dims : sequence of int, optional
        d of the d × d matrices, above `rank`; 7, 10, …, 40 by default.
    sizes : sequence of numbers, optional
        m, by default 30, 75, …, 525; for completion the probability of an entry, by default
        0.12, 0.2, …, 1.
    rank : int, optional
        r; by default 2, and 3 for "quadratic", where M has eigenvalues of both signs.
    draws, seed : int
        Draws of the measurements in each cell; of every random choice: a cell's numbers do not
        depend on the rest of the grid.
    folder : path, optional
        Where each finished cell is kept, as a small json file, and found by the next call.
    monitor : callable, optional
        Called for every cell with `stage`, `step`, `of`, `message`.

    Returns
    -------
    Sweep

    Notes
    -----
    An argument that makes no sense raises `InputError`. Departs from the paper in the grids and in
    the solver, which it does not name. Some minutes on two cores for the default grids.
    """
    rank = (3 if family == "quadratic" else 2) if rank is None else rank
    asked = _checked(family, dims, sizes, (rank, draws, seed))
    # The format is of the numbers themselves: raise it when a cell would come out otherwise.
    known = {"format": 2, "rank": rank, "draws": draws, "seed": seed}
    digest = hashlib.blake2b(json.dumps(known).encode(), digest_size=4).hexdigest()
    places = [(d, size) for d in asked[0] for size in asked[1]]
    cells = []
    for step, (d, size) in enumerate(places):
        if monitor is not None:
            name = "p" if family == "completion" else "m"
            event = {"stage": "cells", "step": step, "of": len(places)}
            monitor(event | {"message": f"d = {d}, {name} = {size:g}"})
        path = Path(folder) / f"{family}-{d}-{size!r}-{digest}.json" if folder else None
        cell = _read(path, d, size) if path else None
        if cell is None:
            cell = solve_cell(family, d, size, rank, draws, seed)
            if path:
                _keep(path, cell)
        cells.append(cell)
    return Sweep(family, rank, seed, *asked, tuple(cells))


def theorem_sweep(family: Family = "sensing", **options: Any) -> Sweep:
    """How much larger and how unbalanced flat solutions are, against the bounds of Theorem 3.3.

    Figure 4 of the flat-minima paper: `Sweep.regularity` of the same cells as `phase_transition`,
    which takes the same arguments.
    """
    return phase_transition(family, **options)


def _regularity(cell: Cell) -> dict[str, float]:
    """Medians of the measures and their bounds, and how many draws exceed one beyond rounding."""
    seen = [one for one in cell.draws if np.isfinite(one.excess)]
    kappa, excess, imbalance = (
        np.array([(one.kappa, one.excess, one.imbalance) for one in seen]).reshape(-1, 3).T
    )
    bound = kappa**2 - 1
    columns = {"kappa": kappa, "excess": excess, "excess_bound": bound}
    columns |= {"imbalance": imbalance, "imbalance_bound": 2 * bound}
    medians = {k: float(np.median(v)) if v.size else float("nan") for k, v in columns.items()}
    exceeding = (excess > bound + 1e-6) | (imbalance > 2 * bound + 1e-6)
    return {**medians, "nonsingular": len(seen), "exceeding": int(exceeding.sum())}


def _checked(
    family: str,
    dims: Sequence[float] | None,
    sizes: Sequence[float] | None,
    numbers: tuple[int, int, int],
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if family not in FAMILIES:
        raise InputError(f"family must be one of {', '.join(FAMILIES)}; got {family}.")
    rank, draws, seed = numbers
    for name, value, least in (("rank", rank, 1), ("draws", draws, 1), ("seed", seed, 0)):
        if not float(value).is_integer() or value < least:
            raise InputError(f"{name} must be a whole number from {least}; got {value}.")
    share = family == "completion"
    dims = tuple(range(7, 41, 3) if dims is None else dims)
    if sizes is None:
        sizes = [round(0.12 + 0.08 * n, 2) for n in range(12)] if share else range(30, 526, 45)
    if not dims or any(not float(d).is_integer() or d <= rank for d in dims):
        raise InputError(f"dims must be whole numbers above the rank {rank}; got {_listed(dims)}.")
    if share and (not sizes or any(not 0 < p <= 1 for p in sizes)):
        raise InputError(f"sizes must be probabilities from above 0 to 1; got {_listed(sizes)}.")
    if not share and (not sizes or any(not float(m).is_integer() or m < 1 for m in sizes)):
        raise InputError(f"sizes must be whole numbers from 1; got {_listed(sizes)}.")
    return tuple(sorted({int(d) for d in dims})), tuple(sorted({float(x) for x in sizes}))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"


def _keep(path: Path, cell: Cell) -> None:
    """Write to another name, then rename: a cell is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(asdict(cell)), encoding="utf-8")
    part.replace(path)


def _read(path: Path, d: int, size: float) -> Cell | None:
    """A kept cell; None where there is none, it is damaged, or it is another's."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        draws = [
            Draw(**one | {"error": tuple(one["error"]), "gap": tuple(one["gap"])})
            for one in kept["draws"]
        ]
        return Cell(d, size, tuple(draws)) if (kept["d"], kept["size"]) == (d, size) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
