"""From any pair to a certificate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, compiled, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.bounds import WHOLE, affordable, bound_of, whole_bound
from flatrank.certificates.certificate import CLOSED, Certificate, relative_misfit
from flatrank.certificates.default import bounded, default_dual
from flatrank.certificates.dual import adjoint, scaled_residual
from flatrank.certificates.explicit import alone, feasible_multiple, held, on_host
from flatrank.certificates.gram import dense_norm
from flatrank.certificates.infeasible import no_fit
from flatrank.certificates.norms import Effort, NormBound
from flatrank.certificates.polish import sharpened
from flatrank.certificates.proofs import interpolant_alone, penalised_alone, rounding
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
from flatrank.factors import CompactSVD, Cone, FactorPair, Factors
from flatrank.measurements import Adjoint, Explicit, Whitened
from flatrank.problems import (
    Problem,
    Separation,
    Tomography,
    as_pair,
    checked_chance,
    equalised,
    in_units,
)

# What a sum of products may lose of their absolute sum.
_LAST_DIGITS = 1e-15
# What rounding may hide of a gap, relative to its two ends.
_GAP_ROUNDING = 1e-14
# Misfit, relative to ‖b‖, at which a pair fits to rounding.
_EXACT = 1e-11
# Misfit, relative to ‖b‖, up to which a pair is one that nearly fits.
_FITS = 1e-6
# Longest dual point that is not cut before its norm is computed, and the shortest that is not
# stretched where its length does not matter: squares are in range.
_LONG, _SHORT = 1e60, 1e-60
# What is added to the norm of ℬ*(z) for parts of it whose squares are lost.
_LOST = 1e-150
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
        A dual point; of λ > 0 its length does not matter. λ = 0: by default the least-squares dual,
        or where that fails a `whole_dual` or `strict_dual`. λ > 0: the residual by default. Where
        these leave a gap and the problem is small, also those of a copy of the pair after some
        Newton steps (λ > 0), or of an ascent on the dual (λ = 0): the bound is then no longer that
        of the pair, and `operator_norm` still is.
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
        If shapes do not fit, a number is not finite, or complex where X is real,
        `failure_probability` is out of range, or λ is beside such data.

    Notes
    -----
    Where D leaves out what some measurement sees by more than rounding of its own size, the lower
    bound is 0 (`Problem.hidden`): measurements then differ in size by more than D can hold.

    Everything is computed in units that bring b and ℬ near one (see `in_units`). Values that leave
    the range of float64 on the way back are not claimed: `relative_gap` is then infinite.

    Cost: a few dozen products with 𝒜 and 𝒜*; memory O(m + (d1 + d2) k).
    """
    with scope():
        pair = as_pair(problem, factors)
        effort = Effort(failure_probability=checked_chance(failure_probability))
        units = in_units(problem)
        own, root = units.problem, math.sqrt(units.data)
        whitened = own.whiten(FactorPair(pair.L / root, pair.R / root))
        svd = _decomposed(own.cone, whitened)
        dual, cut = (None, 1.0) if y is None else _as_dual(problem, y, units.dual)
        even = equalised(own)
        if even is not None:
            own, dual = even.problem, None if dual is None else even.dual_of(dual)
        certificate = certify_whitened(own, svd, dual, effort)[0]
        if y is None:
            certificate = sharpened(certify_whitened, own, svd, certificate, effort)
        if even is not None:
            certificate = certificate.shaken(even.rounding, even.misfit(whitened))
        norm = float(certificate.operator_norm) * cut
        return replace(certificate, operator_norm=norm).scaled(units.value)


def _as_dual(problem: Problem, y: ArrayLike, unit: float) -> tuple[Float[Array, " m"], float]:
    """Checked, in the type of the computation and in a unit, and what a very long one is cut by.

    Every dual point is brought to what is allowed in the end, so that cutting loses nothing.

    Raises
    ------
    ValueError
        If it is not one finite real number for each measurement.
    """
    given = np.asarray(y)
    if given.shape == problem.shape and isinstance(problem, Separation):
        given = given.reshape(-1)
    real = given.dtype.kind in "fiub"
    if not real or given.shape != (problem.m,) or not np.all(np.isfinite(given)):
        raise ValueError(
            f"y must be {problem.m} finite numbers, one for each measurement and none complex; "
            f"got shape {given.shape} of {given.dtype}"
        )
    given = given.astype(np.float64)
    top = float(np.max(np.abs(given), initial=0.0))
    length = top / unit
    kept = length if length < _LONG else _LONG
    if problem.lam > 0 and not isinstance(problem, Tomography) and kept < _SHORT:
        kept = 1.0  # only the direction matters
    cut = float(length / kept) if kept else 1.0
    return np.asarray(given / (top or 1.0) * kept), cut


