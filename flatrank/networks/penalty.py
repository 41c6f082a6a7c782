"""The flatness of a factored layer in closed form, as a penalty.

A layer x ↦ L Rᵀ x, L (d_out, k) and R (d_in, k), with inputs of second moment Σ = (1/N) Σ xᵢxᵢᵀ and
outputs that the rest of the network weighs by G:

    f(L, R) = (1/N) Σ ‖A L Rᵀ xᵢ − yᵢ‖²,   G = AᵀA
    str(D²f) = (2/d_out) tr(G) tr(RᵀΣR) + (2/d_in) tr(Σ) tr(LᵀGL)
             = 2 d_out (‖D1 L‖² + ‖D2 R‖²),   D1² = tr(Σ) G/(d_out d_in),  D2² = tr(G) Σ/d_out²

at every (L, R). Half of ‖D1 L‖² + ‖D2 R‖² is the penalty here; its least value among the factors of
W = L Rᵀ is ‖D1 W D2‖_*. For squared loss and a linear rest of the network it is exact. Otherwise
Σ and G make it the trace of a Kronecker-factored approximation of the layer's curvature.

Source: algebra notes §5 for G = I; ours for any G.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def second_moment(inputs: jax.Array) -> jax.Array:
    """Σ = (1/N) Σ xᵢxᵢᵀ of the inputs of a layer, (N, d_in): (d_in, d_in); 2 N d_in² flops."""
    return inputs.T @ inputs / inputs.shape[0]


def flat_penalty(
    L: jax.Array, R: jax.Array, sigma: jax.Array, outputs: jax.Array | None = None
) -> jax.Array:
    """½(‖D1 L‖² + ‖D2 R‖²): the scaled trace of the layer's mean squared error over 4 d_out.

    Parameters
    ----------
    L, R : arrays of shape (d_out, k) and (d_in, k)
        The factors.
    sigma : array of shape (d_in, d_in)
        Σ, as `second_moment` gives it. The gradient flows through it too, unless stopped.
    outputs : array of shape (d_out, d_out), optional
        G; the identity by default.

    Returns
    -------
    array of shape ()

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    Cost: 2 d_in² k flops, with G 2 d_out² k more.
    """
    d_out, d_in = _checked(L, R, sigma, outputs)
    trace, GL = (d_out, L) if outputs is None else (jnp.trace(outputs), outputs @ L)
    one = jnp.trace(sigma) / (d_out * d_in) * jnp.vdot(L, GL)
    other = trace / d_out**2 * jnp.vdot(R, sigma @ R)
    return 0.5 * (one + other)


def rescaled_nuclear_norm(
    W: jax.Array, sigma: jax.Array, outputs: jax.Array | None = None
) -> jax.Array:
    """‖D1 W D2‖_* of a dense layer: the least `flat_penalty` among its factorisations.

    Parameters
    ----------
    W : array of shape (d_out, d_in)
        The weights.
    sigma, outputs : arrays
        Σ and G as for `flat_penalty`, here taken as constants by gradients.

    Returns
    -------
    array of shape ()

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    Cost: the eigenvalues of Σ and an SVD of W, O(d_in³ + d_out d_in min(d_out, d_in)).
    """
    d_out, d_in = _checked(W, W.T, sigma, outputs)
    trace = d_out if outputs is None else jnp.trace(outputs)
    scaled = W @ _root(sigma) if outputs is None else _root(outputs) @ W @ _root(sigma)
    singular = jnp.linalg.svd(scaled, compute_uv=False)
    size = jax.lax.stop_gradient(jnp.sqrt(jnp.trace(sigma) * trace / (d_in * d_out)))
    return size / d_out * jnp.sum(singular)


def _root(G: jax.Array) -> jax.Array:
    """The symmetric root of a positive semidefinite matrix, as a constant."""
    w, V = jnp.linalg.eigh(jax.lax.stop_gradient(G))
    return (V * jnp.sqrt(jnp.maximum(w, 0.0))) @ V.T


def _checked(
    L: jax.Array, R: jax.Array, sigma: jax.Array, outputs: jax.Array | None
) -> tuple[int, int]:
    d_out, d_in = L.shape[0], R.shape[0]
    if sigma.shape != (d_in, d_in):
        raise ValueError(
            f"sigma must be the second moment of the {d_in} inputs, of shape ({d_in}, {d_in}); "
            f"got {sigma.shape}"
        )
    if outputs is not None and outputs.shape != (d_out, d_out):
        raise ValueError(
            f"outputs must weigh the {d_out} outputs, of shape ({d_out}, {d_out}); "
            f"got {outputs.shape}"
        )
    return d_out, d_in
