"""Conjugate gradient steps on the ridge regressions of rows."""

import numpy as np
import pytest

from flatrank import kernels

PATTERNS = ("uniform", "hollow", "empty", "no rows", "one row", "giant row")


def given(C, k, dtype):
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((n, k)).astype(dtype) for n in (C.n, C.width))
    return X, Y / np.sqrt(k).astype(dtype), rng.standard_normal(C.m), rng.random(C.m)


def solved(C, Y, b, w):
    """The exact solutions, row by row."""
    out = np.zeros((C.n, Y.shape[1]))
    for i in range(C.n):
        p = slice(C.indptr[i], C.indptr[i + 1])
        y = Y[C.indices[p]].astype(float)
        out[i] = np.linalg.solve(np.eye(y.shape[1]) + y.T @ (w[p, None] * y), y.T @ b[p])
    return out


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("k", [0, 1, 3, 8, 16, 17, 24, 40, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_compiled_twin_agrees_with_the_reference(patterns, name, k, dtype):
    C = patterns[name]
    arguments = given(C, k, dtype)
    start = arguments[0].copy()
    got = kernels.ridge_steps(C, *arguments, 3)
    with kernels.using("reference"):
        expected = kernels.ridge_steps(C, *arguments, 3)
    assert got.dtype == expected.dtype == dtype
    scale = max(np.abs(expected).max(initial=0), 1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=300 * np.finfo(dtype).eps * scale)
    np.testing.assert_array_equal(arguments[0], start)


@pytest.mark.parametrize("path", ["auto", "reference"])
@pytest.mark.parametrize("k", [5, 20])
def test_as_many_steps_as_columns_solve_the_equations(patterns, path, k):
    C = patterns["uniform"]
    X, Y, b, w = given(C, k, "float64")
    with kernels.using(path):
        got = kernels.ridge_steps(C, X, Y, b, w, k + 2)
        again = kernels.ridge_steps(C, got, Y, b, w, 1)
    np.testing.assert_allclose(got, solved(C, Y, b, w), rtol=0, atol=1e-9)
    np.testing.assert_allclose(again, got, rtol=0, atol=1e-9)


def test_rows_without_entries_end_at_zero_and_rows_at_the_solution_stay(patterns):
    C = patterns["hollow"]
    X, Y, b, w = given(C, 24, "float64")
    empty = np.diff(C.indptr) == 0
    assert empty.any()
    got = kernels.ridge_steps(C, X, Y, b, w, 2)
    np.testing.assert_array_equal(got[empty], 0)
    zero = kernels.ridge_steps(C, np.zeros_like(X), Y, 0 * b, w, 4)
    np.testing.assert_array_equal(zero, 0)


def test_no_step_changes_nothing(patterns):
    X, Y, b, w = given(patterns["uniform"], 20, "float32")
    np.testing.assert_array_equal(kernels.ridge_steps(patterns["uniform"], X, Y, b, w, 0), X)


def test_a_failure_to_compile_leaves_the_reference(patterns, monkeypatch):
    from flatrank.kernels import execution, support

    def broken(*_):
        raise RuntimeError("no room for code")

    monkeypatch.setattr(support, "failures", [])
    monkeypatch.setattr(execution, "rows_of", broken)
    arguments = given(patterns["uniform"], 20, "float64")
    with pytest.warns(RuntimeWarning, match="compiling ridge_steps failed: .*no room"):
        got = kernels.ridge_steps(patterns["uniform"], *arguments, 2)
    with kernels.using("reference"):
        np.testing.assert_array_equal(got, kernels.ridge_steps(patterns["uniform"], *arguments, 2))
