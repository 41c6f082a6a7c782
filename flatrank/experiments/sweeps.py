"""The figures of the theory: a grid of cells, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flatrank.data.entries import InputError
from flatrank.experiments.cells import Cell, Draw, made, seeds, solve_cell
from flatrank.experiments.dimension import (
    degrees_of_freedom,
    statistical_dimension,
    symmetric_degrees_of_freedom,
    symmetric_statistical_dimension,
)
from flatrank.experiments.draws import SYMMETRIC, Ensemble, Family, MakeProblem
from flatrank.experiments.grids import check_whole, checked_grid
from flatrank.solvers.keeping import Monitor, digest, kept
from flatrank.theory import weak_recovery_rate


@dataclass(frozen=True)
class Sweep:
    """A grid of cells: arguments as of `phase_transition`, and what came out.

    `cells` are d by d, in the order of `sizes`.
    """

    make_problem: MakeProblem
    seed: int
    dims: tuple[int, ...]
    sizes: tuple[float, ...]
    cells: tuple[Cell, ...]

    @property
    def ensemble(self) -> Ensemble | None:
        """The family, rank and aspect; None where the measurements are somebody's own."""
        return self.make_problem if isinstance(self.make_problem, Ensemble) else None

    @property
    def name(self) -> str:
        """The family; "own" where the measurements are somebody's own."""
        return self.ensemble.family if self.ensemble else "own"

    @property
    def rival(self) -> str:
        """What the flat solutions are compared with."""
        return self.cells[0].rival

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

    def facts(self) -> dict[str, Any]:
        """What a caption must say."""
        own = {"family": self.name, "rival": self.rival, "seed": self.seed}
        about = asdict(self.ensemble) if self.ensemble else {}
        return {
            **own,
            **about,
            "dims": list(self.dims),
            self.size_name: list(self.sizes),
            "draws": len(self.cells[0].draws),
            "recovered": sum(cell.recovered(0) for cell in self.cells),
            "recovered_by_rival": sum(cell.recovered(1) for cell in self.cells),
            "solutions": self.solutions,
            "uncertified": self.uncertified,
            "worst_gap": self.worst_gap,
        }

    def limits(self, d: int) -> tuple[float, float] | None:
        """Degrees of freedom and statistical dimension at d, in the units of `sizes`.

        The second is about Gaussian matrices; for the other families it is a reference only. None
        where neither is known: of errors, and of measurements of somebody's own.
        """
        if self.ensemble is None or self.name == "robust":
            return None
        r, (d1, d2) = self.ensemble.rank, self.ensemble.shape(d)
        if self.name in SYMMETRIC:
            of_rank = symmetric_degrees_of_freedom(d, r)
            return float(of_rank), symmetric_statistical_dimension(d, r)
        unit = d1 * d2 if self.name == "completion" else 1
        return degrees_of_freedom(d1, d2, r) / unit, statistical_dimension(d1, d2, r) / unit

    def recovery(self) -> list[dict[str, float]]:
        """Figure 3 as a table: the shares of draws recovered in each cell, with 95 % intervals."""
        names = "flat", self.rival.replace("-", "_").replace(" ", "_")
        return [self._place(cell, names) for cell in self.cells]

    def _place(self, cell: Cell, names: tuple[str, str]) -> dict[str, float]:
        row: dict[str, float] = {"d": cell.d, self.size_name: cell.size}
        for which, name in enumerate(names):
            low, high = cell.interval(which)
            row |= {name: cell.share(which), f"{name}_low": low, f"{name}_high": high}
        row |= {"draws": len(cell.draws), "uncertified": cell.uncertified}
        limits = self.limits(cell.d)
        known = ("degrees_of_freedom", "statistical_dimension")
        return row | (dict(zip(known, limits, strict=True)) if limits else {})

    def regularity(self) -> list[dict[str, float]]:
        """Figure 4 as a table: how far flat is from norm-minimal, and from balanced.

        Medians over the draws with D1, D2 nonsingular; NaN where there is none. Beside each measure
        its bound of Theorem 3.3: κ² − 1 and 2(κ² − 1), and how many draws exceed one.

        Raises
        ------
        InputError
            If the rival is not norm-minimal.
        """
        if self.rival != "norm-minimal":
            raise InputError(
                f"The theorem compares flat with norm-minimal solutions; the rival of {self.name} "
                f"is {self.rival}."
            )
        return [
            {"d": cell.d, self.size_name: cell.size, "flat": cell.share(0), **_regularity(cell)}
            for cell in self.cells
        ]

    def weak_recovery(self) -> list[dict[str, float]]:
        """‖X − M‖_*/‖M‖_* of entries against γ of `weak_recovery_rate` with C = 1.

        Medians over the draws with an entry; `constant` is the largest C that a draw needs.

        Raises
        ------
        InputError
            If this is no sweep of completion, or no entry was drawn in any cell.
        """
        if self.ensemble is None or self.name != "completion":
            raise InputError(f"Weak recovery is about completion; this sweep is {self.name}.")
        if not any(one.m for cell in self.cells for one in cell.draws):
            raise InputError("No entry was drawn in any cell; raise the probabilities.")
        return [self._weak(cell, self.ensemble) for cell in self.cells]

    def _weak(self, cell: Cell, ensemble: Ensemble) -> dict[str, float]:
        shape, seen = ensemble.shape(cell.d), [one for one in cell.draws if one.m]
        rates = [weak_recovery_rate(shape, ensemble.rank, one.m, one.mu) for one in seen]
        errors = np.array([one.nuclear for one in seen]).reshape(-1, 2)
        need = errors[:, 0] / np.array(rates)
        columns = {"mu": [one.mu for one in seen], "gamma": rates}
        columns |= {"flat_error": errors[:, 0], "rival_error": errors[:, 1]}
        place = {"d": cell.d, self.size_name: cell.size, "flat": cell.share(0)}
        return place | _medians(columns) | {"constant": float(np.max(need, initial=0.0))}

    @property
    def size_name(self) -> str:
        """What `sizes` are: m, p for completion, errors for robust, or size."""
        names = {"completion": "p", "robust": "errors", "own": "size"}
        return names.get(self.name, "m")


