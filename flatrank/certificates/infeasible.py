"""Proofs that data cannot be fitted."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from flatrank.certificates.dual import adjoint, identity_dual
from flatrank.certificates.eigenvalues import eigenvalue_bound
from flatrank.certificates.norms import Effort
from flatrank.measurements import Whitened

# How far a sum may be from zero by rounding alone.
_ROUNDING = 1e-9


def no_fit(B: Whitened, b: Float[Array, " m"], r: Float[Array, " m"], effort: Effort) -> bool:
    """Whether it is proved that no positive semidefinite matrix fits (Farkas).

    Where ℬ*(y) has no positive eigenvalue, bᵀy = tr(ℬ*(y) X̃) ≤ 0 for every X̃ ⪰ 0 that fits. The
    residual r of the nearest fit is such a y with bᵀy = ‖r‖². Near it y is r less as much as it
    takes of the weights w/(m d), whose ℬ* is the identity.

    Parameters
    ----------
    B : Whitened
        ℬ, on positive semidefinite matrices.
    b, r : array of shape (m,)
        The data, and b − ℬ(X̃) of the nearest fit; not of rounding's size.
    effort : Effort
        How hard to bound the largest eigenvalue of ℬ*(r).

    Returns
    -------
    bool
        False where nothing is proved either way.
    """
    found = identity_dual(B)
    one = jnp.zeros_like(r) if found is None else found
    worth, trace = float(jnp.vdot(b, r)), float(jnp.vdot(b, one))
    if not worth > 0:
        return False
    enough = 0.5 * worth / trace if trace > 0 else 0.0
    nothing = jnp.zeros((B.shape[1], 0))
    top = eigenvalue_bound(adjoint(B, r), B.cone, nothing, enough, effort).value
    if top > 0 and not bool(jnp.any(one)):
        return False
    shift = max(top, 0.0) + _ROUNDING * abs(top)
    y = r - shift * one
    return worth - shift * trace > _ROUNDING * float(jnp.linalg.norm(b) * jnp.linalg.norm(y))
