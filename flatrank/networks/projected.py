"""Projected weight regularisation: eigenvalues of W Wᵀ drawn together by random directions.

    q(u) = uᵀ W Wᵀ u = ‖Wᵀu‖²,   u uniform on the unit sphere of ℝⁿ, W of shape (n, p)
    penalty = Var_s q(u_s) / (mean_s q(u_s))²

With λᵢ the n eigenvalues of W Wᵀ and λ̄ their mean, E q = λ̄ and Var q = 2/(n(n+2)) Σ(λᵢ − λ̄)²: the
penalty is a random look at the spread of the spectrum, whatever the scale of W.

Source: Zhang, Niwa and Kleijn (2020). Known from its abstract: each iteration draws random
directions and penalises how W projects them, so that the eigenvalues of W Wᵀ become comparable.
Reconstructed: which function of the projections is penalised, and that it is free of scale; the
authors' also normalise weights, which is not done here. Their number of directions and weight are
not known.

In a factored model the pull to equal singular values opposes that of flatness, which wants few.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from flatrank.networks.structure import Mask, guarded


class ProjectedState(NamedTuple):
    """The key of the directions to come."""

    key: jax.Array


def projections(W: jax.Array, key: jax.Array, directions: int) -> jax.Array:
    """q(u_s) = ‖Wᵀu_s‖² for so many directions u_s, uniform on the sphere; (directions,)."""
    u = jax.random.normal(key, (directions, W.shape[0]), W.dtype)
    u = u / jnp.linalg.norm(u, axis=1, keepdims=True)
    return jnp.sum((u @ W) ** 2, axis=1)


def projected_spread(W: jax.Array, key: jax.Array, directions: int) -> jax.Array:
    """Var_s q(u_s)/(mean_s q(u_s))², the variance unbiased; 0 for W = 0."""
    q = projections(W, key, directions)
    mean = jnp.mean(q)
    safe = jnp.where(mean > 0, mean, 1.0)
    return jnp.where(mean > 0, jnp.var(q, ddof=1) / safe**2, 0.0)


def add_projected_spread(
    weight: float, *, key: jax.Array | int, directions: int = 16, mask: Mask | None = None
) -> optax.GradientTransformationExtraArgs:
    """Add the gradient of weight · Var_s q(u_s)/(mean_s q(u_s))² of every matrix.

    Parameters
    ----------
    weight : float
        Of the penalty; 0 leaves the updates as they are.
    key : jax.Array or int
        Of the random directions, as of `jax.random.key`, or a seed; new ones are drawn each step.
    directions : int
        How many, from 2 on. The default is ours.
    mask : tree of bool, or callable, optional
        Which leaves are meant, of two axes or more; by default all of them. Axes after the first
        are taken together: rows are outputs, as equinox keeps weights.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        For `optax.chain`, first of all where the penalty is to count as part of the loss.

    Raises
    ------
    ValueError
        If there are fewer than two directions; in use, if trees do not fit or a chosen leaf has
        fewer than two axes.

    Notes
    -----
    Cost: for each matrix and step two products with `directions` vectors.
    """
    if directions < 2:
        raise ValueError(f"directions must be 2 or more, for a variance; got {directions}")
    name = "add_projected_spread"

    def init(params: Any) -> ProjectedState:
        _check_axes(name, params)
        return ProjectedState(jax.random.key_data(key) if _is_key(key) else jax.random.PRNGKey(key))

    def penalty(params: Any, key: jax.Array) -> jax.Array:
        leaves = jax.tree.leaves(params)
        keys = jax.random.split(key, len(leaves))
        matrices = (W.reshape(W.shape[0], -1) for W in leaves)
        return sum(
            (projected_spread(W, k, directions) for W, k in zip(matrices, keys, strict=True)),
            jnp.zeros(()),
        )

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        _check_axes(name, params)
        later, now = jax.random.split(state.key)
        gradient = jax.grad(penalty)(params, now)
        updates = jax.tree.map(lambda u, g: u + weight * g, updates, gradient)
        return updates, ProjectedState(later)

    chosen = _matrices if mask is None else mask
    return guarded(name, optax.GradientTransformation(init, update), chosen)


def _is_key(key: Any) -> bool:
    return isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: jnp.ndim(x) >= 2, params)


def _check_axes(name: str, params: Any) -> None:
    for path, x in jax.tree.leaves_with_path(params):
        if jnp.ndim(x) < 2:
            raise ValueError(
                f"{name}: a chosen leaf must have two axes or more; "
                f"got shape {jnp.shape(x)} at {jax.tree_util.keystr(path)}"
            )
