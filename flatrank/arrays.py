"""The two engines: NumPy, which computes at once, and JAX, whose functions are compiled.

Everything above is written once, as functions of arrays, and is carried by the engine that its
arrays belong to. This file alone knows of JAX, and imports it only where its arrays are met.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, dataclass, field, fields
from functools import cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any
Scalar = float | Array

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


# ---- trees: modules, tuples, lists and dicts of arrays ----


def static(**options: Any) -> Any:
    """A field of a `Module` that is no array: equal in everything that shares a program."""
    return field(metadata={"static": True}, **options)


@dataclass_transform(field_specifiers=(field, static))
class Module:
    """A record of arrays: a frozen dataclass, of which `tree_map` makes another.

    A field is set once, in `__init__`. What is kept beside the fields (`cached_property`) is
    neither pickled nor copied.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Make a frozen dataclass of each subclass."""
        super().__init_subclass__(**options)
        cls._own_init = cls._own_init or "__init__" in cls.__dict__
        shown = "__repr__" not in cls.__dict__
        dataclass(frozen=True, eq=False, repr=shown, init=not cls._own_init)(cls)
        cls.__setattr__ = Module.__setattr__
        cls.__delattr__ = Module.__delattr__
        names = [f.name for f in fields(cls)]  # pyright: ignore[reportArgumentType]
        fixed = {f.name for f in fields(cls) if f.metadata.get("static")}  # pyright: ignore
        cls._array_names = tuple(n for n in names if n not in fixed)
        cls._static_names = tuple(n for n in names if n in fixed)
        _unknown_to_jax.append(cls)

    _own_init: ClassVar[bool] = False
    _array_names: ClassVar[tuple[str, ...]] = ()
    _static_names: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to {name} of a {type(self).__name__}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {name} of a {type(self).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        """The fields."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # pyright: ignore

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


_unknown_to_jax: list[type] = []


def remade(module: T, **parts: Any) -> T:
    """The module with other values in some fields, without its `__init__`."""
    made = object.__new__(type(module))
    made.__dict__.update({f.name: getattr(module, f.name) for f in fields(module)} | parts)  # pyright: ignore
    return made


def tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """A function of the leaves of trees of one form; None has none."""
    if tree is None:
        return None
    if isinstance(tree, Module):
        made = object.__new__(type(tree))
        parts = made.__dict__
        for n in tree._static_names:
            parts[n] = getattr(tree, n)
        for n in tree._array_names:
            parts[n] = tree_map(function, getattr(tree, n), *[getattr(r, n) for r in rest])
        return made
    if isinstance(tree, tuple | list):
        made = [tree_map(function, *parts) for parts in zip(tree, *rest, strict=True)]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
    if isinstance(tree, dict):
        return {n: tree_map(function, x, *(r[n] for r in rest)) for n, x in tree.items()}
    return function(tree, *rest)


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of a tree, in the order of `tree_map`."""
    if tree is None:
        return
    if isinstance(tree, Module):
        tree = [getattr(tree, n) for n in tree._array_names]
    elif isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def flattened(tree: Any) -> Array:
    """All numbers of a tree as one vector; of one array a view."""
    parts = [x.reshape(-1) for x in leaves(tree)]
    return parts[0] if len(parts) == 1 else xp.concatenate(parts)


def ravel(tree: Any) -> tuple[Array, Callable[[Array], Any]]:
    """All numbers of a tree as one vector, and the way back: to views of a vector."""
    shapes = [x.shape for x in leaves(tree)]
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    places = list(zip([0, *ends], ends, shapes, strict=False))

    def restore(flat: Array) -> Any:
        pieces = iter(places)

        def piece(_: Any) -> Array:
            first, last, shape = next(pieces)
            return flat[first:last].reshape(shape)

        return tree_map(piece, tree)

    return flattened(tree), restore


# ---- which engine ----


def _jax() -> Any:
    """JAX, if its arrays can be about: without being imported."""
    return sys.modules.get("jax")


def on_device(*trees: Any) -> bool:
    """Whether a leaf is an array of JAX."""
    jax = _jax()
    return jax is not None and any(isinstance(x, jax.Array) for x in leaves(trees))


def is_array(x: Any) -> bool:
    """Whether x is an array of either engine."""
    return isinstance(x, np.ndarray | np.generic) or on_device(x)


def is_inexact(x: Any) -> bool:
    """Whether x is an array of real or complex numbers."""
    return is_array(x) and np.issubdtype(x.dtype, np.inexact)


def to_numpy(tree: T) -> T:
    """The tree with its arrays on the host."""
    return tree_map(lambda x: np.asarray(x) if on_device(x) else x, tree)


def like(tree: T, x: Array) -> T:
    """The tree with its arrays of the engine that x belongs to."""
    if not on_device(x):
        return to_numpy(tree)
    jax = _known_to_jax()
    return tree_map(lambda a: jax.numpy.asarray(a) if is_array(a) else a, tree)


def placed(tree: T, device: Any) -> T:
    """The tree with its arrays on a device of JAX, or of a kind such as "gpu"; "numpy" brings back.

    Raises
    ------
    ValueError
        If JAX is not installed, or knows no such device.
    """
    if device == "numpy":
        return to_numpy(tree)
    try:
        jax = import_module("jax")
        target = jax.devices(device)[0] if isinstance(device, str) else device
    except ImportError as missing:
        raise ValueError('devices need JAX: pip install "flatrank[jax]"') from missing
    except RuntimeError as unknown:
        raise ValueError(f"no device {device!r}: {unknown}") from unknown
    with scope():
        return tree_map(lambda x: jax.device_put(x, target) if is_array(x) else x, tree)


class _Names:
    """Names of NumPy whose functions are those of the engine that their arguments belong to."""

    def __init__(self, room: str):
        self._room = room

    def __getattr__(self, name: str) -> Any:
        ours = getattr(functools.reduce(getattr, self._room.split(".")[1:], np), name)
        if isinstance(ours, type) or not callable(ours):
            return ours
        ours = _forgiving.get(f"{self._room}.{name}", ours)

        @wraps(ours)
        def either(*args: Any, **options: Any) -> Any:
            jax = sys.modules.get("jax")
            if jax is not None and any(
                isinstance(x, jax.Array)
                or (isinstance(x, tuple | list) and any(isinstance(y, jax.Array) for y in x))
                for x in args
            ):
                room = functools.reduce(getattr, self._room.split(".")[1:], jax.numpy)
                return getattr(room, name)(*args, **options)
            return ours(*args, **options)

        setattr(self, name, either)
        return either


def _nan_where_none(function: Callable[..., Any]) -> Callable[..., Any]:
    """NaN, as JAX gives, where LAPACK finds no factorisation."""

    @wraps(function)
    def factored(A: np.ndarray, *args: Any, **options: Any) -> Any:
        try:
            return function(A, *args, **options)
        except np.linalg.LinAlgError:
            like = function(
                np.broadcast_to(np.eye(*A.shape[-2:], dtype=A.dtype), A.shape), *args, **options
            )
            return tree_map(lambda x: np.full_like(x, np.nan), like)

    return factored


_forgiving = {
    f"np.linalg.{name}": _nan_where_none(getattr(np.linalg, name))
    for name in ("cholesky", "eigh", "eigvalsh", "svd", "inv", "norm")
}

xp: Any = _Names("np")
xp.linalg, xp.fft = _Names("np.linalg"), _Names("np.fft")


def _of_scipy(room: str, name: str) -> Callable[..., Any]:
    """A function of SciPy, or of the part of JAX that is called so."""

    @functools.cache
    def ours() -> Any:
        return getattr(import_module(f"scipy.{room}"), name)

    def either(*args: Any, **options: Any) -> Any:
        if on_device(args):
            return getattr(import_module(f"jax.scipy.{room}"), name)(*args, **options)
        return ours()(*args, **options)

    return either


dctn, idctn = _of_scipy("fft", "dctn"), _of_scipy("fft", "idctn")


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


# ---- how functions run ----


def compiled(function: F) -> F:
    """The function itself on NumPy's arrays; compiled, once for each shape, on JAX's."""

    @wraps(function)
    def either(*args: Any, **options: Any) -> Any:
        if not on_device(args, options):
            return function(*args, **options)
        return _jitted(function, args, options)

    return either  # pyright: ignore[reportReturnType]


def _jitted(function: Callable[..., Any], args: Any, options: Any) -> Any:
    """Arrays are traced, all else belongs to the program."""
    jax = _known_to_jax()
    flat, form = jax.tree.flatten((args, options))
    at = tuple(i for i, x in enumerate(flat) if is_array(x))
    rest = tuple(None if i in at else x for i, x in enumerate(flat))
    out, made = _program(function)([flat[i] for i in at], at, rest, form)
    return out if made is None else made


@cache
def _program(function: Callable[..., Any]) -> Any:
    jax = _known_to_jax()

    @functools.partial(jax.jit, static_argnums=(1, 2, 3))
    def program(arrays: list[Any], at: tuple[int, ...], rest: tuple[Any, ...], form: Any) -> Any:
        flat = list(rest)
        for i, x in zip(at, arrays, strict=True):
            flat[i] = x
        args, options = jax.tree.unflatten(form, flat)
        return function(*args, **options), None

    return program


def _known_to_jax() -> Any:
    """JAX, with every module so far registered as one of its trees."""
    jax = sys.modules["jax"]
    while _unknown_to_jax:
        cls: Any = _unknown_to_jax.pop()
        jax.tree_util.register_pytree_node(
            cls,
            lambda x: (
                [getattr(x, n) for n in x._array_names],
                tuple(getattr(x, n) for n in x._static_names),
            ),
            functools.partial(_unflattened, cls),
        )
    return jax


def _unflattened(cls: Any, settings: Any, arrays: Any) -> Any:
    made = object.__new__(cls)
    made.__dict__.update(zip(cls._array_names, arrays, strict=True))
    made.__dict__.update(zip(cls._static_names, settings, strict=True))
    return made


def while_loop(running: Callable[[T], Any], step: Callable[[T], T], state: T) -> T:
    """Steps as long as `running` says so."""
    if on_device(state):
        return _known_to_jax().lax.while_loop(running, step, state)
    while running(state):
        state = step(state)
    return state


def for_loop(first: int, last: int | Array, step: Callable[[Any, T], T], state: T) -> T:
    """Steps first to last − 1, each given its number."""
    if on_device(state):
        return _known_to_jax().lax.fori_loop(first, last, step, state)
    for i in range(first, int(last)):
        state = step(i, state)
    return state


def mapped(function: Callable[[Any], Any], over: Any, like: Any = None) -> Any:
    """The function of each part of the first axis, one by one, stacked; where `like` lies."""
    if on_device(over, like):
        return _known_to_jax().lax.map(function, over)
    parts = [function(tree_map(lambda x, i=i: x[i], over)) for i in range(len(next(leaves(over))))]
    return tree_map(lambda *x: xp.stack(x), *parts)


def put(X: Array, place: Any, value: Any) -> Array:
    """X with a value at a place: X itself, changed, for NumPy, so X must be the caller's own."""
    if on_device(X, value):
        return _known_to_jax().numpy.asarray(X).at[place].set(value)
    X[place] = value
    return X


