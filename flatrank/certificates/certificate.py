"""The record of a proof: numbers first, verdict derived."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

# Uniqueness is a statement about the optimum: it is claimed only where the gap is closed to this.
CLOSED = 1e-6


class NormBound(NamedTuple):
    """An upper bound on ‖S‖, how it was obtained, that on ‖W‖ where there is one; a lower bound."""

    value: float
    kind: str
    failure_probability: float
    off_tangent: float | None
    reached: float = 0.0


@dataclass(frozen=True)
class Certificate:
    """How far a pair can be from the global optimum, whoever produced it.

    Parameters
    ----------
    primal : float
        An upper bound on the optimal value: the objective at the pair (λ = 0: ‖X̃_f‖_* of the pair
        after its misfit is repaired, infinite where it was not).
    dual_bound : float
        A lower bound on the optimal value, from a feasible dual point; infinite where it is proved
        that no matrix fits.
    gap : float
        primal − dual_bound ≥ 0 up to rounding.
    relative_gap : float
        gap / primal (0 when both are 0).
    feasibility : float
        ‖𝒜(X) − b‖/‖b‖ of the pair as given, and ‖𝒜(X) − b‖ itself where b = 0. With λ > 0 every
        pair is feasible: the number is then the relative misfit, for information.
    operator_norm : float
        Upper bound on ‖ℬ*(y)‖ of the dual point before scaling, in units of what is allowed
        (1 for λ = 0, λ otherwise): ≤ 1 means feasible as it stands; > 1 that the rank is too small
        or the pair is not yet stationary.
    operator_norm_kind : str
        "exact" or "probabilistic" (Lanczos, inflated).
    failure_probability : float
        Chance that the probabilistic bound is too small, over the random start; 0 for "exact".
    unique : bool
        Proved, to rounding, that the problem has one minimiser (see `proofs`): with λ > 0 by a
        region about the dual point, no larger than the gap, in which that of the optimum lies;
        with λ = 0 by a pair that fits and a dual point nearly U Vᵀ on its tangent space and below
        its limit elsewhere. False means not proved. A closed gap alone says only that this is *a*
        minimiser: where every matrix that fits is one (`Problem.all_flattest`) that is no more than
        that it fits, and only `unique` says that it is the matrix measured.
    precision : str
        Floating-point type of the computation.
    """

    primal: float
    dual_bound: float
    gap: float
    relative_gap: float
    feasibility: float
    operator_norm: float
    operator_norm_kind: str
    failure_probability: float
    unique: bool
    precision: str = "float64"

    @classmethod
    def between(
        cls, primal: float, dual: float, feasibility: float, operator_norm: float, bound: NormBound
    ) -> Certificate:
        """That of two bounds, which says nothing yet of uniqueness."""
        primal, dual = float(primal), float(dual)
        numbers = primal, dual, *_gaps(primal, dual), float(feasibility), float(operator_norm)
        return cls(*numbers, bound.kind, bound.failure_probability, unique=False)

    def bounded_by(self, dual: float) -> Certificate:
        """With another lower bound."""
        gap, relative = _gaps(self.primal, float(dual))
        return replace(self, dual_bound=float(dual), gap=gap, relative_gap=relative)

    def certified(self, tol: float) -> bool:
        """Whether the relative gap is proved to be at most `tol`.

        Nothing is proved by NaN or an infinite value, nor by bounds that cross by more than 1e-9,
        which is no rounding: one of them is then wrong.
        """
        finite = all(map(math.isfinite, (self.primal, self.dual_bound, self.gap)))
        return finite and -1e-9 <= self.relative_gap <= tol

    @property
    def largest_gap(self) -> float:
        """The gap and what rounding of its two ends may hide of it; infinite where it is NaN."""
        rounding = 64 * sys.float_info.epsilon * (abs(self.primal) + abs(self.dual_bound))
        return max(self.gap, 0.0) + rounding if math.isfinite(self.gap) else math.inf

    def scaled(self, factor: float) -> Certificate:
        """That of the same problem in another unit, values `factor` times as large.

        Where they leave the range of float64 they prove nothing: the gap is then infinite.
        """
        primal, dual, gap = (v * factor for v in (self.primal, self.dual_bound, self.gap))
        found = replace(self, primal=primal, dual_bound=dual, gap=gap)
        if all(_in_range(v * factor, v) for v in (self.primal, self.dual_bound)):
            return found
        return replace(found, gap=math.inf, relative_gap=math.inf, unique=False)

    def closed(self, tol: float, alone: Callable[[], bool]) -> Certificate:
        """With the proof of uniqueness, where the gap is closed so that it is worth a try."""
        closed = self.certified(min(CLOSED, tol or 1.0))
        return replace(self, unique=True) if closed and alone() else self

    @property
    def infeasible(self) -> bool:
        """Whether it is proved that no matrix fits: the dual is unbounded."""
        return self.primal == self.dual_bound == math.inf

    def unproved(self) -> Certificate:
        """Without a lower bound but 0, which holds for every problem."""
        relative = max(1.0 if self.primal else 0.0, self.relative_gap)
        return replace(self, dual_bound=0.0, gap=self.primal, relative_gap=relative, unique=False)

    def shaken(self, rounding: float, feasibility: float) -> Certificate:
        """That of the problem before rounding of this relative size, and the pair's misfit there.

        The dual bound is lowered by as much.
        """
        found = replace(self, feasibility=feasibility)
        if not math.isfinite(self.primal):
            return found
        return found.bounded_by(self.dual_bound - rounding * abs(self.dual_bound))

    def to_dict(self) -> dict[str, float | str | bool]:
        """Every field by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Certificate:
        """Back from `to_dict`; None, where a file could not hold a number, is no bound at all."""
        numbers = "primal", "dual_bound", "gap", "relative_gap", "feasibility", "operator_norm"
        fields: dict[str, Any] = {**dict.fromkeys(numbers, math.inf), "dual_bound": -math.inf}
        return cls(**fields | {name: value for name, value in record.items() if value is not None})

    def __str__(self) -> str:
        """The proof in one sentence."""
        sure = (
            "exact operator norm"
            if self.operator_norm_kind == "exact"
            else f"operator norm bounded with failure probability {self.failure_probability:.0e}"
        )
        if self.infeasible:
            return (
                "no matrix was found to fit, and none can, to rounding: a combination of the "
                "measurements is zero for every matrix that may be, and not for the data"
            )
        if self.primal == math.inf:
            return (
                f"the misfit left, {self.feasibility:.1e} of the data, was not made to vanish, nor "
                "proved to be there for every matrix; if one fits, its value is at least "
                f"{self.dual_bound:.9g} ({sure})"
            )
        alone = "the only minimiser" if self.unique else "not proved to be the only minimiser"
        return (
            f"the optimum lies between {self.dual_bound:.9g} and {self.primal:.9g}: "
            f"relative gap {self.relative_gap:.1e} ({sure}; {alone})"
        )


def _gaps(primal: float, dual: float) -> tuple[float, float]:
    """The gap, and its share of the primal value; infinite where no matrix fits."""
    gap = math.inf if primal == math.inf else primal - dual
    if primal == dual == 0:
        return gap, 0.0
    return gap, gap / abs(primal) if primal and math.isfinite(primal) else math.inf


def _in_range(product: float, value: float) -> bool:
    """Whether a product with `value` kept its digits, or `value` was zero or infinite before."""
    if value == 0 or math.isinf(value):
        return True
    return sys.float_info.min <= abs(product) < math.inf


def relative_misfit(misfit: float, size: float) -> float:
    """‖𝒜(X) − b‖ relative to ‖b‖, or as it is where there is nothing to relate it to."""
    return misfit / size if size else misfit
