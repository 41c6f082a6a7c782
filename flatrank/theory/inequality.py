"""An inequality of the theory, evaluated: both sides, and what it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bound:
    """left ≤ right, under hypotheses."""

    #: The inequality in letters, and its two sides; `right` may be infinite.
    name: str
    left: float
    right: float
    #: What the theorem assumes: True where that was checked, False where it fails, None where it
    #: cannot be checked from the numbers at hand and is taken on trust.
    hypotheses: dict[str, bool | None] = field(default_factory=dict)
    #: What floating point can move the sides by.
    rounding: float = 0.0

    @property
    def slack(self) -> float:
        """The margin right − left; infinite where `right` is."""
        return self.right - self.left

    @property
    def holds(self) -> bool:
        """Whether left ≤ right up to rounding. Without its hypotheses it may fail or hold."""
        return bool(self.slack >= -self.rounding)

    @property
    def failing(self) -> tuple[str, ...]:
        """The hypotheses that fail."""
        return tuple(name for name, met in self.hypotheses.items() if met is False)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The hypotheses taken on trust."""
        return tuple(name for name, met in self.hypotheses.items() if met is None)

    def __str__(self) -> str:
        """The inequality, its numbers and its hypotheses in one line."""
        verdict = "holds" if self.holds else "does not hold"
        slack = "infinite" if math.isinf(self.slack) else f"{self.slack:.3g}"
        line = f"{self.name}: {self.left:.6g} ≤ {self.right:.6g} {verdict}, slack {slack}"
        if self.failing:
            line += f"; fails: {', '.join(self.failing)}"
        return line + (f"; on trust: {', '.join(self.unchecked)}" if self.unchecked else "")
