"""Projections on random directions: their mean and variance are those of the spectrum."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flatrank.networks import add_projected_spread, projected_spread, projections

W = np.random.default_rng(0).standard_normal((6, 9))
LAM = np.linalg.eigvalsh(W @ W.T)


def test_mean_and_variance_are_those_of_the_eigenvalues():
    """E q = λ̄ and Var q = 2/(n(n+2)) Σ(λᵢ − λ̄)²."""
    n, count = len(W), 40_000
    q = np.asarray(projections(jnp.asarray(W, jnp.float32), jax.random.key(0), count))
    variance = 2 / (n * (n + 2)) * np.sum((LAM - LAM.mean()) ** 2)
    # Within five standard errors, that of the variance by the fourth moment of the sample.
    assert abs(q.mean() - LAM.mean()) < 5 * np.sqrt(variance / count)
    error = np.sqrt((np.mean((q - q.mean()) ** 4) - variance**2) / count)
    assert abs(q.var(ddof=1) - variance) < 5 * error


def test_few_directions_give_an_unbiased_variance():
    n, draws, spread = len(W), 4000, lambda key: jnp.var(projections(X, key, 2), ddof=1)
    X = jnp.asarray(W, jnp.float32)
    samples = np.asarray(jax.vmap(spread)(jax.random.split(jax.random.key(1), draws)))
    variance = 2 / (n * (n + 2)) * np.sum((LAM - LAM.mean()) ** 2)
    assert abs(samples.mean() - variance) < 5 * samples.std() / np.sqrt(draws)


def test_it_is_free_of_scale_and_none_for_orthonormal_rows():
    X, key = jnp.asarray(W, jnp.float32), jax.random.key(2)
    one = float(projected_spread(X, key, 8))
    assert float(projected_spread(4 * X, key, 8)) == pytest.approx(one, rel=1e-5)
    Q = jnp.asarray(np.linalg.qr(W.T)[0].T, jnp.float32)
    assert one > 1e-2
    assert float(projected_spread(Q, key, 8)) < 1e-12  # (1e-7)², rounding
    assert float(projected_spread(0 * X, key, 8)) == 0
    assert np.all(np.isfinite(jax.grad(projected_spread)(0 * X, key, 8)))


def test_descent_draws_the_eigenvalues_together():
    params = {"W": jnp.asarray(W, jnp.float32), "c": jnp.ones(3)}
    optimiser = optax.chain(add_projected_spread(1.0, key=3), optax.sgd(0.3))
    nothing = jax.tree.map(jnp.zeros_like, params)

    def step(carry, _):
        params, state = carry
        updates, state = optimiser.update(nothing, state, params)
        return (optax.apply_updates(params, updates), state), None

    start = params, optimiser.init(params)
    (end, _), _ = jax.jit(lambda s: jax.lax.scan(step, s, length=300))(start)
    lam = np.linalg.eigvalsh(np.asarray(end["W"]) @ np.asarray(end["W"]).T)
    assert np.std(lam) / np.mean(lam) < 0.3 * np.std(LAM) / np.mean(LAM)
    assert np.all(np.asarray(end["c"]) == 1)  # vectors are left alone


def test_kernels_of_four_axes_are_matrices_of_their_outputs():
    params = {"K": jnp.asarray(W, jnp.float32).reshape(6, 1, 3, 3)}
    flat = {"K": params["K"].reshape(6, 9)}
    optimiser = add_projected_spread(1.0, key=4)
    updates = [
        optimiser.update(jax.tree.map(jnp.zeros_like, p), optimiser.init(p), p)[0]["K"]
        for p in (params, flat)
    ]
    np.testing.assert_allclose(updates[0].reshape(6, 9), updates[1], rtol=1e-6)


def test_a_vector_that_is_chosen_gets_a_sentence():
    optimiser = add_projected_spread(1.0, key=0, mask=lambda _: True)
    with pytest.raises(ValueError, match=r"two axes or more; got shape \(3,\) at \['c'\]"):
        optimiser.init({"c": jnp.ones(3)})
