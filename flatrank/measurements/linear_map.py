"""Any linear map that a user can write down in JAX."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from flatrank.measurements.base import BLOCK, identity_block
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.matrices import OnMatrices, block_count, sum_grams

# By how much ⟨𝒜(X), y⟩ and ⟨X, 𝒜*(y)⟩ may differ, relative to ‖𝒜(X)‖‖y‖.
_ROUNDING = 1e-6


class LinearMap(OnMatrices):
    """𝒜 by two functions on dense matrices. Make one by `linear_map`.

    Parameters
    ----------
    function : callable
        X (d1, d2) ↦ 𝒜(X) (m,).
    transpose : callable
        y (m,) ↦ 𝒜*(y) (d1, d2).
    shape : (d1, d2)
        Of X.
    m : int
        Number of measurements.
    """

    function: Callable[[Array], Array]
    transpose: Callable[[Array], Array]
    _shape: tuple[int, int]
    _m: int

    def __init__(
        self,
        function: Callable[[Array], Array],
        transpose: Callable[[Array], Array],
        shape: tuple[int, int],
        m: int,
    ):
        self.function, self.transpose, self._shape, self._m = function, transpose, shape, m
        block = Partial(_matrices, transpose, m)
        self.gram1, self.gram2 = sum_grams(block, block_count(m, BLOCK), shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self._shape

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self._m

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """The user's function, in the type of X."""
        return self.function(X).astype(X.dtype)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """The user's transpose, in the type of y."""
        return self.transpose(y).astype(y.dtype)


def linear_map(
    forward: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    shape: tuple[int, int],
) -> LinearMap:
    """A measurement from two JAX functions, for matrices small enough to be formed.

    Parameters
    ----------
    forward : callable
        𝒜: takes X (d1, d2), returns m real numbers (m,). It must be linear, and traceable by JAX.
    adjoint : callable
        𝒜*: takes y (m,), returns (d1, d2), with ⟨forward(X), y⟩ = ⟨X, adjoint(y)⟩.
    shape : (d1, d2)
        Of X.

    Returns
    -------
    LinearMap

    Raises
    ------
    ValueError
        If the functions do not map these shapes into each other, or are not adjoint on a random
        pair.

    Notes
    -----
    Cost: m applications of `adjoint` for the Grams, once, and 2 m d1 d2 (d1 + d2) flops. The check
    here is one pair; `check_measurement` holds the map to the whole law. Arrays that the functions
    close over should be NumPy's, or JAX's made with 64 bits enabled: others carry 7 digits.
    """
    d1, d2 = checked_shape(shape)
    with jax.enable_x64(True):
        m = _length(forward, (d1, d2))
        _checked_adjoint(forward, adjoint, (d1, d2), m)
        return LinearMap(forward, adjoint, (d1, d2), m)


def _matrices(
    transpose: Callable[[Array], Array], m: int, n: Int[Array, ""]
) -> Float[Array, "block d1 d2"]:
    """The n-th block of Aᵢ = 𝒜*(eᵢ)."""
    return jax.vmap(transpose)(identity_block(n, m, jnp.float64).T)


def _length(forward: Callable[[Array], Array], shape: tuple[int, int]) -> int:
    out = jax.eval_shape(forward, jax.ShapeDtypeStruct(shape, jnp.float64))
    if not isinstance(out, jax.ShapeDtypeStruct) or len(out.shape) != 1 or out.dtype.kind != "f":
        raise ValueError(f"forward must map {shape} to a real vector (m,); got {out}")
    if out.shape[0] == 0:
        raise ValueError("forward returns no number; expected at least one measurement")
    return out.shape[0]


def _checked_adjoint(
    forward: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    shape: tuple[int, int],
    m: int,
) -> None:
    rng = np.random.default_rng(0)
    X, y = jax.device_put(rng.standard_normal(shape)), jax.device_put(rng.standard_normal(m))
    S = jax.eval_shape(adjoint, y)
    if not isinstance(S, jax.ShapeDtypeStruct) or S.shape != shape or S.dtype.kind != "f":
        raise ValueError(f"adjoint must map a vector ({m},) to a real matrix {shape}; got {S}")
    AX = eqx.filter_jit(forward)(X)
    left, right = jnp.vdot(AX, y), jnp.vdot(X, eqx.filter_jit(adjoint)(y))
    if not float(jnp.abs(left - right)) <= _ROUNDING * float(
        jnp.linalg.norm(AX) * jnp.linalg.norm(y)
    ):
        raise ValueError(
            f"adjoint is not the adjoint of forward: on a random pair <forward(X), y> = "
            f"{float(left):.9g} but <X, adjoint(y)> = {float(right):.9g}; "
            "flatrank.check_measurement tells which law fails"
        )
