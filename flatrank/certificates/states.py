"""Certificates of states: least squares over X ⪰ 0 with tr X = 1.

    P(X) = ½‖𝒜(X) − b‖² + λ tr(D²X)   ≥   bᵀz − ½‖z‖² − λ_max(𝒜*(z) − λD²)    for any z,

since tr(SX) ≤ λ_max(S) for every state. With z = b − 𝒜(X) the gap is λ_max(S) − tr(SX), that of
Frank and Wolfe (1956), and less with the best multiple of z where λ = 0: no point has to be made
feasible, and a positive bound proves that no state fits. Where X fits exactly and λ = 0, P is no
measure, and the problem is min tr(D²X) s.t. 𝒜(X) = b (`Tomography.exact`):

    tr(D²X)   ≥   bᵀy − λ_max(𝒜*(y) − D²)    for any y.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from flatrank.arrays import Array, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import Certificate, NormBound
from flatrank.certificates.dual import adjoint
from flatrank.certificates.effort import Effort
from flatrank.certificates.norms import eigenvalue_bound, whole_bound
from flatrank.certificates.point import FITS, measured, positive_part
from flatrank.certificates.proofs import blocks, only_on_face, operator_size
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint, ShiftedAdjoint, Whitened
from flatrank.problems import Tomography


def as_state(svd: CompactSVD) -> CompactSVD:
    """With trace one, its negligible columns zero; the width stays."""
    U, s, _ = positive_part(svd)
    return CompactSVD(U, s / max(float(xp.sum(s)), 1e-300), U)


def fits(problem: Tomography, svd: CompactSVD) -> bool:
    """Whether a state fits so well that the problem is the one of exact data."""
    if problem.lam > 0 or not svd.rank:
        return False
    unit = float(xp.max(xp.abs(problem.b), initial=0.0)) or 1.0
    r = measured(problem.measurement, problem.b, svd).r
    return bool(xp.linalg.norm(r / unit) <= FITS * xp.linalg.norm(problem.b / unit))


def certify_state(
    problem: Tomography, svd: CompactSVD, y: Float[Array, " m"] | None, effort: Effort
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of a state X = U diag(s) U* among all states, and the dual point behind it.

    X is from `as_state`; where it is zero, the primal value is infinite. z is y, the residual
    b − 𝒜(X) by default. `feasibility` is the relative misfit (as it is where b = 0), for
    information, and `operator_norm` is 1 + (λ_max(S) − tr(SX))/primal: 1 means that no direction
    lowers the objective. Cost: a few products, and an eigenvalue of an n × n matrix.
    """
    point = measured(problem.measurement, problem.b, svd)
    penalty = problem.lam * float(problem.penalty(svd.pair()))
    primal = 0.5 * point.square + penalty if svd.rank else math.inf
    z = point.r if y is None else y
    S = _tilted(problem, z, problem.lam)
    inside = float(_inside(S, svd))
    bound = _bound(problem, S, svd, inside + effort.tol * min(primal, 1e300), effort)
    dual, z = _best_multiple(problem, z, bound.value)
    norm = 1.0 + (bound.value - inside) / primal if primal else math.inf
    found = Certificate.between(primal, dual, point.feasibility, norm, bound)
    if point.square < 1e-280 and bool(xp.any(point.r)):  # squares too small to be compared
        return replace(found, relative_gap=math.inf), z
    return found.closed(0.0, lambda: _alone(problem, z, svd, found.largest_gap, effort)), z


def _best_multiple(problem: Tomography, z: Array, top: float) -> tuple[float, Float[Array, " m"]]:
    """The dual value of z, and of its best multiple s z, s ≥ 0, where λ = 0: then S is s 𝒜*(z)."""
    rise, square = float(xp.vdot(problem.b, z)) - top, float(xp.vdot(z, z))
    s = 1.0 if problem.lam > 0 or square == 0 else max(rise, 0.0) / square
    return s * rise - 0.5 * s**2 * square, s * z


