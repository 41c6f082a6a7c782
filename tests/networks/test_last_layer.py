"""The last layer: its problem is that of N d_out measurements, whatever form it is stated in."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flatrank as fr
from flatrank.networks import FlatLinear, LastLayer, rescaled_nuclear_norm, second_moment


def features(N=40, d_in=6, d_out=4, seed=0):
    rng = np.random.default_rng(seed)
    phi = rng.standard_normal((N, d_in)) @ rng.standard_normal((d_in, d_in))
    W = rng.standard_normal((d_out, 2)) @ rng.standard_normal((2, d_in))
    return phi, phi @ W.T + 0.3 * rng.standard_normal((N, d_out))


def objective(L, R, phi, y, lam):
    W = L @ R.T
    with jax.enable_x64(True):
        norm = float(rescaled_nuclear_norm(jnp.asarray(W), second_moment(phi)))
    return 0.5 * np.sum((phi @ W.T - y) ** 2) / len(phi) + lam * norm


@pytest.mark.parametrize(("N", "d_in"), [(40, 6), (5, 9)])
def test_it_is_the_sensing_problem_of_every_sample_and_output(N, d_in):
    """A = eⱼφᵢᵀ, bᵢⱼ = yᵢⱼ: N times the objective, the same optimum."""
    phi, y = features(N, d_in)
    lam, d_out = 0.05, y.shape[1]
    layer = LastLayer.of(phi, y, lam)
    A = (np.eye(d_out)[None, :, :, None] * phi[:, None, None, :]).reshape(-1, d_out, d_in)
    whole = fr.sensing(A, y.ravel(), lam=N * lam)

    L, R = layer.flattest().L, layer.flattest().R
    short, long = layer.certify(L, R), fr.certify(whole, (L, R))
    # Both gaps are rounding: the optimum of one is the optimum of the other.
    assert short.relative_gap < 1e-10
    assert long.relative_gap < 1e-8
    assert short.unique
    both = short.primal + layer.unexplained
    assert N * both == pytest.approx(long.primal, rel=1e-10)
    assert both == pytest.approx(objective(L, R, phi, y, lam), rel=1e-10)


def test_size_does_not_grow_with_the_samples():
    phi, y = features(N=500)
    assert LastLayer.of(phi, y, 0.1).problem.m == phi.shape[1] * y.shape[1]


def test_what_solve_finds_is_the_closed_form():
    phi, y = features()
    layer = LastLayer.of(phi, y, 0.1)
    Z = fr.solve(layer.problem, tol=1e-9).matrix()
    L, R = layer.flattest().L, layer.flattest().R
    # A relative gap γ bounds ½‖Z − Z*‖² by γ times the objective, here about 1.
    np.testing.assert_allclose(layer.T @ (R @ L.T), Z.T, atol=1e-4)


def test_the_flattest_pair_has_the_least_penalty_of_its_product():
    phi, y = features()
    L, R = LastLayer.of(phi, y, 0.1).flattest().L, LastLayer.of(phi, y, 0.1).flattest().R
    sigma = phi.T @ phi / len(phi)
    one = np.trace(sigma) / (len(L) * len(R)) * L.T @ L
    other = R.T @ sigma @ R / len(L)
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_floor_holds_for_every_layer_and_shows_one_that_is_too_narrow():
    phi, y = features()
    layer, rng = LastLayer.of(phi, y, 0.02), np.random.default_rng(1)
    best = layer.flattest()
    assert best.rank > 1
    narrow = layer.certify(best.L[:, :1], best.R[:, :1])
    assert narrow.gap > 1e-3
    assert narrow.operator_norm > 1
    for _ in range(5):
        L, R = rng.standard_normal((4, 3)), rng.standard_normal((6, 3))
        assert objective(L, R, phi, y, 0.02) - layer.unexplained >= narrow.dual_bound


def test_a_trained_layer_is_certified_with_its_bias():
    phi, y = features()
    layer = FlatLinear(6, 4, 4, key=jax.random.key(0))
    best = LastLayer.of(phi, y - 1.0, 0.1).flattest().resized(4)
    parts = [jnp.asarray(x, jnp.float32) for x in (best.L, best.R, np.ones(4))]
    trained = eqx.tree_at(lambda layer: (layer.L, layer.R, layer.bias), layer, parts)
    # Single precision leaves a gap of the order of 1e-6.
    assert trained.certify(phi, y, 0.1).relative_gap < 1e-5
    assert layer.certify(phi, y, 0.1).relative_gap > 0.1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": np.zeros((3, 4))}, "a row for each sample; got shapes (40, 6) and (3, 4)"),
        ({"inputs": np.zeros((40, 6))}, "the inputs not all zero"),
        ({"targets": np.full((40, 4), np.nan)}, "must be finite"),
        ({"lam": 0.0}, "lam must be above 0; got 0.0"),
    ],
)
def test_bad_data_get_a_sentence(change, sentence):
    phi, y = features()
    with pytest.raises(ValueError, match=r".+") as caught:
        LastLayer.of(**{"inputs": phi, "targets": y, "lam": 0.1} | change)
    assert sentence in str(caught.value)


def test_targets_of_another_layer_get_a_sentence():
    layer = FlatLinear(6, 4, 2, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"targets must have shape \(N, 4\); got \(40, 5\)"):
        layer.certify(np.ones((40, 6)), np.ones((40, 5)), 0.1)


def test_targets_of_zero_are_fitted_by_the_zero_layer():
    layer = LastLayer.of(features()[0], np.zeros((40, 4)), 0.1)
    best = layer.flattest()
    assert best.rank == 0
    assert layer.certify(best.L, best.R).primal == 0


def test_factors_of_another_layer_get_a_sentence():
    layer = LastLayer.of(*features(), 0.1)
    with pytest.raises(ValueError, match=r"R must have a row for each of the 6 inputs"):
        layer.certify(np.zeros((4, 2)), np.zeros((5, 2)))
