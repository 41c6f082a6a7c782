"""The compiled twins compute what the plain JAX reference defines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank import kernels

PATTERNS = ("uniform", "hollow", "empty", "one row", "giant row", "with room")
WIDTHS = (1, 2, 3, 5, 8, 10, 12, 16, 17, 24, 32, 40)
# Compiling takes half a second a kernel the first time: here every pattern is tried with a narrow
# and a wide factor, and other widths with one pattern and one type; `make test-all` tries all.
EVERYWHERE = {(3, "float64"), (17, "float32")}
QUICK = {("uniform", 1, "float32"), ("uniform", 10, "float64"), ("uniform", 16, "float32")}
CASES = [
    pytest.param(
        p, k, t, marks=() if (p, k, t) in QUICK or (k, t) in EVERYWHERE else pytest.mark.slow
    )
    for p in PATTERNS
    for k in WIDTHS
    for t in ("float32", "float64")
]


def agree(got, expected, dtype):
    """Equal to rounding, relative to the largest number of an array."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype == dtype
        scale = np.abs(b).max(initial=1)
        np.testing.assert_allclose(a, b, rtol=0, atol=50 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize(("name", "k", "dtype"), CASES)
def test_compiled_twins_agree_with_the_reference(patterns, arguments, every, name, k, dtype):
    C = patterns[name]
    with jax.enable_x64(dtype == "float64"):
        values = arguments(C, k, dtype)
        got = jax.jit(every)(C, *values)
        with kernels.using("reference"):
            expected = jax.jit(lambda *a: every(*a))(C, *values)
        agree(got, expected, dtype)


def test_the_compiled_twins_were_called(pattern, arguments, every, calls):
    C = pattern(20, 10, 50)
    jax.jit(lambda *a: every(*a))(C, *arguments(C, 3, "float32"))
    assert set(calls) == {
        "sampled_product",
        "sparse_tall",
        "sparse_tall_transposed",
        "residual_gradient",
        "curvature_product",
        "newton_product",
        "row_grams",
        "weighted_row_grams",
        "inverses",
    }


def test_reference_against_the_dense_matrix(pattern, arguments, every, x64):
    C = pattern(9, 7, 40)
    values = arguments(C, 2, "float64")
    X, Y, P, Q, v, b, e, w = map(np.asarray, values)
    rows, columns = np.asarray(C.rows()), np.asarray(C.indices)
    S = np.zeros((9, 7))
    np.add.at(S, (rows, columns), v)
    s = (X @ Y.T)[rows, columns] - b
    directional = (X @ Q.T + P @ Y.T)[rows, columns]
    with kernels.using("reference"):
        out = every(C, *values)
    np.testing.assert_allclose(out["sampled_product"], s + b)
    np.testing.assert_allclose(out["sparse_tall"], S @ Y)
    np.testing.assert_allclose(out["sparse_tall_transposed"], S.T @ X)
    G, squares, newton, grams = np.zeros((9, 2)), np.zeros(9), np.zeros((9, 2)), np.zeros((9, 2, 2))
    np.add.at(G, rows, s[:, None] * Y[columns])
    np.add.at(squares, rows, s * s)
    np.add.at(newton, rows, directional[:, None] * Y[columns] + e[:, None] * Q[columns])
    np.add.at(grams, rows, w[:, None, None] * Y[columns][:, :, None] * Y[columns][:, None, :])
    np.testing.assert_allclose(out["residual_gradient"][0], G)
    np.testing.assert_allclose(out["residual_gradient"][1], squares)
    np.testing.assert_allclose(out["curvature_product with e"], newton)
    np.testing.assert_allclose(out["row_grams with w"][0], grams)


@pytest.mark.parametrize("path", ["auto", "reference"])
@pytest.mark.parametrize(("k", "dtype"), [(3, "float64"), (17, "float32")])
def test_inverses_are_generalised_and_symmetric(path, k, dtype):
    """On blocks of all scales, with a dead column, and with fewer entries than columns."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((5, 2 * k, k)) * 10.0 ** rng.uniform(-5, 5, (5, 1, k))
    X[3, :, 2] = 0.0
    X[4, 2:] = 0.0
    A = np.einsum("nij,nik->njk", X, X)
    with jax.enable_x64(dtype == "float64"), kernels.using(path):
        G = np.asarray(kernels.inverses(jnp.asarray(A, dtype)))
    assert G.dtype == dtype
    scale = np.sqrt(np.diagonal(A, axis1=1, axis2=2).astype(float))
    size = scale[:, :, None] * scale[:, None, :]
    inside, tol = G * size, 1e4 * np.finfo(dtype).eps
    np.testing.assert_allclose(inside, np.swapaxes(inside, 1, 2), atol=tol)
    unit = A / np.where(size > 0, size, 1)
    np.testing.assert_allclose(unit @ inside @ unit, unit, atol=tol)
    np.testing.assert_allclose((unit @ inside)[:3], np.broadcast_to(np.eye(k), (3, k, k)), atol=tol)
    assert not G[3, 2].any()
    assert np.linalg.matrix_rank(inside[4]) == 2


def test_one_pattern_serves_both_modes(pattern, arguments, every):
    C = pattern(30, 20, 300)
    assert C.indptr.dtype == np.int64
    single = jax.jit(every)(C, *arguments(C, 3, "float32"))
    with jax.enable_x64(True):
        double = jax.jit(every)(C, *arguments(C, 3, "float64"))
    for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("path", ["auto", "reference"])
@pytest.mark.parametrize("k", [3, 17])
def test_places_behind_the_last_row_change_nothing(patterns, arguments, every, path, k):
    """Whatever numbers stand there, and also where they are not numbers."""
    C, roomy = patterns["uniform"], patterns["with room"]
    with jax.enable_x64(True), kernels.using(path):
        X, Y, P, Q, *vectors = arguments(C, k, "float64")
        longer = [jnp.pad(x, (0, roomy.m - C.m), constant_values=jnp.nan) for x in vectors]
        expected = jax.jit(lambda *a: every(*a))(C, X, Y, P, Q, *vectors)
        got = jax.jit(lambda *a: every(*a))(roomy, X, Y, P, Q, *longer)
        products = got.pop("sampled_product")
        np.testing.assert_array_equal(products[: C.m], expected.pop("sampled_product"))
        np.testing.assert_array_equal(products[C.m :], 0)
        agree(got, expected, "float64")


def test_int32_pointers_serve_too(pattern, arguments, every):
    C = pattern(30, 20, 300)
    short = kernels.Compressed(C.indptr.astype(jnp.int32), C.indices, C.rows(), C.width)
    values = arguments(C, 3, "float32")
    pair = (jax.tree.leaves(jax.jit(every)(P, *values)) for P in (C, short))
    for a, b in zip(*pair, strict=True):
        np.testing.assert_array_equal(a, b)


def test_inside_loops(pattern, arguments, x64):
    C = pattern(40, 30, 500)
    X, Y, *_, b, _e, _w = arguments(C, 3, "float64")

    def descend(X):
        step = lambda _, X: X - 1e-2 * kernels.residual_gradient(C, X, Y, b)[0]
        X = jax.lax.fori_loop(0, 20, step, X)
        go_on = lambda carry: carry[1] < 5
        return jax.lax.while_loop(go_on, lambda c: (step(0, c[0]), c[1] + 1), (X, 0))[0]

    got = jax.jit(descend)(X)
    with kernels.using("reference"):
        np.testing.assert_allclose(got, jax.jit(lambda X: descend(X))(X), rtol=1e-10)


def test_not_a_number_reaches_the_result(pattern, arguments):
    C = pattern(20, 10, 300)
    X, Y, *_, b, _e, _w = arguments(C, 10, "float32")
    G, squares = kernels.residual_gradient(C, X.at[3, 9].set(jnp.nan), Y, b)
    assert np.isnan(G[3]).all()
    assert np.isnan(squares[3])
    assert np.isfinite(np.delete(G, 3, axis=0)).all()


def test_other_types_take_the_reference(pattern, calls):
    C = pattern(4, 4, 6)
    out = kernels.sampled_product(C, jnp.ones((4, 2), jnp.bfloat16), jnp.ones((4, 2), jnp.bfloat16))
    assert out.dtype == jnp.bfloat16
    assert not calls


def test_rows_that_straddle_cache_lines_are_copied(pattern, arguments, calls, monkeypatch):
    """Only where the matrix is large and used often, and fewer lines are touched then."""
    from flatrank.kernels import native

    width = 900_000
    assert native.stride(width, 10, 4, 4 * width) == 16
    assert native.stride(width, 10, 8, 4 * width) is None  # two lines either way
    assert native.stride(width, 10, 4, width) is None
    assert native.stride(1000, 10, 4, 10**6) is None
    monkeypatch.setattr(native, "LARGE", 0)
    C = pattern(300, 200, 5000)
    for k, apart in ((5, 8), (10, 16), (12, 16), (16, None), (28, 32)):
        assert native.stride(C.width, k, 4, C.m) == apart
        X, Y, *_, b, _e, _w = arguments(C, k, "float32")
        got = kernels.residual_gradient(C, X, Y, b)
        with kernels.using("reference"):
            agree(got, kernels.residual_gradient(C, X, Y, b), "float32")
