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
from flatrank.problems.tomography import Tomography

# Weights between this and its reciprocal are left as they are: the eighth power is in range.
_PLAIN = 1e-30


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

    Parameters
    ----------
    problem : Problem
        Any; the trace of a state fixes the unit of its data, and it is left as it is.

    Returns
    -------
    Units

    Raises
    ------
    ValueError
        If λ is out of range in those units.
    """
    if isinstance(problem, Tomography):
        return Units(problem, 1.0, 1.0)
    top = float(np.max(np.abs(to_numpy(problem.b)), initial=0.0))
    data, unit = _power(top), _map_unit(problem.rescaling)
    scaled = problem if data == 1.0 else problem.scaled(1.0 / data)
    if unit != 1.0:
        D, root = problem.rescaling, math.sqrt(unit)
        inverse = (D.inverse[0] * root, D.inverse[1] * root)
        rescaling = Rescaling(D.D1 / root, D.D2 / root, inverse)
        scaled = replace(_with(scaled, unit), rescaling=rescaling)
    return Units(scaled, data, unit)


def _with(problem: Problem, unit: float) -> Problem:
    """λ c, where there is a λ: robust PCA, which has none, has D = I and never comes here."""
    return problem.with_lam(checked_multiple(problem.lam, unit)) if problem.lam else problem


def _power(size: float) -> float:
    """A power of four near a size: exact to divide by, with an exact square root."""
    return 4.0 ** round(math.log(size, 4)) if size > 0 else 1.0


def _map_unit(D: Rescaling) -> float:
    """C, a power of four near √(‖D1‖ ‖D2‖), or 1 where that is of ordinary size."""
    root = 1.0
    for weight in (D.D1, D.D2):
        diagonal = weight if weight.ndim == 1 else weight.diagonal()
        root *= math.sqrt(float(diagonal.max(initial=0.0)))  # the largest of D ⪰ 0 is there
    return 1.0 if _PLAIN <= root <= 1 / _PLAIN else _power(root)
