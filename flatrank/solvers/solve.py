"""The front door: scale, solve, prove, report. It contains no mathematics of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import ArrayLike

from flatrank.certificates import Certificate, as_pair, certify_whitened
from flatrank.factors import FactorPair, compact_svd
from flatrank.flatness import Flatness, measure_flatness
from flatrank.kernels import scope
from flatrank.problems import Problem
from flatrank.solvers.auto import Auto
from flatrank.solvers.loop import Solver, run_hosted
from flatrank.solvers.solution import Solution
from flatrank.solvers.status import Status

MAX_STEPS = 1000


def solve(
    problem: Problem,
    *,
    goal: Literal["recover", "flat"] = "recover",
    solver: Solver[Any] | None = None,
    rank: int | None = None,
    tol: float = 1e-6,
    max_seconds: float | None = None,
    start: FactorPair | tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    progress: bool | Callable[[dict[str, Any]], None] = False,
) -> Solution:
    """Solve a recovery problem and certify the answer.

    Parameters
    ----------
    problem : Problem
        From a front door such as `completion`.
    goal : "recover" or "flat"
        With λ = 0: whether an identifiable low-rank interpolant will do where it is not proved to be
        the flattest. With λ > 0 both mean the penalised optimum.
    solver : Solver, optional
        `Auto` by default.
    rank : int, optional
        Rank limit; found by default.
    tol : float
        Relative duality gap to prove, in (0, 1).
    max_seconds : float, optional
        No new step starts after this.
    start : FactorPair or (L, R), optional
        Factors of X to start from.
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
        If an argument is out of range, or `start` does not fit.

    Notes
    -----
    Data are scaled by a power of four before and back after, so their unit changes nothing.
    Memory O(m + (d1 + d2) k).
    """
    _check(goal, rank, tol, max_seconds)
    begin = time.perf_counter()
    with scope():
        scale = _unit(problem)
        scaled = _scaled(problem, 1.0 / scale)
        if solver is None:
            solver = Auto(goal=goal, rank=rank, tol=tol)
        first = None
        if start is not None:
            pair = as_pair(problem, start)
            first = scaled.whiten(FactorPair(pair.L / math.sqrt(scale), pair.R / math.sqrt(scale)))
        state, status, history = run_hosted(
            solver,
            scaled,
            solver.init(scaled, first, seed),
            max_steps=MAX_STEPS,
            deadline=None if max_seconds is None else begin + max_seconds,
            monitor=_monitor(progress),
        )
        pair, counts, y = solver.outcome(state)
        certificate, y, status = _proved(scaled, pair, y, status, tol)
        factors, flatness = _unscaled(problem, pair, math.sqrt(scale))
        return Solution(
            factors=factors,
            y=y if problem.lam == 0 else y * scale,
            certificate=_rescaled(certificate, scale if problem.lam == 0 else scale**2),
            flatness=flatness,
            status=status,
            counts=counts,
            history=history,
            seconds=time.perf_counter() - begin,
            problem=problem,
            seed=seed,
        )


def _check(goal: str, rank: int | None, tol: float, max_seconds: float | None) -> None:
    if goal not in ("recover", "flat"):
        raise ValueError(f"goal must be 'recover' or 'flat'; got {goal!r}")
    if rank is not None and (isinstance(rank, bool) or rank != int(rank) or rank < 1):
        raise ValueError(f"rank must be a whole number >= 1, or None to find it; got {rank!r}")
    if not 0 < tol < 1:
        raise ValueError(f"tol is a relative duality gap between 0 and 1; got {tol}")
    if max_seconds is not None and not max_seconds >= 0:
        raise ValueError(f"max_seconds must be >= 0; got {max_seconds}")


def _unit(problem: Problem) -> float:
    """A power of four near the largest datum: exact to divide by, with an exact square root."""
    top = float(jnp.max(jnp.abs(problem.b)))
    return 4.0 ** round(math.log(top, 4)) if top > 0 else 1.0


def _scaled(problem: Problem, factor: float) -> Problem:
    scaled = problem.with_lam(problem.lam * factor)
    return eqx.tree_at(lambda p: p.b, scaled, problem.b * factor)


def _unscaled(problem: Problem, pair: FactorPair, root: float) -> tuple[FactorPair, Flatness]:
    factors = problem.unwhiten(FactorPair(pair.L * root, pair.R * root))
    return factors, measure_flatness(problem.measurement, factors, problem.rescaling)


def _rescaled(certificate: Certificate, factor: float) -> Certificate:
    return replace(
        certificate,
        primal=certificate.primal * factor,
        dual_bound=certificate.dual_bound * factor,
        gap=certificate.gap * factor,
    )


def _proved(
    problem: Problem, pair: FactorPair, y: Any, status: Status, tol: float
) -> tuple[Certificate, Any, Status]:
    """The final certificate, uniqueness included, and the status it supports."""
    certificate, y = certify_whitened(
        problem, compact_svd(pair), y if problem.lam == 0 else None, tol=tol
    )
    if certificate.certified(tol):
        return certificate, y, Status.CERTIFIED
    return certificate, y, status


def _monitor(
    progress: bool | Callable[[dict[str, Any]], None],
) -> Callable[[dict[str, Any]], None] | None:
    if callable(progress):
        return progress
    if not progress:
        return None
    import sys

    def line(record: dict[str, Any]) -> None:
        shown = " ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in record.items()
            if value is not None
        )
        print(shown, file=sys.stderr, flush=True)

    return line
