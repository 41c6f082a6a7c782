"""Tasks: their penalties are the flatness of their losses, their data what they say."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import flatrank as fr
from flatrank.networks import (
    Classification,
    DeepLinear,
    FactorRecovery,
    QuadraticNetwork,
    scale_invariant,
)


def hessian_trace(task, params):
    flat, back = ravel_pytree(params)
    hessian = jax.hessian(lambda w: task.loss(back(w), task.train))
    return float(jax.jit(lambda w: jnp.trace(hessian(w)))(flat))


def test_factor_recovery_has_the_scaled_trace_of_its_problem():
    task = FactorRecovery.draw((6, 5), m=40, width=3)
    params = task.init(jax.random.key(0))
    pair = tuple(np.asarray(params[name], float) for name in "LR")
    trace = fr.flatness_of(task.problem, pair).scaled_trace  # of Σ, where the loss is a mean
    penalty = float(task.penalty(params, task.train))
    assert 4 * task.problem.m * penalty == pytest.approx(trace, rel=1e-5)  # single precision


def test_a_quadratic_network_has_the_trace_of_its_hessian():
    """tr D²f = 8d(‖D U1‖² + ‖D U2‖²) for f = (1/m) Σ, as both signs have one width."""
    task = QuadraticNetwork.draw(5, m=20, width=2, start=1.0)
    params = task.init(jax.random.key(0))
    penalty = float(task.penalty(params, task.train))
    assert 16 * 5 * penalty == pytest.approx(hessian_trace(task, params), rel=1e-4)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_deep_linear_network_has_half_the_trace_of_its_hessian(depth):
    task = DeepLinear.draw((3, 4), depth=depth, samples=9)
    params = task.init(jax.random.key(0))
    assert [W.shape for W in params] == [(3, 4), *[(3, 3)] * (depth - 1)]
    penalty = float(task.penalty(params, task.train))
    assert 2 * penalty == pytest.approx(hessian_trace(task, params), rel=1e-4)


@pytest.mark.parametrize("kind", [FactorRecovery, QuadraticNetwork])
def test_the_truth_fits_the_data_and_solve_finds_it(kind):
    task = kind.draw()
    solution = fr.solve(task.problem, goal="flat")
    assert solution.status is fr.Status.CERTIFIED
    # A gap of 1e-6 leaves the matrix free by about its root.
    np.testing.assert_allclose(solution.matrix(), task.truth, atol=1e-3)


def test_its_own_truth_has_no_error():
    task = FactorRecovery.draw((6, 5), m=40, width=5)
    U, s, Vt = np.linalg.svd(task.truth, full_matrices=False)
    params = {"L": jnp.asarray(U * s**0.5), "R": jnp.asarray(Vt.T * s**0.5)}
    assert float(task.error(params)) < 1e-5
    assert float(task.error(jax.tree.map(jnp.zeros_like, params))) == 1


def test_depth_below_two_gets_a_sentence():
    with pytest.raises(ValueError, match="depth must be 2 or more; got 1"):
        DeepLinear.draw(depth=1)


@pytest.mark.parametrize("width", [None, 8])
def test_digits_are_blind_to_the_scale_of_what_is_normalised(width):
    task = Classification.digits(hidden=(16,), width=width)
    assert [len(part[1]) for part in (task.train, task.test)] == [1348, 449]
    params = task.init(jax.random.key(0))
    found = scale_invariant(lambda p: task.loss(p, task.train), params)
    hidden, last = found["layers"]
    assert jax.tree.leaves(hidden) == [True] * (1 if width is None else 2)
    assert not any(jax.tree.leaves((last, found["gains"], found["shifts"])))


def test_the_penalty_of_a_dense_layer_is_the_least_of_its_factors():
    dense, factored = (Classification.digits(hidden=(16,), width=w) for w in (None, 16))
    params = factored.init(jax.random.key(0))
    layer = params["layers"][0]
    same = dense.init(jax.random.key(0))
    weight = same["layers"][0].weight
    assert weight.shape == layer.weight.shape
    same["layers"][0] = jax.tree.map(lambda _: layer.weight, same["layers"][0])
    one, other = dense.penalty(same, dense.train), factored.penalty(params, factored.train)
    assert 0 < float(one) < float(other)


def test_mnist1d_is_made_here_and_leaves_chance_as_it_was(monkeypatch):
    requests = pytest.importorskip("requests")
    monkeypatch.setattr(requests, "get", None)  # a download would fail
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    expected = random.Random(3).random(), np.random.RandomState(3).rand()
    task = Classification.mnist1d()
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002
    assert [part[0].shape for part in (task.train, task.test)] == [(4000, 40), (1000, 40)]
    assert set(np.asarray(task.test[1])) == set(range(10))
