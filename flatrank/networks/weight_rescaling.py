"""Weight rescaling: after each step the norm of a scale-invariant weight is set.

    w ← c (w + u)/‖w + u‖_F    for every W with loss(aW) = loss(W), a > 0

The function of the network does not change by it. For such W the gradient is orthogonal to W and a
plain gradient step makes it longer, ‖W − ηg‖² = ‖W‖² + η²‖g‖²; with the norm held the effective
rate, η/‖W‖² for gradient descent, stays what it was set to.

Source: Liu, Cui, Wan, Mao and Chan (2021), who rescale convolutions before batch normalisation to
norm one in place of decay. Reconstructed: that each leaf has one norm, not each filter, and that it
is set after every step.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from flatrank.networks.structure import Mask, guarded


def rescale_weights(mask: Mask, *, norm: float = 1.0) -> optax.GradientTransformationExtraArgs:
    """Set the Frobenius norm of chosen leaves after the step: w ← c (w + u)/‖w + u‖.

    Parameters
    ----------
    mask : tree of bool, or callable
        Which leaves: `scale_invariant` finds those that may be rescaled without changing the loss.
        With none chosen the step is what it was.
    norm : float
        c > 0.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        For the end of `optax.chain`, after the learning rate. A leaf that the step brings to zero
        is left there.

    Raises
    ------
    ValueError
        If c is not positive; in use, if trees do not fit.
    """
    if not norm > 0:
        raise ValueError(f"norm must be above 0; got {norm}")

    def step(u: jax.Array, w: jax.Array) -> jax.Array:
        moved = w + u
        length = jnp.linalg.norm(moved)
        safe = jnp.where(length > 0, length, norm)
        return moved * (norm / safe) - w

    rescaling = optax.stateless(lambda updates, params: jax.tree.map(step, updates, params))
    return guarded("rescale_weights", rescaling, mask)
