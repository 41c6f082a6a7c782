"""The law every measurement obeys, as a function users can call on their own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from flatrank.factors import FactorPair
from flatrank.measurements.base import Measurement


def check_measurement(measurement: Measurement, *, rank: int = 3, seed: int = 0) -> None:
    """Check that forward, adjoint, gradient and curvature of a measurement belong together.

    On random pairs: ⟨𝒜(L Rᵀ), y⟩ = ⟨L, 𝒜*(y) R⟩ = ⟨R, 𝒜*(y)ᵀ L⟩; 𝒜 is linear; the gradient is
    (𝒜*(c) R, 𝒜*(c)ᵀ L); the curvature is the derivative of the gradient.

    Parameters
    ----------
    measurement : Measurement
        The one to check.
    rank : int
        Number of columns of the random factors.
    seed : int
        Of the random factors.

    Raises
    ------
    AssertionError
        Naming the law that fails and by how much.

    Notes
    -----
    Cost: a few dozen products with 𝒜 and 𝒜*.
    """
    with jax.enable_x64(True):
        rng = np.random.default_rng(seed)
        d1, d2 = measurement.shape

        def draw() -> FactorPair:
            return FactorPair(
                jnp.asarray(rng.standard_normal((d1, rank))),
                jnp.asarray(rng.standard_normal((d2, rank))),
            )

        pair, other = draw(), draw()
        y = jnp.asarray(rng.standard_normal(measurement.m))
        b = jnp.asarray(rng.standard_normal(measurement.m))
        forward, S = measurement.forward(pair), measurement.adjoint(y)
        _agree("adjoint from the right", jnp.vdot(forward, y), jnp.vdot(pair.L, S.right(pair.R)))
        _agree("adjoint from the left", jnp.vdot(forward, y), jnp.vdot(pair.R, S.left(pair.L)))
        both = pair.beside(FactorPair(-2.0 * other.L, other.R))
        _agree("linearity", measurement.forward(both), forward - 2.0 * measurement.forward(other))
        _check_derivatives(measurement, pair, other, b)


def _check_derivatives(A: Measurement, pair: FactorPair, step: FactorPair, b: jax.Array) -> None:
    gradient, loss = A.gradient(pair, b)
    c = A.forward(pair) - b
    S = A.adjoint(c)
    _agree("loss", loss, 0.5 * jnp.vdot(c, c))
    _agree("gradient in L", gradient.L, S.right(pair.R))
    _agree("gradient in R", gradient.R, S.left(pair.L))
    product, plain = A.curvature(pair, step, S), A.curvature(pair, step)
    T = A.adjoint(A.tangent(pair, step))
    _agree("Gauss-Newton part in L", plain.L, T.right(pair.R))
    _agree("Gauss-Newton part in R", plain.R, T.left(pair.L))
    _agree("curvature in L", product.L, plain.L + S.right(step.R))
    _agree("curvature in R", product.R, plain.R + S.left(step.L))


def _agree(law: str, left: jax.Array, right: jax.Array, tolerance: float = 1e-9) -> None:
    size = float(jnp.max(jnp.abs(jnp.asarray(right)), initial=0.0)) + 1e-300
    error = float(jnp.max(jnp.abs(jnp.asarray(left) - jnp.asarray(right)), initial=0.0)) / size
    if not error <= tolerance:
        raise AssertionError(
            f"law broken: {law}; relative difference {error:.1e}, expected <= {tolerance:.0e}"
        )
