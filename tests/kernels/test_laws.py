"""The compiled twins compute what the plain reference defines."""

import numpy as np
import pytest

from flatrank import kernels

PATTERNS = ("uniform", "hollow", "empty", "no rows", "one row", "giant row")
WIDTHS = (0, 1, 2, 3, 5, 8, 10, 12, 16, 17, 24, 32, 40)


def agree(got, expected, dtype):
    """Equal to rounding, relative to the largest number of an array."""
    for name, b in expected.items():
        a = got[name]
        assert isinstance(a, np.ndarray)
        assert a.shape == b.shape
        assert a.dtype == b.dtype == dtype
        scale = np.abs(b).max(initial=1)
        np.testing.assert_allclose(
            a, b, rtol=0, atol=50 * np.finfo(dtype).eps * scale, err_msg=name
        )


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("k", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_twins_agree_with_the_reference(patterns, arguments, every, name, k, dtype):
    C = patterns[name]
    values = arguments(C, k, dtype)
    got = every(C, *values)
    with kernels.using("reference"):
        expected = every(C, *values)
    agree(got, expected, dtype)


def test_the_compiled_twins_were_called(pattern, arguments, every, calls):
    C = pattern(20, 10, 50)
    every(C, *arguments(C, 3, "float32"))
    assert set(calls) == {
        "sampled_product",
        "sparse_tall",
        "tangent_product",
        "sparse_tall_pair",
        "residual_gradient",
        "curvature_product",
        "newton_product",
        "coupling_product",
        "newton_coupling",
        "row_grams",
        "weighted_row_grams",
        "inverses",
        "block_product",
    }


def test_reference_against_the_dense_matrix(pattern, arguments, every):
    C = pattern(9, 7, 40)
    values = arguments(C, 2, "float64")
    X, Y, P, Q, v, b, e, w = values
    rows, columns = C.rows(), C.indices
    S = np.zeros((9, 7))
    np.add.at(S, (rows, columns), v)
    s = (X @ Y.T)[rows, columns] - b
    directional = (X @ Q.T + P @ Y.T)[rows, columns]
    with kernels.using("reference"):
        out = every(C, *values)
    np.testing.assert_allclose(out["sampled_product"], s + b)
    np.testing.assert_allclose(out["sparse_tall"], S @ Y)
    G, squares, newton, grams = np.zeros((9, 2)), np.zeros(9), np.zeros((9, 2)), np.zeros((9, 2, 2))
    np.add.at(G, rows, s[:, None] * Y[columns])
    np.add.at(squares, rows, s * s)
    np.add.at(newton, rows, directional[:, None] * Y[columns] + e[:, None] * Q[columns])
    np.add.at(grams, rows, w[:, None, None] * Y[columns][:, :, None] * Y[columns][:, None, :])
    np.testing.assert_allclose(out["residual_gradient"], G)
    np.testing.assert_allclose(out["squares"], squares)
    np.testing.assert_allclose(out["curvature_product with e"], newton)
    np.testing.assert_allclose(out["row_grams with w"], grams)


@pytest.mark.parametrize("path", ["auto", "reference"])
@pytest.mark.parametrize(("k", "dtype"), [(3, "float64"), (17, "float32")])
def test_inverses_are_generalised_and_symmetric(path, k, dtype):
    """On blocks of all scales, with a dead column, and with fewer entries than columns."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((5, 2 * k, k)) * 10.0 ** rng.uniform(-5, 5, (5, 1, k))
    X[3, :, 2] = 0.0
    X[4, 2:] = 0.0
    A = np.einsum("nij,nik->njk", X, X)
    with kernels.using(path):
        G = kernels.inverses(A.astype(dtype))
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


@pytest.mark.parametrize("k", [3, 17])
def test_int32_pointers_serve_too(pattern, arguments, every, k):
    C = pattern(30, 20, 300)
    short = kernels.Compressed(C.indptr.astype(np.int32), C.indices, C.width)
    values = arguments(C, k, "float32")
    got, expected = every(short, *values), every(C, *values)
    for name, b in expected.items():
        np.testing.assert_array_equal(got[name], b)


@pytest.mark.parametrize("k", [3, 17])
def test_however_arrays_lie(pattern, arguments, every, k):
    """Strided, reversed, transposed and read-only: the same numbers, and nothing is written to."""
    C = pattern(30, 20, 300)
    values = arguments(C, k, "float64")
    expected = every(C, *values)
    spread = kernels.Compressed(
        np.repeat(C.indptr, 2)[::2], np.ascontiguousarray(C.indices[::-1])[::-1], C.width
    )
    for lie in (
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        np.asfortranarray,
        lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    ):
        lying = [lie(x) for x in values]
        got = every(spread, *lying)
        for name, b in expected.items():
            np.testing.assert_array_equal(got[name], b)
        for x, before in zip(lying, values, strict=True):
            np.testing.assert_array_equal(x, before)


def test_patterns_survive_copies(pattern, arguments):
    """What a pattern keeps of addresses belongs to its own arrays."""
    import copy
    import pickle

    C = pattern(30, 20, 300)
    X, Y, *_ = arguments(C, 3, "float64")
    expected = kernels.sampled_product(C, X, Y)
    copies = [pickle.loads(pickle.dumps(C)), copy.deepcopy(C), copy.copy(C)]
    del C
    for other in copies:
        np.testing.assert_array_equal(kernels.sampled_product(other, X, Y), expected)


def test_types_meet_in_their_common_type(pattern, arguments):
    C = pattern(4, 4, 6)
    X, Y, *_ = arguments(C, 2, "float32")
    assert kernels.sampled_product(C, X, Y).dtype == np.float32
    assert kernels.sampled_product(C, X, Y.astype(np.float64)).dtype == np.float64
    ones = kernels.sampled_product(C, np.ones((4, 2), int), np.ones((4, 2), bool))
    assert ones.dtype == np.float64
    np.testing.assert_array_equal(ones, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_types_take_the_reference(pattern, calls, dtype):
    C = pattern(4, 4, 6)
    out = kernels.sampled_product(C, np.ones((4, 2), dtype), np.ones((4, 2), dtype))
    assert out.dtype == dtype
    assert not calls


def test_not_a_number_reaches_the_result(pattern, arguments):
    C = pattern(20, 10, 300)
    X, Y, *_, b, _e, _w = arguments(C, 10, "float32")
    X[3, 9] = np.nan
    G, squares = kernels.residual_gradient(C, X, Y, b)
    assert np.isnan(G[3]).all()
    assert np.isnan(squares[3])
    assert np.isfinite(np.delete(G, 3, axis=0)).all()
