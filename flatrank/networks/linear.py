"""A linear layer held as two factors, with a penalty and, where it is the last one, a proof."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from flatrank.certificates import Certificate
from flatrank.networks.last_layer import LastLayer
from flatrank.networks.penalty import flat_penalty


class FlatLinear(eqx.Module):
    """x ↦ L Rᵀ x + c: a linear layer of rank at most k.

    Parameters
    ----------
    in_features, out_features : int
        d_in and d_out.
    width : int
        k ≥ 1. From min(d_in, d_out) on every matrix can be held; rank is then for the penalty to
        find.
    key : jax.Array
        Of the start.
    use_bias : bool
        Whether there is c.

    Raises
    ------
    ValueError
        If a size is below 1.

    Notes
    -----
    Starts balanced in expectation, L and R normal with variances (k d_in)^-½ · (d_in/d_out)^±½, so
    that entries of L Rᵀ have variance 1/d_in. (d_in + d_out) k numbers; as many products a sample.
    """

    L: jax.Array
    R: jax.Array
    bias: jax.Array | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int,
        *,
        key: jax.Array,
        use_bias: bool = True,
    ):
        for name, size in (
            ("in_features", in_features),
            ("out_features", out_features),
            ("width", width),
        ):
            if size < 1:
                raise ValueError(f"{name} must be 1 or more; got {size}")
        one, other = jax.random.split(key)
        scale = (width * in_features) ** -0.25
        tilt = (in_features / out_features) ** 0.25
        self.L = scale * tilt * jax.random.normal(one, (out_features, width))
        self.R = scale / tilt * jax.random.normal(other, (in_features, width))
        self.bias = jnp.zeros(out_features) if use_bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """L Rᵀ x + c of one input, (d_in,) to (d_out,); `jax.vmap` takes a batch."""
        y = self.L @ (self.R.T @ x)
        return y if self.bias is None else y + self.bias

    @property
    def weight(self) -> jax.Array:
        """W = L Rᵀ, (d_out, d_in)."""
        return self.L @ self.R.T

    def penalty(self, sigma: jax.Array, outputs: jax.Array | None = None) -> jax.Array:
        """½(‖D1 L‖² + ‖D2 R‖²) for inputs of second moment Σ (`flat_penalty`)."""
        return flat_penalty(self.L, self.R, sigma, outputs)

    def certify(self, inputs: ArrayLike, targets: ArrayLike, lam: float) -> Certificate:
        """Prove how far W is from the best of all matrices, were this the last layer.

        Parameters
        ----------
        inputs, targets : arrays of shape (N, d_in) and (N, d_out)
            What reaches the layer from the frozen rest, and what is to come out.
        lam : float
            λ > 0, of `penalty` beside the mean of ½‖W φᵢ + c − yᵢ‖².

        Returns
        -------
        Certificate
            Of `LastLayer`, the bias frozen too.

        Raises
        ------
        ValueError
            If shapes do not fit, a number is not finite, or λ is not positive.
        """
        y, d_out = np.asarray(targets, dtype=np.float64), len(self.L)
        if y.ndim != 2 or y.shape[1] != d_out:
            raise ValueError(f"targets must have shape (N, {d_out}); got {y.shape}")
        if self.bias is not None:
            y = y - np.asarray(self.bias, dtype=np.float64)
        return LastLayer.of(inputs, y, lam).certify(self.L, self.R)


def flat_pairs(tree: Any) -> list[tuple[jax.Array, jax.Array]]:
    """The factors (L, R) of every `FlatLinear` in a tree."""
    layers = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, FlatLinear))
    return [(layer.L, layer.R) for layer in layers if isinstance(layer, FlatLinear)]
