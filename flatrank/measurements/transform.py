"""Structured sensing: some coefficients of an orthogonal transform with random signs."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.fft import dctn, idctn
from jaxtyping import Array, Float, Int

from flatrank.measurements.base import Adjoint
from flatrank.measurements.checks import checked_count, checked_shape
from flatrank.measurements.matrices import DenseAdjoint, OnMatrices


class MaskedTransform(OnMatrices):
    """𝒜(X) = m coefficients of C1 (Σ ∘ X) C2ᵀ: random signs Σ, orthonormal cosine transforms C.

    Rows of an orthogonal map: 𝒜𝒜* = I. The signs spread every X over all coefficients, so that m
    of them tell it about as well as m Gaussian numbers do. Make one by `masked_transform`.

    Parameters
    ----------
    signs : array of shape (d1, d2)
        ±1.
    chosen : integer array of shape (m,)
        Which coefficients, numbered row by row; each at most once.

    Notes
    -----
    Memory: d1 d2 numbers. Cost: O(d1 d2 log(d1 d2)) flops a product, whatever m; the Grams take
    2 d1 d2 (d1² + d2²) flops, once. Type II cosine transforms, so that any d1, d2 will do.
    """

    signs: Float[Array, "d1 d2"]
    chosen: Int[Array, " m"]

    def __init__(self, signs: Float[Array, "d1 d2"], chosen: Int[Array, " m"]):
        self.signs, self.chosen = signs, chosen
        self.gram1, self.gram2 = _grams(signs, chosen)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.signs.shape[0], self.signs.shape[1]

    @property
    def m(self) -> int:
        """Number of coefficients."""
        return self.chosen.shape[0]

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """Signs, transform, mask."""
        spread = dctn(self.signs.astype(X.dtype) * X, norm="ortho")
        return spread.reshape(-1)[self.chosen]

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """Mask, transform back, signs."""
        d1, d2 = self.shape
        spread = jnp.zeros(d1 * d2, dtype=y.dtype).at[self.chosen].set(y).reshape(d1, d2)
        return self.signs.astype(y.dtype) * idctn(spread, norm="ortho")

    def normal(self, y: Float[Array, " m"]) -> Float[Array, " m"]:
        """𝒜𝒜* is the identity."""
        return y

    def right_inverse(
        self, c: Float[Array, " m"], tol: Float[Array, ""]
    ) -> tuple[Adjoint, Float[Array, ""]]:
        """𝒜*(c)."""
        del tol
        return DenseAdjoint(self.matrix(c)), jnp.zeros(())


def masked_transform(shape: tuple[int, int], m: int, *, seed: int = 0) -> MaskedTransform:
    """Some m coefficients, drawn at random, of a transform with random signs.

    Parameters
    ----------
    shape : (d1, d2)
        Of the unknown matrix.
    m : int
        Number of coefficients, at most d1 d2.
    seed : int
        Of the signs and of the choice.

    Returns
    -------
    MaskedTransform

    Raises
    ------
    ValueError
        If a number is not a whole number in range.
    """
    d1, d2 = checked_shape(shape)
    m, seed = checked_count("m", m, 1), checked_count("seed", seed, 0)
    if m > d1 * d2:
        raise ValueError(
            f"m must be at most d1 d2 = {d1 * d2}, the number of coefficients; got {m}"
        )
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], (d1, d2))
    places = np.sort(rng.choice(d1 * d2, m, replace=False))
    with jax.enable_x64(True):
        return MaskedTransform(jax.device_put(signs), jax.device_put(places))


@eqx.filter_jit
def _grams(signs: Array, places: Array) -> tuple[Array, Array]:
    """Σ Aᵢ Aᵢᵀ = Σ_p (c_p c_pᵀ) ∘ (Σ diag(w_p) Σᵀ), w_p = Σ_q c'_q² over the q chosen in row p."""
    d1, d2 = signs.shape
    chosen = jnp.zeros(d1 * d2).at[places].set(1.0).reshape(d1, d2)
    C1, C2 = (dctn(jnp.eye(d), axes=[0], norm="ortho") for d in (d1, d2))

    def one_side(C: Array, other: Array, mask: Array, S: Array) -> Array:
        W = mask @ other**2

        def add(p: Array, total: Array) -> Array:
            return total + jnp.outer(C[p], C[p]) * ((S * W[p][None, :]) @ S.T)

        d = C.shape[0]
        return jax.lax.fori_loop(0, d, add, jnp.zeros((d, d)))

    return one_side(C1, C2, chosen, signs), one_side(C2, C1, chosen.T, signs.T)
