"""Patterns, arguments and all kernels at once, for the tests of the kernels."""

import numpy as np
import pytest

from flatrank import kernels

# rows, columns, entries, entries of the first row
PATTERNS = {
    "uniform": (40, 30, 500, 0),
    "hollow": (200, 20, 60, 0),  # most rows are empty
    "empty": (5, 3, 0, 0),
    "no rows": (0, 3, 0, 0),
    "one row": (1, 7, 30, 0),
    "giant row": (30, 50, 900, 700),
}


def make_pattern(n, width, m, first=0):
    """A random pattern with repeated places."""
    rng = np.random.default_rng(0)
    rows = np.sort(np.r_[np.zeros(first, int), rng.integers(0, max(n, 1), m - first)])
    pointers = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
    return kernels.Compressed(pointers, rng.integers(0, width, m).astype(np.int32), width)


def make_arguments(C, k, dtype):
    """Random X, Y, P, Q, v, b, e, w."""
    rng = np.random.default_rng(1)
    shapes = [(C.n, k), (C.width, k)] * 2 + [(C.m,)] * 4
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def blocks(X):
    """A symmetric positive definite block for each row; every third has no second row or column."""
    n, k = X.shape
    kept = np.ones((n, k), X.dtype)
    kept[::3, 1:2] = 0
    block = X[:, :, None] * X[:, None, :] + np.eye(k, dtype=X.dtype)[None]
    return block * kept[:, :, None] * kept[:, None, :]


def run_every(C, X, Y, P, Q, v, b, e, w):
    """The results of every kernel in each of its forms."""
    G, squares = kernels.residual_gradient(C, X, Y, b)
    grams, sides = kernels.row_grams(C, Y, b)
    weighted_grams, weighted_sides = kernels.row_grams(C, Y, b, w)
    return {
        "sampled_product": kernels.sampled_product(C, X, Y),
        "sparse_tall": kernels.sparse_tall(C, v, Y),
        "residual_gradient": G,
        "squares": squares,
        "curvature_product": kernels.curvature_product(C, X, Y, P, Q),
        "curvature_product with e": kernels.curvature_product(C, X, Y, P, Q, e),
        "row_grams": grams,
        "right-hand sides": sides,
        "row_grams with w": weighted_grams,
        "right-hand sides with w": weighted_sides,
        "tangent_product": kernels.tangent_product(C, X, Y, P, Q),
        "sparse_tall_pair": kernels.sparse_tall_pair(C, v, Y, e, Q),
        "coupling_product": kernels.curvature_product(C, X, Y, None, Q),
        "coupling_product with e": kernels.curvature_product(C, X, Y, None, Q, e),
        "block_product": kernels.block_product(blocks(X), P),
        "inverses": kernels.inverses(blocks(X)),
    }


@pytest.fixture(scope="session")
def patterns():
    return {name: make_pattern(*sizes) for name, sizes in PATTERNS.items()}


@pytest.fixture(scope="session")
def pattern():
    return make_pattern


@pytest.fixture(scope="session")
def arguments():
    return make_arguments


@pytest.fixture(scope="session")
def every():
    return run_every


@pytest.fixture
def calls(monkeypatch):
    """Names of the kernels of which compiled code was called."""
    from flatrank.kernels import execution

    names = []

    class Recorded(execution.Ready):
        def __init__(self, kernel, *rest):
            super().__init__(kernel, *rest)
            self.kernel = kernel

        def __call__(self, reals):
            names.append(self.kernel)
            return super().__call__(reals)

    monkeypatch.setattr(execution, "Ready", Recorded)
    return names
