"""Rebalancing changes no function of L Rᵀ and brings LᵀL − RᵀR to zero."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flatrank.networks import FlatLinear, rebalance, rebalanced


@pytest.mark.parametrize("k", [2, 4, 7])
def test_the_product_stays_and_the_grams_agree(k):
    rng = np.random.default_rng(0)
    L, R = 5 * rng.standard_normal((6, k)), rng.standard_normal((4, k))
    left, right = rebalanced(L, R)
    np.testing.assert_allclose(left @ right.T, L @ R.T, atol=1e-12)
    np.testing.assert_allclose(left.T @ left, right.T @ right, atol=1e-12)
    nuclear = np.linalg.svd(L @ R.T)[1].sum()
    assert np.sum(left**2) + np.sum(right**2) == pytest.approx(2 * nuclear, rel=1e-12)


def test_a_balanced_pair_is_left_where_it_is():
    """Not turned into another gauge: an optimiser's moments stay those of its columns."""
    rng = np.random.default_rng(1)
    L, R = rebalanced(rng.standard_normal((6, 3)), rng.standard_normal((4, 3)))
    again = rebalanced(L, R)
    np.testing.assert_allclose(again[0], L, atol=1e-12)
    np.testing.assert_allclose(again[1], R, atol=1e-12)


def test_training_a_layer_keeps_it_balanced_and_descends():
    rng = np.random.default_rng(2)
    X = jnp.asarray(rng.standard_normal((30, 5)), jnp.float32)
    Y = X @ jnp.asarray(rng.standard_normal((5, 4)), jnp.float32)
    layer = FlatLinear(5, 4, 4, key=jax.random.key(0))
    layer = eqx.tree_at(lambda layer: layer.L, layer, 4 * layer.L)
    optimiser = optax.chain(optax.adam(3e-2), rebalance())
    loss = lambda layer: jnp.mean((jax.vmap(layer)(X) - Y) ** 2)

    def step(carry, _):
        layer, state = carry
        updates, state = optimiser.update(jax.grad(loss)(layer), state, layer)
        layer = optax.apply_updates(layer, updates)
        return (layer, state), jnp.linalg.norm(layer.L.T @ layer.L - layer.R.T @ layer.R)

    start = layer, optimiser.init(layer)
    (end, _), imbalance = jax.jit(lambda s: jax.lax.scan(step, s, length=300))(start)
    # Rounding of single precision, relative to factors of norm about 4.
    assert jnp.max(imbalance) < 1e-4
    assert loss(end) < 1e-3 * loss(layer)


def test_what_is_no_pair_gets_a_sentence():
    params = {"L": jnp.ones((4, 2)), "R": jnp.ones((3, 3))}
    for pairs, sentence in (
        (lambda p: [(p["L"], p["R"])], r"for L Rᵀ; got \(4, 2\) and \(3, 3\)"),
        (lambda p: [(p["L"], p["S"])], r"it failed with KeyError: 'S'"),
        (lambda p: [p["L"]], r"must give pairs \(L, R\) of leaves"),
        (lambda p: [(p["L"], 2 * p["L"])], r"must be leaves of the parameters, each in one pair"),
        (lambda p: [(p["L"], p["L"])], r"must be leaves of the parameters, each in one pair"),
    ):
        optimiser = rebalance(pairs)
        with pytest.raises(ValueError, match=sentence):
            optimiser.update(params, optimiser.init(params), params)
