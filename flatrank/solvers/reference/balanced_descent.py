"""Gradient descent on balanced pairs: min ½‖ℬ(L Rᵀ) − b‖² subject to LᵀL = RᵀR.

Each step moves the pair freely along the preconditioned gradient and then rebalances it without
changing its product, which changes no loss of L Rᵀ:

    (L, R) ← balance((L, R) − t M (S R, SᵀL)),   S = ℬ*(ℬ(L Rᵀ) − b),
    M = 1/(diagonal of the Gauss–Newton matrix + μ),   μ_j = ‖(S R, SᵀL)_j‖/‖(L, R)_j‖ by columns,

with the t that minimises the quartic f((L, R) + t d). In the balanced gauge the diagonal is near
s_j, so M takes the condition number of X out of the problem. With μ no column moves by more than t
times its own length: one of vanishing s_j (k > rank, or a direction about to change its sign)
neither takes the whole step nor waits for the others; μ itself vanishes with the gradient.

References: theory notes §2 (rebalancing); Tong, Ma and Chi (2021) for the metric, Zhang, Fattahi
and Zhang (2021) for damping it at k > rank. Departures: the metric is the measurement's own
diagonal, the damping goes by columns, the step is exact. Unlike in the form L = U P, R = V P,
columns may point anywhere here, and no plateau exists where P loses rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flatrank.arrays import Array, compiled, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair, balance
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.newton import along, line_search
from flatrank.solvers.preconditioner import inverse_diagonal
from flatrank.solvers.reference.rank_constrained import RankConstrained, RankState, relative
from flatrank.solvers.solution import Counts
from flatrank.theory import combine, inner


@dataclass(frozen=True)
class BalancedDescent(RankConstrained):
    """Preconditioned gradient descent with rebalancing, for any k ≥ 1.

    Parameters
    ----------
    rank : int
        k. Beyond min(d1, d2) further columns would be zero in the balanced gauge and are left out.
    tol : float
        Stop when ‖ℬ(X̃) − b‖ ≤ tol ‖b‖, or when a step can take off at most a share tol² of the
        objective.

    Notes
    -----
    Cost of a step: three forward products (one of twice the width), one adjoint, one diagonal,
    thin QRs and a k × k SVD. Linear convergence, its rate that of σ_{k+1}/σ_k.
    """

    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> RankState:
        """From a pair of X̃, filled up to k columns, or from the data."""
        pair = self._begin(problem, start, seed)
        return RankState(pair, float(np.any(np.asarray(problem.b))), Counts())

    def step(self, problem: Problem, state: RankState) -> RankState:
        """One move along the preconditioned gradient, one rebalancing."""
        pair, misfit, cosine = _descend(problem.whitened, problem.b, state.point)
        counts = state.counts + Counts(4, 1, 1)
        return RankState(pair, float(misfit), counts, cosine=float(cosine))


@compiled
def _descend(
    B: Measurement, b: Float[Array, " m"], pair: FactorPair
) -> tuple[FactorPair, Array, Array]:
    """The rebalanced pair after one step; misfit and cosine before it."""
    c = B.forward(pair) - b
    S = B.adjoint(c)
    g = FactorPair(S.right(pair.R), S.left(pair.L))
    lengths, rates = (xp.sum(p.L**2, axis=0) + xp.sum(p.R**2, axis=0) for p in (pair, g))
    ridge = xp.sqrt(rates / xp.maximum(lengths, 1e-300))[None, :]
    M = inverse_diagonal(tree_map(lambda d: d + ridge, B.curvature_diagonal(pair)), pair)
    d = tree_map(lambda m, x: -m * x, M, g)
    t, fall = line_search(inner(g, d), *along(B, c, xp.zeros(()), pair, d))
    square = xp.vdot(c, c)
    cosine = xp.sqrt(2 * fall / xp.where(square > 0, square, 1.0))
    return balance(combine(pair, t, d))[0], relative(c, b), cosine