def _bound(
    problem: Tomography, S: Adjoint, svd: CompactSVD, enough: float, effort: Effort
) -> NormBound:
    """Of the largest eigenvalue of S, whatever its sign."""
    order = problem.cone.size(problem.shape[0])
    if order <= effort.undivided or effort.failure_probability <= 0:
        return whole_bound(S, problem.cone, svd)
    return eigenvalue_bound(S, problem.cone, svd.narrow().V, enough, effort)


def _alone(problem: Tomography, z: Array, svd: CompactSVD, gap: float, effort: Effort) -> bool:
    """Whether there is proved to be no other state with the least value (see `proofs`).

    The dual value falls by at least ½‖z − z*‖² away from its maximum, so that S = 𝒜*(z) − λD² is
    within e = √(2 gap) max ‖𝒜(uu*)‖ of the S* to whose largest eigenvalue, at least tr(SX) − e,
    every optimum belongs. In units of what is left of that above W, as for λ > 0. Less than 1e-9 of
    the size of S is rounding.
    """
    svd = svd.narrow()
    S = _tilted(problem, z, problem.lam)
    inside = float(_inside(S, svd))
    e = math.sqrt(2.0 * gap * problem.steepness)
    off = eigenvalue_bound(S, problem.cone, svd.V, inside - e, effort).off_tangent
    if off is None or not inside - e - off > 1e-9 * (abs(inside) + abs(off)):
        return False
    ones = problem.rescaling.D1
    B = Whitened(problem.with_trace(problem.stiffness**0.5), ones, ones, problem.cone)
    omega = 2.0 * (blocks(B, S, svd).outer + e) / (inside - e - off)
    if not omega < 1:
        return False
    size = operator_size(B, effort.failure_probability or 1e-12)
    return only_on_face(B, svd, omega, size, effort)


def exact_dual(problem: Tomography, y: Float[Array, " m"]) -> Float[Array, " m1"]:
    """Of the problem of exact data, from y and the best multiplier of the trace."""
    scale, shift, weight = _units(problem)
    empty = np.zeros((problem.shape[0], 0))
    S = _tilted(problem, y, 1.0)
    top = eigenvalue_bound(S, problem.cone, empty, -math.inf, Effort(0.0)).value
    return xp.append(y, (shift - top) / weight) / scale


def trace_dual(problem: Tomography) -> Float[Array, " m1"]:
    """The dual point of the exact problem that says: every state has the same tr(D²X)."""
    return exact_dual(problem, xp.zeros(problem.m))


def restated(
    problem: Tomography, certificate: Certificate, y: Float[Array, " m1"]
) -> tuple[Certificate, Float[Array, " m"]]:
    """A certificate of `problem.exact()` as one of tr(D²X), D² that of the m measurements."""
    scale, shift, _ = _units(problem)
    primal, dual = (scale * v - shift for v in (certificate.primal, certificate.dual_bound))
    gap = scale * certificate.gap  # of more digits than the difference
    relative = gap / abs(primal) if primal and math.isfinite(primal) else math.inf
    numbers = {"primal": primal, "dual_bound": dual, "gap": gap, "relative_gap": relative}
    return replace(certificate, **numbers), scale * y[:-1]


def _units(problem: Tomography) -> tuple[float, float, float]:
    """c, w²/(m n) and w with D² = c D'² − w²/(m n) I (see `Tomography.exact`)."""
    m, n, weight = problem.m, problem.measurement.orders[0], problem.stiffness**0.5
    return (m + 1) / m, weight**2 / (m * n), weight


def _tilted(problem: Tomography, y: Array, tilt: float) -> Adjoint:
    """𝒜*(y) − t D²."""
    return ShiftedAdjoint(adjoint(problem.measurement, y), problem.square, xp.asarray(-tilt))


@compiled
def _inside(S: Adjoint, svd: CompactSVD) -> Array:
    """tr(S X)."""
    return xp.vdot(svd.V * svd.s[None, :], S.right(svd.V))
