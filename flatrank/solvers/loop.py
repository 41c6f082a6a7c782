"""The solver protocol and its one loop."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.certificates import Certificate
from flatrank.factors import FactorPair
from flatrank.measurements import SampledEntries
from flatrank.problems import Problem
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status

State = TypeVar("State")


class Outcome(NamedTuple):
    """What a finished search hands over: a pair of X̃, zero beyond `rank`, and what it proved.

    `extra` holds arrays by name in the unit of the data, for problems with more than one unknown.
    """

    pair: FactorPair
    rank: int
    counts: Counts
    y: Float[Array, " m"] | None = None
    certificate: Certificate | None = None
    extra: dict[str, np.ndarray] = {}  # noqa: RUF012 - never written to


class Proof(NamedTuple):
    """A certificate and the dual point behind it, once there are any."""

    certificate: Certificate | None = None
    y: Float[Array, " m"] | None = None

    def certified(self, tol: float) -> bool:
        """Whether there is one with a relative gap of at most `tol`."""
        return self.certificate is not None and self.certificate.certified(tol)


class Scope(NamedTuple):
    """What a solver is for: `init` refuses the rest.

    `exact` is λ = 0, `penalised` λ > 0; `entries`: only sampled entries; `separates`: only a low
    rank plus a sparse part; `states`: only positive matrices of trace one; `clicks`: only implicit
    feedback.
    """

    exact: bool = True
    penalised: bool = True
    entries: bool = False
    separates: bool = False
    states: bool = False
    clicks: bool = False


@dataclass(frozen=True)
class Solver(ABC, Generic[State]):
    """A solver of the flat problem.

    All pairs are those of X̃ = D1 X D2; `problem` is read through ℬ, b and λ.
    """

    scope: ClassVar[Scope] = Scope()

    @abstractmethod
    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> State:
        """The first state, from a pair of X̃ or from the data."""

    @abstractmethod
    def step(self, problem: Problem, state: State) -> State:
        """One outer iteration."""

    def status(self, problem: Problem, state: State) -> Status:
        """`Status.RUNNING`, or why it ended: decided in `step`."""
        del problem
        return state.ended  # pyright: ignore[reportAttributeAccessIssue]

    @abstractmethod
    def info(self, state: State) -> dict[str, Any]:
        """Numbers for the history and for progress."""

    @abstractmethod
    def outcome(self, state: State) -> Outcome:
        """The pair of X̃ and the products spent; a certificate where the solver has one."""


def check_scope(solver: Solver[Any], problem: Problem) -> None:
    """Refuse a problem by the solver's name.

    Raises
    ------
    ValueError
        If λ = 0 and the solver needs λ > 0, or the other way round.
    TypeError
        If it needs sampled entries, and the measurement is another.
    """
    name, scope = type(solver).__name__, solver.scope
    if problem.lam == 0 and not scope.exact:
        raise ValueError(
            f"{name} minimises the penalised form (lam > 0); got lam = 0. "
            "Use Lagrangian for the flattest interpolant"
        )
    if problem.lam > 0 and not scope.penalised:
        raise ValueError(
            f"{name} fits the data without a penalty (lam = 0); got lam = {problem.lam}. "
            "Use GaussNewton"
        )
    if scope.entries and not isinstance(problem.measurement, SampledEntries):
        raise TypeError(
            f"{name} needs sampled entries (SampledEntries); "
            f"got {type(problem.measurement).__name__}. Use GaussNewton"
        )


def run(
    solver: Solver[State],
    problem: Problem,
    state: State,
    *,
    max_steps: int,
    deadline: float | None = None,
    monitor: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[State, Status, list[dict[str, Any]]]:
    """Step until the solver ends, the step limit, the deadline or Ctrl-C.

    Parameters
    ----------
    solver, problem, state
        What to run and from where.
    max_steps : int
        Steps at most.
    deadline : float, optional
        `time.perf_counter()` value after which no further step starts.
    monitor : callable, optional
        Receives `solver.info(state)` and the seconds so far after each step.

    Returns
    -------
    (state, Status, history)
        On Ctrl-C the state of the last finished step, with `Status.INTERRUPTED`.
    """
    history: list[dict[str, Any]] = []
    begin = time.perf_counter()
    status = solver.status(problem, state)
    try:
        while status is Status.RUNNING:
            if len(history) >= max_steps:
                return state, Status.MAX_STEPS, history
            if deadline is not None and time.perf_counter() > deadline:
                return state, Status.DEADLINE, history
            state = solver.step(problem, state)
            status = solver.status(problem, state)
            history.append(solver.info(state) | {"seconds": time.perf_counter() - begin})
            if monitor is not None:
                monitor(history[-1])
    except KeyboardInterrupt:
        return state, Status.INTERRUPTED, history
    return state, status, history


def monitor_of(
    progress: bool | Callable[[dict[str, Any]], None], every: float = 0.0
) -> Callable[[dict[str, Any]], None] | None:
    """Who is told of progress: a callable itself; for True a line on stderr, so often (seconds)."""
    if callable(progress) or not progress:
        return progress if callable(progress) else None
    last = -np.inf

    def line(record: dict[str, Any]) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last < every:
            return
        last = now
        shown = (
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in record.items()
            if value is not None
        )
        sys.stderr.write(" ".join(shown) + "\n")

    return line
