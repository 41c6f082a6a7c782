"""Certificates with λ > 0: a multiple of the residual, or of any vector, is a dual point.

½‖r‖² + λ‖X̃‖_*   ≥   bᵀz − ½‖z‖²,     r = b − ℬ(X̃), ‖ℬ*(z)‖ ≤ λ.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import Certificate, NormBound
from flatrank.certificates.dual import adjoint
from flatrank.certificates.effort import Effort
from flatrank.certificates.norms import norm_bound, norm_seen, whole_bound
from flatrank.certificates.point import Point, in_range
from flatrank.certificates.proofs import penalised_alone
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint, Measurement
from flatrank.problems import Problem


def certify_penalised(
    problem: Problem, point: Point, y: Array | None, effort: Effort
) -> tuple[Certificate, Array]:
    """The certificate of a pair, and the feasible dual point behind it."""
    B, lam, b, svd = problem.whitened, problem.lam, problem.b, point.svd
    primal = 0.5 * point.square + lam * point.nuclear
    direction = in_range(point.r if y is None else y)
    if B.cone.positive and float(xp.vdot(b, direction)) < 0:
        direction = xp.zeros_like(direction)  # no multiple s ≥ 0 of it is worth more than z = 0
    S = adjoint(B, direction)
    share = lam * point.nuclear / max(primal, 1e-300)
    bound = slope_bound(S, problem, svd, share, effort)
    # NaN, which compares with nothing, is no bound; 1e-150 for parts whose squares are lost.
    norm = 0.0 if bound.value < 0 else bound.value if bound.value >= 0 else math.inf
    norm = norm * (1.0 + problem.rescaling.rounding) + 1e-150
    z, dual, multiple = scaled_residual(direction, b, np.asarray(lam), np.asarray(norm))
    found = Certificate.between(primal, float(dual), point.feasibility, bound.value / lam, bound)

    def alone() -> bool:
        off = bound.off_tangent if svd.rank else bound.value
        scale = float(multiple) / lam
        off = None if off is None else off * abs(scale)
        y, gap = direction * scale, found.largest_gap
        return penalised_alone(problem, svd.narrow(), y, off, gap, effort)

    return found.closed(effort.tol, alone), z


def slope_bound(
    S: Adjoint, problem: Problem, svd: CompactSVD, share: float, effort: Effort
) -> NormBound:
    """‖S‖ from above as a bound of the optimum needs it, λ‖X̃‖_* being a `share` of the objective.

    By parts where that is enough or has to be, and as a whole, exactly, elsewhere.
    """
    lam, d = problem.lam, min(problem.shape)
    if effort.failure_probability > 0 and d > effort.undivided:
        enough = lam / (1 - affordable(share, 0.25 * effort.tol))
        hopeless = lam / (1 - affordable(share, effort.tol)) if effort.tol else math.inf
        # ‖W‖ is not wanted exactly: where the parts are not enough, the whole is.
        parts = norm_bound(S, svd, enough, replace(effort, exact_size=0), hopeless, problem.cone)
        if parts.value <= enough or parts.reached > hopeless or d > effort.exact_size:
            return parts
    return whole_bound(S, problem.cone, svd, effort.tol)


def affordable(share: float, tol: float) -> float:
    """The e for which the dual point (1 − e) r costs tol of the primal value.

    At a stationary point bᵀr = ‖r‖² + λ‖X̃‖_*, so that it costs e λ‖X̃‖_* + e² ½‖r‖².
    """
    rest = max(1.0 - share, 1e-12)
    return 2 * tol / (share + math.sqrt(share**2 + 4 * rest * tol)) if tol else 0.0


@compiled
def scaled_residual(
    r: Float[Array, " m"], b: Float[Array, " m"], lam: Scalar, norm: Scalar
) -> tuple[Float[Array, " m"], Scalar, Scalar]:
    """The best feasible multiple z = s r of a dual point r, its dual value bᵀz − ½‖z‖², and s.

    s = bᵀr/‖r‖² clipped to ±λ/‖ℬ*(r)‖ maximises the dual along r (theory §6.2); `norm` is an upper
    bound on ‖ℬ*(r)‖.
    """
    square = xp.vdot(r, r)
    limit = xp.where(norm > 0, lam / xp.where(norm > 0, norm, 1.0), xp.inf)
    best = xp.where(square > 0, xp.vdot(b, r) / xp.where(square > 0, square, 1.0), 0.0)
    s = xp.clip(best, -limit, limit)
    z = s * r
    return z, xp.vdot(b, z) - 0.5 * xp.vdot(z, z), s


@compiled
def least_gap(B: Measurement, b: Float[Array, " m"], lam: Scalar, svd: CompactSVD) -> Scalar:
    """The relative gap that a certificate of X̃ cannot undercut, for λ > 0 and X of any sign.

    ‖S‖ ≥ max(‖S V‖, ‖Sᵀ U‖), which near a solution is ‖S‖ to second order: what one product with ℬ
    and one with ℬ* can tell before a proof is tried. Zero columns do no harm.
    """
    r = b - B.forward(svd.pair())
    primal = 0.5 * xp.vdot(r, r) + lam * xp.sum(svd.s)
    _, dual, _ = scaled_residual(r, b, lam, norm_seen(B.adjoint(r), svd))
    return xp.maximum(primal - dual, 0.0) / xp.where(primal > 0, primal, 1.0)
