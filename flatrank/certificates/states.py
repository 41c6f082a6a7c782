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
from flatrank.certificates.certificate import CLOSED, Certificate, relative_misfit
from flatrank.certificates.dual import adjoint
from flatrank.certificates.eigenvalues import eigenvalue_bound
from flatrank.certificates.norms import Effort, NormBound
from flatrank.certificates.proofs import blocks, only_on_face, operator_size
from flatrank.factors import CompactSVD, FactorPair, Weight, weighted
from flatrank.measurements import Adjoint, Measurement, ShiftedAdjoint, Whitened
from flatrank.problems import Tomography

# Misfit, relative to ‖b‖, up to which a state is taken to fit: least squares would then compare
# rounding with rounding.
FITS = 1e-6
# Uniqueness is claimed only where S falls off the range of X by this share of its size: less is
# rounding.
_STRICT = 1e-9
# Squares of a misfit below this are not told from zero; what rounding may hide of a gap, relative
# to its two ends.
_LOST, _GAP_ROUNDING = 1e-280, 1e-14
# Up to this n the eigenvalue is computed as a whole, not by parts.
_WHOLE = 1000


def as_state(svd: CompactSVD) -> CompactSVD:
    """With trace one, its negligible columns zero; the width stays."""
    U, s = np.asarray(svd.U), np.asarray(svd.s)
    keep = s > 1e-13 * np.max(s, initial=0.0)
    s = np.where(keep, s, 0.0)
    U = np.where(keep[None, :], U, 0.0)
    return CompactSVD(U, np.asarray(s / max(float(s.sum()), 1e-300)), U)


def _empty(svd: CompactSVD) -> bool:
    return not np.any(np.asarray(svd.s))


def fits(problem: Tomography, svd: CompactSVD) -> bool:
    """Whether a state fits so well that the problem is the one of exact data."""
    if problem.lam > 0 or _empty(svd):
        return False
    r, _ = _residual(problem.measurement, problem.b, svd, problem.square)
    unit = float(xp.max(xp.abs(problem.b), initial=0.0)) or 1.0
    return bool(xp.linalg.norm(r / unit) <= FITS * xp.linalg.norm(problem.b / unit))


