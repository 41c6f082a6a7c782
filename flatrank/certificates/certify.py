"""From any pair to a certificate."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from flatrank.certificates.bounds import bound_of, whole_bound
from flatrank.certificates.certificate import CLOSED, Certificate, relative_misfit
from flatrank.certificates.dual import adjoint, least_squares_dual, scaled_residual
from flatrank.certificates.infeasible import no_fit
from flatrank.certificates.norms import Effort, NormBound
from flatrank.certificates.repair import Repair, repaired
from flatrank.certificates.separation import certify_separation
from flatrank.certificates.states import (
    as_state,
    certify_state,
    exact_dual,
    fits,
    restated,
    trace_dual,
)
from flatrank.certificates.strict import strict_dual, whole_dual
from flatrank.certificates.uniqueness import injective_on_tangent
from flatrank.factors import CompactSVD, Cone, FactorPair, Factors
from flatrank.kernels import scope
from flatrank.measurements import Adjoint, Whitened
from flatrank.problems import Problem, Separation, Tomography, as_pair, checked_chance, equalised

# Strictly below what is allowed means by this share of it, for closer is rounding, the more of it
# the worse D is conditioned, and by so many relative gaps (see `_strict`).
_STRICT, _GAPS = 1e-6, 100
# Up to min(d1, d2) = _WHOLE the exact ‖S‖ costs a penalised certificate less than a bound by parts.
_WHOLE = 1000
# Misfit, relative to ‖b‖, up to which a better dual point is looked for, and ‖W‖ of the shortest:
# in general, and in small problems; and from which on solvers give the shortest up.
_FITS, _NEAR, _FARTHER, _VAIN = 1e-6, 2.0, 4.0, 1.1
# Their size, and the number of measurements up to which ℬℬ* is formed.
_SMALL, _SMALL_M = 128, 1000
# How far, relatively, ‖S‖ may exceed what is allowed by rounding alone.
_ROUNDING = 1e-9
# The same where ℬℬ* was inverted, which rounding may have made singular.
_NEARLY = 1e-7
# Singular values below this share of the largest are rounding, not rank.
_RANK_FLOOR = 1e-13


def certify(
    problem: Problem,
    factors: Factors,
    y: ArrayLike | None = None,
    *,
    failure_probability: float = 1e-9,
) -> Certificate:
    """Bound how far a pair, from anywhere, is from the global optimum of the problem.

    λ > 0: gap = ½‖r‖² + λ‖X̃‖_* − (bᵀz − ½‖z‖²), r = b − ℬ(X̃), z = s r feasible (theory §6.2).
    λ = 0: gap = ‖X̃_f‖_* − bᵀŷ, ŷ = y/max(1, ‖ℬ*(y)‖), with ‖X̃_f‖_* bounded by
    ‖X̃‖_* + ‖ℬ⁺c‖_* after repairing the misfit c (theory §6.1), infinite where nothing was made to
    fit. Where it is proved that nothing can (Farkas: ℬ*(y) = 0 and bᵀy > 0, or where X ⪰ 0
    ℬ*(y) ⪯ 0), the dual bound is infinite as well. Small ill-conditioned ℬ are first replaced by
    better equations of the same solutions (`problems.equalised`).

    ‖ℬ*(y)‖ is enlarged by the share ε κ(D1) κ(D2) that rounding may take (`Rescaling.rounding`):
    no bound is closer than that, so that 1e5 on either side leave six digits.

    Where X must be symmetric, the pair is first replaced by the nearest matrix that is. Where it
    must be positive semidefinite, only the largest eigenvalue of ℬ*(y) is bounded (theory §6.3),
    and exact fits do not survive rounding: with λ = 0 the bounds then enclose the optimum of
    tr X̃ + ‖ŷ‖·‖ℬ(X̃) − b‖, which is that of the constrained problem wherever ŷ is as long as some
    optimal dual point. To primal is added the nuclear norm of a symmetric matrix that makes X̃ fit,
    so that the gap never closes where the data are missed; it is infinite where the misfit proves
    that nothing in the cone fits.

    For tomography the pair is also brought to trace one, and the bounds enclose the optimum of
    ½‖𝒜(X) − b‖² + λ tr(D²X) over states (see `certify_state`). Where λ = 0 and the state fits, they
    enclose that of tr(D²X) over the states that fit, as above; where all states have the same
    tr(D²X) that says nothing, and `unique` is what tells whether the data determine the state.

    Parameters
    ----------
    problem : Problem
        What is to be solved.
    factors : FactorPair, Solution or (L, R)
        (d1, k) and (d2, k), of X (not of D1 X D2); k may be 0. Where X is complex, `solution.U`
        will do, and so will complex L and R with X = L R*.
    y : array of shape (m,), optional
        A dual point. λ = 0: by default the least-squares dual, or where that fails a `whole_dual`
        or `strict_dual`. λ > 0: the residual by default.
        Robust PCA also takes it as a matrix (see `certify_separation`).
    failure_probability : float
        Allowed chance that the bound on the operator norm is too small; 0 asks for the exact norm
        whatever it costs.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or complex where X is real, or
        `failure_probability` is out of range.

    Notes
    -----
    Cost: a few dozen products with 𝒜 and 𝒜*; memory O(m + (d1 + d2) k).
    """
    with scope():
        pair = as_pair(problem, factors)
        if y is not None:
            y = _as_dual(problem, y)
        whitened = problem.whiten(pair)
        svd = _decomposed(problem.cone, whitened)
        effort = Effort(failure_probability=checked_chance(failure_probability))
        even = equalised(problem)
        if even is None:
            return certify_whitened(problem, svd, y, effort)[0]
        dual = None if y is None else even.dual_of(y)
        found = certify_whitened(even.problem, svd, dual, effort)[0]
        return found.shaken(even.rounding, even.misfit(whitened))


def _as_dual(problem: Problem, y: ArrayLike) -> Float[Array, " m"]:
    """Checked, in the type of the computation."""
    given = np.asarray(y)
    if given.shape == problem.shape and isinstance(problem, Separation):
        given = given.reshape(-1)
    real = given.dtype.kind in "fiub"
    if not real or given.shape != (problem.m,) or not np.all(np.isfinite(given)):
        raise ValueError(
            f"y must be {problem.m} finite numbers, one for each measurement and none complex; "
            f"got shape {given.shape} of {given.dtype}"
        )
    return jax.device_put(given.astype(np.float64))


def certify_whitened(
    problem: Problem,
    svd: CompactSVD,
    y: Float[Array, " m"] | None = None,
    effort: Effort = Effort(),  # noqa: B008 - a frozen record
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of X̃ = U diag(s) Vᵀ, and the feasible dual point behind it."""
    if svd.s.shape[0] == 0:  # of X̃ = 0: products with no columns at all are not worth having
        d1, d2 = problem.shape
        svd = CompactSVD(jnp.zeros((d1, 1)), jnp.zeros(1), jnp.zeros((d2, 1)))
    if isinstance(problem, Separation):
        return certify_separation(problem, svd, y)
    if isinstance(problem, Tomography):
        return _of_state(problem, as_state(svd), y, effort)
    point, svd = _measure(problem, svd)
    prove = _interpolating if problem.lam == 0 else _penalised
    values, z = prove(problem, svd, point, y, effort)
    return _record(problem, svd, point, values, effort), z


