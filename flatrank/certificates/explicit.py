"""Parts of the certificate of a small penalised problem of entries, with ℬ*(y) held as an array.

The formulas are those of `certify` and `proofs`.
"""

from __future__ import annotations

import math

import numpy as np

from flatrank.certificates.gram import dense_norm
from flatrank.certificates.proofs import (
    IMAGES,
    STRICT,
    blocks_of,
    least_of_images,
    near_face,
    operator_size,
)
from flatrank.factors import CompactSVD, Cone
from flatrank.measurements import Explicit, SampledEntries, explicit
from flatrank.problems import Problem

# Largest d1 d2 min(d1, d2): the norm of a 300 × 300 array takes some milliseconds.
SMALL = 3e7


def held(problem: Problem) -> Explicit | None:
    """ℬ as an array where the problem is a small one of entries, λ > 0 and X any matrix."""
    d1, d2 = problem.shape
    entries = isinstance(problem.measurement, SampledEntries) and problem.cone is Cone.WHOLE
    small = problem.lam > 0 and d1 * d2 * min(d1, d2) <= SMALL
    return explicit(problem.whitened) if entries and small else None


def on_host(svd: CompactSVD, floor: float) -> CompactSVD:
    """The decomposition in NumPy, without what is below a share of the largest value."""
    U, s, V = (np.asarray(x) for x in svd)
    keep = s > floor * np.max(s, initial=0.0)
    return CompactSVD(U[:, keep], s[keep], V[:, keep])


def feasible_multiple(
    y: np.ndarray, b: np.ndarray, lam: float, norm: float
) -> tuple[np.ndarray, float, float]:
    """As `scaled_residual`: the best feasible multiple of y, its dual value, and the factor."""
    square, along = float(y @ y), float(b @ y)
    limit = lam / norm if norm > 0 else math.inf
    best = along / square if square > 0 else 0.0
    factor = float(np.clip(best, -limit, limit))
    z = factor * y
    return z, float(b @ z) - 0.5 * float(z @ z), factor


def alone(problem: Problem, array: Explicit, svd: CompactSVD, S: np.ndarray, gap: float) -> bool:
    """As `penalised_alone`, from S = ℬ*(z)/λ held as an array."""
    U, V = (np.asarray(x) for x in (svd.U, svd.V))
    size = operator_size(problem.whitened, 0.0)
    eta = math.sqrt(2.0 * gap) * size / problem.lam
    k = U.shape[1]
    if k == 0:
        return dense_norm(S) + eta < 1.0 - STRICT
    parts = blocks_of(U, V, S @ V, S.T @ U)
    if not (eta < 0.5 and near_face(parts, 0.0, eta) < 1.0 and k * k * problem.m <= IMAGES):
        return False
    W = S - U @ (U.T @ S)
    omega = near_face(parts, dense_norm(W - (W @ V) @ V.T), eta)
    if not omega < 1.0:
        return False
    images = np.array([[array.forward(np.outer(u, v)) for v in V.T] for u in U.T])
    return least_of_images(images) * (1.0 - omega) > omega * size
