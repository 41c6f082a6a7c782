"""Weight decay made for Adam: a damped step, and decay by the average of the weights.

    m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   d ← βd + (1−β)w
    w ← w − η ( m̂/(√v̂ + ε + ρ) + λ d̂ ),        a hat divides by 1 − βᵗ

ρ = 0 and β = 0 give AdamW.

Source: Jia, Feng, Yong and Meng (2024). Known from its abstract: a term is added within the
adaptive step size, and the decay has a first moment. Reconstructed: that the term is a constant ρ
beside ε, that d is corrected for its start like m, and that it enters as in AdamW. The authors' ρ,
λ and β are not known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from flatrank.networks.structure import Mask, check_alike, guarded


class AveragedDecayState(NamedTuple):
    """How many steps were taken, and d."""

    steps: Any
    average: Any


def add_averaged_decay(
    weight_decay: float, *, averaging: float = 0.9, mask: Mask | None = None
) -> optax.GradientTransformationExtraArgs:
    """Decay by the average of the weights so far: u ← u + λ d̂, d ← βd + (1−β)w, d̂ = d/(1−βᵗ).

    Parameters
    ----------
    weight_decay : float
        λ.
    averaging : float
        β in [0, 1); 0 is `optax.add_decayed_weights`.
    mask : tree of bool, or callable, optional
        Which leaves decay; all by default.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        For `optax.chain`, before the learning rate.

    Raises
    ------
    ValueError
        If β is out of range; in use, if trees do not fit.

    Notes
    -----
    Cost: one more copy of the weights in the state.
    """
    if not 0 <= averaging < 1:
        raise ValueError(f"averaging must be from 0 to below 1; got {averaging}")
    name = "add_averaged_decay"

    def init(params: Any) -> AveragedDecayState:
        return AveragedDecayState(jnp.zeros([], jnp.int32), optax.tree.zeros_like(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        check_alike(name, "average in the state", state.average, params)
        steps = optax.safe_increment(state.steps)
        average = optax.tree.update_moment(params, state.average, averaging, 1)
        d = optax.tree.bias_correction(average, averaging, steps)
        updates = jax.tree.map(lambda u, x: u + weight_decay * x, updates, d)
        return updates, AveragedDecayState(steps, average)

    return guarded(name, optax.GradientTransformation(init, update), mask)


def adam_with_averaged_decay(
    learning_rate: optax.ScalarOrSchedule,
    *,
    weight_decay: float,
    damping: float,
    averaging: float = 0.9,
    mask: Mask | None = None,
    **adam: Any,
) -> optax.GradientTransformationExtraArgs:
    """Adam with a damped step and an averaged decay (the formula above).

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    weight_decay, damping : float
        λ and ρ ≥ 0, without a default because the authors' are not known. ρ = 0 leaves Adam's step.
    averaging : float
        β in [0, 1), by default Adam's β₁; 0 decays by the weights as they are.
    mask : tree of bool, or callable, optional
        Which leaves decay; all by default.
    **adam
        Of `optax.scale_by_adam`: b1, b2, eps, …

    Returns
    -------
    optax.GradientTransformationExtraArgs
        With ρ = β = 0, `optax.adamw` bit for bit.

    Raises
    ------
    ValueError
        If ρ or β is out of range; in use, if trees do not fit.
    """
    if not damping >= 0:
        raise ValueError(f"damping must be 0 or more; got {damping}")
    eps = adam.pop("eps", 1e-8) + damping
    return optax.chain(
        optax.scale_by_adam(eps=eps, **adam),
        add_averaged_decay(weight_decay, averaging=averaging, mask=mask),
        optax.scale_by_learning_rate(learning_rate),
    )
