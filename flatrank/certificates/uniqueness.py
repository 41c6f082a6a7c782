"""Is ℬ injective on the tangent space? The half of uniqueness that the dual norm does not give."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from flatrank.certificates.lanczos import LIMIT, LanczosState, advance, begin, ritz_ranges
from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import Measurement


def injective_on_tangent(
    B: Measurement, svd: CompactSVD, *, failure_probability: float, seed: int = 0
) -> bool:
    """Prove that ℬ(Z) ≠ 0 for every Z ≠ 0 in T = {U Qᵀ + P Vᵀ}, dimension n = r(d1 + d2 − r).

    Lanczos on G = P_T ℬ*ℬ P_T from a random start (see `lanczos`): with ε for a chance of δ/2 at
    each end,

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
    Cost: one curvature product a step, three vectors of memory.
    """
    (d1, d2), r = B.shape, svd.s.shape[0]
    n = r * (d1 + d2 - r)
    if r == 0 or n > B.m:
        return False
    if n <= LIMIT:
        return bool(_smallest_exact(B, svd, n))

    def more(state: LanczosState, steps: int) -> LanczosState:
        return _steps(B, svd, state, jnp.asarray(steps))

    for low, high, epsilon in ritz_ranges(more, _start(svd, seed), n, failure_probability / 2):
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


def _start(svd: CompactSVD, seed: int) -> LanczosState:
    """A random point; `_steps` projects it onto T."""
    rng = np.random.default_rng(seed)
    draw = (jnp.asarray(rng.standard_normal(X.shape)) for X in (svd.U, svd.V))
    U, (P, Q) = svd.U, draw
    return begin(FactorPair(P - U @ (U.T @ P), Q))


@eqx.filter_jit
def _steps(B: Measurement, svd: CompactSVD, state: LanczosState, steps: Array) -> LanczosState:
    """Lanczos on G, kept on T: rounding off T must not look like a null vector."""
    project, gram = _projected(B, svd)
    frame = FactorPair(svd.U, svd.V)
    _, restore = ravel_pytree(frame)

    def inside(flat: Array) -> Array:
        return ravel_pytree(project(restore(flat)))[0]

    state = state._replace(before=inside(state.before), vector=inside(state.vector))
    return advance(gram, frame, state, steps)


@eqx.filter_jit
def _smallest_exact(B: Measurement, svd: CompactSVD, n: int) -> Array:
    """Tiny instances: the whole spectrum of G, whose n largest eigenvalues live on T."""
    _, gram = _projected(B, svd)
    flat, restore = ravel_pytree(FactorPair(svd.U, svd.V))
    matrix = jax.lax.map(lambda e: ravel_pytree(gram(restore(e)))[0], jnp.eye(flat.size))
    values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    return values[-n] > 1e-10 * values[-1]
