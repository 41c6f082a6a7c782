"""What holds of every transformation: off it is optax's own, it runs for many seeds, is saved."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flatrank import networks


def network(seed=0, d=4, width=5):
    """W1, batch normalisation with gain and shift, tanh, W2 and c2; a batch and its targets."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)
    params = {
        "W1": draw(width, d), "gain": 1 + 0.1 * draw(width),
        "shift": 0.1 * draw(width), "W2": draw(2, width), "c2": jnp.zeros(2),
    }  # fmt: skip
    return params, (draw(16, d), draw(16, 2))


def loss(params, batch, eps=1e-5):
    x, y = batch
    h = x @ params["W1"].T
    h = (h - h.mean(0)) / jnp.sqrt(h.var(0) + eps)
    h = jnp.tanh(params["gain"] * h + params["shift"])
    return jnp.mean((h @ params["W2"].T + params["c2"] - y) ** 2)


def trained(optimiser, params, f, steps=5, state=None):
    """The parameters and the state after so many steps, in one compiled loop."""

    def step(carry, _):
        params, state = carry
        updates, state = optimiser.update(jax.grad(f)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    state = optimiser.init(params) if state is None else state
    return jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps)[0])((params, state))


def same_bits(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def adam_with(last):
    return optax.chain(optax.adam(1e-2), last)


ADAMW = {"learning_rate": 1e-2, "weight_decay": 0.1}
OFF = {
    "decay": (
        networks.adam_with_averaged_decay(**ADAMW, damping=0.0, averaging=0.0),
        optax.adamw(**ADAMW),
    ),
    "projected": (
        optax.chain(networks.add_projected_spread(0.0, key=0), optax.sgd(0.1, momentum=0.9)),
        optax.sgd(0.1, momentum=0.9),
    ),
    "rescaling": (adam_with(networks.rescale_weights(lambda _: False)), optax.adam(1e-2)),
    "rebalancing": (adam_with(networks.rebalance(lambda _: [])), optax.adam(1e-2)),
}
ON = {
    "decay": networks.adam_with_averaged_decay(**ADAMW, damping=1e-3),
    "projected": optax.chain(networks.add_projected_spread(1.0, key=0), optax.sgd(0.1)),
    "rescaling": adam_with(networks.rescale_weights(lambda p: {k: k == "W1" for k in p})),
    "rebalancing": adam_with(networks.rebalance(lambda p: [(p["W1"], p["V"])])),
}


def of(params, batch, kind):
    """Where pairs are rebalanced, W1 is a product."""
    if kind != "rebalancing":
        return params, lambda p: loss(p, batch)
    params = params | {"V": 3 * params["W1"][:4]}
    return params, lambda p: loss(p | {"W1": p["W1"] @ p["V"].T}, batch)


@pytest.mark.parametrize("kind", OFF)
def test_switched_off_it_is_optax_to_the_last_bit(kind):
    params, batch = network()
    ours, theirs = OFF[kind]
    f = lambda p: loss(p, batch)
    same_bits(trained(ours, params, f)[0], trained(theirs, params, f)[0])
    # And by single calls, without a compiled loop around them.
    gradient = jax.grad(f)(params)
    one, other = (o.update(gradient, o.init(params), params)[0] for o in (ours, theirs))
    same_bits(optax.apply_updates(params, one), optax.apply_updates(params, other))


@pytest.mark.parametrize("kind", ON)
def test_many_seeds_run_at_once(kind):
    batch = network()[1]
    runs = [of(network(seed)[0], batch, kind) for seed in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *(params for params, _ in runs))
    together = jax.vmap(lambda p: trained(ON[kind], p, runs[0][1])[0])(stacked)
    alone = trained(ON[kind], runs[2][0], runs[2][1])[0]
    for x, y in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        # Batched products are summed in another order: single precision over five steps.
        np.testing.assert_allclose(x[2], y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ON)
def test_training_goes_on_from_a_file(kind, tmp_path):
    params, batch = network()
    params, f = of(params, batch, kind)
    half = trained(ON[kind], params, f, steps=3)
    eqx.tree_serialise_leaves(tmp_path / "run.eqx", half)
    like = params, ON[kind].init(params)
    restored = eqx.tree_deserialise_leaves(tmp_path / "run.eqx", like)
    same_bits(restored, half)
    on = trained(ON[kind], *restored[:1], f, steps=2, state=restored[1])
    same_bits(on, trained(ON[kind], params, f, steps=5))


NAMES = {
    "decay": networks.add_averaged_decay(0.1),
    "projected": networks.add_projected_spread(1.0, key=0),
    "rescaling": networks.rescale_weights({"W": True}),
    "rebalancing": networks.rebalance(lambda p: [(p["W"], p["W"])]),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_wrong_tree_gets_a_sentence(kind):
    params = {"W": jnp.ones((3, 2))}
    optimiser = NAMES[kind]
    state = optimiser.init(params)
    with pytest.raises(ValueError, match=r"needs the parameters themselves: call update\("):
        optimiser.update(params, state)
    with pytest.raises(ValueError, match=r"updates must have the structure of the parameters, "):
        optimiser.update({"V": params["W"]}, state, params)
    with pytest.raises(ValueError, match=r"got \(3,\) for \(3, 2\) at \['W'\]"):
        optimiser.update({"W": jnp.ones(3)}, state, params)


def test_a_wrong_mask_or_state_gets_a_sentence():
    params = {"W": jnp.ones((3, 2)), "c": jnp.ones(3)}
    with pytest.raises(ValueError, match=r"the mask must have the structure .* got \['V'\] for"):
        networks.rescale_weights({"V": True}).init(params)
    decay = networks.add_averaged_decay(0.1)
    with pytest.raises(ValueError, match=r"average in the state must have .* got \['W'\]\. Of"):
        decay.update(params, decay.init({"W": params["W"]}), params)


def test_decay_follows_its_formula():
    """w ← w − η (m̂/(√v̂ + ε + ρ) + λ d̂), by hand for two steps."""
    eta, lam, rho, beta = 0.1, 0.5, 0.05, 0.6
    optimiser = networks.adam_with_averaged_decay(
        eta, weight_decay=lam, damping=rho, averaging=beta
    )
    w = start = np.array([1.0, -2.0])
    state = optimiser.init(jnp.asarray(w))
    m = v = d = np.zeros(2)
    for t, g in enumerate((np.array([0.3, 0.1]), np.array([-0.2, 0.4])), start=1):
        m, v, d = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, beta * d + (1 - beta) * w
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8 + rho)
        updates, state = optimiser.update(jnp.asarray(g), state, jnp.asarray(w))
        w = w - eta * (step + lam * d / (1 - beta**t))
        start = start + np.asarray(updates)
        np.testing.assert_allclose(start, w, rtol=1e-5)  # single precision


def test_settings_out_of_range_get_a_sentence():
    with pytest.raises(ValueError, match=r"averaging must be from 0 to below 1; got 1"):
        networks.add_averaged_decay(0.1, averaging=1)
    with pytest.raises(ValueError, match=r"damping must be 0 or more; got -1"):
        networks.adam_with_averaged_decay(0.1, weight_decay=0.1, damping=-1)
    with pytest.raises(ValueError, match=r"directions must be 2 or more, for a variance; got 1"):
        networks.add_projected_spread(1.0, key=0, directions=1)
    with pytest.raises(ValueError, match=r"norm must be above 0; got 0"):
        networks.rescale_weights(lambda _: True, norm=0)
