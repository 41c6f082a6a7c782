"""The units a problem is computed in: its numbers near one, so that their squares are in range.

With b divided by σ, and ℬ multiplied by c (D1 and D2 divided by √c), the same problem reads

    X̃' = X̃/(σ c),   λ' = λ c/σ,   its values those of before over σ c (λ = 0), σ² (λ > 0),

and dual points are y' = y/c (λ = 0), z' = z/σ (λ > 0). σ and c are powers of four: nothing is
rounded, and the square roots that factors need are exact too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flatrank.arrays import to_numpy
from flatrank.flatness import Rescaling
from flatrank.problems.arguments import checked_multiple
from flatrank.problems.flat import Problem
from flatrank.problems.implicit import ImplicitFeedback
from flatrank.problems.tomography import Tomography


class Units(NamedTuple):
    """A problem in its own units, and what leads back."""

    problem: Problem
    data: float
    """σ, what b was divided by."""
    map: float
    """c, what ℬ was multiplied by."""

    @property
    def pair_root(self) -> float:
        """√(σ c): the factors of X̃ are this times those of X̃'."""
        return math.sqrt(self.data) * math.sqrt(self.map)

    @property
    def value(self) -> float:
        """Primal and dual values are this times those in the units; infinite if out of range."""
        return self.data * (self.map if self.problem.lam == 0 else self.data)

    @property
    def dual(self) -> float:
        """Dual points are this times those in the units."""
        return self.map if self.problem.lam == 0 else self.data


def in_units(problem: Problem) -> Units:
    """The problem with its largest datum, and D1 and D2, near one.

    The trace of a state fixes the unit of its data, and so does a click, which is 1: such problems
    are left as they are. ValueError if λ is out of range in those units.
    """
    if isinstance(problem, ImplicitFeedback | Tomography):
        return Units(problem, 1.0, 1.0)
    data, D = _power(float(np.max(np.abs(to_numpy(problem.b)), initial=0.0))), problem.rescaling
    scaled = problem if data == 1.0 else problem.scaled(1.0 / data)
    size = math.sqrt(_largest(D.D1)) * math.sqrt(_largest(D.D2))
    if 1e-30 <= size <= 1e30:  # the eighth power is in range
        return Units(scaled, data, 1.0)
    unit = _power(size)
    if scaled.lam:  # robust PCA, which has none, has D = I
        scaled = scaled.with_lam(checked_multiple(scaled.lam, unit))
    root = math.sqrt(unit)
    rescaling = Rescaling(D.D1 / root, D.D2 / root, (D.inverse[0] * root, D.inverse[1] * root))
    return Units(replace(scaled, rescaling=rescaling), data, unit)


def _power(size: float) -> float:
    """A power of four near a size: exact to divide by, with an exact square root."""
    return 4.0 ** round(math.log(size, 4)) if size > 0 else 1.0


def _largest(D: np.ndarray) -> float:
    """The largest number of D ⪰ 0, which is on its diagonal."""
    return float((D if D.ndim == 1 else D.diagonal()).max(initial=0.0))
