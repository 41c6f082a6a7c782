"""Low-rank matrix recovery by flat minima: find fast, then prove.

Names are imported when they are first used: a command line that is asked for help, or interrupted
at once, has nothing heavy behind it.
"""

from importlib import import_module as _import
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from flatrank import experiments as experiments
    from flatrank import flatness as flatness
    from flatrank import gibbs as gibbs
    from flatrank import measurements as measurements
    from flatrank import networks as networks
    from flatrank import solvers as solvers
    from flatrank import theory as theory
    from flatrank.certificates import Certificate as Certificate
    from flatrank.certificates import certify as certify
    from flatrank.estimators import FlatCompleter as FlatCompleter
    from flatrank.estimators import FlatImplicitRecommender as FlatImplicitRecommender
    from flatrank.estimators import FlatImputer as FlatImputer
    from flatrank.estimators import FlatRecommender as FlatRecommender
    from flatrank.estimators import FlatRobustPCA as FlatRobustPCA
    from flatrank.evaluation import Evaluation as Evaluation
    from flatrank.evaluation import evaluate as evaluate
    from flatrank.factors import FactorPair as FactorPair
    from flatrank.flatness import Flatness as Flatness
    from flatrank.flatness import Rescaling as Rescaling
    from flatrank.gibbs import Posterior as Posterior
    from flatrank.gibbs import posterior as posterior
    from flatrank.measurements import check_measurement as check_measurement
    from flatrank.problems import Problem as Problem
    from flatrank.problems import bilinear as bilinear
    from flatrank.problems import completion as completion
    from flatrank.problems import covariance as covariance
    from flatrank.problems import fidelity as fidelity
    from flatrank.problems import flatness_of as flatness_of
    from flatrank.problems import implicit as implicit
    from flatrank.problems import phase_retrieval as phase_retrieval
    from flatrank.problems import quadratic_network as quadratic_network
    from flatrank.problems import robust_pca as robust_pca
    from flatrank.problems import sensing as sensing
    from flatrank.problems import tomography as tomography
    from flatrank.reporting import load_run as load_run
    from flatrank.selection import CompletedTable as CompletedTable
    from flatrank.selection import CrossValidation as CrossValidation
    from flatrank.selection import complete as complete
    from flatrank.selection import cross_validate as cross_validate
    from flatrank.selection import impute as impute
    from flatrank.selection import path as path
    from flatrank.solvers import Debiased as Debiased
    from flatrank.solvers import NoisyDataWarning as NoisyDataWarning
    from flatrank.solvers import Solution as Solution
    from flatrank.solvers import Status as Status
    from flatrank.solvers import debiased as debiased
    from flatrank.solvers import load as load
    from flatrank.solvers import solve as solve
    from flatrank.theory import check_manifold as check_manifold

__version__ = "0.1.0"

_ROOMS = (
    "experiments", "flatness", "gibbs", "measurements", "networks", "solvers", "theory",
)  # fmt: skip
_HOMES = {
    "certificates": ("Certificate", "certify"),
    "estimators": (
        "FlatCompleter", "FlatImplicitRecommender", "FlatImputer", "FlatRecommender",
        "FlatRobustPCA",
    ),
    "evaluation": ("Evaluation", "evaluate"),
    "factors": ("FactorPair",),
    "flatness": ("Flatness", "Rescaling"),
    "gibbs": ("Posterior", "posterior"),
    "measurements": ("check_measurement",),
    "problems": (
        "Problem", "bilinear", "completion", "covariance", "fidelity", "flatness_of",
        "implicit", "phase_retrieval", "quadratic_network", "robust_pca", "sensing", "tomography",
    ),
    "reporting": ("load_run",),
    "selection": (
        "CompletedTable", "CrossValidation", "complete", "cross_validate", "impute", "path",
    ),
    "solvers": (
        "Debiased", "NoisyDataWarning", "Solution", "Status", "debiased", "load", "solve",
    ),
    "theory": ("check_manifold",),
}  # fmt: skip
_HOME = {name: room for room, names in _HOMES.items() for name in names}

# `from flatrank import *` must do without scikit-learn and JAX.
__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    *(room for room in _ROOMS if room != "networks"),
    *(name for name in _HOME if _HOME[name] != "estimators"),
]


def __getattr__(name: str) -> _Any:
    """Import a public name when it is first asked for."""
    if name in _ROOMS:
        return _import(f"flatrank.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'flatrank' has no attribute {name!r}")
    found = getattr(_import(f"flatrank.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *_ROOMS, *_HOME})
