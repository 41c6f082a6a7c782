"""Why a solve ended. Stopped, converged and certified are three things."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """Each member carries the sentence a user reads: what happened, and what to do next.

    Only `CERTIFIED` says the answer is a global optimum, to the tolerance asked; whether it is the
    only one, and so what was measured, is for `Certificate.unique` to say. `IDENTIFIABLE`
    says it fits exactly at low rank and is locally unique; `STATIONARY`, that it is a first-order
    point; the others only that the solve stopped.
    """

    RUNNING = "still running"
    CERTIFIED = (
        "certified: the relative duality gap is within the tolerance, so this is a global optimum "
        "of the flat problem to that accuracy; the certificate says whether it is the only one"
    )
    IDENTIFIABLE = (
        "identifiable: the answer fits every measurement at low rank and is locally unique, apart "
        "from rows and columns named as undetermined, but is not proved to be the flattest "
        "interpolant; it is what goal='recover' asks for. "
        "Use goal='flat' for the flattest one"
    )
    STATIONARY = (
        "stationary: a first-order point without proof of optimality, which rounding or the rank "
        "asked for keeps from the tolerance; raise tol, lam or rank"
    )
    RANK_TOO_SMALL = (
        "rank too small: a direction outside the factors still lowers the objective; "
        "raise rank, or leave it out so that it is found"
    )
    MAX_STEPS = (
        "stopped at the step limit before the tolerance was reached; the best iterate is kept, "
        "continue from it with start=, or ask for less with a larger tol or lam"
    )
    DEADLINE = (
        "stopped at max_seconds before the tolerance was reached; the best iterate is kept, "
        "continue from it with start="
    )
    INTERRUPTED = "interrupted; the best iterate is kept, continue from it with start="
    STALLED = (
        "stalled: steps no longer reduce the misfit although it is not at rounding level; "
        "the data may be noisy (use lam > 0) or too few for this rank"
    )
    INFEASIBLE = (
        "infeasible: no matrix fits the measurements to rounding; the data contradict themselves "
        "or are noisy, use lam > 0"
    )
    NONFINITE = "a number overflowed or became NaN; check the scale of the data"

    def __str__(self) -> str:
        """The sentence."""
        return self.value

    @property
    def ok(self) -> bool:
        """Whether the claim that was asked for is established (certified or identifiable)."""
        return self in (Status.CERTIFIED, Status.IDENTIFIABLE)
