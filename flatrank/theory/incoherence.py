"""Incoherence: how far singular vectors are from single rows and columns; and weak recovery."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flatrank.arrays import Array, compiled, mapped, scope, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import FactorPair, Factors, compact_svd, given_complex, given_pair
from flatrank.linalg import svd_of_product
from flatrank.measurements.checks import checked_count
from flatrank.theory.inequality import Bound


@dataclass(frozen=True)
class Incoherence:
    """μ of X = U diag(s) Vᵀ of rank r."""

    rank: int
    #: Smallest μ with ‖Uᵢ‖² ≤ μ r/d1 and ‖Vⱼ‖² ≤ μ r/d2 for every row: from 1, when every row
    #: weighs the same, to max(d1, d2)/r.
    mu: float
    #: Smallest μ that also has |(UVᵀ)ᵢⱼ|² ≤ μ r/(d1 d2); at most μ² r.
    strong: float


def incoherence(pair: Factors) -> Incoherence:
    """Measure μ of L Rᵀ, of L R* where the factors are complex; of D1 X D2 by the whitened pair.

    Singular values below 1e-10 of the largest count as zero. Cost: O((d1 + d2) k² + d1 d2 k) flops,
    no d1 × d2 matrix: UVᵀ a row at a time.

    Raises
    ------
    ValueError
        If L Rᵀ = 0, shapes do not fit or a number is not finite.
    """
    with scope():
        rank, mu, joint = (float(x) for x in _numbers(*given_complex(pair)))
    if rank == 0:
        raise ValueError("the matrix is zero; incoherence speaks of its singular vectors")
    return Incoherence(int(rank), mu, max(mu, joint))


@compiled
def _numbers(L: Inexact[Array, "d1 k"], R: Inexact[Array, "d2 k"]) -> tuple[Float[Array, ""], ...]:
    d1, d2 = L.shape[0], R.shape[0]
    U, s, V = svd_of_product(L, R)
    alive = _alive(s).astype(s.dtype)[None, :]
    U, V, r = U * alive, V * alive, xp.sum(alive)
    rows, cols = (xp.max(xp.sum(xp.abs(x) ** 2, axis=1)) for x in (U, V))
    joint = xp.max(mapped(lambda u: xp.max(xp.abs(V.conj() @ u)), U))
    return r, xp.maximum(d1 * rows, d2 * cols) / r, d1 * d2 * joint**2 / r


def _alive(s: Float[Array, " k"]) -> Array:
    """Which singular values are above rounding."""
    return s > 1e-10 * s[0]


def weak_recovery_bound(pair: Factors, truth: Factors, m: int, constant: float = 1.0) -> Bound:
    """‖LRᵀ − M‖_* ≤ γ‖M‖_* for completion by a flat pair, γ = (C/p)√(r log d_max/d_min).

    The theorem (informal Theorem 1.2, exact recovery aside) takes the sampling rate p for given γ;
    here p = m/(d1 d2) is given by the number m of observed entries. It does not name its `constant`
    C: C·left/right is the one this instance needs. With γ ≥ 1 the bound says nothing that the zero
    matrix would not do. Both pairs are FactorPair, Solution or (L, R) of real matrices of one
    shape; others, and m < 1, raise ValueError.
    """
    m, truth = checked_count("m", m, 1), given_pair(truth)
    pair, (d1, d2) = given_pair(pair, truth.shape), truth.shape
    with scope():
        s = compact_svd(truth).s
        size = float(xp.sum(s))
        r = int(xp.sum(_alive(s)))
        error = float(xp.sum(compact_svd(pair.plus(FactorPair(-truth.L, truth.R))).s))
    rate = m / (d1 * d2)
    gamma = constant / rate * math.sqrt(r * math.log(max(d1, d2)) / min(d1, d2))
    needs = {
        "γ < 1": gamma < 1,
        "entries drawn independently at rate p": None,
        "the constant C": None,
        "the pair is flat": None,
    }
    return Bound("‖LRᵀ − M‖_* ≤ γ‖M‖_*", error, gamma * size, needs, 1e-12 * size)
