"""Better dual points than those of a pair as it is: on a copy of it, the pair itself unchanged.

The dual point of a pair is off by as much as the pair, its value to second order in that only: a
pair 1 % above the optimum may get a bound of half of it. A few Newton steps cost little, and
whatever they end at, the bound it gives is one. With λ = 0 an ascent on the dual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flatrank.arrays import Array, compiled, mapped, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import CLOSED, Certificate
from flatrank.certificates.effort import Effort
from flatrank.certificates.gram import dense_norm
from flatrank.certificates.strict import range_of
from flatrank.factors import CompactSVD, FactorPair
from flatrank.linalg import conjugate_gradients
from flatrank.measurements import Measurement
from flatrank.problems import ImplicitFeedback, Problem, Separation, Tomography

Prove = Callable[[Problem, CompactSVD, Array | None, Effort], tuple[Certificate, Array]]


def sharpened(
    prove: Prove, problem: Problem, svd: CompactSVD, certificate: Certificate, effort: Effort
) -> Certificate:
    """The certificate with the best dual bound that is found, its primal value as it was.

    As it was where nothing better is found, or is looked for: the problem is large, or the gap is
    closed and the minimiser proved to be the only one. `prove` is `certify_whitened`.
    """
    (d1, d2), k = problem.shape, svd.s.shape[0]
    large = (d1 + d2) * k + problem.m > effort.polished
    # No step leads away from the zero pair.
    if large or isinstance(problem, ImplicitFeedback | Separation | Tomography) or not svd.rank:
        return certificate
    if certificate.certified(CLOSED) and (certificate.unique or problem.lam == 0):
        return certificate
    if problem.lam > 0:
        return _polished(prove, problem, svd, certificate, effort)
    if problem.m * d1 * d2 > 10 * effort.polished:
        return certificate
    y = _ascended(problem.whitened, problem.b, svd)
    return _better(certificate, prove(problem, svd, y, effort)[0])


def _better(certificate: Certificate, other: Certificate) -> Certificate:
    """With the dual bound of the other, of the same problem, where it is higher.

    That there is one minimiser is true of the problem, whichever copy proved it.
    """
    if other.dual_bound > certificate.dual_bound:
        certificate = replace(
            certificate.bounded_by(other.dual_bound),
            operator_norm_kind=other.operator_norm_kind,
            failure_probability=other.failure_probability,
        )
    return replace(certificate, unique=other.unique and certificate.certified(CLOSED))


def _polished(
    prove: Prove, problem: Problem, svd: CompactSVD, certificate: Certificate, effort: Effort
) -> Certificate:
    """Newton's method on ½‖ℬ(L Rᵀ) − b‖² + λ/2 (‖L‖² + ‖R‖²), damped by ‖S‖ − λ.

    The second derivative is at least λ − ‖S‖, S = ℬ*(b − ℬ(L Rᵀ)): so damped it has no negative
    eigenvalue, and not damped at all where the pair is optimal.
    """
    B, b, lam = problem.whitened, problem.b, xp.asarray(problem.lam)
    pair, last, damping = svd.pair(), certificate, 1.0
    best = certificate
    for _ in range(15):
        excess = (last.operator_norm - 1.0) * problem.lam
        if not (np.isfinite(excess) and damping < 1e9):
            break
        moved = _newton(B, b, lam, pair, xp.asarray(damping * (excess if excess > 0 else 0.0)))
        at = problem.cone.decompose(moved)
        found, _ = prove(problem, at, None, effort)
        best = _better(best, found)
        if best.unique or found.relative_gap <= 1e-13:
            break
        if not found.primal <= last.primal * (1 + 1e-12):
            damping *= 10.0
            continue
        pair, last, damping = at.pair(), found, 1.0 if damping == 1.0 else damping / 10.0
    return best


@compiled
def _newton(B: Measurement, b: Array, lam: Array, pair: FactorPair, damping: Array) -> FactorPair:
    r = b - B.forward(pair)
    S = B.adjoint(r)
    slope = FactorPair(S.right(pair.R) - lam * pair.L, S.left(pair.L) - lam * pair.R)
    H, more = B.curvature_at(pair, B.adjoint(-r)), lam + damping

    def product(step: FactorPair) -> FactorPair:
        return tree_map(lambda h, x: h + more * x, H(step), step)

    step = conjugate_gradients(product, slope, tol=1e-3, maxiter=200)
    return tree_map(lambda x, p: x + xp.where(xp.isfinite(p), p, 0.0), pair, step)


def _ascended(B: Measurement, b: Float[Array, " m"], svd: CompactSVD) -> Float[Array, " m"]:
    """A good dual point of a small problem with λ = 0, whatever the pair: max bᵀy over ‖ℬ*(y)‖ ≤ 1.

    By alternating directions on the dual (Wen, Goldfarb and Yin 2010) from S = U Vᵀ, S = ℬ*(y) held
    apart from y and X its multiplier:

        ℬℬ* y = ℬ(S) + (b − ℬ(X))/μ,    S = Π(ℬ*(y) + X/μ),    X ← X + μ (ℬ*(y) − S),

    Π clipping singular values, or eigenvalues from above, at 1. Every y on the way is a dual point;
    of those looked at, one in ten, the best is kept, until twenty bring nothing. Cost: m d1 d2
    numbers; 200 to 3000 steps, each with a decomposition of a d1 × d2 matrix.
    """
    if not bool(xp.any(b)):
        return xp.zeros_like(b)
    F, data, positive = np.asarray(_matrices(B)), np.asarray(b), B.cone.positive
    shape, F = F.shape[1:], F.reshape(F.shape[0], -1)
    Q, w = range_of(F @ F.T)
    S = (np.asarray(svd.U) @ np.asarray(svd.V).T).reshape(-1)
    X, best, found, idle = np.zeros_like(S), 0.0, np.zeros_like(data), 0
    mu = float(np.linalg.norm(F.T @ (Q @ ((Q.T @ data) / w)))) / np.sqrt(min(shape))
    for step in range(1, 1 + int(np.clip(1e8 / (S.size * min(shape)), 200, 3000))):
        y = Q @ ((Q.T @ (F @ S + (data - F @ X) / mu)) / w)
        at, before = F.T @ y, S
        S = _clipped((at + X / mu).reshape(shape), positive).reshape(-1)
        X = X + mu * (at - S)
        if step % 10 == 0:
            value = float(data @ y) / max(1.0, _norm(at.reshape(shape), positive))
            idle = idle + 1 if value <= best * (1 + 1e-7) else 0
            if value > best:
                best, found = value, y
            if idle >= 20:
                break
            mu *= 1.5 if np.linalg.norm(at - S) > np.linalg.norm(S - before) else 1 / 1.5
    return np.asarray(found)


@compiled
def _matrices(B: Measurement) -> Array:
    """ℬ*(e_i), each written out."""
    eye = xp.eye(B.shape[1])
    return mapped(lambda e: B.adjoint(e).right(eye), xp.eye(B.m))


def _clipped(S: np.ndarray, positive: bool) -> np.ndarray:
    if positive:
        w, Q = np.linalg.eigh(0.5 * (S + S.T))
        return (Q * np.minimum(w, 1.0)) @ Q.T
    U, s, Vt = np.linalg.svd(S, full_matrices=False)
    return (U * np.minimum(s, 1.0)) @ Vt


def _norm(S: np.ndarray, positive: bool) -> float:
    return float(np.linalg.eigvalsh(0.5 * (S + S.T))[-1]) if positive else dense_norm(S)