def certify_whitened(
    problem: Problem,
    svd: CompactSVD,
    y: Float[Array, " m"] | None = None,
    effort: Effort = Effort(),  # noqa: B008 - a frozen record
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of X̃ = U diag(s) Vᵀ, and the feasible dual point behind it."""
    certificate, dual = _certified(problem, svd, y, effort)
    return (certificate.unproved() if problem.hidden else certificate), dual


def _certified(
    problem: Problem, svd: CompactSVD, y: Float[Array, " m"] | None, effort: Effort
) -> tuple[Certificate, Float[Array, " m"]]:
    array = held(problem)
    if array is not None:
        return _held(problem, array, svd, y, effort)
    if svd.s.shape[0] == 0:  # of X̃ = 0: products with no columns at all are not worth having
        d1, d2 = problem.shape
        svd = CompactSVD(xp.zeros((d1, 1)), xp.zeros(1), xp.zeros((d2, 1)))
    if isinstance(problem, Separation):
        return certify_separation(problem, svd, y)
    if isinstance(problem, Tomography):
        return _of_state(problem, as_state(svd), y, effort)
    point, svd = _measure(problem, svd)
    prove = _interpolating if problem.lam == 0 else _penalised
    values, z = prove(problem, svd, point, y, effort)
    return _record(problem, svd, point, values, effort), z


@compiled
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
    """Primal and dual values; y, S = ℬ*(y), the bound on ‖S‖, what is allowed, the multiple used.

    The dual value is that of `multiple`·y; with λ = 0, of what y is scaled to.
    """

    primal: float
    dual: float
    y: Array
    S: Adjoint
    bound: NormBound
    allowed: float
    multiple: float = 1.0


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


@compiled
def _measured(B: Whitened, b: Array, svd: CompactSVD) -> tuple[CompactSVD, *tuple[Array, ...]]:
    """The positive part of the decomposition, and the numbers of `_Point`."""
    svd = _positive(svd)
    r = b - B.forward(FactorPair(svd.U * svd.s[None, :], svd.V))
    return svd, r, xp.vdot(r, r), xp.linalg.norm(b), xp.sum(svd.s)


def _positive(svd: CompactSVD) -> CompactSVD:
    """Zero what belongs to singular values that are zero to rounding; the width stays."""
    keep = (svd.s > _RANK_FLOOR * xp.max(svd.s, initial=0.0))[None, :]
    return CompactSVD(
        xp.where(keep, svd.U, 0.0), xp.where(keep[0], svd.s, 0.0), xp.where(keep, svd.V, 0.0)
    )


def _penalised(
    problem: Problem, svd: CompactSVD, point: _Point, y: Array | None, effort: Effort
) -> tuple[_Values, Array]:
    B, lam, b = problem.whitened, problem.lam, problem.b
    primal = 0.5 * point.square + lam * point.nuclear
    share = lam * point.nuclear / max(primal, 1e-300)
    direction = _stretched(point.r if y is None else y)
    if B.cone.positive and float(xp.vdot(b, direction)) < 0:
        direction = xp.zeros_like(direction)  # no multiple s ≥ 0 of it is worth more than z = 0
    S = adjoint(B, direction)
    d, bound = min(B.shape), None
    if effort.failure_probability > 0 and d > WHOLE:
        enough = lam / (1 - affordable(share, 0.25 * effort.tol))
        hopeless = lam / (1 - affordable(share, effort.tol)) if effort.tol else math.inf
        # ‖W‖ is not wanted exactly: where the parts are not enough, the whole is.
        parts = bound_of(B, S, svd, enough, effort._replace(exact_size=0), hopeless)
        if parts.value <= enough or parts.reached > hopeless or d > effort.exact_size:
            bound = parts
    if bound is None:
        bound = whole_bound(B, S, svd)
    norm = np.asarray(_at_least_zero(bound.value) * (1.0 + problem.rescaling.rounding) + _LOST)
    z, dual, multiple = scaled_residual(direction, b, np.asarray(lam), norm)
    return _Values(primal, float(dual), direction, S, bound, lam, float(multiple)), z


def _held(
    problem: Problem, array: Explicit, svd: CompactSVD, y: Array | None, effort: Effort
) -> tuple[Certificate, Array]:
    """`certify_whitened` from arrays, for small penalised problems of entries."""
    svd, b, lam = on_host(svd, _RANK_FLOOR), np.asarray(problem.b), problem.lam
    U, s, V = (np.asarray(x) for x in svd)
    r = b - array.forward((U * s) @ V.T)
    square, size, nuclear = float(r @ r), float(np.linalg.norm(b)), float(np.sum(s))
    direction = np.asarray(_stretched(np.asarray(r) if y is None else y))
    S = array.adjoint(direction)
    bound = NormBound(dense_norm(S), "exact", 0.0, None)
    norm = _at_least_zero(bound.value) + _LOST
    z, dual, multiple = feasible_multiple(direction, b, lam, norm)
    point = _Point(r, square, size, nuclear, 0.0)  # pyright: ignore[reportArgumentType]
    values = _Values(0.5 * square + lam * nuclear, dual, direction, S, bound, lam, multiple)  # pyright: ignore[reportArgumentType]
    return _record(problem, svd, point, values, effort), np.asarray(z)


def _stretched(direction: Float[Array, " m"]) -> Float[Array, " m"]:
    """A direction whose length does not matter, so long that its squares are in range."""
    given = np.asarray(direction)
    top = float(np.max(np.abs(given), initial=0.0))
    return direction if top == 0 or _SHORT <= top <= _LONG else np.asarray(given / top)


def _at_least_zero(value: float) -> float:
    """The value, or 0 where it is negative; NaN, which compares with nothing, is no bound."""
    return 0.0 if value < 0 else (value if value >= 0 else math.inf)


def _interpolating(
    problem: Problem, svd: CompactSVD, point: _Point, y: Array | None, effort: Effort
) -> tuple[_Values, Array]:
    B, proof = problem.whitened, point.repair.y
    if B.cone.positive and proof is None and math.sqrt(point.square) > _FITS * point.size:
        proof = no_fit(B, problem.b, point.r, effort)
    if proof is not None:
        return _Values(math.inf, math.inf, proof, *bounded(B, svd, proof, effort), 1.0), proof
    if y is None:
        fitted = math.sqrt(point.square) <= _FITS * point.size
        y, S, bound = default_dual(problem, svd, fitted, effort)
    else:
        S, bound = bounded(B, svd, y, effort)
    value = (bound.value + rounding(problem, y)) * (1.0 + problem.rescaling.rounding)
    bound = bound._replace(value=value)
    y_hat = y / (value if not value <= 1 else 1.0)
    terms = np.asarray(problem.b) * np.asarray(y_hat)
    dual = float(np.sum(terms)) - _LAST_DIGITS * float(np.sum(np.abs(terms)))
    repair = point.repair.cost
    if B.cone.positive:
        repair += float(xp.linalg.norm(y_hat)) * math.sqrt(point.square)
    return _Values(point.nuclear + repair, dual, y, S, bound, 1.0), y_hat


def _alone(
    problem: Problem, svd: CompactSVD, point: _Point, values: _Values, effort: Effort
) -> bool:
    """Whether the numbers at hand prove that there is one minimiser (see `proofs`)."""
    bound, svd = values.bound, svd.narrow()
    if problem.lam > 0:
        gap = _at_least_zero(values.primal - values.dual)
        gap += _GAP_ROUNDING * (values.primal + abs(values.dual))
        scale = values.multiple / problem.lam
        array = held(problem)
        if array is not None:
            return alone(problem, array, svd, np.asarray(values.S) * scale, gap)
        off = bound.off_tangent if svd.s.shape[0] else bound.value
        off = None if off is None else off * scale
        return penalised_alone(problem, svd, values.y * scale, off, gap, effort)
    if not math.sqrt(point.square) <= _EXACT * point.size or bound.off_tangent is None:
        return False
    return interpolant_alone(problem, svd, values.y, values.S, bound.off_tangent, effort)


def _record(
    problem: Problem, svd: CompactSVD, point: _Point, values: _Values, effort: Effort
) -> Certificate:
    """Put the numbers together; prove uniqueness where the gap is closed."""
    primal, dual, bound = values.primal, values.dual, values.bound
    gap = math.inf if primal == math.inf else primal - dual
    relative = 0.0 if primal == dual == 0 else math.inf
    if primal and math.isfinite(primal):
        relative = gap / abs(primal)
    certificate = Certificate(
        primal=primal,
        dual_bound=dual,
        gap=gap,
        relative_gap=relative,
        feasibility=relative_misfit(math.sqrt(point.square), point.size),
        operator_norm=bound.value / values.allowed,
        operator_norm_kind=bound.kind,
        failure_probability=bound.failure_probability,
        unique=False,
    )
    closed = certificate.certified(min(CLOSED, effort.tol or 1.0))
    if closed and _alone(problem, svd, point, values, effort):
        return replace(certificate, unique=True)
    return certificate
