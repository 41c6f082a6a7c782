"""The dual point of a pair with λ = 0, where none is given."""

from __future__ import annotations

import math

from flatrank.arrays import Array, xp
from flatrank.certificates.bounds import WHOLE, bound_of, whole_bound
from flatrank.certificates.dual import adjoint, identity_dual, least_squares_dual
from flatrank.certificates.norms import Effort, NormBound
from flatrank.certificates.strict import strict_dual, whole_dual
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint, Whitened
from flatrank.problems import Problem

# ‖W‖ of the shortest up to which a better one is looked for: in general, and in small problems; and
# from which on solvers give the shortest up.
_NEAR, _FARTHER, _VAIN = 2.0, 4.0, 1.1
# Their size, and the number of measurements up to which ℬℬ* is formed.
_SMALL, _SMALL_M = 128, 1000
# How far, relatively, ‖S‖ may exceed what is allowed by rounding alone.
_ROUNDING = 1e-9
# The same where ℬℬ* was inverted, which rounding may have made singular.
_NEARLY = 1e-7


def bounded(B: Whitened, svd: CompactSVD, y: Array, effort: Effort) -> tuple[Adjoint, NormBound]:
    """ℬ*(y) and the bound by which y is brought to what is allowed."""
    S = adjoint(B, y)
    hopeless = 1 + effort.tol if effort.tol else math.inf
    bound = bound_of(B, S, svd, 0.995, effort, hopeless)
    if effort.tol == 0 and bound.value > 1 + _ROUNDING and min(B.shape) <= WHOLE:
        whole = whole_bound(B, S, svd)  # loses nothing to blocks beside the tangent space
        if whole.value < bound.value:
            bound = bound._replace(value=whole.value)
    return S, bound


def default_dual(
    problem: Problem, svd: CompactSVD, fitted: bool, effort: Effort
) -> tuple[Array, Adjoint, NormBound]:
    """A dual point made for the pair, ℬ* of it and its bound.

    The shortest; that of U Vᵀ; one that is strict; one that always does: U Vᵀ where the data may
    see every direction, a strict one where the shortest is not far from it, among matrices that
    need not be positive semidefinite in small problems alone. The last, for those that must be,
    is the one whose ℬ* is the identity. It proves any X that fits as flat as any other, and no
    uniqueness.
    """
    B = problem.whitened
    small = max(B.shape) <= _SMALL
    # For a solver a dual point that is clearly too long, and no other will be made, is no news.
    vain = effort.tol > 0 and not (small or B.cone.positive)
    y = least_squares_dual(B, svd, give_up=_VAIN if vain else math.inf)
    S, bound = bounded(B, svd, y, effort)
    off = math.inf if bound.off_tangent is None else bound.off_tangent
    if off <= 1 or not fitted or not bool(xp.any(svd.s > 0)):
        return y, S, bound
    near = (small or B.cone.positive) and bound.reached < (_FARTHER if small else _NEAR)
    if problem.degrees(min(B.shape)) <= B.m <= _SMALL_M:
        whole = whole_dual(B, svd)
        seen, least = bounded(B, svd, whole, effort)
        if least.value <= 1 + _NEARLY:
            return whole, seen, least
    strict = strict_dual(B, svd, y, seed=effort.seed) if near else None
    if strict is not None:
        y = strict
        S, bound = bounded(B, svd, y, effort)
    one = identity_dual(B) if B.cone.positive and bound.value > 1 + _ROUNDING else None
    if one is not None:
        y = one
        S, bound = bounded(B, svd, y, effort)
    return y, S, bound
