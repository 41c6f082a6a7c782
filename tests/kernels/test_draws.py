"""Gaussian draws of rows against what they are defined by."""

import numpy as np
import pytest

import flatrank.kernels as kernels
from flatrank.kernels import Compressed


def blocks(n, k, seed=0):
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((n, k + 2, k))
    B = rng.standard_normal((k, 2 * k))
    return {
        "G": np.einsum("nia,nib->nab", Y, Y),
        "h": rng.standard_normal((n, k)),
        "tau": rng.random(n) + 0.2,
        "Lam": B @ B.T + np.eye(k),
        "c": rng.standard_normal(k),
    }


@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 3), (8, 4), (21, 9), (9, 24), (3, 70)])
def test_zeros_give_the_mean_and_unit_vectors_a_root_of_the_covariance(n, k):
    given = blocks(n, k)
    P = given["Lam"] + given["tau"][:, None, None] * given["G"]
    right = given["c"] + given["tau"][:, None] * given["h"]
    mean, misfit = kernels.gaussian_rows(**given, Z=np.zeros((n, k)))
    np.testing.assert_allclose(mean, np.linalg.solve(P, right[:, :, None])[:, :, 0], rtol=1e-9)
    form = np.einsum("na,nab,nb->n", mean, given["G"], mean) - 2 * np.sum(mean * given["h"], 1)
    np.testing.assert_allclose(misfit, form, rtol=1e-8, atol=1e-8)
    roots = [kernels.gaussian_rows(**given, Z=np.tile(e, (n, 1)))[0] - mean for e in np.eye(k)]
    covariance = sum(x[:, :, None] * x[:, None, :] for x in roots)
    np.testing.assert_allclose(covariance, np.linalg.inv(P), rtol=1e-7, atol=1e-10)


def test_only_the_lower_triangle_of_the_grams_is_read():
    given = blocks(5, 4)
    Z = np.ones((5, 4))
    expected = kernels.gaussian_rows(**given, Z=Z)
    spoilt = given | {"G": np.tril(given["G"]) + np.triu(np.full((5, 4, 4), np.nan), 1)}
    np.testing.assert_array_equal(kernels.gaussian_rows(**spoilt, Z=Z)[0], expected[0])


def test_the_reference_agrees():
    given = blocks(11, 5) | {"Z": np.random.default_rng(1).standard_normal((11, 5))}
    found = kernels.gaussian_rows(**given)
    with kernels.using("reference"):
        plain = kernels.gaussian_rows(**given)
    for x, y in zip(found, plain, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)


def test_single_precision_is_kept_and_close():
    given = blocks(21, 9) | {"Z": np.random.default_rng(1).standard_normal((21, 9))}
    exact = kernels.gaussian_rows(**given)
    found = kernels.gaussian_rows(**given | {"G": given["G"].astype(np.float32)})
    for x, y in zip(found, exact, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-4 * np.max(np.abs(y)))


def test_no_rows_are_no_draws():
    given = blocks(0, 3) | {"Z": np.zeros((0, 3))}
    X, misfit = kernels.gaussian_rows(**given)
    assert X.shape == (0, 3)
    assert misfit.shape == (0,)


@pytest.mark.parametrize("path", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_data_are_scaled_by_column_and_squared_by_row(path, dtype):
    indptr, indices = np.array([0, 2, 2, 5]), np.array([0, 3, 1, 2, 3], np.int32)
    C, b, s = (
        Compressed(indptr, indices, 4),
        np.arange(1.0, 6.0, dtype=dtype),
        np.array([1.0, 2.0, 3.0, 0.5]),
    )
    with kernels.using(path):
        out, squares = kernels.scaled_data(C, b, s)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, [1, 1, 6, 12, 2.5])
    np.testing.assert_allclose(squares, [2, 0, 36 + 144 + 6.25])
