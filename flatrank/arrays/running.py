"""How functions run: at once, or compiled by JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from flatrank.arrays.engines import is_array, known_to_jax, on_device
from flatrank.arrays.functions import xp
from flatrank.arrays.trees import Array, leaves, tree_map

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def compiled(function: F) -> F:
    """The function itself on NumPy's arrays; compiled, once for each shape, on JAX's."""

    @wraps(function)
    def either(*args: Any, **options: Any) -> Any:
        if not on_device(args, options):
            return function(*args, **options)
        # Arrays are traced, all else belongs to the program.
        flat, form = known_to_jax().tree.flatten((args, options))
        at = tuple(i for i, x in enumerate(flat) if is_array(x))
        rest = tuple(None if is_array(x) else x for x in flat)
        return _program(function)([flat[i] for i in at], at, rest, form)

    return either  # pyright: ignore[reportReturnType]


@cache
def _program(function: Callable[..., Any]) -> Any:
    jax = known_to_jax()

    @functools.partial(jax.jit, static_argnums=(1, 2, 3))
    def program(arrays: list[Any], at: tuple[int, ...], rest: tuple[Any, ...], form: Any) -> Any:
        flat = list(rest)
        for i, x in zip(at, arrays, strict=True):
            flat[i] = x
        args, options = jax.tree.unflatten(form, flat)
        return function(*args, **options)

    return program


def while_loop(running: Callable[[T], Any], step: Callable[[T], T], state: T) -> T:
    """Steps as long as `running` says so."""
    if on_device(state):
        return known_to_jax().lax.while_loop(running, step, state)
    while running(state):
        state = step(state)
    return state


def for_loop(first: int, last: int | Array, step: Callable[[Any, T], T], state: T) -> T:
    """Steps first to last − 1, each given its number."""
    if on_device(state):
        return known_to_jax().lax.fori_loop(first, last, step, state)
    for i in range(first, int(last)):
        state = step(i, state)
    return state


def mapped(function: Callable[[Any], Any], over: Any, like: Any = None) -> Any:
    """The function of each part of the first axis, one by one, stacked; where `like` lies."""
    if on_device(over, like):
        return known_to_jax().lax.map(function, over)
    parts = [function(tree_map(lambda x, i=i: x[i], over)) for i in range(len(next(leaves(over))))]
    return tree_map(lambda *x: xp.stack(x), *parts)
