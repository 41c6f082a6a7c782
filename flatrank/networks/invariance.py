"""Which leaves a loss does not see the scale of, found by asking the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

LENGTHS = 0.5, 2.0, 8.0
"""How much shorter and longer a leaf is tried; powers of two, which are exact."""


def scale_invariant(
    loss: Callable[[Any], jax.Array], params: Any, *, tolerance: float = 1e-3
) -> Any:
    """Find the leaves W with loss(aW) = loss(W) for a = ½, 2 and 8, but not for a = 0.

    The last keeps out leaves of zeros, and those that the loss does not depend on at all.

    Parameters
    ----------
    loss : callable
        Of the parameters alone, without a penalty; on a batch that stands for the data.
    params : tree of arrays
        Where it is asked, other leaves left as they are.
    tolerance : float
        How much of its size the loss may change. Batch normalisation divides by √(variance + ε),
        so that it is blind to scale only up to about ε/variance.

    Returns
    -------
    tree of bool
        With the structure of `params`: a mask for `rescale_weights`.

    Raises
    ------
    ValueError
        If the loss is not one number, or not finite at `params`.

    Notes
    -----
    It is a test at one point: a loss that hardly depends on a leaf there passes for blind to its
    scale. Cost: one compilation and four values of the loss for each leaf.
    """
    compiled = jax.jit(loss)
    leaves, structure = jax.tree.flatten(params)

    def value(place: int, factor: float) -> float:
        changed = [factor * x if n == place else x for n, x in enumerate(leaves)]
        return float(compiled(structure.unflatten(changed)))

    here = compiled(params)
    if here.shape != ():
        raise ValueError(f"loss must be one number; got shape {here.shape}")
    base = float(here)
    if not math.isfinite(base):
        raise ValueError(f"loss must be finite at the parameters; got {base}")

    def same(other: float) -> bool:
        return abs(other - base) <= tolerance * max(abs(other), abs(base))

    return structure.unflatten(
        all(same(value(n, a)) for a in LENGTHS) and not same(value(n, 0.0))
        for n in range(len(leaves))
    )
