"""Arrays of JAX: the references, compiled by JAX, differentiated and mapped."""

import numpy as np
import pytest

from flatrank import kernels

jax = pytest.importorskip("jax")

# Kernel, and the places of its real arguments among X, Y, P, Q, v, b, e, w.
FORMS = {
    "sampled_product": (0, 1),
    "sparse_tall": (4, 1),
    "residual_gradient": (0, 1, 5),
    "curvature_product": (0, 1, 2, 3, 6),
    "row_grams": (1, 5, 7),
    "inverses": (0,),
}


@pytest.fixture(autouse=True)
def x64():
    """Double precision, as the library computes."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=FORMS)
def case(request, pattern, arguments):
    """A function of real arguments only, and a point."""
    C = pattern(6, 5, 20)
    values = arguments(C, 2, "float64")
    kernel = getattr(kernels, request.param)
    if request.param == "inverses":
        kernel = lambda _, X: kernels.inverses(X[:, :, None] * X[:, None, :] + np.eye(2)[None])
    return lambda *reals: kernel(C, *reals), [values[i] for i in FORMS[request.param]]


def close(got, expected, **how):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert isinstance(a, jax.Array)
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, **{"rtol": 1e-9, "atol": 1e-9, **how})


def test_values(case, calls):
    f, point = case
    on_device = [jax.numpy.asarray(x) for x in point]
    for run in (f, jax.jit(lambda *a: f(*a))):
        calls.clear()
        got = run(*on_device)
        assert not calls
        close(got, f(*point))


def test_gradients(case):
    """Of Σ cos(out), along a direction, against central differences of the compiled kernels."""
    f, point = case

    def total(*reals):
        return sum(jax.numpy.cos(x).sum() for x in jax.tree.leaves(f(*reals)))

    def plain(step):
        out = f(*[x + step * np.cos(x) for x in point])
        return sum(np.cos(x).sum() for x in (out if isinstance(out, tuple) else [out]))

    slopes = jax.jit(jax.grad(lambda point: total(*point)))([jax.numpy.asarray(x) for x in point])
    slope = sum(np.vdot(g, np.cos(x)) for g, x in zip(slopes, point, strict=True))
    difference = (plain(1e-5) - plain(-1e-5)) / 2e-5
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-7)


def test_batches(case):
    f, point = case
    several = [np.stack([x, 2 * x, x - 1]) for x in point]
    expected = jax.tree.map(
        lambda *x: np.stack(x), *[f(*each) for each in zip(*several, strict=True)]
    )
    close(jax.vmap(lambda *a: f(*a))(*map(jax.numpy.asarray, several)), expected)


def test_patterns_may_be_traced_too(patterns, arguments):
    for name in ("hollow", "empty", "one row"):
        C = patterns[name]
        X, Y, *_, b, _e, _w = arguments(C, 3, "float64")

        @jax.jit
        def gradient(indptr, indices, C=C, X=X, Y=Y, b=b):
            pattern = kernels.Compressed(indptr, indices, C.width)
            return kernels.residual_gradient(pattern, X, Y, b)

        close(gradient(C.indptr, C.indices), kernels.residual_gradient(C, X, Y, b))


def test_single_precision_stays(pattern, arguments):
    C = pattern(6, 5, 20)
    X, Y, *_ = arguments(C, 2, "float32")
    assert kernels.sampled_product(C, jax.numpy.asarray(X), Y).dtype == np.float32
    small = jax.numpy.ones((6, 2), jax.numpy.bfloat16)
    out = kernels.sampled_product(C, small, small[:5])
    assert out.dtype == jax.numpy.bfloat16
