"""Certificates with λ = 0: the dual point of a pair, where none is given, and what it proves.

‖X̃_f‖_*   ≥   bᵀŷ,     ℬ(X̃_f) = b, ŷ = y/max(1, ‖ℬ*(y)‖).
"""

from __future__ import annotations

import math

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.certificates.certificate import Certificate, NormBound
from flatrank.certificates.dual import adjoint, identity_dual, least_squares_dual
from flatrank.certificates.effort import Effort
from flatrank.certificates.infeasible import no_fit, repaired
from flatrank.certificates.norms import norm_bound, whole_bound
from flatrank.certificates.point import Point
from flatrank.certificates.proofs import interpolant_alone, rounding
from flatrank.certificates.strict import strict_dual, whole_dual
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint, Whitened
from flatrank.problems import Problem

# ‖S‖ may exceed what is allowed by this share through rounding alone.
_ROUNDING = 1e-9


def certify_interpolating(
    problem: Problem, point: Point, y: Array | None, effort: Effort
) -> tuple[Certificate, Array]:
    """The certificate of a pair, and the feasible dual point behind it."""
    B, b, svd = problem.whitened, problem.b, point.svd
    repair, proof = repaired(problem, point.r)
    if B.cone.positive and proof is None and not point.fits():
        proof = no_fit(B, b, point.r, effort)
    if proof is not None:
        _, bound = bounded(B, svd, proof, effort)
        inf = math.inf
        return Certificate.between(inf, inf, point.feasibility, bound.value, bound), proof
    if y is None:
        y, S, bound = default_dual(problem, point, effort)
    else:
        S, bound = bounded(B, svd, y, effort)
    norm = (bound.value + rounding(problem, y)) * (1.0 + problem.rescaling.rounding)
    y_hat = y / (norm if not norm <= 1 else 1.0)
    terms = np.asarray(b) * np.asarray(y_hat)  # whose sum may lose some of its last digits
    dual = float(np.sum(terms)) - 8 * np.finfo(float).eps * float(np.sum(np.abs(terms)))
    if B.cone.positive:
        repair += float(xp.linalg.norm(y_hat)) * point.misfit
    found = Certificate.between(point.nuclear + repair, dual, point.feasibility, norm, bound)

    def alone() -> bool:
        off = bound.off_tangent
        if off is None or not point.fits(1e-11):
            return False
        return interpolant_alone(problem, svd.narrow(), y, S, off, effort)

    return found.closed(effort.tol, alone), y_hat


def bounded(B: Whitened, svd: CompactSVD, y: Array, effort: Effort) -> tuple[Adjoint, NormBound]:
    """ℬ*(y) and the bound by which y is brought to what is allowed."""
    S = adjoint(B, y)
    hopeless = 1 + effort.tol if effort.tol else math.inf
    bound = norm_bound(S, svd, 0.995, effort, hopeless, B.cone)
    if effort.tol == 0 and bound.value > 1 + _ROUNDING and min(B.shape) <= effort.undivided:
        whole = whole_bound(S, B.cone, svd)  # loses nothing to blocks off the tangent space
        if whole.value < bound.value:
            bound = bound._replace(value=whole.value)
    return S, bound


def default_dual(
    problem: Problem, point: Point, effort: Effort
) -> tuple[Array, Adjoint, NormBound]:
    """A dual point made for the pair, ℬ* of it and its bound.

    The shortest; that of U Vᵀ; one that is strict; one that always does: U Vᵀ where the data may
    see every direction, a strict one where the shortest is not far from it, among matrices that
    need not be positive semidefinite in small problems alone. The last, for those that must be,
    is the one whose ℬ* is the identity. It proves any X that fits as flat as any other, and no
    uniqueness.
    """
    B, svd = problem.whitened, point.svd
    small = max(B.shape) <= effort.small

    def tried(y: Array) -> tuple[Array, Adjoint, NormBound]:
        return y, *bounded(B, svd, y, effort)

    # For a solver a dual point that is clearly too long, and no other will be made, is no news.
    vain = effort.tol > 0 and not (small or B.cone.positive)
    found = tried(least_squares_dual(B, svd, give_up=1.1 if vain else math.inf))
    y, _, bound = found
    off = math.inf if bound.off_tangent is None else bound.off_tangent
    if off <= 1 or not point.fits() or not svd.rank:
        return found
    if problem.degrees(min(B.shape)) <= B.m <= effort.undivided:
        whole = tried(whole_dual(B, svd))
        if whole[2].value <= 1 + 1e-7:  # ℬℬ* was inverted, which rounding may have made singular
            return whole
    near = (small or B.cone.positive) and bound.reached < (4.0 if small else 2.0)
    strict = strict_dual(B, svd, y, seed=effort.seed) if near else None
    found = found if strict is None else tried(strict)
    if B.cone.positive and found[2].value > 1 + _ROUNDING:
        one = identity_dual(B)
        found = found if one is None else tried(one)
    return found
