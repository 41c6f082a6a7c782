"""Is ℬ injective on the tangent space? The half of uniqueness that the dual norm does not give."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from matfree.decomp import tridiag_sym

from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import Measurement


def injective_on_tangent(
    B: Measurement, svd: CompactSVD, *, failure_probability: float, seed: int = 0
) -> bool:
    """Prove that ℬ(Z) ≠ 0 for every Z ≠ 0 in T = {U Qᵀ + P Vᵀ}, dimension n = r(d1 + d2 − r).

    Lanczos on G = P_T ℬ*ℬ P_T from a random start. Krylov spaces do not feel a shift, so the bound
    of `norms` holds at both ends relative to the spread: with ε for a chance of δ/2 each,
    λ_max − θ_max and θ_min − λ_min are at most ε (λ_max − λ_min), hence

        λ_min ≥ θ_min − ε (θ_max − θ_min)/(1 − 2ε),

    and the claim is proved once the right side is positive.

    Parameters
    ----------
    B : Measurement
        ℬ.
    svd : CompactSVD
        U, V of the point; r ≥ 1 columns.
    failure_probability : float
        δ, the allowed chance, over the random start, that the claim is made wrongly.
    seed : int
        Of the random start.

    Returns
    -------
    bool
        True: proved. False: not proved (within 256 steps, or because ℬ is not injective on T).

    Notes
    -----
    Cost: one curvature product a step; n numbers of memory a step.
    """
    (d1, d2), r = B.shape, svd.s.shape[0]
    n = r * (d1 + d2 - r)
    if r == 0 or n > B.m:
        return False
    delta = failure_probability / 2
    for steps in (32, 64, 128, 256):
        if steps >= n:
            return bool(_smallest_exact(B, svd, n))
        low, high = (float(x) for x in _ritz_range(B, svd, steps, seed))
        epsilon = (math.log(1.648 * math.sqrt(n) / delta) / (2 * steps - 1)) ** 2
        if 2 * epsilon < 1 and low > epsilon * (high - low) / (1 - 2 * epsilon):
            return True
        if not low > 1e-12 * high:
            return False
    return False


def _projected(B: Measurement, svd: CompactSVD):
    """The projection onto Z = U Qᵀ + P Vᵀ with UᵀP = 0 (orthonormal coordinates of T), and G."""
    U, V = svd.U, svd.V
    frame = FactorPair(U, V)

    def project(step: FactorPair) -> FactorPair:
        return FactorPair(step.L - U @ (U.T @ step.L), step.R)

    return project, (lambda step: project(B.curvature(frame, project(step))))


@eqx.filter_jit
def _ritz_range(B: Measurement, svd: CompactSVD, steps: int, seed: int) -> tuple[Array, Array]:
    """Smallest and largest Ritz value of G on T."""
    project, gram = _projected(B, svd)
    key1, key2 = jax.random.split(jax.random.key(seed))
    start = project(
        FactorPair(
            jax.random.normal(key1, svd.U.shape, dtype=svd.U.dtype),
            jax.random.normal(key2, svd.V.shape, dtype=svd.V.dtype),
        )
    )
    first, _ = ravel_pytree(gram(start))
    flat, _ = ravel_pytree(start)
    middle = jnp.vdot(flat, first) / jnp.vdot(flat, flat)

    def matvec(step: FactorPair) -> FactorPair:
        # Off T the matrix is `middle`: rounding leaks there, and must not look like a null vector.
        inside = project(step)
        return jax.tree.map(lambda g, x, p: g + middle * (x - p), gram(step), step, inside)

    T = tridiag_sym(steps, reortho="full")(matvec, start).J_small
    values = jnp.linalg.eigvalsh(T)
    return values[0], values[-1]


@eqx.filter_jit
def _smallest_exact(B: Measurement, svd: CompactSVD, n: int) -> Array:
    """Tiny instances: the whole spectrum of G, whose n largest eigenvalues live on T."""
    _, gram = _projected(B, svd)
    flat, restore = ravel_pytree(FactorPair(svd.U, svd.V))
    matrix = jax.lax.map(lambda e: ravel_pytree(gram(restore(e)))[0], jnp.eye(flat.size))
    values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    return values[-n] > 1e-10 * values[-1]
