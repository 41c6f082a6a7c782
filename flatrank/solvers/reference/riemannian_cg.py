"""Riemannian conjugate gradients for min ½‖ℬ(X̃) − b‖² at a fixed rank.

    d ← −z + β T(d),   β = max(0, ⟨z, g − T(g_old)⟩/⟨z_old, g_old⟩)   (Polak and Ribière)

with the Riemannian gradient g, z = g preconditioned, and the vector transport T. The first step
tried is t = −⟨c, q⟩/‖q‖², q = ℬ(DX[d]), the minimiser on the tangent space; it is halved until
½‖c‖² falls (Armijo). Where d is no clear descent direction it is replaced by −z.

Reference: Vandereycken (2013), Algorithm 1, on `FixedRank`; the same steps on `BalancedPairs`.
Departure: the geometry is exchangeable, the preconditioner its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from flatrank.arrays import Array, Module, Scalar, compiled, tree_map, while_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome
from flatrank.solvers.reference.rank_constrained import RankConstrained, geometry_of
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status
from flatrank.theory import Manifold, combine, inner

# Share of the predicted fall that a step must bring; halvings before a direction is given up.
_ARMIJO, _HALVINGS = 1e-4, 25
# Rounding of ½‖c‖², as a share of it.
_ROUNDING = 4e-15
# A direction with less than this share of the steepest slope is replaced.
_DESCENT = 0.1


class ConjugateState(NamedTuple):
    """A point with its residual, gradient and direction; numbers around the last step."""

    point: Any
    c: Float[Array, " m"]
    g: FactorPair
    z: FactorPair
    d: FactorPair
    misfit: float
    cosine: float
    size: float
    refused: int
    counts: Counts


@dataclass(frozen=True)
class RiemannianConjugateGradient(RankConstrained[ConjugateState]):
    """Nonlinear conjugate gradients on matrices of fixed rank, or on balanced pairs.

    Parameters
    ----------
    rank : int
        k ≤ min(d1, d2).
    tol : float
        Stop when ‖ℬ(X̃) − b‖ ≤ tol ‖b‖, or at a first-order point: a cosine ≤ tol.
    geometry : "fixed rank" or "balanced"
        `FixedRank`, or the quotient of `BalancedPairs` by its gauge.

    Notes
    -----
    Cost of a step: two forward products (one of twice the width) and one more for each halving, one
    adjoint, and a retraction. Memory O(m + (d1 + d2) k).
    """

    geometry: Literal["fixed rank", "balanced"] = "fixed rank"

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ConjugateState:
        """From a pair of X̃, filled up to k columns, or from the data."""
        pair = self._begin(problem, start, seed, full_rank=True)
        manifold = geometry_of(self.geometry)
        size = float(np.linalg.norm(np.asarray(problem.b)))
        x, c, g, z, d, misfit = _begun(manifold, problem.whitened, problem.b, pair)
        return ConjugateState(x, c, g, z, d, float(misfit), np.inf, size, 0, Counts(1, 1))

    def step(self, problem: Problem, state: ConjugateState) -> ConjugateState:
        """One line search, one new direction."""
        at = (state.point, state.c, state.g, state.z, state.d)
        x, c, g, z, d, misfit, cosine, halvings = _step(
            geometry_of(self.geometry), problem.whitened, problem.b, at
        )
        taken = int(halvings) < _HALVINGS
        return ConjugateState(
            x, c, g, z, d, float(misfit), float(cosine), state.size,
            refused=0 if taken else state.refused + 1,
            counts=state.counts + Counts(2 + int(halvings), 1, 1),
        )  # fmt: skip

    def status(self, problem: Problem, state: ConjugateState) -> Status:
        """Stationary at the tolerance; stalled where the steepest direction leads no further."""
        del problem
        return self._verdict(state.misfit, state.size, state.cosine, state.refused < 2)

    def info(self, state: ConjugateState) -> dict[str, Any]:
        """Rank, misfit and cosine."""
        return {"rank": state.g.rank, "misfit": state.misfit, "cosine": state.cosine}

    def outcome(self, state: ConjugateState) -> Outcome:
        """The balanced pair of X̃."""
        return Outcome(geometry_of(self.geometry).pair(state.point), state.g.rank, state.counts)


class _Halving(NamedTuple):
    t: Scalar
    point: Any
    c: Float[Array, " m"]
    halvings: int | Array
    done: bool | Array


class _Armijo(Module):
    """Halve the step until ½‖c‖² falls by its share of what the slope promises."""

    manifold: Manifold[Any]
    B: Measurement
    b: Float[Array, " m"]
    point: Any
    d: FactorPair
    value: Scalar
    slope: Scalar

    def at(self, t: Scalar, halvings: int | Array) -> _Halving:
        """The point that a step of t leads to, and whether it will do."""
        new = self.manifold.retract(self.point, tree_map(lambda x: t * x, self.d))
        c = self.B.forward(self.manifold.pair(new)) - self.b
        allowed = self.value * (1 + _ROUNDING) + _ARMIJO * t * self.slope
        return _Halving(t, new, c, halvings, 0.5 * xp.vdot(c, c) <= allowed)

    def step(self, state: _Halving) -> _Halving:
        """Half the step."""
        return self.at(0.5 * state.t, state.halvings + 1)

    def running(self, state: _Halving) -> bool | Array:
        """Until the value has fallen or halvings run out."""
        return xp.logical_and(xp.logical_not(state.done), state.halvings < _HALVINGS)


@compiled
def _begun(
    manifold: Manifold[Any], B: Measurement, b: Float[Array, " m"], pair: FactorPair
) -> tuple[Any, Array, FactorPair, FactorPair, FactorPair, Array]:
    """The first point, its residual, gradient and steepest direction, and the misfit."""
    x = manifold.point(pair)
    c = B.forward(manifold.pair(x)) - b
    g = manifold.gradient(x, B.adjoint(c))
    z = manifold.precondition(x, g)
    return x, c, g, z, tree_map(xp.negative, z), xp.linalg.norm(c)


@compiled
def _step(
    manifold: Manifold[Any],
    B: Measurement,
    b: Float[Array, " m"],
    at: tuple[Any, Array, FactorPair, FactorPair, FactorPair],
) -> tuple[Any, Array, FactorPair, FactorPair, FactorPair, Array, Array, Array | int]:
    """Point, residual, gradient, direction; misfit after, cosine before, halvings."""
    x, c, g, z, d = at
    q = manifold.derivative(B, x, d)
    slope, square, value = inner(g, d), xp.vdot(q, q), 0.5 * xp.vdot(c, c)
    search = _Armijo(manifold, B, b, x, d, value, slope)
    first = search.at(-slope / xp.where(square > 0, square, 1.0), xp.array(0))
    found = while_loop(search.running, search.step, first)
    # A direction that leads nowhere is given up where it stands.
    new, c_new = tree_map(
        lambda a, old: xp.where(found.done, a, old), (found.point, found.c), (x, c)
    )
    g_new = manifold.gradient(new, B.adjoint(c_new))
    z_new = manifold.precondition(new, g_new)
    steepest, before = inner(g_new, z_new), inner(g, z)
    carried = manifold.transport(x, g, new)
    beta = (steepest - inner(z_new, carried)) / xp.where(before > 0, before, 1.0)
    beta = xp.where(found.done, xp.maximum(beta, 0.0), 0.0)
    d_new = combine(tree_map(xp.negative, z_new), beta, manifold.transport(x, d, new))
    clear = inner(g_new, d_new) <= -_DESCENT * steepest
    d_new = tree_map(lambda new, z: xp.where(clear, new, -z), d_new, z_new)
    scale = xp.sqrt(2 * value * square)
    cosine = -slope / xp.where(scale > 0, scale, 1.0)
    return new, c_new, g_new, z_new, d_new, xp.linalg.norm(c_new), cosine, found.halvings
