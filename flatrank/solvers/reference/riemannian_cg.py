"""Riemannian conjugate gradients for min ½‖ℬ(X̃) − b‖² at a fixed rank.

    d ← −z + β T(d),   β = max(0, ⟨z, g − T(g_old)⟩/⟨z_old, g_old⟩)   (Polak and Ribière)

with the Riemannian gradient g, z = g preconditioned, and the vector transport T. The first step
tried is t = −⟨c, q⟩/‖q‖², q = ℬ(DX[d]), the minimiser on the tangent space; it is halved until
½‖c‖² falls (Armijo). Where d is no descent direction it is replaced by −z.

Reference: Vandereycken (2013), Algorithm 1, on `FixedRank`; the same steps on `BalancedPairs`.
Departure: the geometry is exchangeable, the preconditioner its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from flatrank.arrays import Array, Scalar, compiled, tree_map, while_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.reference.rank_constrained import RankState, Riemannian, cosine_of, relative
from flatrank.solvers.solution import Counts
from flatrank.theory import Manifold, combine, inner


class _At(NamedTuple):
    """A point with its residual, gradient, preconditioned gradient and search direction."""

    x: Any
    c: Float[Array, " m"]
    g: FactorPair
    z: FactorPair
    d: FactorPair


@dataclass(frozen=True)
class RiemannianConjugateGradient(Riemannian):
    """Nonlinear conjugate gradients on matrices of fixed rank, or on balanced pairs.

    Parameters
    ----------
    rank, tol, geometry
        As of `Riemannian`: k ≤ min(d1, d2), the misfit or cosine to reach, the manifold.
    armijo : float
        Share of the fall promised by the slope that a step must bring.
    max_halvings : int
        Halvings of a step before its direction is given up.

    Notes
    -----
    Cost of a step: two forward products (one of twice the width) and one more for each halving, one
    adjoint, and a retraction. Memory O(m + (d1 + d2) k).
    """

    armijo: float = 1e-4
    max_halvings: int = 25

    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> RankState:
        """From a pair of X̃, filled up to k columns, or from the data."""
        x, c, misfit = self._first(problem, start, seed)
        g, z = _slopes(self.manifold, problem.whitened, x, c)
        at = _At(x, c, g, z, tree_map(xp.negative, z))
        return RankState(x, misfit, Counts(1, 1), (at, 0))

    def step(self, problem: Problem, state: RankState) -> RankState:
        """One line search, one new direction; given up where −z leads no further either."""
        at, refused = state.carried
        search = self.armijo, self.max_halvings
        at, misfit, cosine, halvings = _step(self.manifold, problem.whitened, problem.b, at, search)
        refused = 0 if halvings < self.max_halvings else refused + 1
        counts = state.counts + Counts(2 + int(halvings), 1, 1)
        carried = at, refused
        return RankState(at.x, float(misfit), counts, carried, float(cosine), refused < 2)


class _Trial(NamedTuple):
    t: Scalar
    x: Any
    c: Float[Array, " m"]
    halvings: int | Array
    done: bool | Array


@compiled
def _slopes(
    manifold: Manifold[Any], B: Measurement, x: Any, c: Float[Array, " m"]
) -> tuple[FactorPair, FactorPair]:
    """The gradient, and the same preconditioned."""
    g = manifold.gradient(x, B.adjoint(c))
    return g, manifold.precondition(x, g)


@compiled
def _step(
    manifold: Manifold[Any],
    B: Measurement,
    b: Float[Array, " m"],
    at: _At,
    search: tuple[float, int],
) -> tuple[_At, Array, Array, Array | int]:
    """The next point and direction; misfit after, cosine before, halvings."""
    x, c, g, z, d = at
    armijo, max_halvings = search
    q = manifold.derivative(B, x, d)
    slope, square, value = inner(g, d), xp.vdot(q, q), 0.5 * xp.vdot(c, c)

    def tried(t: Scalar, halvings: int | Array) -> _Trial:
        new = manifold.retract(x, tree_map(lambda a: t * a, d))
        c = B.forward(manifold.pair(new)) - b
        allowed = value * (1 + 4e-15) + armijo * t * slope
        return _Trial(t, new, c, halvings, 0.5 * xp.vdot(c, c) <= allowed)

    def halved(s: _Trial) -> _Trial:
        return tried(0.5 * s.t, s.halvings + 1)

    def running(s: _Trial) -> bool | Array:
        return xp.logical_and(xp.logical_not(s.done), s.halvings < max_halvings)

    found = while_loop(
        running, halved, tried(-slope / xp.where(square > 0, square, 1.0), xp.array(0))
    )
    # A direction that leads nowhere is given up where it stands.
    new, c_new = tree_map(lambda a, old: xp.where(found.done, a, old), (found.x, found.c), (x, c))
    g_new, z_new = _slopes(manifold, B, new, c_new)
    before = inner(g, z)
    change = inner(g_new, z_new) - inner(z_new, manifold.transport(x, g, new))
    beta = xp.maximum(change / xp.where(before > 0, before, 1.0), 0.0)
    beta = xp.where(found.done, beta, 0.0)
    d_new = combine(tree_map(xp.negative, z_new), beta, manifold.transport(x, d, new))
    descends = inner(g_new, d_new) < 0
    d_new = tree_map(lambda d, z: xp.where(descends, d, -z), d_new, z_new)
    after = _At(new, c_new, g_new, z_new, d_new)
    return after, relative(c_new, b), cosine_of(-slope, c, q), found.halvings
