"""Any linear map that a user can write down, in JAX or in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from flatrank.arrays import Array, compiled, on_device, scope, xp
from flatrank.measurements.base import BLOCK, identity_block
from flatrank.measurements.checks import checked_shape
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
        block = partial(_matrices, transpose, m)
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
        block = compiled(partial(_matrices, self.transpose, self.m))
        for n in range(block_count(self.m, BLOCK)):
            yield np.asarray(block(xp.asarray(n)))

    def written(self) -> np.ndarray:
        """The Aᵢ, asked for one by one."""
        return np.concatenate(list(self._blocks()))[: self.m]

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Aᵢ stacked."""
        return roots_of(self._blocks(), self.shape)

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """The user's function, in the type of X."""
        return _like(self.function(X), X)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """The user's transpose, in the type of y."""
        return _like(self.transpose(y), y)


def _like(out: Any, x: Array) -> Array:
    """What a user's function returned, as an array of the kind and type of what it was given."""
    return out.astype(x.dtype) if on_device(x) else np.asarray(out, x.dtype)


def linear_map(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Any], Any],
    shape: tuple[int, int],
) -> LinearMap:
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
    LinearMap

    Raises
    ------
    ValueError
        If the functions do not map these shapes into each other, return complex numbers, or are not
        adjoint on a random pair.

    Notes
    -----
    Cost: m applications of `adjoint` for the Grams, once, and 2 m d1 d2 (d1 + d2) flops. The check
    here is one pair; `check_measurement` holds the map to the whole law. Arrays that the functions
    close over should be NumPy's, or JAX's made with 64 bits enabled: others carry 7 digits.
    """
    d1, d2 = checked_shape(shape)
    out = _returned("forward", forward, (d1, d2), "a real vector (m,)")
    if len(out) != 1:
        raise ValueError(f"forward must map {(d1, d2)} to a real vector (m,); got {out}")
    (m,) = out
    if m == 0:
        raise ValueError("forward returns no number; expected at least one measurement")
    back = _returned("adjoint", adjoint, (m,), f"a real matrix {(d1, d2)}")
    if back != (d1, d2):
        raise ValueError(
            f"adjoint must map a vector ({m},) to a real matrix {(d1, d2)}; got {back}"
        )
    with scope():
        _checked_adjoint(forward, adjoint, (d1, d2), m)
        return LinearMap(forward, adjoint, (d1, d2), m)


def _returned(
    name: str, function: Callable[[Any], Any], shape: tuple[int, ...], wanted: str
) -> tuple[int, ...]:
    """The shape of what the function returns, at zero."""
    with scope():
        out = np.asarray(function(np.zeros(shape)))
    if out.dtype.kind not in "fc":
        raise ValueError(f"{name} must map {shape} to {wanted}; got {out}")
    if out.dtype.kind == "c":
        way = (
            "Give the parts, concatenate([c.real, c.imag]), and let adjoint take them so"
            if name == "forward"
            else "For real X it is the real part of theirs"
        )
        raise ValueError(f"{name} returns complex numbers; expected real ones. {way}")
    return tuple(out.shape)


def _matrices(
    transpose: Callable[[Array], Array], m: int, n: Int[Array, ""] | int
) -> Float[Array, "block d1 d2"]:
    """The n-th block of Aᵢ = 𝒜*(eᵢ)."""
    return xp.stack([xp.asarray(transpose(e)) for e in identity_block(n, m, np.float64).T])


def _checked_adjoint(
    forward: Callable[[Any], Any],
    adjoint: Callable[[Any], Any],
    shape: tuple[int, int],
    m: int,
) -> None:
    """On a random pair."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal(shape), rng.standard_normal(m)
    AX, S = np.asarray(forward(X)), np.asarray(adjoint(y))
    left, right = float(np.vdot(AX, y)), float(np.vdot(X, S))
    if not abs(left - right) <= _ROUNDING * float(np.linalg.norm(AX) * np.linalg.norm(y)):
        raise ValueError(
            f"adjoint is not the adjoint of forward: on a random pair <forward(X), y> = "
            f"{left:.9g} but <X, adjoint(y)> = {right:.9g}; "
            "flatrank.check_measurement tells which law fails"
        )
