"""Any linear map that a user can write down, in JAX or in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from flatrank.measurements.base import BLOCK, identity_block
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.dense import DenseMatrices
from flatrank.measurements.matrices import OnMatrices, block_count, roots_of, sum_grams

# By how much ⟨𝒜(X), y⟩ and ⟨X, 𝒜*(y)⟩ may differ, relative to ‖𝒜(X)‖‖y‖.
_ROUNDING = 1e-6
# Bytes up to which the matrices of a map in NumPy are stored.
_STORED = 8_000_000_000


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

    def _blocks(self) -> Iterator[np.ndarray]:
        """The Aᵢ = 𝒜*(eᵢ), some at a time."""
        block = eqx.filter_jit(partial(_matrices, self.transpose, self.m))
        for n in range(block_count(self.m, BLOCK)):
            yield np.asarray(block(jnp.asarray(n)))

    def written(self) -> np.ndarray:
        """The Aᵢ, asked for one by one."""
        return np.concatenate(list(self._blocks()))[: self.m]

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Aᵢ stacked."""
        return roots_of(self._blocks(), self.shape)

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """The user's function, in the type of X."""
        return self.function(X).astype(X.dtype)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """The user's transpose, in the type of y."""
        return self.transpose(y).astype(y.dtype)


def linear_map(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Any], Any],
    shape: tuple[int, int],
) -> LinearMap | DenseMatrices:
    """A measurement from two functions, for matrices small enough to be formed.

    Parameters
    ----------
    forward : callable
        𝒜: takes X (d1, d2), returns m real numbers (m,). It must be linear.
    adjoint : callable
        𝒜*: takes y (m,), returns (d1, d2), with ⟨forward(X), y⟩ = ⟨X, adjoint(y)⟩.
    shape : (d1, d2)
        Of X.

    Returns
    -------
    LinearMap or DenseMatrices
        The former where both are functions of JAX, which become part of the compiled programs. One
        of NumPy cannot: then the Aᵢ are asked for once and stored, up to 8 GB.

    Raises
    ------
    ValueError
        If the functions do not map these shapes into each other, return complex numbers, are not
        adjoint on a random pair, or are NumPy's and the Aᵢ too large to be stored.

    Notes
    -----
    Cost: m applications of `adjoint` for the Grams, once, and 2 m d1 d2 (d1 + d2) flops. The check
    here is one pair; `check_measurement` holds the map to the whole law. Arrays that the functions
    close over should be NumPy's, or JAX's made with 64 bits enabled: others carry 7 digits.
    """
    d1, d2 = checked_shape(shape)
    with jax.enable_x64(True):
        traced, out = _returned("forward", forward, (d1, d2), "a real vector (m,)")
        if len(out) != 1:
            raise ValueError(f"forward must map {(d1, d2)} to a real vector (m,); got {out}")
        (m,) = out
        if m == 0:
            raise ValueError("forward returns no number; expected at least one measurement")
        both, back = _returned("adjoint", adjoint, (m,), f"a real matrix {(d1, d2)}")
        if back != (d1, d2):
            raise ValueError(
                f"adjoint must map a vector ({m},) to a real matrix {(d1, d2)}; got {back}"
            )
        if traced and both:
            functions = eqx.filter_jit(forward), eqx.filter_jit(adjoint)
            _checked_adjoint(*functions, (d1, d2), m, jax.device_put)
            return LinearMap(forward, adjoint, (d1, d2), m)
        _checked_adjoint(forward, adjoint, (d1, d2), m, np.asarray)
        return _written_out(adjoint, (d1, d2), m)


def _returned(
    name: str, function: Callable[[Any], Any], shape: tuple[int, ...], wanted: str
) -> tuple[bool, tuple[int, ...]]:
    """Whether JAX can trace the function, and the shape of what it returns."""
    traced = True
    try:
        # In a function of our own: JAX keeps what it traces, and cannot keep NumPy's compiled ones.
        out = jax.eval_shape(lambda x: function(x), jax.ShapeDtypeStruct(shape, jnp.float64))
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
        # It asks for the numbers themselves, as NumPy does.
        traced, out = False, np.asarray(function(np.zeros(shape)))
    if not isinstance(out, (jax.ShapeDtypeStruct, np.ndarray)) or out.dtype.kind not in "fc":
        raise ValueError(f"{name} must map {shape} to {wanted}; got {out}")
    if out.dtype.kind == "c":
        way = (
            "Give the parts, concatenate([c.real, c.imag]), and let adjoint take them so"
            if name == "forward"
            else "For real X it is the real part of theirs"
        )
        raise ValueError(f"{name} returns complex numbers; expected real ones. {way}")
    return traced, tuple(out.shape)


def _written_out(adjoint: Callable[[Any], Any], shape: tuple[int, int], m: int) -> DenseMatrices:
    """The Aᵢ = 𝒜*(eᵢ), one after another."""
    size = 8 * m * shape[0] * shape[1]
    if size > _STORED:
        raise ValueError(
            f"functions of NumPy are stored as {m} matrices, here {size / 1e9:.3g} GB, above the "
            f"limit of {_STORED / 1e9:g} GB. Write forward and adjoint with jax.numpy: they are "
            "then compiled, and nothing is stored"
        )
    A, e = np.empty((m, *shape)), np.zeros(m)
    for i in range(m):
        e[i] = 1.0
        A[i] = adjoint(e.copy())
        e[i] = 0.0
    return DenseMatrices(jax.device_put(A))


def _matrices(
    transpose: Callable[[Array], Array], m: int, n: Int[Array, ""]
) -> Float[Array, "block d1 d2"]:
    """The n-th block of Aᵢ = 𝒜*(eᵢ)."""
    return jax.vmap(transpose)(identity_block(n, m, jnp.float64).T)


def _checked_adjoint(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Any], Any],
    shape: tuple[int, int],
    m: int,
    place: Callable[[np.ndarray], Any],
) -> None:
    """On a random pair, put where the functions want it."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal(m)
    AX, S = np.asarray(forward(place(X))), np.asarray(adjoint(place(y)))
    left, right = float(np.vdot(AX, y)), float(np.vdot(X, S))
    if not abs(left - right) <= _ROUNDING * float(np.linalg.norm(AX) * np.linalg.norm(y)):
        raise ValueError(
            f"adjoint is not the adjoint of forward: on a random pair <forward(X), y> = "
            f"{left:.9g} but <X, adjoint(y)> = {right:.9g}; "
            "flatrank.check_measurement tells which law fails"
        )
