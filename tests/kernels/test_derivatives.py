"""Derivatives and batching: the compiled path against plain JAX, which needs no rules of ours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank import kernels

# Kernel, and the places of its real arguments among X, Y, P, Q, v, b, e, w.
FORMS = {
    "sampled_product": (0, 1),
    "sparse_tall": (4, 1),
    "residual_gradient": (0, 1, 5),
    "curvature_product": (0, 1, 2, 3, 6),
    "row_grams": (1, 5, 7),
    "inverses": (0,),
}


def close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.fixture(params=FORMS)
def case(request, pattern, arguments, x64):
    """A function of real arguments only, a point and a direction."""
    C = pattern(6, 5, 20)
    values = arguments(C, 2, "float64")
    kernel = getattr(kernels, request.param)
    if request.param == "inverses":
        kernel = lambda _, X: kernels.inverses(X[:, :, None] * X[:, None, :] + jnp.eye(2)[None])
    point = [values[i] for i in FORMS[request.param]]
    direction = [np.cos(x) for x in point]
    return lambda *reals: kernel(C, *reals), point, direction


def on_both_paths(function, *arguments):
    """The compiled path's result, checked against the reference's."""
    got = jax.jit(lambda *a: function(*a))(*arguments)
    with kernels.using("reference"):
        expected = jax.jit(lambda *a: function(*a))(*arguments)
    close(got, expected)


def test_forward_mode(case):
    f, point, direction = case
    on_both_paths(lambda p, d: jax.jvp(f, p, d), point, direction)


def test_reverse_mode(case):
    f, point, _ = case

    def pulled_back(p):
        out, pull = jax.vjp(f, *p)
        return pull(out)

    on_both_paths(pulled_back, point)


def scalar(f):
    def total(point):
        return sum((x**3).sum() for x in jax.tree.leaves(f(*point)))

    return total


def test_second_derivatives(case):
    f, point, _ = case
    on_both_paths(jax.jacfwd(jax.jacrev(scalar(f))), point)


def test_reverse_over_forward(pattern, arguments, x64):
    C = pattern(6, 5, 20)
    X, Y, P, Q, _v, b, _e, _w = arguments(C, 2, "float64")

    def slope(X, Y):
        G, ss = jax.jvp(lambda *a: kernels.residual_gradient(C, *a, b), (X, Y), (P, Q))[1]
        return (G**2).sum() + ss.sum()

    on_both_paths(jax.grad(slope, argnums=(0, 1)), X, Y)


def test_linear_in_each_factor(pattern, arguments, x64):
    C = pattern(6, 5, 20)
    X, Y, *_, v, _b, _e, _w = arguments(C, 3, "float64")
    pull = jax.linear_transpose(lambda X: kernels.sampled_product(C, X, Y), X)
    close(pull(v)[0], kernels.sparse_tall(C, v, Y))
    pull = jax.linear_transpose(lambda v: kernels.sparse_tall(C, v, Y), v)
    close(pull(X)[0], kernels.sampled_product(C, X, Y))


def test_gradients_leave_untouched_arguments_alone(pattern, arguments, calls, x64):
    """Only X varies, so no product for the side of Y is made."""
    C = pattern(6, 5, 20)
    X, Y, *_, b, _e, _w = arguments(C, 3, "float64")
    jax.jit(jax.grad(lambda X: kernels.residual_gradient(C, X, Y, b)[1].sum()))(X)
    assert "sparse_tall_transposed" not in calls


@pytest.mark.parametrize("mapped", ["all", "first", "last"])
def test_batches(case, mapped):
    f, point, _ = case
    several = [np.stack([x, 2 * x, x - 1], axis=-1) for x in point]
    keep = {"all": range(len(point)), "first": [0], "last": [len(point) - 1]}[mapped]
    axes = [-1 if i in keep else None for i in range(len(point))]
    values = [s if i in keep else x for i, (s, x) in enumerate(zip(several, point, strict=True))]
    on_both_paths(jax.vmap(f, in_axes=axes), *values)


def test_gradients_of_batches(pattern, arguments, x64):
    C = pattern(6, 5, 20)
    X, Y, *_, b, _e, _w = arguments(C, 2, "float64")
    several = np.stack([X, 2 * X])

    def loss(X):
        return kernels.residual_gradient(C, X, Y, b)[1].sum()

    on_both_paths(jax.vmap(jax.grad(loss)), several)
    on_both_paths(jax.grad(lambda several: jax.vmap(loss)(several).sum()), several)


def test_batches_of_patterns(pattern, arguments, x64):
    C = pattern(6, 5, 20)
    X, Y, *_ = arguments(C, 3, "float64")
    indices = np.stack([C.indices, C.indices[::-1]])

    def product(indices):
        return kernels.sampled_product(kernels.Compressed(C.indptr, indices, None, 5), X, Y)

    on_both_paths(jax.vmap(product), indices)
