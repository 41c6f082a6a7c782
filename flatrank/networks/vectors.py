"""Vectors as tuples of arrays, one for each block of parameters, on NumPy or on JAX.

No copy of all parameters in one array is made, and sums reuse the memory of their first term: what
the flatness of a network costs in memory is counted in vectors of its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg.blas import get_blas_funcs

#: Arrays of NumPy or of JAX, one for each block.
Vector = tuple[Any, ...]


@dataclass(frozen=True)
class Form:
    """What a vector looks like: a name, a shape and a type for each block; on NumPy or on JAX."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]
    on_numpy: bool

    @property
    def n(self) -> int:
        """The number of parameters."""
        return sum(map(math.prod, self.shapes))

    @property
    def eps(self) -> float:
        """The rounding of the coarsest type."""
        return max(float(jnp.finfo(dtype).eps) for dtype in self.dtypes)

    def signs(self, *seed: int) -> Vector:
        """Independent random signs."""
        if not self.on_numpy:
            return _signs(_key(seed), self)
        rng = np.random.default_rng(seed)
        bits = (rng.integers(0, 2, shape, np.int8) for shape in self.shapes)
        return tuple(np.array(2 * b - 1, dtype) for b, dtype in zip(bits, self.dtypes, strict=True))

    def normal(self, *seed: int) -> Vector:
        """Independent standard normal numbers."""
        if not self.on_numpy:
            return _normal(_key(seed), self)
        rng = np.random.default_rng(seed)
        drawn = (rng.standard_normal(shape) for shape in self.shapes)
        return tuple(
            x.astype(dtype, copy=False) for x, dtype in zip(drawn, self.dtypes, strict=True)
        )

    def zeros(self) -> Vector:
        """The zero vector."""
        of = np.zeros if self.on_numpy else jnp.zeros
        return tuple(of(s, d) for s, d in zip(self.shapes, self.dtypes, strict=True))


def _key(seed: Sequence[int]) -> jax.Array:
    return jax.random.key(np.random.SeedSequence(seed).generate_state(1)[0])


@partial(jax.jit, static_argnums=1)
def _signs(key: jax.Array, form: Form) -> Vector:
    keys = jax.random.split(key, len(form.shapes))
    every = zip(keys, form.shapes, form.dtypes, strict=True)
    return tuple(jax.random.rademacher(key, shape, dtype) for key, shape, dtype in every)


@partial(jax.jit, static_argnums=1)
def _normal(key: jax.Array, form: Form) -> Vector:
    keys = jax.random.split(key, len(form.shapes))
    every = zip(keys, form.shapes, form.dtypes, strict=True)
    return tuple(jax.random.normal(key, shape, dtype) for key, shape, dtype in every)


def dots(x: Vector, y: Vector) -> np.ndarray:
    """⟨x, y⟩ block by block; 64-bit numbers on the host."""
    if _on_numpy(x):
        return np.array([float(np.vdot(a, b)) for a, b in zip(x, y, strict=True)])
    return np.asarray(_dots(x, y), np.float64)


def dot(x: Vector, y: Vector) -> float:
    """⟨x, y⟩."""
    return float(np.sum(dots(x, y)))


def norm(x: Vector) -> float:
    """‖x‖."""
    return math.sqrt(dot(x, x))


def plus(x: Vector, c: float, y: Vector) -> Vector:
    """x + c y in the memory of x, which is not to be used any more."""
    if not _on_numpy(x):
        return _plus(x, c, y)
    for a, b in zip(x, y, strict=True):
        flat = a.reshape(-1)
        (axpy,) = get_blas_funcs(("axpy",), (b, flat))
        axpy(b.reshape(-1), flat, a=c)
    return x


def times(x: Vector, c: float) -> Vector:
    """c x in the memory of x, which is not to be used any more."""
    if not _on_numpy(x):
        return _times(x, c)
    for a in x:
        np.multiply(a, c, out=a)
    return x


def outside(x: Vector, basis: Sequence[Vector]) -> Vector:
    """x less its components along orthonormal vectors, in the memory of x."""
    for v in basis:
        x = plus(x, -dot(v, x), v)
    return x


def scaled(x: Vector, parameters: Vector) -> Vector:
    """|w| ∘ x, w the parameters."""
    if not _on_numpy(x):
        return _scaled(x, parameters)
    return tuple(np.abs(w) * a for a, w in zip(x, parameters, strict=True))


def squared_dot(parameters: Vector, x: Vector, y: Vector) -> float:
    """⟨w ∘ x, w ∘ y⟩, w the parameters."""
    if not _on_numpy(x):
        return float(np.sum(np.asarray(_squared_dots(parameters, x, y), np.float64)))
    return sum(
        float(np.einsum("i,i,i,i", *(u.reshape(-1) for u in (w, w, a, b))))
        for w, a, b in zip(parameters, x, y, strict=True)
    )


def _on_numpy(x: Vector) -> bool:
    return isinstance(x[0], np.ndarray)


@jax.jit
def _dots(x: Vector, y: Vector) -> jax.Array:
    return jnp.stack([_sum(a * b) for a, b in zip(x, y, strict=True)])


@jax.jit
def _squared_dots(parameters: Vector, x: Vector, y: Vector) -> jax.Array:
    return jnp.stack([_sum(w * w * a * b) for w, a, b in zip(parameters, x, y, strict=True)])


def _sum(x: jax.Array) -> jax.Array:
    """In single precision at least."""
    return jnp.sum(x, dtype=jnp.promote_types(x.dtype, jnp.float32))


@partial(jax.jit, donate_argnums=0)
def _plus(x: Vector, c: Any, y: Vector) -> Vector:
    return tuple(a + c * b for a, b in zip(x, y, strict=True))


@partial(jax.jit, donate_argnums=0)
def _times(x: Vector, c: Any) -> Vector:
    return tuple(c * a for a in x)


@jax.jit
def _scaled(x: Vector, parameters: Vector) -> Vector:
    return tuple(jnp.abs(w) * a for a, w in zip(x, parameters, strict=True))
