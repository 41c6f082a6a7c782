"""The front door: scale, solve, prove, report. It contains no mathematics of its own."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from flatrank.arrays import Array, like, scope
from flatrank.certificates import Certificate, Effort, certify_whitened
from flatrank.factors import Cone, FactorPair, Factors
from flatrank.problems import (
    ImplicitFeedback,
    Problem,
    Separation,
    Tomography,
    as_pair,
    as_problem,
    checked_chance,
    equalised,
    in_units,
)
from flatrank.solvers.alternating_directions import AlternatingDirections
from flatrank.solvers.auto import ROUNDING, Auto
from flatrank.solvers.gauss_newton import GaussNewton
from flatrank.solvers.implicit import ImplicitLeastSquares
from flatrank.solvers.interior_point import InteriorPoint
from flatrank.solvers.lagrangian import Lagrangian
from flatrank.solvers.loop import Outcome, Solver, monitor_of, run
from flatrank.solvers.proximal_point import ProximalPoint
from flatrank.solvers.solution import Solution
from flatrank.solvers.starts import best_multiple
from flatrank.solvers.states import StateSearch
from flatrank.solvers.status import Status

# Problems of which a start is taken as it is.
_GIVEN_SIZE = ImplicitFeedback, Separation, Tomography


class NoisyDataWarning(UserWarning):
    """Data that look noisy were fitted exactly (λ = 0): see `Solution.remark`."""


def solve(  # noqa: PLR0913 - the contract's options, each named
    problem: Problem,
    *,
    goal: Literal["recover", "flat"] = "recover",
    solver: Solver[Any] | None = None,
    rank: int | None = None,
    tol: float = 1e-6,
    max_seconds: float | None = None,
    start: Factors | None = None,
    seed: int = 0,
    progress: bool | Callable[[dict[str, Any]], None] = False,
) -> Solution:
    """Solve a recovery problem and certify the answer.

    Parameters
    ----------
    problem : Problem
        From a front door such as `completion`.
    goal : "recover" or "flat"
        With λ = 0: whether an identifiable low-rank interpolant will do where it is not proved to
        be the flattest. With λ > 0 both mean the penalised optimum.
    solver : Solver, optional
        `Auto` by default.
    rank : int, optional
        Rank limit; found by default. Of implicit feedback the width of the factors, 64 by default.
    tol : float
        Relative duality gap to prove, in (0, 1).
    max_seconds : float, optional
        No new step starts after this.
    start : FactorPair, Solution or (L, R), optional
        Factors of X to start from; as for `certify`. The best multiple of X is taken: how large it
        is does not matter, and one that only leads away is left out.
    seed : int
        Of every random choice.
    progress : bool or callable
        True prints a line a step on stderr; a callable receives each step's numbers.

    Returns
    -------
    Solution
        With a certificate whatever the solver, and a status that says what is established.

    Raises
    ------
    ValueError
        If the problem is none, an argument is out of range, or `start` does not fit.

    Warns
    -----
    NoisyDataWarning
        If λ = 0 and the data look noisy (`Solution.remark`), with goal "recover" and the default
        solver.

    Notes
    -----
    Data are scaled by a power of four before and back after, so their unit changes nothing.
    Memory O(m + (d1 + d2) k).
    """
    problem, rank = as_problem(problem), _checked(goal, rank, tol, max_seconds, seed)
    by_default = solver is None and goal == "recover"
    with scope():
        solver = _chosen(problem, solver or _default(problem, goal, rank, tol))
        limits = _Limits(tol, max_seconds, seed, monitor_of(progress))
        solution = _answer(problem, solver, start, limits, prove=True)
    # Of exact data too the flattest interpolant, where it is asked for, may have a high rank.
    if by_default and solution.remark and not problem.hidden:
        warnings.warn(solution.remark, NoisyDataWarning, stacklevel=2)
    return solution


def approximate(  # noqa: PLR0913 - the options of `solve`
    problem: Problem,
    *,
    tol: float,
    solver: Solver[Any] | None = None,
    rank: int | None = None,
    max_seconds: float | None = None,
    start: Factors | None = None,
    seed: int = 0,
    progress: bool | Callable[[dict[str, Any]], None] = False,
) -> Solution:
    """Solve without a proof, λ > 0: for fits that a choice is made by, and nothing else.

    Parameters
    ----------
    problem, solver, rank, max_seconds, start, seed, progress
        As for `solve`.
    tol : float
        Relative duality gap to reach, as far as it is seen without a proof.

    Returns
    -------
    Solution
        Without a certificate, unless the solver makes one on its way.

    Raises
    ------
    ValueError
        As `solve`; and if λ = 0.
    """
    problem, rank = as_problem(problem), _checked("recover", rank, tol, max_seconds, seed)
    if problem.lam == 0:
        raise ValueError("approximate needs lam > 0; exact fits end with a proof: use solve")
    with scope():
        solver = _chosen(problem, solver or _default(problem, "recover", rank, tol, prove=False))
        limits = _Limits(tol, max_seconds, seed, monitor_of(progress))
        return _answer(problem, solver, start, limits, prove=False)


class _Limits(NamedTuple):
    """What `solve` is asked for apart from problem and method."""

    tol: float
    max_seconds: float | None
    seed: int
    monitor: Callable[[dict[str, Any]], None] | None


def _answer(
    problem: Problem, solver: Solver[Any], start: Factors | None, limits: _Limits, *, prove: bool
) -> Solution:
    begin, tol = time.perf_counter(), limits.tol
    units = in_units(problem)
    scaled, root = units.problem, units.pair_root
    even = equalised(scaled)
    scaled = scaled if even is None else even.problem
    first = None if start is None else _started(problem, start, root)
    if first is not None and not isinstance(problem, _GIVEN_SIZE):
        first = best_multiple(scaled, first)
    state, status, history = run(
        solver,
        scaled,
        solver.init(scaled, first, limits.seed),
        max_steps=1000,
        deadline=None if limits.max_seconds is None else begin + limits.max_seconds,
        monitor=limits.monitor,
    )
    found = solver.outcome(state)
    certificate, y = found.certificate, found.y
    if prove or certificate is not None:
        proved, y, status = _proved(scaled, found, status, tol)
        if even is not None:
            proved = proved.shaken(even.rounding, even.misfit(found.pair))
            y = even.back(y)
            if status is Status.CERTIFIED and not proved.certified(tol):
                status = Status.STATIONARY
        certificate = proved.scaled(units.value)
        if status is Status.CERTIFIED and not certificate.certified(tol):
            status = Status.NONFINITE  # in the user's unit its values are out of range
    if y is None:
        y = scaled.b - scaled.whitened.forward(found.pair)
    y = y if units.dual == 1.0 else y * units.dual
    pair, y = like((_unscaled(problem, found, root), y), problem.b)
    return Solution(
        factors=pair,
        y=y,
        certificate=certificate,
        status=status,
        counts=found.counts,
        history=history,
        seconds=time.perf_counter() - begin,
        problem=problem,
        seed=limits.seed,
        extra={name: np.asarray(x * units.data) for name, x in found.extra.items()},
    )


def _default(
    problem: Problem,
    goal: Literal["recover", "flat"],
    rank: int | None,
    tol: float,
    prove: bool = True,
) -> Solver[Any]:
    if isinstance(problem, ImplicitFeedback):
        return ImplicitLeastSquares(rank or ImplicitLeastSquares.rank, tol=tol)
    if isinstance(problem, Separation):
        return AlternatingDirections(rank, tol)
    if isinstance(problem, Tomography):
        return StateSearch(goal, rank, tol)
    if rank is None and ProximalPoint(tol).suits(problem):
        return ProximalPoint(tol)
    return Auto(goal=goal, rank=rank, tol=tol, prove=prove)


def _chosen(problem: Problem, solver: Solver[Any]) -> Solver[Any]:
    if not isinstance(solver, Solver):
        made = isinstance(solver, type) and issubclass(solver, Solver)
        name = solver.__name__ if made else "GaussNewton"
        raise ValueError(
            f"solver must be a Solver, such as flatrank.solvers.{name}(); got {solver!r}"
        )
    checked_chance(getattr(solver, "failure_probability", 0.0))
    if isinstance(problem, Separation) and not isinstance(solver, AlternatingDirections):
        raise ValueError(
            f"{type(solver).__name__} does not separate a sparse part; robust PCA needs "
            "AlternatingDirections, which is the default"
        )
    if isinstance(problem, ImplicitFeedback) and not isinstance(solver, ImplicitLeastSquares):
        raise ValueError(
            f"{type(solver).__name__} does not see the cells without a click; implicit feedback "
            "needs ImplicitLeastSquares, which is the default"
        )
    if isinstance(problem, Tomography):
        if not isinstance(solver, StateSearch):
            raise ValueError(
                f"{type(solver).__name__} does not keep the trace at one; tomography needs "
                "StateSearch, which is the default"
            )
        return solver
    keep = (Auto, GaussNewton, InteriorPoint, Lagrangian)
    if problem.cone is not Cone.WHOLE and not isinstance(solver, keep):
        raise ValueError(
            f"{type(solver).__name__} does not keep X symmetric; {problem.cone.value} needs Auto, "
            "which is the default, GaussNewton or Lagrangian"
        )
    return solver


def _checked(
    goal: str, rank: int | None, tol: float, max_seconds: float | None, seed: int
) -> int | None:
    """The rank as Python's own integer, if everything is in range."""
    if goal not in ("recover", "flat"):
        raise ValueError(f"goal must be 'recover' or 'flat'; got {goal!r}")
    if not _is_number(tol) or not 0 < tol < 1:
        raise ValueError(f"tol is a relative duality gap between 0 and 1; got {tol!r}")
    if max_seconds is not None and not (_is_number(max_seconds) and max_seconds >= 0):
        raise ValueError(f"max_seconds must be >= 0; got {max_seconds!r}")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number >= 0; got {seed!r}")
    if rank is None:
        return None
    if not _is_number(rank) or rank != int(rank) or rank < 1:
        raise ValueError(f"rank must be a whole number >= 1, or None to find it; got {rank!r}")
    return int(rank)


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


def _started(problem: Problem, start: Factors, root: float) -> FactorPair:
    """The pair of X̃ of the scaled problem."""
    pair = problem.whiten(as_pair(problem, start))
    return FactorPair(pair.L / root, pair.R / root)


def _unscaled(problem: Problem, found: Outcome, root: float) -> FactorPair:
    """The factors of X without their zero columns."""
    pair = problem.unwhiten(found.pair.resized(found.rank))
    return FactorPair(root * pair.L, root * pair.R)


def _proved(
    problem: Problem, found: Outcome, status: Status, tol: float
) -> tuple[Certificate, Array, Status]:
    """The solver's certificate, or one made here, and the status it supports."""
    certificate, y = found.certificate, found.y
    if certificate is None or y is None:
        certificate, y = certify_whitened(
            problem, problem.cone.decompose(found.pair), None, Effort(tol=tol)
        )
    exact = problem.lam == 0 and not isinstance(problem, (Separation, Tomography))
    fits = not exact or certificate.feasibility <= max(tol, ROUNDING)
    if fits and certificate.certified(tol):
        return certificate, y, Status.CERTIFIED
    return certificate, y, status
