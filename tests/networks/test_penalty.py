"""The penalty is the scaled trace of the Hessian, exactly, and its least value a nuclear norm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank.networks import FlatLinear, flat_penalty, rescaled_nuclear_norm, second_moment

N, D_IN, D_OUT, K = 7, 4, 3, 2


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def draw(seed=0):
    rng = np.random.default_rng(seed)
    shapes = (D_OUT, K), (D_IN, K), (N, D_IN), (N, 5), (5, D_OUT)
    return [jnp.asarray(rng.standard_normal(shape)) for shape in shapes]


def near(x, rel):
    return pytest.approx(float(x), rel=rel)


@partial(jax.jit, static_argnums=0)
def scaled_trace(f, L, R):
    """(1/d1) of the trace in L, (1/d2) of that in R, by the whole Hessian."""
    one = jax.hessian(f, 0)(L, R).reshape(L.size, L.size)
    other = jax.hessian(f, 1)(L, R).reshape(R.size, R.size)
    return jnp.trace(one) / len(L) + jnp.trace(other) / len(R)


def test_it_is_the_scaled_trace_of_a_two_layer_linear_network():
    """tr D²f = 2(d_out tr(RᵀΣR) + tr(Σ)‖L‖²) of f = (1/N) Σ ‖L Rᵀxᵢ − yᵢ‖², at any weights."""
    L, R, X, Y, _ = draw()
    f = lambda L, R: jnp.sum((X @ R @ L.T - Y[:, :D_OUT]) ** 2) / N
    penalty = flat_penalty(L, R, second_moment(X))
    assert 4 * D_OUT * penalty == near(scaled_trace(f, L, R), 1e-12)


def test_it_is_exact_before_any_linear_map():
    """f = (1/N) Σ ‖A L Rᵀxᵢ − yᵢ‖², G = AᵀA."""
    L, R, X, Y, A = draw()
    f = lambda L, R: jnp.sum((X @ R @ L.T @ A.T - Y) ** 2) / N
    penalty = flat_penalty(L, R, second_moment(X), A.T @ A)
    assert 4 * D_OUT * penalty == near(scaled_trace(f, L, R), 1e-12)


def test_before_a_nonlinear_map_it_is_not():
    L, R, X, Y, _ = draw()
    f = lambda L, R: jnp.sum((jnp.tanh(X @ R @ L.T) - Y[:, :D_OUT]) ** 2) / N
    assert 4 * D_OUT * flat_penalty(L, R, second_moment(X)) != near(scaled_trace(f, L, R), 0.1)


@pytest.mark.parametrize("weighed", [False, True])
def test_its_least_value_is_the_rescaled_nuclear_norm(weighed):
    L, R, X, _, A = draw()
    sigma, G = second_moment(X), A.T @ A if weighed else None
    least = float(rescaled_nuclear_norm(L @ R.T, sigma, G))
    penalty = jax.jit(lambda L, R: flat_penalty(L, R, sigma, G))
    assert penalty(L, R) > 1.01 * least
    L, R, rng = np.asarray(L), np.asarray(R), np.random.default_rng(0)
    for B in rng.standard_normal((3, K, K)):  # any other factors of the same product
        assert penalty(L @ B, R @ np.linalg.inv(B).T) >= least
    # D-balanced factors reach it.
    sigma, G = np.asarray(sigma), np.eye(D_OUT) if G is None else np.asarray(G)
    D1 = root(np.trace(sigma) * G / (D_OUT * D_IN))
    D2 = root(np.trace(G) * sigma / D_OUT**2)
    U, s, Vt = np.linalg.svd(D1 @ L @ R.T @ D2)
    best = (
        np.linalg.solve(D1, U[:, :K] * s[:K] ** 0.5),
        np.linalg.solve(D2, Vt[:K].T * s[:K] ** 0.5),
    )
    assert penalty(*best) == near(least, 1e-12)


def root(G):
    w, V = np.linalg.eigh(G)
    return (V * np.sqrt(w)) @ V.T


def test_the_norm_has_a_gradient_where_the_rank_is_deficient():
    L, R, X, _, _ = draw()
    W, sigma = L[:, :1] @ R[:, :1].T, second_moment(X)
    gradient = jax.grad(rescaled_nuclear_norm)(W, sigma)
    # ⟨W, ∇⟩ = the norm, which is homogeneous of degree one.
    assert jnp.vdot(W, gradient) == near(rescaled_nuclear_norm(W, sigma), 1e-10)


def test_a_layer_has_it():
    X = draw()[2]
    layer = FlatLinear(D_IN, D_OUT, K, key=jax.random.key(0))
    expected = flat_penalty(layer.L, layer.R, second_moment(X))
    assert layer.penalty(second_moment(X)) == expected
    np.testing.assert_allclose(jax.vmap(layer)(X), X @ layer.weight.T, rtol=1e-12)


def test_a_layer_starts_balanced_with_entries_of_variance_one_over_the_inputs():
    layer = FlatLinear(300, 100, 200, key=jax.random.key(0))
    # Of 30 000 entries that are sums of 200 products: a few per cent of chance.
    assert jnp.var(layer.weight) == near(1 / 300, 0.05)
    assert jnp.vdot(layer.L, layer.L) == near(jnp.vdot(layer.R, layer.R), 0.05)


def test_what_does_not_fit_gets_a_sentence():
    L, R, X, _, _ = draw()
    with pytest.raises(ValueError, match=r"second moment of the 4 inputs, of shape \(4, 4\); got"):
        flat_penalty(L, R, X)
    with pytest.raises(ValueError, match=r"weigh the 3 outputs, of shape \(3, 3\); got \(4, 4\)"):
        flat_penalty(L, R, jnp.eye(4), jnp.eye(4))
    with pytest.raises(ValueError, match="width must be 1 or more; got 0"):
        FlatLinear(3, 2, 0, key=jax.random.key(0))