def put_columns(X: Array, first: Any, Y: Array) -> Array:
    """X with the columns of Y from a column on, as `put` does."""
    if on_device(X, Y, first):
        return _known_to_jax().lax.dynamic_update_slice_in_dim(X, Y, first, 1)
    X[:, first : first + Y.shape[1]] = Y
    return X


def moved(x: Array, a: Scalar, p: Array) -> Array:
    """x + a p: x itself, changed, for NumPy."""
    if on_device(x, a, p):
        return x + a * p
    x += x.dtype.type(a) * p
    return x


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
        return _known_to_jax().lax.dynamic_slice_in_dim(X, first, count, 1)
    return X[:, first : first + count]


def unit_vectors(places: Array | int, d: int, dtype: Any = np.float64, axis: int = -1) -> Array:
    """Unit vectors of length d with the 1 at given places, 0 for places outside."""
    at: Array = xp.asarray(places)
    return xp.moveaxis((at[..., None] == np.arange(d)).astype(dtype), -1, axis)


def added_at(places: Array, values: Array, size: int) -> Array:
    """Values summed into a vector (or the rows of a matrix) of a size, each at its place."""
    if on_device(places, values):
        return (
            _known_to_jax()
            .numpy.zeros((size, *values.shape[1:]), values.dtype)
            .at[places]
            .add(values)
        )
    out = np.zeros((size, *values.shape[1:]), values.dtype)
    np.add.at(out, places, values)
    return out


def normal(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, the same for a seed everywhere."""
    return np.random.default_rng(seed).standard_normal(shape)


# ---- what every public entry point computes under ----


@cache
def _pools() -> Any:
    import_module("scipy.linalg")  # loads the second LAPACK there is
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def scope() -> Iterator[None]:
    """LAPACK on the calling thread, no warnings where NaN is the answer, 64 bits where JAX is.

    Everything is as it was before on leaving. The factorisations here are thin (tall QRs, k × k
    singular values): a second LAPACK thread gains nothing on a quiet machine and, where it must
    wait for a busy core, costs a hundredfold.
    """
    with _pools().limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
        jax = _jax()
        if jax is None:
            yield
        else:
            with jax.enable_x64(True):
                yield
