"""Any linear map that a user can write down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from flatrank.arrays import Array, on_device, scope, static, unit_vectors
from flatrank.arrays.shapes import Float
from flatrank.measurements.base import BLOCK
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.matrices import OnMatrices, roots_of, sum_grams

Function = Callable[[Any], Any]


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

    function: Function = static()
    transpose: Function = static()

    def __init__(self, function: Function, transpose: Function, shape: tuple[int, int], m: int):
        self.function, self.transpose = function, transpose
        self.measured(m, *sum_grams(self._blocks(m), shape))

    def _blocks(self, m: int) -> Iterator[np.ndarray]:
        """The Aᵢ = 𝒜*(eᵢ), some at a time."""
        for first in range(0, m, BLOCK):
            places = range(first, min(first + BLOCK, m))
            yield np.stack([self.matrix(unit_vectors(i, m)) for i in places])

    def written(self) -> np.ndarray:
        """The Aᵢ, asked for one by one."""
        return np.concatenate(list(self._blocks(self.m)))

    def gram_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """From the Aᵢ stacked."""
        return roots_of(self._blocks(self.m), self.shape)

    def of_matrix(self, X: Float[Array, "d1 d2"]) -> Float[Array, " m"]:
        """The user's function, in the type of X."""
        return _called(self.function, X)

    def matrix(self, y: Float[Array, " m"]) -> Float[Array, "d1 d2"]:
        """The user's transpose, in the type of y."""
        return _called(self.transpose, y)


def _called(function: Function, x: Array) -> Array:
    """What a user's function returns, in the type of what it is given."""
    out = function(x)
    if on_device(x):
        return out.astype(x.dtype)
    if on_device(out) and out.dtype != x.dtype:  # of jax.numpy, where 64 bits are not enabled
        with scope():
            out = function(x)
    return np.asarray(out, x.dtype)


def linear_map(forward: Function, adjoint: Function, shape: tuple[int, int]) -> LinearMap:
    """A measurement from two functions, for matrices small enough to be formed.

    Parameters
    ----------
    forward : callable
        𝒜: takes X (d1, d2), an array of NumPy, returns m real numbers (m,). It must be linear.
        Written with NumPy or with whatever else takes its arrays.
    adjoint : callable
        𝒜*: takes y (m,), returns (d1, d2), with ⟨forward(X), y⟩ = ⟨X, adjoint(y)⟩.
    shape : (d1, d2)
        Of X.

    Raises
    ------
    ValueError
        If the functions do not map these shapes into each other, return complex numbers, or are not
        adjoint on a random pair.

    Notes
    -----
    Cost: m applications of `adjoint` for the Grams, once, and 2 m d1 d2 (d1 + d2) flops. The check
    here is one pair; `check_measurement` holds the map to the whole law. What the functions compute
    in 32 bits, or from arrays of 32 bits, carries 7 digits. Functions of `jax.numpy` compute in 64
    here; they may be compiled by `jax.jit`.
    """
    shape = checked_shape(shape)
    out = _returned("forward", forward, shape, "a real vector (m,)")
    if len(out) != 1:
        raise ValueError(f"forward must map {shape} to a real vector (m,); got {out}")
    (m,) = out
    if m == 0:
        raise ValueError("forward returns no number; expected at least one measurement")
    back = _returned("adjoint", adjoint, (m,), f"a real matrix {shape}")
    if back != shape:
        raise ValueError(f"adjoint must map a vector ({m},) to a real matrix {shape}; got {back}")
    with scope():
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal(shape), rng.standard_normal(m)
        AX, S = np.asarray(forward(X)), np.asarray(adjoint(y))
        left, right = float(np.vdot(AX, y)), float(np.vdot(X, S))
        # They may compute in 32 bits.
        if not abs(left - right) <= 1e-6 * float(np.linalg.norm(AX) * np.linalg.norm(y)):
            raise ValueError(
                f"adjoint is not the adjoint of forward: on a random pair <forward(X), y> = "
                f"{left:.9g} but <X, adjoint(y)> = {right:.9g}; "
                "flatrank.check_measurement tells which law fails"
            )
        return LinearMap(forward, adjoint, shape, m)


def _returned(
    name: str, function: Function, shape: tuple[int, ...], wanted: str
) -> tuple[int, ...]:
    """The shape of what the function returns, at zero."""
    with scope():
        out = np.asarray(function(np.zeros(shape)))
    if out.dtype.kind == "c":
        way = (
            "Give the parts, concatenate([c.real, c.imag]), and let adjoint take them so"
            if name == "forward"
            else "For real X it is the real part of theirs"
        )
        raise ValueError(f"{name} returns complex numbers; expected real ones. {way}")
    if out.dtype.kind != "f":
        raise ValueError(
            f"{name} must map an array {shape} to {wanted}; got shape {out.shape} of {out.dtype}"
        )
    return out.shape
