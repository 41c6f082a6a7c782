"""From any pair to a certificate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, compiled, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import CLOSED, Certificate
from flatrank.certificates.effort import Effort
from flatrank.certificates.implicit import certify_implicit
from flatrank.certificates.interpolant import certify_interpolating
from flatrank.certificates.point import LONGEST, measured
from flatrank.certificates.polish import sharpened
from flatrank.certificates.residual import certify_penalised
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
from flatrank.problems import (
    ImplicitFeedback,
    Problem,
    Separation,
    Tomography,
    as_pair,
    checked_chance,
    equalised,
    in_units,
)


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

    For implicit feedback the sums run over all cells and the dual point is a multiple of the slope
    of the loss (see `certificates.implicit`): with the rank limited the gap says how far the pair
    is from the optimum at any rank, and need not close.

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
        Robust PCA also takes it as a matrix (see `certify_separation`). Implicit feedback makes its
        own of the pair, whatever is given.
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
        `failure_probability` is out of range, or λ is out of range for such data.

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
    kept = min(length, LONGEST)
    if problem.lam > 0 and not isinstance(problem, Tomography) and kept < 1 / LONGEST:
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
    if svd.s.shape[0] == 0:  # of X̃ = 0: products with no columns at all are not worth having
        d1, d2 = problem.shape
        svd = CompactSVD(xp.zeros((d1, 1)), xp.zeros(1), xp.zeros((d2, 1)))
    if isinstance(problem, ImplicitFeedback):
        found = certify_implicit(problem, svd, effort)
    elif isinstance(problem, Separation):
        found = certify_separation(problem, svd, y)
    elif isinstance(problem, Tomography):
        found = _of_state(problem, as_state(svd), y, effort)
    else:
        prove = certify_penalised if problem.lam > 0 else certify_interpolating
        found = prove(problem, measured(problem.whitened, problem.b, svd), y, effort)
    return (found[0].unproved(), found[1]) if problem.hidden else found


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
