"""A good dual point of a small problem with λ = 0, whatever the pair: max bᵀy over ‖ℬ*(y)‖ ≤ 1.

By alternating directions on the dual (Wen, Goldfarb and Yin 2010), S = ℬ*(y) held apart from y and
X its multiplier:

    ℬℬ* y = ℬ(S) + (b − ℬ(X))/μ,    S = Π(ℬ*(y) + X/μ),    X ← X + μ (ℬ*(y) − S),

Π clipping singular values, or eigenvalues from above, at 1. Every y on the way is a dual point.
"""

from __future__ import annotations

import numpy as np

from flatrank.arrays import Array, compiled, mapped, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.gram import dense_norm
from flatrank.certificates.strict import range_of
from flatrank.factors import CompactSVD
from flatrank.measurements import Measurement

# Steps end where a look, one in ten, gains no more than this share, twenty times.
_GAIN = 1e-7


def ascended(B: Measurement, b: Float[Array, " m"], svd: CompactSVD) -> Float[Array, " m"]:
    """The best dual point seen, which is none too long where ℬ is ill-conditioned.

    Parameters
    ----------
    B : Measurement
        ℬ.
    b : array of shape (m,)
        The data.
    svd : CompactSVD
        U, V to start from, S = U Vᵀ.

    Returns
    -------
    array of shape (m,)
        Not proved to be what it should: the certificate bounds the norm of what it has.

    Notes
    -----
    Cost: m d1 d2 numbers; 200 to 3000 steps, each with a decomposition of a d1 × d2 matrix.
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
            idle = idle + 1 if value <= best * (1 + _GAIN) else 0
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
