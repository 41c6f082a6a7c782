"""Products with Hessian, Gauss-Newton and Fisher matrices, against dense ones by definition."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank.networks import Composition, curvature, given_curvature
from flatrank.networks.losses import KINDS

RNG = np.random.default_rng(0)
X, Y = jnp.asarray(RNG.standard_normal((12, 3))), jnp.asarray(RNG.integers(0, 2, 12))
PARAMS = {
    "bias": jnp.asarray(RNG.standard_normal(2)),
    "weight": jnp.asarray(RNG.standard_normal((3, 2))),
}


def model(params, x):
    return jnp.tanh(x @ params["weight"]) * jnp.exp(params["bias"])


def summed(z, y):
    return -jnp.sum(jax.nn.log_softmax(z)[jnp.arange(y.size), y])


def averaged(z, y):
    return summed(z, y) / y.size


CRITERIA = {"sum": summed, "mean": averaged}
# Products are in single precision: dense matrices of the same agree to some 1e-7 of their size.
CLOSE = 1e-5


def matrix(H):
    """From its products with unit vectors."""
    n = H.form.n
    cuts = np.cumsum([int(np.prod(s)) for s in H.form.shapes])[:-1]
    columns = []
    for e in np.eye(n, dtype=np.float32):
        parts = zip(np.split(e, cuts), H.form.shapes, strict=True)
        He = H(tuple(jnp.asarray(part.reshape(shape)) for part, shape in parts))
        columns.append(np.concatenate([np.ravel(x) for x in He]))
    return np.stack(columns, axis=1)


def dense(kind, reduction):
    """By definition: second derivatives, Jacobians, gradients of single examples."""
    flat, restore = jax.flatten_util.ravel_pytree(PARAMS)
    if kind == "hessian":
        return jax.hessian(lambda w: CRITERIA[reduction](model(restore(w), X), Y))(flat)
    if kind == "gauss-newton":
        J = jax.jacobian(lambda w: model(restore(w), X).reshape(-1))(flat)
        z = model(PARAMS, X)
        M = jax.hessian(lambda z: CRITERIA[reduction](z.reshape(12, 2), Y))(z.reshape(-1))
        return J.T @ M @ J
    slopes = jnp.stack([
        jax.grad(lambda w, i=i: summed(model(restore(w), X[i : i + 1]), Y[i : i + 1]))(flat)
        for i in range(12)
    ])  # fmt: skip
    return slopes.T @ slopes / (12 if reduction == "mean" else 1)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_dense_matrix_over_unequal_batches(kind, reduction):
    loss = Composition(model, CRITERIA[reduction])
    batches = [(X[:7], Y[:7]), (np.asarray(X[7:]), np.asarray(Y[7:]))]
    H = curvature(loss, PARAMS, lambda: iter(batches), kind=kind, reduction=reduction)
    expected = np.asarray(dense(kind, reduction))
    assert np.allclose(matrix(H), expected, rtol=0, atol=CLOSE * np.linalg.norm(expected))
    assert H.products == 8
    assert H.form.names == ("bias", "weight")


def test_blocks_and_relative_changes():
    H = curvature(Composition(model, averaged), PARAMS, [(X, Y)])
    whole, w = matrix(H), np.concatenate([np.ravel(PARAMS[n]) for n in H.form.names])
    close = {"rtol": 0, "atol": CLOSE * np.linalg.norm(whole)}
    assert np.allclose(matrix(H.block("weight")), whole[2:, 2:], **close)
    assert np.allclose(matrix(H.adaptive()), np.abs(w)[:, None] * whole * np.abs(w), **close)


def test_a_module_of_equinox_is_differentiated_by_its_arrays():
    net = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    H = curvature(lambda net, x: jnp.mean(jax.vmap(net)(x) ** 2), net, [X.astype(jnp.float32)])
    assert H.form.n == 3 * 4 + 4 + 4 * 2 + 2
    assert H.form.names[0] == "layers/0/weight"
    M = matrix(H)
    assert np.allclose(M, M.T, rtol=0, atol=CLOSE * np.linalg.norm(M))


def test_a_function_may_return_its_argument():
    """Its memory is not written to."""
    H = given_curvature(lambda v: v, 3)
    v = (np.arange(3.0),)
    H(v)[0][:] = 7.0
    assert np.array_equal(v[0], [0, 1, 2])


def square(params, batch):
    return jnp.sum(params * batch)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: curvature(3, PARAMS), TypeError, "loss must be a function of the parameters"),
        (lambda: curvature(square, {"n": 3}), ValueError, "no array of real numbers"),
        (lambda: curvature(jnp.sum, jnp.ones(2, complex)), ValueError, "params must be real"),
        (lambda: curvature(square, X, iter([X])), TypeError, "a generator ends after the first"),
        (lambda: curvature(square, X, []), ValueError, "there is no batch"),
        (lambda: curvature(square, X, [2.0]), ValueError, "this batch has none"),
        (lambda: curvature(lambda p: p, X), ValueError, r"one number; got shape \(12, 3\)"),
        (lambda: curvature(square, X, [X], kind="fisher"), ValueError, "kind must be one of"),
        (lambda: curvature(square, X, [X], reduction="max"), ValueError, '"mean" or "sum"'),
        (lambda: curvature(square, X, [X], kind="gauss-newton"), TypeError, "needs the outputs"),
        (lambda: curvature(Composition(lambda p, x: jnp.sum(x) * p, lambda z, _: jnp.sum(z)),
                           jnp.ones(3), [(X, Y)], kind="empirical-fisher"),
         ValueError, "examples along the first axis"),
        (lambda: given_curvature(4, 3), TypeError, "product must be a function"),
        (lambda: given_curvature(lambda v: v, 0), ValueError, "whole numbers >= 1"),
        (lambda: given_curvature(lambda v: v, {}), ValueError, "at least one block"),
        (lambda: given_curvature(lambda v: v[1:], 3), ValueError, "a vector of length 3"),
        (lambda: given_curvature(lambda v: np.roll(v, 1) * np.arange(9), 9), ValueError,
         "not that of a symmetric matrix"),
        (lambda: given_curvature(lambda v: v, 3).block("L"), ValueError, "there are all"),
        (lambda: given_curvature(lambda v: v, 3).adaptive(), ValueError, "parameters=w"),
    ],
)  # fmt: skip
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
