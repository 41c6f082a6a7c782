"""A good dual point of a small problem with λ = 0, whatever the pair: max bᵀy over ‖ℬ*(y)‖ ≤ 1.

By alternating directions on the dual (Wen, Goldfarb and Yin 2010), S = ℬ*(y) held apart from y and
X its multiplier:

    ℬℬ* y = ℬ(S) + (b − ℬ(X))/μ,    S = Π(ℬ*(y) + X/μ),    X ← X + μ (ℬ*(y) − S),

Π clipping singular values, or eigenvalues from above, at 1. Every y on the way is a dual point.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from flatrank.arrays import Array, compiled, mapped, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.gram import dense_norm
from flatrank.factors import CompactSVD
from flatrank.measurements import Measurement

# Numbers in all ℬ*(e_i) up to which they are held.
HELD = 2e6
# Steps at least and at most, and the products of numbers they may take in all.
_FEWEST, _MOST, _WORK = 200, 3000, 1e8
# Steps between looks at the value and at μ, and by how much that changes it.
_LOOK, _FACTOR = 10, 1.5
# Steps end where a look gains no more than this share, this many times.
_GAIN, _IDLE = 1e-7, 20
# Eigenvalues of ℬℬ* below this share of the largest are rounding.
_RANGE = 1e-13


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
    F, data = np.asarray(_matrices(B)), np.asarray(b)
    shape, F = F.shape[1:], F.reshape(F.shape[0], -1)
    w, Q = eigh(F @ F.T)
    keep = w > _RANGE * w[-1]
    w, Q = w[keep], Q[:, keep]
    S = (np.asarray(svd.U) @ np.asarray(svd.V).T).reshape(-1)
    X, best, found, idle = np.zeros_like(S), 0.0, np.zeros_like(data), 0
    mu = float(np.linalg.norm(F.T @ (Q @ ((Q.T @ data) / w)))) / np.sqrt(min(shape))
    steps = int(np.clip(_WORK / (S.size * min(shape)), _FEWEST, _MOST))
    for step in range(1, steps + 1):
        y = Q @ ((Q.T @ (F @ S + (data - F @ X) / mu)) / w)
        at, before = F.T @ y, S
        S = _clipped((at + X / mu).reshape(shape), B.cone.positive).reshape(-1)
        X = X + mu * (at - S)
        if step % _LOOK == 0:
            value = float(data @ y) / _norm(at.reshape(shape), B.cone.positive)
            idle = idle + 1 if value <= best * (1 + _GAIN) else 0
            if value > best:
                best, found = value, y
            if idle >= _IDLE:
                break
            apart, moved = np.linalg.norm(at - S), np.linalg.norm(S - before)
            mu *= _FACTOR if apart > moved else 1 / _FACTOR
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
    """What y is divided by: no less than 1 is enough."""
    top = float(np.linalg.eigvalsh(0.5 * (S + S.T))[-1]) if positive else dense_norm(S)
    return top if top > 1 else 1.0
