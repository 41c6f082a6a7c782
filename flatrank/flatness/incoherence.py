"""Incoherence: how far singular vectors are from single rows and columns; and weak recovery."""

from __future__ import annotations

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.factors import FactorPair, compact_svd
from flatrank.flatness.bounds import Bound
from flatrank.kernels import scope
from flatrank.measurements.checks import checked_count

# Singular values below this share of the largest count as zero.
_RANK_FLOOR = 1e-10


@dataclass(frozen=True)
class Incoherence:
    """μ of X = U diag(s) Vᵀ of rank r.

    Parameters
    ----------
    rank : int
        r.
    mu : float
        Smallest μ with ‖Uᵢ‖² ≤ μ r/d1 and ‖Vⱼ‖² ≤ μ r/d2 for every row: from 1, when every row
        weighs the same, to max(d1, d2)/r.
    strong : float
        Smallest μ that also has |(UVᵀ)ᵢⱼ|² ≤ μ r/(d1 d2); at most μ² r.
    """

    rank: int
    mu: float
    strong: float


def incoherence(pair: FactorPair) -> Incoherence:
    """Measure μ of L Rᵀ; of D1 X D2 give it the whitened pair.

    Parameters
    ----------
    pair : FactorPair
        (d1, k) and (d2, k). Singular values below 1e-10 of the largest count as zero.

    Returns
    -------
    Incoherence

    Raises
    ------
    ValueError
        If L Rᵀ = 0.

    Notes
    -----
    Cost: O((d1 + d2) k² + d1 d2 k) flops, no d1 × d2 matrix: UVᵀ a row at a time.
    """
    with scope():
        rank, mu, joint = (float(x) for x in _numbers(pair))
    if rank == 0:
        raise ValueError("the matrix is zero; incoherence speaks of its singular vectors")
    return Incoherence(int(rank), mu, max(mu, joint))


@eqx.filter_jit
def _numbers(pair: FactorPair) -> tuple[Float[Array, ""], ...]:
    d1, d2 = pair.shape
    U, s, V = compact_svd(pair)
    alive = (s > _RANK_FLOOR * s[0]).astype(s.dtype)
    U, V, r = U * alive[None, :], V * alive[None, :], jnp.sum(alive)
    rows, cols = (jnp.max(jnp.sum(x * x, axis=1)) for x in (U, V))
    joint = jnp.max(jax.lax.map(lambda u: jnp.max(jnp.abs(V @ u)), U))
    return r, jnp.maximum(d1 * rows, d2 * cols) / r, d1 * d2 * joint**2 / r


def weak_recovery_bound(
    pair: FactorPair, truth: FactorPair, m: int, constant: float = 1.0
) -> Bound:
    """‖LRᵀ − M‖_* ≤ γ‖M‖_* for completion by a flat pair, γ = (C/p)√(r log d_max/d_min).

    The theorem (informal Theorem 1.2, exact recovery aside) takes the sampling rate p for given γ;
    here p = m/(d1 d2) is given. It does not name its constant C.

    Parameters
    ----------
    pair : FactorPair
        A flat pair.
    truth : FactorPair
        M.
    m : int
        Number of observed entries.
    constant : float
        C.

    Returns
    -------
    Bound
        With γ ≥ 1 it says nothing that the zero matrix would not do. C·left/right is the constant
        this instance needs.

    Raises
    ------
    ValueError
        If `m` is not a whole number >= 1.
    """
    m = checked_count("m", m, 1)
    d1, d2 = truth.shape
    with scope():
        s = compact_svd(truth).s
        size = float(jnp.sum(s))
        r = int(jnp.sum(s > _RANK_FLOOR * s[0]))
        error = float(jnp.sum(compact_svd(pair.beside(FactorPair(-truth.L, truth.R))).s))
    rate = m / (d1 * d2)
    gamma = constant / rate * math.sqrt(r * math.log(max(d1, d2)) / min(d1, d2))
    needs = {
        "γ < 1": gamma < 1,
        "entries drawn independently at rate p": None,
        "the constant C": None,
        "the pair is flat": None,
    }
    return Bound("‖LRᵀ − M‖_* ≤ γ‖M‖_*", error, gamma * size, needs, 1e-12 * size)
