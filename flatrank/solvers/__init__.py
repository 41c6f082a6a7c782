"""Solvers: one file per algorithm, one loop, one status, one solution."""

from flatrank.solvers.alternating import AlternatingLeastSquares as AlternatingLeastSquares
from flatrank.solvers.alternating_directions import (
    AlternatingDirections as AlternatingDirections,
)
from flatrank.solvers.auto import Auto as Auto
from flatrank.solvers.balanced_descent import BalancedDescent as BalancedDescent
from flatrank.solvers.bm_global import BMGlobal as BMGlobal
from flatrank.solvers.gauss_newton import GaussNewton as GaussNewton
from flatrank.solvers.lagrangian import Lagrangian as Lagrangian
from flatrank.solvers.loop import Scope as Scope
from flatrank.solvers.loop import Solver as Solver
from flatrank.solvers.proximal_gradient import ProximalGradient as ProximalGradient
from flatrank.solvers.proximal_point import ProximalPoint as ProximalPoint
from flatrank.solvers.reweighted import Reweighted as Reweighted
from flatrank.solvers.riemannian_cg import (
    RiemannianConjugateGradient as RiemannianConjugateGradient,
)
from flatrank.solvers.riemannian_tr import RiemannianTrustRegion as RiemannianTrustRegion
from flatrank.solvers.solution import Counts as Counts
from flatrank.solvers.solution import Solution as Solution
from flatrank.solvers.solution import load as load
from flatrank.solvers.solve import NoisyDataWarning as NoisyDataWarning
from flatrank.solvers.solve import approximate as approximate
from flatrank.solvers.solve import solve as solve
from flatrank.solvers.starts import largest_lam as largest_lam
from flatrank.solvers.states import StateSearch as StateSearch
from flatrank.solvers.status import Status as Status
