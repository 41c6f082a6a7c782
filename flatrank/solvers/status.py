"""Why a solve ended. Stopped, converged and certified are three things."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """A short value, and the sentence a user reads: what happened, and what to do next.

    Only `CERTIFIED` says the answer is a global optimum, to the tolerance asked; whether it is the
    only one, and so what was measured, is for `Certificate.unique` to say. `IDENTIFIABLE`
    says it fits exactly at low rank and is locally unique; `STATIONARY` and `LEAST_SQUARES`, that
    it is a first-order point; the others only that the solve stopped.
    """

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Status:
        """A member with its sentence and its value."""
        member = object.__new__(cls)
        member._value_, member.sentence = value, sentence
        return member

    RUNNING = "running", "still running"
    CERTIFIED = (
        "certified",
        "certified: the relative duality gap is within the tolerance, so this is a global optimum "
        "of the flat problem to that accuracy; the certificate says whether it is the only one",
    )
    IDENTIFIABLE = (
        "identifiable",
        "identifiable: the answer fits every measurement to 1e-8 of the data, and no other matrix "
        "of its rank near by does, for there are more measurements than degrees of freedom and "
        "they see every direction of that rank, apart from rows and columns named as "
        "undetermined; not proved is that no smaller rank fits, nor that it is the flattest "
        "interpolant. It is what goal='recover' asks for; use goal='flat' for the flattest one",
    )
    STATIONARY = (
        "stationary",
        "stationary: a first-order point without proof of optimality, which rounding or the rank "
        "asked for keeps from the tolerance; a larger tol may be within reach",
    )
    LEAST_SQUARES = (
        "least_squares",
        "least squares: the best fit near by at the rank given, and no exact one, as it should be "
        "where the data are noisy; that is not the convex problem, and not proved is that no "
        "other matrix of this rank fits better. Choose the rank, or a share lam_ratio of lam_max "
        "in place of it, by the error at entries held out",
    )
    RANK_TOO_SMALL = (
        "rank_too_small",
        "rank too small for the convex optimum: a direction outside the factors still lowers the "
        "objective, and this is the best near by at the rank given; without rank= the optimum is "
        "found, and which of the two predicts better is for held-out data to say",
    )
    MAX_STEPS = (
        "max_steps",
        "stopped at the step limit before the tolerance was reached; the best iterate is kept, "
        "continue from it with start=, or ask for less with a larger tol or lam",
    )
    DEADLINE = (
        "deadline",
        "stopped at max_seconds before the tolerance was reached; the best iterate is kept, "
        "continue from it with start=",
    )
    INTERRUPTED = (
        "interrupted",
        "interrupted; the best iterate is kept, continue from it with start=",
    )
    STALLED = (
        "stalled",
        "stalled: steps no longer reduce the misfit although it is not at rounding level; the data "
        "may be noisy (use a share lam_ratio of lam_max, chosen on held-out data) or too few",
    )
    INFEASIBLE = (
        "infeasible",
        "infeasible: no matrix fits the measurements to rounding; the data contradict themselves "
        "or are noisy, use lam > 0",
    )
    NONFINITE = "nonfinite", "a number overflowed or became NaN; check the scale of the data"

    def __str__(self) -> str:
        """The sentence."""
        return self.sentence

    @property
    def ok(self) -> bool:
        """Whether the claim that was asked for is established (certified or identifiable)."""
        return self in (Status.CERTIFIED, Status.IDENTIFIABLE)
