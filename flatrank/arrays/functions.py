"""NumPy's functions by name, carried out by the engine that their arguments belong to."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays.engines import all_cores, known_to_jax, on_device
from flatrank.arrays.trees import Array, Scalar, leaves, tree_map


class _Names:
    """Names of NumPy whose functions are those of the engine that their arguments belong to."""

    def __init__(self, room: str = ""):
        self._room = room

    def __getattr__(self, name: str) -> Any:
        ours = getattr(import_module("numpy" + self._room), name)
        if isinstance(ours, type) or not callable(ours):
            return ours
        if self._room == ".linalg" and name in _FACTORISATIONS:
            ours = _nan_where_none(ours)

        @wraps(ours)
        def either(*args: Any, **options: Any) -> Any:
            jax = sys.modules.get("jax")
            if jax is not None and any(
                isinstance(x, jax.Array)
                or (isinstance(x, tuple | list) and any(isinstance(y, jax.Array) for y in x))
                for x in args
            ):
                room = import_module("jax.numpy" + self._room)
                return getattr(room, name)(*args, **options)
            return ours(*args, **options)

        setattr(self, name, either)
        return either


_FACTORISATIONS = ("cholesky", "eigh", "eigvalsh", "svd", "inv", "norm")


def _nan_where_none(function: Callable[..., Any]) -> Callable[..., Any]:
    """NaN, as JAX gives, where LAPACK finds no factorisation."""

    @wraps(function)
    def factored(A: np.ndarray, *args: Any, **options: Any) -> Any:
        try:
            if A.ndim != 2:
                return function(A, *args, **options)
            with all_cores(float(A.size) * min(A.shape)):
                return function(A, *args, **options)
        except np.linalg.LinAlgError:
            eye = np.broadcast_to(np.eye(*A.shape[-2:], dtype=A.dtype), A.shape)
            return tree_map(lambda x: np.full_like(x, np.nan), function(eye, *args, **options))

    return factored


xp: Any = _Names()
xp.linalg, xp.fft = _Names(".linalg"), _Names(".fft")


def dctn(X: Array, **options: Any) -> Array:
    """The cosine transform of type II, as `scipy.fft.dctn`."""
    return import_module("jax.scipy.fft" if on_device(X) else "scipy.fft").dctn(X, **options)


def idctn(X: Array, **options: Any) -> Array:
    """Its inverse."""
    return import_module("jax.scipy.fft" if on_device(X) else "scipy.fft").idctn(X, **options)


def solve_triangular(T: Array, B: Array, *, trans: int = 0) -> Array:
    """T⁻¹ B, or T⁻ᵀ B, of an upper triangular T; not finite where T is singular."""
    if on_device(T, B):
        return import_module("jax.scipy.linalg").solve_triangular(T, B, trans=trans)
    from scipy.linalg import get_lapack_funcs

    (trtrs,) = get_lapack_funcs(("trtrs",), (T, B))
    X, broken = trtrs(T, B, trans=trans)
    return np.full_like(X, np.nan) if broken else X


def cho_solve(C: Array, B: Array) -> Array:
    """A⁻¹ B for stacks of A = C Cᵀ, C lower triangular."""
    if on_device(C, B):
        return import_module("jax.scipy.linalg").cho_solve((C, True), B)
    half = np.linalg.solve(C, B)
    return np.linalg.solve(np.swapaxes(C, -1, -2), half)


def product(A: Array, B: Array) -> Array:
    """A B, on all cores where it is long."""
    if on_device(A, B):
        return A @ B
    parts = 4.0 if np.iscomplexobj(A) else 1.0
    with all_cores(2.0 * parts * A.size * B.shape[-1]):
        return A @ B


def put(X: Array, place: Any, value: Any) -> Array:
    """X with a value at a place: X itself, changed, for NumPy, so X must be the caller's own."""
    if on_device(X, value):
        return known_to_jax().numpy.asarray(X).at[place].set(value)
    X[place] = value
    return X


def put_columns(X: Array, first: Any, Y: Array) -> Array:
    """X with the columns of Y from a column on, as `put` does."""
    if on_device(X, Y, first):
        return known_to_jax().lax.dynamic_update_slice_in_dim(X, Y, first, 1)
    X[:, first : first + Y.shape[1]] = Y
    return X


def moved(x: Array, a: Scalar, p: Array) -> Array:
    """x + a p: x itself, changed, for NumPy."""
    if on_device(x, a, p):
        return x + a * p
    if x.dtype.char in "fd" and x.dtype == p.dtype and x.ndim == 1:
        blas = import_module("scipy.linalg.blas")
        axpy = blas.daxpy if x.dtype.char == "d" else blas.saxpy
        return axpy(p, x, a=a)  # one pass, and no other array
    x += x.dtype.type(a) * p
    return x


def reciprocal(x: Array) -> Array:
    """1/x, and 0 of 0."""
    if not isinstance(x, np.ndarray):
        return xp.where(x == 0, 0.0, 1.0 / xp.where(x == 0, 1.0, x))
    out = np.zeros(x.shape, np.result_type(x, 0.5))  # no array but the result; whole numbers too
    return np.divide(1.0, x, out=out, where=x != 0)


def contiguous(x: Array) -> Array:
    """The array with its rows one after another, as kernels read them."""
    return x if on_device(x) else np.ascontiguousarray(x)


def turned(p: Array, a: Scalar, z: Array) -> Array:
    """a p + z: p itself, changed, for NumPy."""
    if on_device(p, a, z):
        return a * p + z
    p *= p.dtype.type(a)
    p += z
    return p


def columns(X: Array, first: Any, count: int) -> Array:
    """So many columns of X from one on."""
    if on_device(X, first):
        return known_to_jax().lax.dynamic_slice_in_dim(X, first, count, 1)
    return X[:, first : first + count]


def unit_vectors(places: Array | int, d: int, dtype: Any = np.float64, axis: int = -1) -> Array:
    """Unit vectors of length d with the 1 at given places, 0 for places outside."""
    at: Array = xp.asarray(places)
    return xp.moveaxis((at[..., None] == np.arange(d)).astype(dtype), -1, axis)


def added_at(places: Array, values: Array, size: int) -> Array:
    """Values summed into a vector (or the rows of a matrix) of a size, each at its place."""
    shape = size, *values.shape[1:]
    if on_device(places, values):
        return known_to_jax().numpy.zeros(shape, values.dtype).at[places].add(values)
    out = np.zeros(shape, values.dtype)
    np.add.at(out, places, values)
    return out


def normal(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, the same for a seed everywhere."""
    return np.random.default_rng(seed).standard_normal(shape)


def flattened(tree: Any) -> Array:
    """All numbers of a tree as one vector; of one array a view."""
    parts = [x.reshape(-1) for x in leaves(tree)]
    return parts[0] if len(parts) == 1 else xp.concatenate(parts)


def ravel(tree: Any) -> tuple[Array, Callable[[Array], Any]]:
    """All numbers of a tree as one vector, and the way back: to views of a vector."""
    shapes = [x.shape for x in leaves(tree)]
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    places = list(zip([0, *ends], ends, shapes, strict=False))
    form = tree_map(lambda _: np.empty(0), tree)  # the way back keeps no numbers alive

    def restore(flat: Array) -> Any:
        pieces = iter(places)

        def piece(_: Any) -> Array:
            first, last, shape = next(pieces)
            return flat[first:last].reshape(shape)

        return tree_map(piece, form)

    return flattened(tree), restore
