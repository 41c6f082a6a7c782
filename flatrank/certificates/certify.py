"""From any pair to a certificate."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from flatrank.certificates.certificate import Certificate
from flatrank.certificates.dual import least_squares_dual, scaled_residual
from flatrank.certificates.norms import NormBound, norm_bound
from flatrank.certificates.uniqueness import injective_on_tangent
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.measurements import Measurement
from flatrank.problems import Problem

# Singular values below this share of the largest are rounding, not rank.
_RANK_FLOOR = 1e-13


def certify(
    problem: Problem,
    factors: FactorPair | tuple[ArrayLike, ArrayLike],
    y: ArrayLike | None = None,
    *,
    failure_probability: float = 1e-9,
) -> Certificate:
    """Bound how far a pair, from anywhere, is from the global optimum of the problem.

    λ > 0: gap = ½‖r‖² + λ‖X̃‖_* − (bᵀz − ½‖z‖²), r = b − ℬ(X̃), z = s r feasible (theory §6.2).
    λ = 0: gap = ‖X̃_f‖_* − bᵀŷ, ŷ = y/max(1, ‖ℬ*(y)‖), with ‖X̃_f‖_* bounded by
    ‖X̃‖_* + ‖ℬ⁺c‖_* after repairing the misfit c (theory §6.1).

    Parameters
    ----------
    problem : Problem
    factors : FactorPair or (L, R)
        (d1, k) and (d2, k), of X (not of D1 X D2).
    y : array of shape (m,), optional
        A dual point. λ = 0: the least-squares dual by default. λ > 0: the residual by default.
    failure_probability : float
        Allowed chance that the bound on the operator norm is too small; 0 asks for the exact norm
        whatever it costs.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If shapes do not fit or a number is not finite.

    Notes
    -----
    Cost: a few dozen products with 𝒜 and 𝒜*; memory O(m + (d1 + d2) k).
    """
    with jax.enable_x64(True):
        pair = as_pair(problem, factors)
        if y is not None:
            y = jnp.asarray(y, dtype=jnp.float64)
            if y.shape != (problem.m,) or not bool(jnp.all(jnp.isfinite(y))):
                raise ValueError(
                    f"y must be {problem.m} finite numbers, one for each measurement; got shape {y.shape}"
                )
        svd = compact_svd(problem.whiten(pair))
        certificate, _ = certify_whitened(
            problem, svd, y, failure_probability=failure_probability
        )
        return certificate


def as_pair(problem: Problem, factors: FactorPair | tuple[ArrayLike, ArrayLike]) -> FactorPair:
    """Accept (L, R) in any array type; check shapes and values."""
    L, R = (factors.L, factors.R) if isinstance(factors, FactorPair) else factors
    pair = FactorPair(
        jnp.asarray(np.asarray(L), dtype=jnp.float64), jnp.asarray(np.asarray(R), dtype=jnp.float64)
    )
    d1, d2 = problem.shape
    fits = pair.L.ndim == pair.R.ndim == 2 and pair.L.shape[1] == pair.R.shape[1]
    if not fits or pair.L.shape[0] != d1 or pair.R.shape[0] != d2:
        raise ValueError(
            f"factors must be L ({d1}, k) and R ({d2}, k) for this problem; "
            f"got {pair.L.shape} and {pair.R.shape}"
        )
    if not bool(jnp.all(jnp.isfinite(pair.L)) & jnp.all(jnp.isfinite(pair.R))):
        raise ValueError("factors hold NaN or infinite numbers; a certificate needs finite ones")
    return pair


def certify_whitened(
    problem: Problem,
    svd: CompactSVD,
    y: Float[Array, " m"] | None = None,
    *,
    failure_probability: float = 1e-9,
    tol: float = 0.0,
    unique: bool = True,
    exact_size: int | None = None,
) -> tuple[Certificate, Float[Array, " m"]]:
    """Certificate of X̃ = U diag(s) Vᵀ, and the feasible dual point behind it.

    `tol` lets the Lanczos bound stop as soon as it costs less than this share of the primal;
    `unique=False` skips the proof of uniqueness.
    """
    B = problem.whitened
    svd = _positive(svd)
    r = problem.b - B.forward(FactorPair(svd.U * svd.s, svd.V))
    options = {"failure_probability": failure_probability}
    if exact_size is not None:
        options["exact_size"] = exact_size
    if problem.lam == 0:
        return _interpolating(problem, B, svd, r, y, options, unique)
    return _penalised(problem, B, svd, r, y, options, tol, unique)


def _positive(svd: CompactSVD) -> CompactSVD:
    """Drop the singular values that are zero to rounding."""
    s = np.asarray(svd.s)
    r = int(np.sum(s > _RANK_FLOOR * max(s[0], 0.0))) if s.size and s[0] > 0 else 0
    return CompactSVD(svd.U[:, :r], svd.s[:r], svd.V[:, :r])


def _penalised(problem, B, svd, r, y, options, tol, unique) -> tuple[Certificate, Array]:
    lam, b = problem.lam, problem.b
    primal = 0.5 * jnp.vdot(r, r) + lam * jnp.sum(svd.s)
    direction = r if y is None else y
    share = float(lam * jnp.sum(svd.s) / jnp.maximum(primal, 1e-300))
    slack = 0.25 * tol / max(share, 1e-12)
    bound = norm_bound(
        B.adjoint(direction), B.shape, svd, enough=lam * (1 + slack), **options
    )
    z = scaled_residual(direction, b, lam, bound.value)
    dual = jnp.vdot(b, z) - 0.5 * jnp.vdot(z, z)
    strict = bound.off_tangent < lam
    return _record(problem, B, svd, r, primal, dual, bound, lam, strict and unique, options), z


def _interpolating(problem, B, svd, r, y, options, unique) -> tuple[Certificate, Array]:
    if y is None:
        y = least_squares_dual(B, svd) if svd.s.shape[0] else jnp.zeros_like(problem.b)
    bound = norm_bound(B.adjoint(y), B.shape, svd, enough=0.995, **options)
    y_hat = y / max(1.0, bound.value)
    primal = jnp.sum(svd.s) + _repair(problem, r)
    dual = jnp.vdot(problem.b, y_hat)
    strict = bound.off_tangent < 1
    return _record(problem, B, svd, r, primal, dual, bound, 1.0, strict and unique, options), y_hat


def _repair(problem: Problem, r: Float[Array, " m"]) -> Array:
    """‖ℬ⁺c‖_* ≤ √d_min ‖ℬ⁺c‖_F: for entries ℬ⁺ overwrites them, D1 (sparse c) D2."""
    B = problem.whitened
    places = problem.measurement.adjoint(r * r)
    D1, D2 = problem.rescaling.D1, problem.rescaling.D2
    square = jnp.vdot(D1**2, places.right((D2**2)[:, None])[:, 0])
    return jnp.sqrt(min(B.shape) * square)


def _record(
    problem: Problem,
    B: Measurement,
    svd: CompactSVD,
    r: Array,
    primal: Array,
    dual: Array,
    bound: NormBound,
    allowed: float,
    prove_unique: bool,
    options: dict,
) -> Certificate:
    primal, dual = float(primal), float(dual)
    gap = primal - dual
    zero = primal == 0 and dual == 0
    size = float(jnp.linalg.norm(problem.b))
    delta = options["failure_probability"] or 1e-12
    return Certificate(
        primal=primal,
        dual_bound=dual,
        gap=gap,
        relative_gap=0.0 if zero else gap / abs(primal) if primal else float("inf"),
        feasibility=float(jnp.linalg.norm(r)) / size if size else 0.0,
        operator_norm=bound.value / allowed,
        operator_norm_kind=bound.kind,
        failure_probability=bound.failure_probability,
        unique=prove_unique and injective_on_tangent(B, svd, failure_probability=delta),
    )
