"""Numbers with what is known of their errors, and what is spent on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from scipy.special import stdtrit

from flatrank.measurements.checks import checked_count
from flatrank.solvers.loop import monitor_of

Progress = bool | Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Estimate:
    """A number from random probes, with a confidence interval.

    Parameters
    ----------
    value : float
        The mean.
    interval : (float, float)
        It holds the true number with the stated probability.
    confidence : float
        That probability.
    """

    value: float
    interval: tuple[float, float]
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return 0.5 * (self.interval[1] - self.interval[0])

    def __str__(self) -> str:
        """Value and interval."""
        return f"{self.value:.5g}  [{self.interval[0]:.5g}, {self.interval[1]:.5g}]"


@dataclass(frozen=True)
class Eigenvalue:
    """An eigenvalue, with a bound of its error that needs no probability.

    Parameters
    ----------
    value : float
        θ = vᵀHv of a unit vector v: λ_max is never below it, but for rounding.
    residual : float
        ‖Hv − θv‖: an eigenvalue lies within that of θ.
    ceiling : float, optional
        Of the largest one: λ_max is not above it with the stated probability, over the random
        start, whatever the spectrum. The residual alone does not tell that no eigenvalue above θ
        was missed.
    confidence : float, optional
        That probability.
    """

    value: float
    residual: float
    ceiling: float | None = None
    confidence: float | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """θ ± residual: it holds an eigenvalue."""
        return self.value - self.residual, self.value + self.residual

    def __str__(self) -> str:
        """Value, residual, and ceiling if there is one."""
        top = "" if self.ceiling is None else f", all below {self.ceiling:.5g}"
        return f"{self.value:.5g}  ± {self.residual:.1e}{top}"


@dataclass(frozen=True)
class Budget:
    """How exact, and at what cost.

    Parameters
    ----------
    trace_tol : float
        Half the interval of the trace over its value to stop at; smaller costs 1/tol² products.
    eigenvalue_tol : float
        Residual over the largest absolute eigenvalue to stop at.
    probes : int
        Random vectors of the first stage, which tells the variance: below about 8 intervals grow
        wide (Student's t of one less), above 30 nothing is gained.
    max_products : int
        Products with the curvature at most, four times `probes` or more: a quarter each may go to
        λ_max and to the adaptive one. Where they do not suffice intervals are wider than was asked.
    """

    trace_tol: float = 0.05
    eigenvalue_tol: float = 1e-3
    probes: int = 16
    max_products: int = 2000

    def __post_init__(self) -> None:
        for name in ("trace_tol", "eigenvalue_tol"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in (0, 1); got {getattr(self, name)!r}")
        checked_count("probes", self.probes, 2)
        checked_count("max_products", self.max_products, 4 * self.probes)


class Asked(NamedTuple):
    """What every part is told: the budget, the confidence, the seed, and who hears of progress."""

    budget: Budget
    confidence: float
    seed: int
    monitor: Callable[[dict[str, Any]], None] | None

    @classmethod
    def checked(cls, budget: Budget, confidence: float, seed: int, progress: Progress) -> Asked:
        """These, if they can be."""
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie in (0, 1); got {confidence!r}")
        return cls(budget, confidence, checked_count("seed", seed, 0), monitor_of(progress, 1.0))

    def tell(self, **numbers: float) -> None:
        """Pass progress on."""
        if self.monitor is not None:
            self.monitor(numbers)


def student(count: int, confidence: float) -> float:
    """The two-sided quantile of Student's t for the mean of so many samples."""
    return float(stdtrit(count - 1, 0.5 * (1 + confidence)))
