"""One cell of a figure: one size, several draws of the measurements, flat and norm-minimal.

Each draw is a problem of the front doors, solved and certified twice. M itself and its rank are
known to nobody but the error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from flatrank.arrays.shapes import Float
from flatrank.experiments.draws import FAMILIES, Family, draw, norm_minimal, truth
from flatrank.problems import Problem
from flatrank.solvers import Solution, solve

Given = TypeVar("Given")
Done = TypeVar("Done")

#: Certified: a relative gap up to this. Recovered: ‖X − M‖_F up to this, with ‖M‖_F = 1 (the
#: paper's threshold).
CERTIFIED = 1e-6


@dataclass(frozen=True)
class Draw:
    """What one draw of the measurements gave; pairs are (flat, norm-minimal)."""

    #: ‖X − M‖_F, and the proved relative duality gap.
    error: tuple[float, float]
    gap: tuple[float, float]
    #: κ of D1, D2; infinite where one is singular, and what follows is then NaN.
    kappa: float
    #: (‖L_f‖² + ‖R_f‖²)/(2‖X_nuc‖_*) − 1 of the flat factors.
    excess: float
    #: ‖L_fᵀL_f − R_fᵀR_f‖_*/‖X_nuc‖_*.
    imbalance: float

    @property
    def certified(self) -> tuple[bool, ...]:
        """Whether each gap is closed."""
        return tuple(gap <= CERTIFIED for gap in self.gap)

    @property
    def recovered(self) -> tuple[bool, ...]:
        """Whether each solution is M."""
        return tuple(error <= CERTIFIED for error in self.error)


@dataclass(frozen=True)
class Cell:
    """Every draw at one d and one m (or probability)."""

    d: int
    size: float
    draws: tuple[Draw, ...]

    def share(self, smoothing: int) -> float:
        """Share of draws recovered: 0 for flat, 1 for norm-minimal."""
        return float(np.mean([one.recovered[smoothing] for one in self.draws]))

    @property
    def uncertified(self) -> int:
        """Number of solutions whose gap is not closed."""
        return sum(not proved for one in self.draws for proved in one.certified)


def solve_cell(family: Family, d: int, size: float, rank: int, draws: int, seed: int) -> Cell:
    """One d × d matrix M of a rank, several draws of its measurements, two solutions each.

    `size` is m, or for completion the probability of an entry; `seed` that of M and of every draw:
    other cells have other numbers. For d ≤ 40 a draw takes some tenths of a second, at most two.
    """
    key = (seed, FAMILIES.index(family), d, round(1e6 * size))
    first, *others = np.random.SeedSequence(key).spawn(draws + 1)
    M = truth(family, d, rank, np.random.default_rng(first))

    def solved(child: np.random.SeedSequence) -> Draw:
        return solve_draw(draw(family, M, size, np.random.default_rng(child)), M)

    return Cell(d, size, tuple(side_by_side(solved, others)))


def side_by_side(work: Callable[[Given], Done], items: Iterable[Given]) -> list[Done]:
    """`work` on every item, a thread for each processor, each with one thread of BLAS."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, items))


def solve_draw(problem: Problem | None, M: Float[np.ndarray, "d d"]) -> Draw:
    """The flat and the norm-minimal solution of one draw, compared with the truth.

    Where no entry was drawn the problem is None: X = 0, and the gap is 0.
    """
    if problem is None:
        size = float(np.linalg.norm(M))
        return Draw((size, size), (0.0, 0.0), math.inf, math.nan, math.nan)
    flat, minimal = (solve(p, goal="flat") for p in (problem, norm_minimal(problem)))
    matrices = [one.factors.L @ one.factors.R.T for one in (flat, minimal)]
    kappa, size = float(problem.rescaling.kappa), float(np.linalg.norm(matrices[1], "nuc"))
    excess = imbalance = math.nan
    if math.isfinite(kappa) and size > 0:
        excess = flat.flatness.squared_norm / (2 * size) - 1
        imbalance = flat.flatness.imbalance / size
    flat_error, minimal_error = (float(np.linalg.norm(X - M)) for X in matrices)
    gaps = _gap(flat), _gap(minimal)
    return Draw((flat_error, minimal_error), gaps, kappa, excess, imbalance)


def _gap(solution: Solution) -> float:
    """The relative gap; infinite where the bounds prove none."""
    proof = solution.certificate
    return proof.relative_gap if proof and proof.certified(math.inf) else math.inf