def certify_state(
    problem: Tomography,
    svd: CompactSVD,
    y: Float[Array, " m"] | None = None,
    effort: Effort = Effort(),  # noqa: B008 - a frozen record
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of a state X = U diag(s) U* among all states, and the dual point behind it.

    Parameters
    ----------
    problem : Tomography
        What is to be solved.
    svd : CompactSVD
        From `as_state`; of nothing the primal value is infinite.
    y : array of shape (m,), optional
        z; the residual b − 𝒜(X) by default.
    effort : Effort
        How hard to try.

    Returns
    -------
    (Certificate, array of shape (m,))
        `feasibility` is the relative misfit (as it is where b = 0), for information, and
        `operator_norm` is 1 + (λ_max(S) − tr(SX))/primal: 1 means that no direction lowers the
        objective.

    Notes
    -----
    Cost: a few products, and an eigenvalue of an n × n matrix.
    """
    r, penalty = _residual(problem.measurement, problem.b, svd, problem.square)
    square, size = float(xp.vdot(r, r)), float(xp.linalg.norm(problem.b))
    primal = math.inf if _empty(svd) else 0.5 * square + problem.lam * float(penalty)
    z = r if y is None else y
    S = _tilted(problem, z, problem.lam)
    inside = float(_inside(S, svd))
    bound = _bound(problem, S, svd, inside + effort.tol * min(primal, 1e300), effort)
    dual, z = _best_multiple(problem, z, bound.value)
    gap = primal - dual
    lost = square < _LOST and bool(xp.any(r))
    relative = gap / primal if primal and math.isfinite(primal) and not lost else math.inf
    certificate = Certificate(
        primal=primal,
        dual_bound=dual,
        gap=gap,
        relative_gap=0.0 if gap == 0 and not lost else relative,
        feasibility=relative_misfit(math.sqrt(square), size),
        operator_norm=1.0 + (bound.value - inside) / primal if primal else math.inf,
        operator_norm_kind=bound.kind,
        failure_probability=bound.failure_probability,
        unique=False,
    )
    if certificate.certified(CLOSED):
        from_above = (gap if gap > 0 else 0.0) + _GAP_ROUNDING * (abs(primal) + abs(dual))
        certificate = replace(certificate, unique=_alone(problem, z, svd, from_above, effort))
    return certificate, z


def _best_multiple(problem: Tomography, z: Array, top: float) -> tuple[float, Float[Array, " m"]]:
    """The dual value of z, and of its best multiple s z, s ≥ 0, where λ = 0: then S is s 𝒜*(z)."""
    rise, square = float(xp.vdot(problem.b, z)) - top, float(xp.vdot(z, z))
    s = 1.0 if problem.lam > 0 or square == 0 else max(rise, 0.0) / square
    return s * rise - 0.5 * s**2 * square, s * z


def _bound(
    problem: Tomography, S: Adjoint, svd: CompactSVD, enough: float, effort: Effort
) -> NormBound:
    """Of the largest eigenvalue of S, whatever its sign."""
    d = problem.shape[0]
    if problem.cone.size(d) <= _WHOLE or effort.failure_probability <= 0:
        whole = eigenvalue_bound(S, problem.cone, xp.zeros((d, 0)), -math.inf, Effort(0.0))
        return whole._replace(off_tangent=None)
    return eigenvalue_bound(S, problem.cone, svd.narrow().V, enough, effort)


def _alone(problem: Tomography, z: Array, svd: CompactSVD, gap: float, effort: Effort) -> bool:
    """Whether there is proved to be no other state with the least value (see `proofs`).

    The dual value falls by at least ½‖z − z*‖² away from its maximum, so that S = 𝒜*(z) − λD² is
    within e = √(2 gap) max ‖𝒜(uu*)‖ of the S* to whose largest eigenvalue, at least tr(SX) − e,
    every optimum belongs. In units of what is left of that above W, as for λ > 0.
    """
    svd = svd.narrow()
    S = _tilted(problem, z, problem.lam)
    inside = float(_inside(S, svd))
    e = math.sqrt(2.0 * gap * problem.steepness)
    off = eigenvalue_bound(S, problem.cone, svd.V, inside - e, effort).off_tangent
    if off is None or not inside - e - off > _STRICT * (abs(inside) + abs(off)):
        return False
    ones = problem.rescaling.D1
    B = Whitened(problem.with_trace(problem.stiffness**0.5), ones, ones, problem.cone)
    omega = 2.0 * (blocks(B, S, svd).beside + e) / (inside - e - off)
    if not omega < 1:
        return False
    return only_on_face(B, svd, omega, operator_size(B, effort.failure_probability or 1e-12))


def exact_dual(problem: Tomography, y: Float[Array, " m"]) -> Float[Array, " m1"]:
    """Of the problem of exact data, from y and the best multiplier of the trace."""
    scale, shift, weight = _units(problem)
    S = _tilted(problem, y, 1.0)
    nothing = xp.zeros((problem.shape[0], 0))
    top = eigenvalue_bound(S, problem.cone, nothing, -math.inf, Effort(0.0)).value
    return xp.append(y, (shift - top) / weight) / scale


def restated(
    problem: Tomography, certificate: Certificate, y: Float[Array, " m1"]
) -> tuple[Certificate, Float[Array, " m"]]:
    """A certificate of `problem.exact()` as one of tr(D²X), D² that of the m measurements."""
    scale, shift, _ = _units(problem)
    primal, dual = (scale * v - shift for v in (certificate.primal, certificate.dual_bound))
    gap = scale * certificate.gap
    relative = gap / abs(primal) if primal and math.isfinite(primal) else math.inf
    values = {"primal": primal, "dual_bound": dual, "gap": gap, "relative_gap": relative}
    return replace(certificate, **values), scale * y[:-1]


def trace_dual(problem: Tomography) -> Float[Array, " m1"]:
    """The dual point of the exact problem that says: every state has the same tr(D²X)."""
    return exact_dual(problem, xp.zeros(problem.m))


def _units(problem: Tomography) -> tuple[float, float, float]:
    """c, w²/(m n) and w with D² = c D'² − w²/(m n) I (see `Tomography.exact`)."""
    m, n, weight = problem.m, problem.measurement.orders[0], problem.stiffness**0.5
    return (m + 1) / m, weight**2 / (m * n), weight


def _tilted(problem: Tomography, y: Array, tilt: float) -> Adjoint:
    """𝒜*(y) − t D²."""
    return ShiftedAdjoint(adjoint(problem.measurement, y), problem.square, xp.asarray(-tilt))


@compiled
def _residual(A: Measurement, b: Array, svd: CompactSVD, square: Weight) -> tuple[Array, Array]:
    """B − 𝒜(X) and tr(D²X)."""
    pair = FactorPair(svd.U * svd.s[None, :], svd.V)
    return b - A.forward(pair), xp.vdot(pair.L, weighted(square, pair.R))


@compiled
def _inside(S: Adjoint, svd: CompactSVD) -> Array:
    """tr(S X)."""
    return xp.vdot(svd.V * svd.s[None, :], S.right(svd.V))