@eqx.filter_jit
def _decomposed(cone: Cone, pair: FactorPair) -> CompactSVD:
    """U, s, V of the nearest matrix in the cone."""
    return cone.decompose(cone.nearest(pair))


def _of_state(
    problem: Tomography, svd: CompactSVD, y: Array | None, effort: Effort
) -> tuple[Certificate, Array]:
    """Least squares over states, or the problem of exact data where the state fits them."""
    if not fits(problem, svd):
        return certify_state(problem, svd, y, effort)
    exact = problem.exact()
    pair = exact.whiten(FactorPair(svd.U * svd.s[None, :], svd.V))
    inner = _decomposed(exact.cone, pair)
    dual = None if y is None else exact_dual(problem, y)
    certificate, found = certify_whitened(exact, inner, dual, effort)
    if y is None and problem.uniform and certificate.relative_gap > CLOSED:
        certificate, found = certify_whitened(exact, inner, trace_dual(problem), effort)
    return restated(problem, certificate, found)


class _Values(NamedTuple):
    """Primal and dual values, S = ℬ*(y), the bound on ‖S‖ and what is allowed."""

    primal: float
    dual: float
    S: Adjoint
    bound: NormBound
    allowed: float


class _Point(NamedTuple):
    """r = b − ℬ(X̃), its square, ‖b‖, ‖X̃‖_*; what repairing the misfit costs, or a proof instead."""

    r: Float[Array, " m"]
    square: float
    size: float
    nuclear: float
    repair: Repair = Repair(0.0)


