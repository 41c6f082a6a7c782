"""Solvers: one file per algorithm, one loop, one status, one solution.

Those of `reference`, which `solve` never chooses, are imported when they are first used.
"""

from importlib import import_module as _import
from typing import TYPE_CHECKING
from typing import Any as _Any

from flatrank.solvers.alternating_directions import (
    AlternatingDirections as AlternatingDirections,
)
from flatrank.solvers.auto import Auto as Auto
from flatrank.solvers.confidence import Debiased as Debiased
from flatrank.solvers.debiasing import debiased as debiased
from flatrank.solvers.gauss_newton import GaussNewton as GaussNewton
from flatrank.solvers.implicit import ImplicitLeastSquares as ImplicitLeastSquares
from flatrank.solvers.interior_point import InteriorPoint as InteriorPoint
from flatrank.solvers.lagrangian import Lagrangian as Lagrangian
from flatrank.solvers.loading import load as load
from flatrank.solvers.loop import Scope as Scope
from flatrank.solvers.loop import Solver as Solver
from flatrank.solvers.proximal_point import ProximalPoint as ProximalPoint
from flatrank.solvers.solution import Counts as Counts
from flatrank.solvers.solution import Solution as Solution
from flatrank.solvers.solve import NoisyDataWarning as NoisyDataWarning
from flatrank.solvers.solve import approximate as approximate
from flatrank.solvers.solve import solve as solve
from flatrank.solvers.starts import largest_lam as largest_lam
from flatrank.solvers.states import StateSearch as StateSearch
from flatrank.solvers.status import Status as Status

if TYPE_CHECKING:
    from flatrank.solvers.reference import AlternatingLeastSquares as AlternatingLeastSquares
    from flatrank.solvers.reference import BalancedDescent as BalancedDescent
    from flatrank.solvers.reference import BMGlobal as BMGlobal
    from flatrank.solvers.reference import FixedRank as FixedRank
    from flatrank.solvers.reference import ProximalGradient as ProximalGradient
    from flatrank.solvers.reference import Reweighted as Reweighted
    from flatrank.solvers.reference import (
        RiemannianConjugateGradient as RiemannianConjugateGradient,
    )
    from flatrank.solvers.reference import RiemannianTrustRegion as RiemannianTrustRegion

_REFERENCE = {
    "AlternatingLeastSquares", "BMGlobal", "BalancedDescent", "FixedRank", "ProximalGradient",
    "Reweighted", "RiemannianConjugateGradient", "RiemannianTrustRegion",
}  # fmt: skip


def __getattr__(name: str) -> _Any:
    """Import a reference solver when it is first asked for."""
    if name not in _REFERENCE and name != "reference":
        raise AttributeError(f"module 'flatrank.solvers' has no attribute {name!r}")
    reference = _import("flatrank.solvers.reference")
    return reference if name == "reference" else getattr(reference, name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *_REFERENCE})
