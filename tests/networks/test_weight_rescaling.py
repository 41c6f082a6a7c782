"""Scale-invariant leaves are found by the loss, and rescaling them changes nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flatrank.networks import rescale_weights, scale_invariant


def network(seed=0, d=4, width=5):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)
    params = {
        "before": {"W": draw(width, d), "c": draw(width)},
        "norm": {"gain": 1 + 0.1 * draw(width), "shift": 0.1 * draw(width)},
        "after": {"W": draw(2, width), "c": jnp.zeros(2)},
        "unused": draw(3),
    }
    return params, (draw(16, d), draw(16, 2))


def outputs(params, x, eps=1e-5):
    h = x @ params["before"]["W"].T + params["before"]["c"]
    h = (h - h.mean(0)) / jnp.sqrt(h.var(0) + eps)
    h = jnp.tanh(params["norm"]["gain"] * h + params["norm"]["shift"])
    return h @ params["after"]["W"].T + params["after"]["c"]


def loss(params, batch):
    return jnp.mean((outputs(params, batch[0]) - batch[1]) ** 2)


def test_only_the_weights_before_batch_normalisation_are_found():
    """Not the bias there, which the loss does not depend on, nor zeros, nor what is unused."""
    params, batch = network()
    found = scale_invariant(lambda p: loss(p, batch), params)
    off = jax.tree.map(lambda _: False, params)
    assert found == off | {"before": {"W": True, "c": False}}


def test_the_tolerance_is_kept():
    params, batch = network()
    blind = lambda p: loss(p, batch) + 1e-4 * jnp.sum(p["before"]["W"] ** 2)
    assert not scale_invariant(blind, params)["before"]["W"]
    assert scale_invariant(blind, params, tolerance=0.5)["before"]["W"]


def test_rescaling_sets_the_norm_and_keeps_the_function():
    params, (x, y) = network()
    f = lambda p: loss(p, (x, y))
    mask = scale_invariant(f, params)
    plain, rescaled = optax.sgd(0.1), optax.chain(optax.sgd(0.1), rescale_weights(mask, norm=2.0))
    gradient = jax.grad(f)(params)
    one, other = (
        optax.apply_updates(params, o.update(gradient, o.init(params), params)[0])
        for o in (plain, rescaled)
    )
    assert float(jnp.linalg.norm(other["before"]["W"])) == pytest.approx(2, rel=1e-6)
    assert float(jnp.linalg.norm(one["before"]["W"])) > 3
    # The loss is blind to scale but for ε = 1e-5 beside variances of about 1.
    np.testing.assert_allclose(outputs(one, x), outputs(other, x), atol=1e-4)
    for place in ("norm", "after", "unused"):
        assert jax.tree.all(jax.tree.map(jnp.array_equal, one[place], other[place]))


def test_the_gradient_of_such_a_weight_is_orthogonal_and_makes_it_longer():
    """⟨W, g⟩ = 0 and ‖W − ηg‖² = ‖W‖² + η²‖g‖²."""
    params, batch = network()
    W = params["before"]["W"]
    g = jax.grad(loss)(params, batch)["before"]["W"]
    size = jnp.linalg.norm(W) * jnp.linalg.norm(g)
    assert abs(jnp.vdot(W, g)) < 1e-4 * size  # ε again
    longer = jnp.sum(W**2) + 9 * jnp.sum(g**2)
    assert float(jnp.sum((W - 3 * g) ** 2)) == pytest.approx(float(longer), rel=1e-4)


def test_a_leaf_brought_to_zero_is_left_there():
    optimiser = rescale_weights(lambda _: True)
    W = jnp.ones((2, 2))
    updates, _ = optimiser.update(-W, optimiser.init(W), W)
    assert jnp.array_equal(W + updates, jnp.zeros((2, 2)))


def test_a_loss_that_is_no_number_gets_a_sentence():
    W = jnp.ones(3)
    with pytest.raises(ValueError, match=r"loss must be one number; got shape \(3,\)"):
        scale_invariant(lambda w: w, W)
    with pytest.raises(ValueError, match=r"finite at the parameters; got nan"):
        scale_invariant(lambda w: jnp.sum(w) * jnp.nan, W)
