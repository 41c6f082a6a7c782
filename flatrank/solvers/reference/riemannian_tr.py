"""Riemannian trust regions for min ½‖ℬ(X̃) − b‖² at a fixed rank.

Each step minimises the quadratic model  m(η) = ⟨g, η⟩ + ½⟨η, Hess[η]⟩  on the tangent space
within ⟨η, M⁻¹η⟩ ≤ Δ² by truncated conjugate gradients with preconditioner M (Steihaug, Toint),
retracts, and accepts when the fall of ½‖c‖² is at least a tenth of the model's. Δ is quartered
where the model is poor and doubled where it is good and its bound was met. At saddles negative
curvature carries the step to the bound; near a nondegenerate minimiser convergence is superlinear.

Reference: Absil, Baker and Gallivan (2007), Algorithms 1 and 2. Departure: inner accuracy is tied
to the misfit and the cosine, which have no units, not to the gradient norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from flatrank.arrays import Array, Module, Scalar, compiled, tree_map, while_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Adjoint, Measurement
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome
from flatrank.solvers.reference.rank_constrained import RankConstrained, geometry_of
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status
from flatrank.theory import Manifold, combine, inner

# Ratio of fall and model above which a step is taken, below which Δ shrinks, above which it grows.
_ACCEPT, _POOR, _GOOD = 0.1, 0.25, 0.75
# Rounding of ½‖c‖², as a share of it, given to both sides of the ratio.
_ROUNDING = 1e-13
# A radius below this share of the first allows no visible step.
_LEAST = 1e-12


class TrustState(NamedTuple):
    """A point, its residual, the radius, and numbers around the last step."""

    point: Any
    c: Float[Array, " m"]
    radius: float
    first: float
    misfit: float
    cosine: float
    size: float
    inner: int
    counts: Counts


@dataclass(frozen=True)
class RiemannianTrustRegion(RankConstrained[TrustState]):
    """Trust regions on matrices of fixed rank, or on balanced pairs.

    Parameters
    ----------
    rank : int
        k ≤ min(d1, d2).
    tol : float
        Stop when ‖ℬ(X̃) − b‖ ≤ tol ‖b‖, or at a first-order point: a cosine ≤ tol.
    geometry : "fixed rank" or "balanced"
        `FixedRank`, or the quotient of `BalancedPairs` by its gauge.
    max_inner : int
        Inner steps at most in one outer step.

    Notes
    -----
    Cost of an inner step: one curvature product and one product with S on each side. Memory
    O(m + (d1 + d2) k).
    """

    geometry: Literal["fixed rank", "balanced"] = "fixed rank"
    max_inner: int = 300

    def init(self, problem: Problem, start: FactorPair | None = None, seed: int = 0) -> TrustState:
        """From a pair of X̃, filled up to k columns, or from the data."""
        pair = self._begin(problem, start, seed, full_rank=True)
        size = float(np.linalg.norm(np.asarray(problem.b)))
        point, c, misfit, radius = _begun(
            geometry_of(self.geometry), problem.whitened, problem.b, pair
        )
        radius = float(radius)
        return TrustState(point, c, radius, radius, float(misfit), np.inf, size, 0, Counts(1))

    def step(self, problem: Problem, state: TrustState) -> TrustState:
        """One inner solve, one decision about step and radius."""
        share = state.misfit / (state.size or 1.0)
        rtol = min(0.1, share, state.cosine)
        model = rtol, state.radius, self.max_inner
        out = _step(
            geometry_of(self.geometry),
            problem.whitened,
            problem.b,
            (state.point, state.c),
            model,
        )
        point, c = out[:2]
        ratio, misfit, cosine, bounded, taken = (float(x) for x in out[2:])
        radius = state.radius
        if not ratio >= _POOR:
            radius *= 0.25
        elif ratio > _GOOD and bounded:
            radius *= 2.0
        spent = Counts(int(taken) + 2, int(taken) + 1, 1)
        return TrustState(
            point, c, radius, state.first, misfit, cosine, state.size, int(taken),
            state.counts + spent,
        )  # fmt: skip

    def status(self, problem: Problem, state: TrustState) -> Status:
        """Stationary at the tolerance; stalled where the radius vanishes."""
        del problem
        moving = state.radius > _LEAST * state.first
        return self._verdict(state.misfit, state.size, state.cosine, moving)

    def info(self, state: TrustState) -> dict[str, Any]:
        """Misfit, cosine, radius, and how many inner steps the last step took."""
        return {
            "misfit": state.misfit,
            "cosine": state.cosine,
            "radius": state.radius,
            "inner": state.inner,
        }

    def outcome(self, state: TrustState) -> Outcome:
        """The balanced pair of X̃."""
        pair = geometry_of(self.geometry).pair(state.point)
        return Outcome(pair, pair.rank, state.counts)


class _SteihaugState(NamedTuple):
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


class Steihaug(Module):
    """Truncated conjugate gradients on a tangent space, within ⟨η, M⁻¹η⟩ ≤ Δ²."""

    manifold: Manifold[Any]
    B: Measurement
    point: Any
    S: Adjoint
    radius: Scalar
    target: Scalar
    max_inner: int | Array

    def init(self, g: FactorPair, z: FactorPair) -> _SteihaugState:
        """η = 0, δ = −z."""
        zero, rz = tree_map(xp.zeros_like, g), inner(g, z)
        start = xp.zeros(())
        return _SteihaugState(
            zero, zero, g, z, tree_map(xp.negative, z), rz, start, start, rz,
            False, 0, xp.logical_not(rz > 0),
        )  # fmt: skip

    def step(self, state: _SteihaugState) -> _SteihaugState:
        """One product with the Hessian."""
        _, _, r, _, delta, rz, ee, ed, dd, _, taken, _ = state
        H_delta = self.manifold.hessian(self.B, self.point, self.S, delta)
        curvature = inner(delta, H_delta)
        alpha = rz / xp.where(curvature > 0, curvature, 1.0)
        longer = ee + 2 * alpha * ed + alpha**2 * dd
        out = xp.logical_or(xp.logical_not(curvature > 0), longer >= self.radius**2)
        to_bound = (xp.sqrt(ed**2 + dd * (self.radius**2 - ee)) - ed) / dd
        t = xp.where(out, to_bound, alpha)
        r = combine(r, t, H_delta)
        z = self.manifold.precondition(self.point, r)
        new = inner(r, z)
        beta = new / rz
        return _SteihaugState(
            eta=combine(state.eta, t, delta),
            H_eta=combine(state.H_eta, t, H_delta),
            r=r,
            z=z,
            delta=combine(tree_map(xp.negative, z), beta, delta),
            rz=new,
            ee=xp.where(out, self.radius**2, longer),
            ed=beta * (ed + alpha * dd),
            dd=new + beta**2 * dd,
            bounded=out,
            taken=taken + 1,
            done=xp.logical_or(out, xp.logical_not(new > self.target)),
        )

    def running(self, state: _SteihaugState) -> bool | Array:
        """Until the residual is small, the bound is met, or steps run out."""
        return xp.logical_and(xp.logical_not(state.done), state.taken < self.max_inner)


@compiled
def _begun(
    manifold: Manifold[Any], B: Measurement, b: Float[Array, " m"], pair: FactorPair
) -> tuple[Any, Array, Array, Array]:
    """The first point, its residual, the misfit, and ‖X̃‖ as the first radius."""
    x = manifold.point(pair)
    c = B.forward(manifold.pair(x)) - b
    return x, c, xp.linalg.norm(c), xp.linalg.norm(x.s)


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
    q = manifold.derivative(B, x, z)
    steepest, value = inner(g, z), 0.5 * xp.vdot(c, c)
    cg = Steihaug(manifold, B, x, S, radius, rtol**2 * steepest, max_inner)
    found = while_loop(cg.running, cg.step, cg.init(g, z))
    new = manifold.retract(x, found.eta)
    c_new = B.forward(manifold.pair(new)) - b
    promised = -inner(g, found.eta) - 0.5 * inner(found.eta, found.H_eta)
    slack = _ROUNDING * value
    fall = value - 0.5 * xp.vdot(c_new, c_new)
    ratio = (fall + slack) / (promised + slack)
    new, c_new = tree_map(lambda a, old: xp.where(ratio > _ACCEPT, a, old), (new, c_new), (x, c))
    scale = xp.sqrt(2 * value * xp.vdot(q, q))
    cosine = steepest / xp.where(scale > 0, scale, 1.0)
    return new, c_new, ratio, xp.linalg.norm(c_new), cosine, found.bounded, found.taken