def phase_transition(  # noqa: PLR0913 - one keyword for each thing that a figure may vary
    family: Family | MakeProblem = "sensing",
    *,
    dims: Sequence[float] | None = None,
    sizes: Sequence[float] | None = None,
    rank: int | None = None,
    draws: int = 10,
    seed: int = 0,
    folder: Path | str | None = None,
    monitor: Monitor | None = None,
) -> Sweep:
    """How often flat solutions and a rival's are the truth, over sizes and numbers of data.

    Figure 3 of the flat-minima paper. In every cell several draws of M of rank r and of its
    measurements; min ‖D1 X D2‖_* and min ‖X‖_* s.t. 𝒜(X) = 𝒜(M) (`rival` in place of the second
    where X ⪰ 0, and for separations), each certified. Recovered means ‖X − M‖_F ≤ 1e-6 ‖M‖_F; where
    every matrix that fits is flattest X must also be proved to be the only one.

    Parameters
    ----------
    family : str or callable
        A family of `Ensemble`, an `Ensemble`, or measurements of one's own,
        make_problem(d, size, seed) -> (problem, M), a problem of a front door of the library and
        the matrix that it measures. It is called from several threads.
    dims : sequence of int, optional
        d, above `rank`; 10, 16, …, 40 by default, from 16 for robust. To be given with a
        make_problem.
    sizes : sequence of numbers, optional
        m, by default 30, 75, …, 525; for completion the probability of an entry, by default
        0.12, 0.2, …, 1; for robust the share of errors, by default 0.03, 0.06, …, 0.36. To be given
        with a make_problem.
    rank : int, optional
        r of a family; by default 2, and 3 for "quadratic", where M has eigenvalues of both signs.
    draws, seed : int
        Draws in each cell; of every random choice: a cell's numbers do not depend on the rest of
        the grid.
    folder : path, optional
        Where each finished cell is kept, as a small json file, and found by the next call. One of a
        make_problem is named by the data of its first draw too: a changed one starts anew.
    monitor : callable, optional
        Called for every cell with `stage`, `step`, `of`, `message`.

    Returns
    -------
    Sweep

    Notes
    -----
    An argument that makes no sense raises `InputError`. Departs from the paper in the grids, in
    drawing M anew for every draw where the paper draws one for a cell, and in the solver, which it
    does not name. Some minutes on two cores for the default grids.
    """
    make, (dims, sizes) = checked_grid(family, rank, dims, sizes)
    for name, value, least in (("draws", draws, 1), ("seed", seed, 0)):
        check_whole(name, value, least)
    places, cells = [(d, size) for d in dims for size in sizes], []
    empty = Sweep(make, seed, dims, sizes, ())
    for step, (d, size) in enumerate(places):
        if monitor is not None:
            event = {"stage": f"{empty.name} cells", "step": step, "of": len(places)}
            monitor(event | {"message": f"d = {d}, {empty.size_name} = {size:g}"})
        path = None
        if folder:
            named = _digest(make, d, size, draws, seed)
            path = Path(folder) / f"{empty.name}-{d}-{size!r}-{named}.json"
        found = kept(path, lambda d=d, size=size: asdict(solve_cell(make, d, size, draws, seed)))
        cells.append(_restored(found))
    return Sweep(make, seed, dims, sizes, tuple(cells))


def theorem_sweep(family: Family | MakeProblem = "sensing", **options: Any) -> Sweep:
    """How much larger and how unbalanced flat solutions are, against the bounds of Theorem 3.3.

    Figure 4 of the flat-minima paper: `Sweep.regularity` of the same cells as `phase_transition`,
    which takes the same arguments.

    Raises
    ------
    InputError
        Also if the rival of the family is not norm-minimal.
    """
    name = family.family if isinstance(family, Ensemble) else family
    if name in ("covariance", "robust"):
        raise InputError(f"Theorem 3.3 is about norm-minimal solutions; {name} has another rival.")
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
    exceeding = (excess > bound + 1e-6) | (imbalance > 2 * bound + 1e-6)
    counts = {"nonsingular": len(seen), "exceeding": int(exceeding.sum())}
    return _medians(columns) | counts


def _medians(columns: dict[str, Any]) -> dict[str, float]:
    """Of every column; NaN of an empty one."""
    return {k: float(np.median(v)) if len(v) else float("nan") for k, v in columns.items()}


def _digest(make: MakeProblem, d: int, size: float, draws: int, seed: int) -> str:
    """What the numbers of a cell hang on: raise the format when they would come out otherwise.

    A family is known by its settings, somebody's own make_problem by the data of its first draw.
    """
    known = {"format": 3, "draws": draws, "seed": seed}
    if isinstance(make, Ensemble):
        return digest(known | asdict(make))
    problem, M = made(make, d, size, seeds(seed, d, size, 1)[0])
    return digest(known, M, np.zeros(0) if problem is None else np.asarray(problem.b))


def _restored(found: dict[str, Any]) -> Cell:
    """A cell from its numbers."""
    pairs = ("error", "nuclear", "gap", "alone")
    draws = [Draw(**one | {name: tuple(one[name]) for name in pairs}) for one in found["draws"]]
    return Cell(found["d"], found["size"], found["rival"], tuple(draws))
