"""One cell of a figure: one size, several draws of M and its measurements, two solutions each.

Each draw is a problem of the front doors, solved and certified twice. M itself and its rank are
known to nobody but the error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from flatrank.arrays.shapes import Float
from flatrank.certificates import CLOSED
from flatrank.data.entries import InputError
from flatrank.experiments.draws import MakeProblem, Rival, rival
from flatrank.problems import Problem
from flatrank.solvers import Solution, solve
from flatrank.theory import incoherence

Given = TypeVar("Given")
Done = TypeVar("Done")

#: Of the intervals of shares, Wilson's.
LEVEL = 0.95


@dataclass(frozen=True)
class Draw:
    """What one draw gave; pairs are (flat, rival)."""

    #: ‖X − M‖_F/‖M‖_F and ‖X − M‖_*/‖M‖_*; and the proved relative duality gap.
    error: tuple[float, float]
    nuclear: tuple[float, float]
    gap: tuple[float, float]
    #: Whether it is not known that other matrices are optimal as well. They are as a rule where all
    #: that fit are (`Problem.all_flattest`): X counts then if it is proved to be the only one.
    alone: tuple[bool, bool]
    #: κ of D1, D2, infinite where one is singular. What follows is then NaN, and where the rival is
    #: not the norm-minimal solution X_n.
    kappa: float
    #: (‖L_f‖² + ‖R_f‖²)/(2‖X_n‖_*) − 1 of the flat factors.
    excess: float
    #: ‖L_fᵀL_f − R_fᵀR_f‖_*/‖X_n‖_*.
    imbalance: float
    #: μ of M, and the number of measurements.
    mu: float
    m: int

    @property
    def certified(self) -> tuple[bool, ...]:
        """Whether each gap is closed."""
        return tuple(gap <= CLOSED for gap in self.gap)

    @property
    def recovered(self) -> tuple[bool, ...]:
        """Whether each solution is M: ‖X − M‖_F/‖M‖_F up to the same (the paper's threshold)."""
        return tuple(
            error <= CLOSED and alone for error, alone in zip(self.error, self.alone, strict=True)
        )


@dataclass(frozen=True)
class Cell:
    """Every draw at one d and one m (or share)."""

    d: int
    size: float
    rival: Rival
    draws: tuple[Draw, ...]

    def recovered(self, which: int) -> int:
        """Number of draws recovered: 0 for flat, 1 for its rival."""
        return sum(one.recovered[which] for one in self.draws)

    def share(self, which: int) -> float:
        """Share of draws recovered."""
        return self.recovered(which) / len(self.draws)

    def interval(self, which: int) -> tuple[float, float]:
        """Wilson's interval for the probability of recovery, at 95 %."""
        found = binomtest(self.recovered(which), len(self.draws))
        low, high = found.proportion_ci(LEVEL, method="wilson")
        return float(low), float(high)

    @property
    def uncertified(self) -> int:
        """Number of solutions whose gap is not closed."""
        return sum(not proved for one in self.draws for proved in one.certified)


def seeds(seed: int, d: int, size: float, draws: int) -> list[int]:
    """Of the draws of one cell: other cells have other numbers."""
    key = np.random.SeedSequence((seed, d, round(1e6 * size)))
    return [int(x) for x in key.generate_state(draws, np.uint64)]


def solve_cell(make_problem: MakeProblem, d: int, size: float, draws: int, seed: int) -> Cell:
    """Several draws of M and of its measurements, two solutions each.

    For d ≤ 40 a draw takes some tenths of a second, at most two.
    """

    def solved(own: int) -> tuple[Rival, Draw]:
        problem, M = made(make_problem, d, size, own)
        return ("norm-minimal" if problem is None else rival(problem)[0]), solve_draw(problem, M)

    found = side_by_side(solved, seeds(seed, d, size, draws))
    return Cell(d, size, found[0][0], tuple(one for _, one in found))


def made(
    make_problem: MakeProblem, d: int, size: float, seed: int
) -> tuple[Problem | None, Float[np.ndarray, "d1 d2"]]:
    """What make_problem gives, checked; InputError where it is not a problem and its truth."""
    found = make_problem(d, size, seed)
    wanted = "make_problem(d, size, seed) must return a problem and the matrix that it measures"
    if not isinstance(found, tuple) or len(found) != 2:
        raise InputError(f"{wanted}; got {type(found).__name__}.")
    problem, M = found[0], np.asarray(found[1])
    if not isinstance(problem, Problem | None):
        raise InputError(f"{wanted}; the first was {type(problem).__name__}.")
    if M.ndim != 2 or (problem is not None and problem.shape != M.shape) or not np.any(M):
        shape = "(d1, d2)" if problem is None else problem.shape
        raise InputError(
            f"{wanted}, not zero and of shape {shape} as the problem says; the second had shape "
            f"{M.shape}."
        )
    return problem, M


def side_by_side(work: Callable[[Given], Done], items: Iterable[Given]) -> list[Done]:
    """`work` on every item, a thread for each processor, each with one thread of BLAS."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, items))


def solve_draw(problem: Problem | None, M: Float[np.ndarray, "d1 d2"]) -> Draw:
    """The flat solution of one draw and its rival's, compared with the truth.

    Where nothing was measured the problem is None: X = 0, and the gap is 0.
    """
    U, s, Vt = np.linalg.svd(M, full_matrices=False)
    mu = incoherence((U * s, Vt.T)).mu
    if problem is None:
        ones, nan = (1.0, 1.0), math.nan
        return Draw(ones, ones, (0.0, 0.0), (True, True), math.inf, nan, nan, mu, 0)
    name, other_problem = rival(problem)
    problems = problem, other_problem
    flat, other = (solve(one, goal="flat") for one in problems)
    matrices = [one.factors.L @ one.factors.R.T for one in (flat, other)]
    kappa, size = float(problem.rescaling.kappa), float(np.linalg.norm(matrices[1], "nuc"))
    excess = imbalance = math.nan
    if name == "norm-minimal" and math.isfinite(kappa) and size > 0:
        excess = flat.flatness.squared_norm / (2 * size) - 1
        imbalance = flat.flatness.imbalance / size
    return Draw(
        error=(_error(matrices[0], M, "fro"), _error(matrices[1], M, "fro")),
        nuclear=(_error(matrices[0], M, "nuc"), _error(matrices[1], M, "nuc")),
        gap=(gap_of(flat), gap_of(other)),
        alone=(_alone(problems[0], flat), _alone(problems[1], other)),
        kappa=kappa,
        excess=excess,
        imbalance=imbalance,
        mu=mu,
        m=problem.m,
    )


def _error(X: np.ndarray, M: np.ndarray, kind: Literal["fro", "nuc"]) -> float:
    return float(np.linalg.norm(X - M, kind) / np.linalg.norm(M, kind))


def _alone(problem: Problem, solution: Solution) -> bool:
    proof = solution.certificate
    return not problem.all_flattest or bool(proof and proof.unique)


def gap_of(solution: Solution) -> float:
    """The relative gap; infinite where the bounds prove none."""
    proof = solution.certificate
    return proof.relative_gap if proof and proof.certified(math.inf) else math.inf