def _measure(problem: Problem, svd: CompactSVD) -> tuple[_Point, CompactSVD]:
    svd, r, *numbers = _measured(problem.whitened, problem.b, svd)
    repair = repaired(problem, r) if problem.lam == 0 else Repair(0.0)
    return _Point(r, *(float(x) for x in numbers), repair=repair), svd


@eqx.filter_jit
def _measured(B: Whitened, b: Array, svd: CompactSVD) -> tuple[CompactSVD, *tuple[Array, ...]]:
    """The positive part of the decomposition, and the numbers of `_Point`."""
    svd = _positive(svd)
    r = b - B.forward(FactorPair(svd.U * svd.s[None, :], svd.V))
    return svd, r, jnp.vdot(r, r), jnp.linalg.norm(b), jnp.sum(svd.s)


def _positive(svd: CompactSVD) -> CompactSVD:
    """Zero what belongs to singular values that are zero to rounding; the width stays."""
    keep = (svd.s > _RANK_FLOOR * jnp.max(svd.s, initial=0.0))[None, :]
    return CompactSVD(
        jnp.where(keep, svd.U, 0.0), jnp.where(keep[0], svd.s, 0.0), jnp.where(keep, svd.V, 0.0)
    )


def _penalised(
    problem: Problem, svd: CompactSVD, point: _Point, y: Array | None, effort: Effort
) -> tuple[_Values, Array]:
    B, lam, b = problem.whitened, problem.lam, problem.b
    primal = 0.5 * point.square + lam * point.nuclear
    share = lam * point.nuclear / max(primal, 1e-300)
    direction = point.r if y is None else y
    if B.cone.positive and float(jnp.vdot(b, direction)) < 0:
        direction = jnp.zeros_like(direction)  # no multiple s ≥ 0 of it is worth more than z = 0
    S = adjoint(B, direction)
    d, bound = min(B.shape), None
    if effort.failure_probability > 0 and d > _WHOLE:
        enough = lam / (1 - _affordable(share, 0.25 * effort.tol))
        hopeless = lam / (1 - _affordable(share, effort.tol)) if effort.tol else math.inf
        # ‖W‖ is not wanted exactly: where the parts are not enough, the whole is.
        parts = bound_of(B, S, svd, enough, effort._replace(exact_size=0), hopeless)
        if parts.value <= enough or parts.reached > hopeless or d > effort.exact_size:
            bound = parts
    if bound is None:
        bound = whole_bound(B, S, svd)
    allowed = np.asarray(max(bound.value, 0.0) * (1.0 + problem.rescaling.rounding))
    z, dual = scaled_residual(direction, b, np.asarray(lam), allowed)
    return _Values(primal, float(dual), S, bound, lam), z


def _affordable(share: float, tol: float) -> float:
    """The e for which the dual point (1 − e) r costs tol of the primal value.

    At a stationary point bᵀr = ‖r‖² + λ‖X̃‖_*, so that it costs e λ‖X̃‖_* + e² ½‖r‖².
    """
    rest = max(1.0 - share, 1e-12)
    return 2 * tol / (share + math.sqrt(share**2 + 4 * rest * tol)) if tol else 0.0


def _interpolating(
    problem: Problem, svd: CompactSVD, point: _Point, y: Array | None, effort: Effort
) -> tuple[_Values, Array]:
    B, proof = problem.whitened, point.repair.y
    if B.cone.positive and proof is None and math.sqrt(point.square) > _FITS * point.size:
        proof = no_fit(B, problem.b, point.r, effort)
    if proof is not None:
        return _Values(math.inf, math.inf, *_bounded(B, svd, proof, effort), 1.0), proof
    if y is None:
        y, S, bound = _found(problem, svd, point, effort)
    else:
        S, bound = _bounded(B, svd, y, effort)
    y_hat = y / max(1.0, bound.value * (1.0 + problem.rescaling.rounding))
    dual = float(jnp.vdot(problem.b, y_hat))
    repair = point.repair.cost
    if B.cone.positive:
        repair += float(jnp.linalg.norm(y_hat)) * math.sqrt(point.square)
    return _Values(point.nuclear + repair, dual, S, bound, 1.0), y_hat


