"""Riemannian trust regions for min ½‖ℬ(X̃) − b‖² at a fixed rank.

Each step minimises the quadratic model  m(η) = ⟨g, η⟩ + ½⟨η, Hess[η]⟩  on the tangent space
within ⟨η, M⁻¹η⟩ ≤ Δ² by truncated conjugate gradients with preconditioner M (Steihaug, Toint),
retracts, and accepts when the fall of ½‖c‖² is at least a tenth of the model's. Δ is quartered
where the fall is below a quarter of the model's, and doubled where it is above three quarters and
the bound was met. At saddles negative curvature carries the step to the bound; near a nondegenerate
minimiser convergence is superlinear.

Reference: Absil, Baker and Gallivan (2007), Algorithms 1 and 2. Departure: inner accuracy is tied
to the misfit and the cosine, which have no units, not to the gradient norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, tree_map, while_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.reference.rank_constrained import RankState, Riemannian, cosine_of, relative
from flatrank.solvers.solution import Counts
from flatrank.theory import Manifold, combine, inner


class _Carried(NamedTuple):
    """The residual, the radius, the first radius, and the inner steps of the last step."""

    c: Float[Array, " m"]
    radius: float
    first: float
    inner: int


@dataclass(frozen=True)
class RiemannianTrustRegion(Riemannian):
    """Trust regions on matrices of fixed rank, or on balanced pairs.

    Parameters
    ----------
    rank, tol, geometry
        As of `Riemannian`: k ≤ min(d1, d2), the misfit or cosine to reach, the manifold.
    max_inner : int
        Inner steps at most in one outer step.

    Notes
    -----
    Cost of an inner step: one curvature product and one product with S on each side. Memory
    O(m + (d1 + d2) k).
    """

    max_inner: int = 300

    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> RankState:
        """From a pair of X̃, filled up to k columns, or from the data; Δ = ‖X̃‖ at first."""
        x, c, misfit = self._first(problem, start, seed)
        radius = float(np.linalg.norm(np.asarray(x.s)))
        return RankState(x, misfit, Counts(1), _Carried(c, radius, radius, 0))

    def step(self, problem: Problem, state: RankState) -> RankState:
        """One inner solve, one decision about step and radius."""
        c, radius, first, _ = state.carried
        model = min(0.1, state.misfit, state.cosine), radius, self.max_inner
        x, c, *numbers = _step(self.manifold, problem.whitened, problem.b, (state.point, c), model)
        ratio, misfit, cosine, bounded, taken = (float(x) for x in numbers)
        if not ratio >= 0.25:
            radius *= 0.25
        elif ratio > 0.75 and bounded:
            radius *= 2.0
        counts = state.counts + Counts(int(taken) + 2, int(taken) + 1, 1)
        carried = _Carried(c, radius, first, int(taken))
        # A radius that is rounding of the first allows no visible step.
        return RankState(x, misfit, counts, carried, cosine, radius > 1e-12 * first)

    def info(self, state: RankState) -> dict[str, Any]:
        """Rank, misfit, cosine, radius, and how many inner steps the last step took."""
        carried: _Carried = state.carried
        return super().info(state) | {"radius": carried.radius, "inner": carried.inner}


class _Inner(NamedTuple):
    """η and Hess[η]; residual, its preconditioned form, direction; M⁻¹ products of η and δ."""

    eta: FactorPair
    H_eta: FactorPair
    r: FactorPair
    z: FactorPair
    delta: FactorPair
    rz: Scalar
    ee: Scalar
    ed: Scalar
    dd: Scalar
    bounded: bool | Array
    taken: int | Array
    done: bool | Array


@compiled
def _step(
    manifold: Manifold[Any],
    B: Measurement,
    b: Float[Array, " m"],
    at: tuple[Any, Array],
    model: tuple[float, float, int],
) -> tuple[Any, ...]:
    """Point, residual; ratio of fall and model, misfit, cosine before, bound met, inner steps."""
    (x, c), (rtol, radius, max_inner) = at, model
    S = B.adjoint(c)
    g = manifold.gradient(x, S)
    z = manifold.precondition(x, g)
    steepest, value, zero = inner(g, z), 0.5 * xp.vdot(c, c), tree_map(xp.zeros_like, g)
    cosine = cosine_of(steepest, c, manifold.derivative(B, x, z))

    def step(s: _Inner) -> _Inner:
        H_delta = manifold.hessian(B, x, S, s.delta)
        curvature = inner(s.delta, H_delta)
        alpha = s.rz / xp.where(curvature > 0, curvature, 1.0)
        longer = s.ee + 2 * alpha * s.ed + alpha**2 * s.dd
        out = xp.logical_or(xp.logical_not(curvature > 0), longer >= radius**2)
        to_bound = (xp.sqrt(s.ed**2 + s.dd * (radius**2 - s.ee)) - s.ed) / s.dd
        t = xp.where(out, to_bound, alpha)
        r = combine(s.r, t, H_delta)
        z = manifold.precondition(x, r)
        rz = inner(r, z)
        beta = rz / s.rz
        return _Inner(
            eta=combine(s.eta, t, s.delta),
            H_eta=combine(s.H_eta, t, H_delta),
            r=r,
            z=z,
            delta=combine(tree_map(xp.negative, z), beta, s.delta),
            rz=rz,
            ee=xp.where(out, radius**2, longer),
            ed=beta * (s.ed + alpha * s.dd),
            dd=rz + beta**2 * s.dd,
            bounded=out,
            taken=s.taken + 1,
            done=xp.logical_or(out, xp.logical_not(rz > rtol**2 * steepest)),
        )

    def running(s: _Inner) -> bool | Array:
        return xp.logical_and(xp.logical_not(s.done), s.taken < max_inner)

    none, ended = xp.zeros(()), xp.logical_not(steepest > 0)
    first = _Inner(
        zero, zero, g, z, tree_map(xp.negative, z), steepest, none, none, steepest, False, 0, ended
    )
    found = while_loop(running, step, first)
    new = manifold.retract(x, found.eta)
    c_new = B.forward(manifold.pair(new)) - b
    promised = -inner(g, found.eta) - 0.5 * inner(found.eta, found.H_eta)
    rounding = 1e-13 * value
    ratio = (value - 0.5 * xp.vdot(c_new, c_new) + rounding) / (promised + rounding)
    new, c_new = tree_map(lambda a, old: xp.where(ratio > 0.1, a, old), (new, c_new), (x, c))
    return new, c_new, ratio, relative(c_new, b), cosine, found.bounded, found.taken
