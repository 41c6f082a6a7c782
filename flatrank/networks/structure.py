"""What every transformation asks of the trees that it is given, said in one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

Mask = Any | Callable[[Any], Any]
"""A tree of True and False over the parameters, or the function that makes it from them."""


def guarded(
    name: str, inner: optax.GradientTransformation, mask: Mask | None = None
) -> optax.GradientTransformationExtraArgs:
    """A transformation of parameters on the leaves of a mask, behind a check of its trees.

    Its `init` and `update` raise ValueError where a mask does not fit the parameters, where
    `update` is called without them, or with parameters unlike the updates.
    """

    def fitting(tree: Any) -> Any:
        chosen = mask(tree) if callable(mask) else mask
        try:
            jax.tree.map(lambda *_: None, chosen, tree)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name}: the mask must have the structure of the parameters, or of the top of it; "
                f"got {_sketch(chosen)} for {_sketch(tree)}"
            ) from None
        return chosen

    on_leaves = inner if mask is None else optax.masked(inner, fitting)
    on_leaves = optax.with_extra_args_support(on_leaves)

    def update(updates: Any, state: Any, params: Any = None, **more: Any) -> tuple[Any, Any]:
        if params is None:
            raise ValueError(
                f"{name} needs the parameters themselves: call update(updates, state, params)"
            )
        check_alike(name, "updates", updates, params)
        return on_leaves.update(updates, state, params, **more)

    return optax.GradientTransformationExtraArgs(on_leaves.init, update)


def check_alike(name: str, what: str, tree: Any, params: Any) -> None:
    """ValueError unless a tree has the structure and the shapes of the parameters."""
    if jax.tree.structure(tree) != jax.tree.structure(params):
        raise ValueError(
            f"{name}: the {what} must have the structure of the parameters, {_sketch(params)}; "
            f"got {_sketch(tree)}. Of an equinox module pass eqx.filter(module, "
            "eqx.is_inexact_array) as parameters"
        )
    for (path, p), x in zip(jax.tree.leaves_with_path(params), jax.tree.leaves(tree), strict=True):
        if jnp.shape(x) != jnp.shape(p):
            place = jax.tree_util.keystr(path) or "the top"
            raise ValueError(
                f"{name}: the {what} must have the shapes of the parameters; "
                f"got {jnp.shape(x)} for {jnp.shape(p)} at {place}"
            )


def _sketch(tree: Any) -> str:
    """The places of the leaves of a tree, the first few."""
    leaves = jax.tree.leaves_with_path(tree)
    places = [jax.tree_util.keystr(path) or "one leaf" for path, _ in leaves]
    more = f" and {len(places) - 4} more" if len(places) > 4 else ""
    return f"{', '.join(places[:4])}{more}" if places else "no leaves"