def _bounded(B: Whitened, svd: CompactSVD, y: Array, effort: Effort) -> tuple[Adjoint, NormBound]:
    S = adjoint(B, y)
    hopeless = 1 + effort.tol if effort.tol else math.inf
    return S, bound_of(B, S, svd, 0.995, effort, hopeless)


def _found(
    problem: Problem, svd: CompactSVD, point: _Point, effort: Effort
) -> tuple[Array, Adjoint, NormBound]:
    """A dual point made for the pair: the shortest; U Vᵀ; one that is strict; one that always does.

    U Vᵀ where the data may see every direction, a strict one where the shortest is not far from it:
    among matrices that need not be positive semidefinite in small problems alone. The last, for
    those that must be, is w/(m n) where Σ Aᵢ² = Σ wᵢ Aᵢ: ℬ* of it is the identity. It proves any X
    that fits as flat as any other, and no uniqueness.
    """
    B = problem.whitened
    small = max(B.shape) <= _SMALL
    # For a solver a dual point that is clearly too long, and no other will be made, is no news.
    vain = effort.tol > 0 and not (small or B.cone.positive)
    y = least_squares_dual(B, svd, give_up=_VAIN if vain else math.inf)
    S, bound = _bounded(B, svd, y, effort)
    off = math.inf if bound.off_tangent is None else bound.off_tangent
    fitted = math.sqrt(point.square) <= _FITS * point.size
    if off <= 1 or not fitted or not bool(jnp.any(svd.s > 0)):
        return y, S, bound
    near = (small or B.cone.positive) and bound.reached < (_FARTHER if small else _NEAR)
    if problem.degrees(min(B.shape)) <= B.m <= _SMALL_M:
        whole = whole_dual(B, svd)
        seen, least = _bounded(B, svd, whole, effort)
        if least.value <= 1 + _NEARLY:
            return whole, seen, least
    strict = strict_dual(B, svd, y, seed=effort.seed) if near else None
    if strict is not None:
        y = strict
        S, bound = _bounded(B, svd, y, effort)
    weights = B.inner.gram_weights() if B.cone.positive else None
    if bound.value > 1 + _ROUNDING and weights is not None:
        y = weights / (B.m * B.orders[0])
        S, bound = _bounded(B, svd, y, effort)
    return y, S, bound


def _strict(
    problem: Problem, svd: CompactSVD, values: _Values, relative_gap: float, effort: Effort
) -> bool:
    """Whether S off the factors stays below what is allowed, by more than the gap may hide.

    With ‖W‖ ≤ 1 − η every minimiser has at most 4 gap/η of its nuclear norm outside T: a dual point
    that is strict only because it was made shorter, which costs as much gap, proves nothing.
    """
    limit = (1 - max(_STRICT, _GAPS * relative_gap)) * values.allowed
    bound = values.bound
    if bound.off_tangent is None:
        bound = bound_of(problem.whitened, values.S, svd, limit, effort)
    return bound.off_tangent is not None and bound.off_tangent <= limit


def _record(
    problem: Problem, svd: CompactSVD, point: _Point, values: _Values, effort: Effort
) -> Certificate:
    """Put the numbers together; prove uniqueness where the dual is strict and the gap closed."""
    primal, dual, bound = values.primal, values.dual, values.bound
    gap = math.inf if primal == math.inf else primal - dual
    relative = 0.0 if primal == dual == 0 else math.inf
    if primal and math.isfinite(primal):
        relative = gap / abs(primal)
    delta, narrow = effort.failure_probability or 1e-12, svd.narrow()
    unique = (
        relative <= min(CLOSED, effort.tol or 1.0)
        and problem.degrees(narrow.s.shape[0]) <= problem.m
        and _strict(problem, svd, values, relative, effort)
        and injective_on_tangent(problem.whitened, narrow, failure_probability=delta)
    )
    return Certificate(
        primal=primal,
        dual_bound=dual,
        gap=gap,
        relative_gap=relative,
        feasibility=relative_misfit(math.sqrt(point.square), point.size),
        operator_norm=bound.value / values.allowed,
        operator_norm_kind=bound.kind,
        failure_probability=bound.failure_probability,
        unique=unique,
    )
