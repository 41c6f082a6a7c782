"""Incoherence: how far singular vectors are from single rows and columns; and weak recovery."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flatrank.arrays import Array, compiled, mapped, scope, xp
from flatrank.arrays.shapes import Float, Inexact
from flatrank.factors import FactorPair, Factors, compact_svd, given_complex, given_pair
from flatrank.flatness import Rescaling
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


def weak_recovery_rate(
    shape: tuple[int, int], rank: int, m: int, mu: float, constant: float = 1.0
) -> float:
    """γ = (C/p) √(μ r log d_max/d_min) at m entries, p = m/(d1 d2).

    `mu` ≥ 1 is that of the truth (`incoherence`), `constant` C; counts below 1 raise ValueError.
    The informal Theorem 1.2 does not show μ, on which its C may depend; here μ stands under the
    root, as in the bound on ‖p⁻¹P_Ω(UVᵀ) − UVᵀ‖ that such proofs use. As μ ≥ 1 this is no smaller.
    """
    m, rank = checked_count("m", m, 1), checked_count("rank", rank, 1)
    low, high = sorted(shape)
    return constant * low * high / m * math.sqrt(mu * rank * math.log(high) / low)


def weak_recovery_bound(pair: Factors, truth: Factors, m: int, constant: float = 1.0) -> Bound:
    """‖LRᵀ − M‖_* ≤ γ‖M‖_* for completion by a flat pair, γ of `weak_recovery_rate`.

    The theorem (informal Theorem 1.2, exact recovery aside) takes the sampling rate p for given γ;
    here p = m/(d1 d2) is given by the number m of observed entries, and μ is that of the truth. It
    does not name its `constant` C: C·left/right is the one this instance needs. With γ ≥ 1 the
    bound says nothing that the zero matrix would not do. Both pairs are FactorPair, Solution or
    (L, R) of real matrices of one shape; others, M = 0, and m < 1 raise ValueError.
    """
    m, truth = checked_count("m", m, 1), given_pair(truth)
    pair, known = given_pair(pair, truth.shape), incoherence(truth)
    with scope():
        size = float(xp.sum(compact_svd(truth).s))
        error = float(xp.sum(compact_svd(pair.plus(FactorPair(-truth.L, truth.R))).s))
    gamma = weak_recovery_rate(truth.shape, known.rank, m, known.mu, constant)
    needs = {
        "γ < 1": gamma < 1,
        "entries drawn independently at rate p": None,
        "the constant C": None,
        "the pair is flat": None,
    }
    return Bound("‖LRᵀ − M‖_* ≤ γ‖M‖_*", error, gamma * size, needs, 1e-12 * size)


def counts_bound(rescaling: Rescaling, p: float, failure_probability: float) -> Bound:
    """κ² ≤ (1 + t)/(1 − t) for entries seen independently with probability p.

    D1² and D2² are the counts of rows and columns over m d2 and m d1. By Chernoff's inequality and
    the union of d1 + d2 events all counts are within the share t of their means, but for a chance
    ε = `failure_probability`, with t = √(3 log(2(d1 + d2)/ε)/(p d_min)) where that is at most 1.
    With κ² so bounded `norm_bound` and `imbalance_bound` are the near-regularity half of the
    theorem on completion: ‖L‖² + ‖R‖² ≤ κ² min, ‖LᵀL − RᵀR‖_* ≤ 2(κ² − 1)‖M‖_*. No μ is in it.

    D1 and D2 without smoothing.

    Raises
    ------
    ValueError
        If p or ε is not in (0, 1].
    """
    for name, value in (("p", p), ("failure_probability", failure_probability)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1; got {value}")
    d1, d2 = rescaling.shape
    t = math.sqrt(3 * math.log(2 * (d1 + d2) / failure_probability) / (p * min(d1, d2)))
    needs = {"t < 1": t < 1, "entries drawn independently at rate p": None}
    with scope():
        left = float(rescaling.kappa) ** 2
    return Bound("κ² ≤ (1 + t)/(1 − t)", left, (1 + t) / (1 - t) if t < 1 else math.inf, needs,
                 1e-12 * left)  # fmt: skip
