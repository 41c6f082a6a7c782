"""Rebalancing: what weight rescaling becomes where the function sees L Rᵀ alone.

    (L, R) ← (L B, R B⁻ᵀ)  with  LᵀL = RᵀR  afterwards

L Rᵀ is unchanged, so is every function of it, and ‖L‖² + ‖R‖² is least among the pairs of that
product. Gradient flow keeps LᵀL − RᵀR, so the balance of the start persists; steps of finite length
and decay drift from it.

Source: ours, after the retraction of the balanced set (`theory.BalancedPairs`). Scaling L alone
would change the function; scaling (cL, R/c), or any gauge of the pair, does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from flatrank.arrays import Array
from flatrank.factors import FactorPair, balance
from flatrank.networks.linear import flat_pairs
from flatrank.networks.structure import guarded
from flatrank.theory.balanced import align

Pairs = Callable[[Any], Sequence[tuple[Any, Any]]]


def rebalanced(L: Array, R: Array) -> tuple[Array, Array]:
    """The balanced pair of L Rᵀ nearest to (L, R); (d1, k) and (d2, k), O((d1 + d2) k²) flops.

    Nearest, because the moments that an optimiser keeps belong to the columns as they were.
    """
    moved = FactorPair(L, R)
    pair, _ = align(balance(moved)[0], moved)
    return pair.L, pair.R


def rebalance(pairs: Pairs = flat_pairs) -> optax.GradientTransformationExtraArgs:
    """Bring LᵀL − RᵀR of chosen pairs to zero after each step, their products L Rᵀ unchanged.

    Parameters
    ----------
    pairs : callable
        From the parameters to pairs of leaves (L, R), (d1, k) and (d2, k), each leaf in one pair at
        most. By default the factors of every `FlatLinear`. With no pairs the step is what it was.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        For the end of `optax.chain`, after the learning rate.

    Raises
    ------
    ValueError
        In use, if trees do not fit or `pairs` does not find pairs in them.

    Notes
    -----
    Cost: for each pair and step QR of both and an SVD of a k × k matrix, O((d1 + d2) k² + k³).
    """

    def leaves(tree: Any) -> list[Any]:
        return [leaf for pair in pairs(tree) for leaf in pair]

    def step(updates: Any, params: Any) -> Any:
        found = _checked(pairs, params)
        if not found:
            return updates
        new = []
        for (L, R), (U, V) in zip(found, _checked(pairs, updates), strict=True):
            left, right = rebalanced(L + U, R + V)
            new += [left - L, right - R]
        return eqx.tree_at(leaves, updates, new)

    return guarded("rebalance", optax.stateless(step))


def _checked(pairs: Pairs, tree: Any) -> list[tuple[Any, Any]]:
    try:
        found = [(L, R) for L, R in pairs(tree)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "rebalance: pairs(params) must give pairs (L, R) of leaves of the parameters; "
            f"it failed with {type(error).__name__}: {error}"
        ) from None
    chosen = [id(leaf) for pair in found for leaf in pair]
    if len(set(chosen)) < len(chosen) or not set(chosen) <= set(map(id, jax.tree.leaves(tree))):
        raise ValueError(
            "rebalance: pairs(params) must be leaves of the parameters, each in one pair, and not "
            "computed from them: hold the factors as L and R of L Rᵀ"
        )
    for L, R in found:
        shapes = jnp.shape(L), jnp.shape(R)
        if not len(shapes[0]) == len(shapes[1]) == 2 or shapes[0][1] != shapes[1][1]:
            raise ValueError(
                "rebalance: a pair must be L of shape (d1, k) and R of shape (d2, k), for L Rᵀ; "
                f"got {shapes[0]} and {shapes[1]}"
            )
    return found
