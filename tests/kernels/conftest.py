"""Patterns, arguments and all kernels at once, for the tests of the kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank import kernels

# rows, columns, entries, entries of the first row
PATTERNS = {
    "uniform": (40, 30, 500, 0),
    "hollow": (200, 20, 60, 0),  # most rows are empty
    "empty": (5, 3, 0, 0),
    "one row": (1, 7, 30, 0),
    "giant row": (30, 50, 900, 700),
}
ROOM = 37  # places behind the last row of the pattern "with room"


def make_pattern(n, width, m, first=0):
    """A random pattern with repeated places, its pointers int64 whatever the mode."""
    rng = np.random.default_rng(0)
    rows = np.sort(np.r_[np.zeros(first, int), rng.integers(0, n, m - first)])
    with jax.enable_x64(True):
        pointers = jnp.asarray(np.searchsorted(rows, np.arange(n + 1)).astype(np.int64))
    indices = jnp.asarray(rng.integers(0, width, m).astype(np.int32))
    return kernels.Compressed(pointers, indices, None, width)


def make_arguments(C, k, dtype):
    """Random X, Y, P, Q, v, b, e, w."""
    rng = np.random.default_rng(1)
    shapes = [(C.n, k), (C.width, k)] * 2 + [(C.m,)] * 4
    return [jnp.asarray(rng.standard_normal(s), dtype) for s in shapes]


def blocks(X):
    """A symmetric positive definite block for each row; every third has no second row or column."""
    n, k = X.shape
    kept = np.ones((n, k), X.dtype)
    kept[::3, 1:2] = 0
    block = X[:, :, None] * X[:, None, :] + jnp.eye(k, dtype=X.dtype)[None]
    return block * kept[:, :, None] * kept[:, None, :]


def run_every(C, X, Y, P, Q, v, b, e, w):
    """The result of every kernel in each of its forms."""
    return {
        "sampled_product": kernels.sampled_product(C, X, Y),
        "sparse_tall": kernels.sparse_tall(C, v, Y),
        "sparse_tall_transposed": jax.vjp(lambda Y: kernels.sparse_tall(C, v, Y), Y)[1](X)[0],
        "residual_gradient": kernels.residual_gradient(C, X, Y, b),
        "curvature_product": kernels.curvature_product(C, X, Y, P, Q),
        "curvature_product with e": kernels.curvature_product(C, X, Y, P, Q, e),
        "row_grams": kernels.row_grams(C, Y, b),
        "row_grams with w": kernels.row_grams(C, Y, b, w),
        "inverses": kernels.inverses(blocks(X)),
    }


@pytest.fixture(scope="session")
def patterns():
    made = {name: make_pattern(*sizes) for name, sizes in PATTERNS.items()}
    C = made["uniform"]
    filled = jnp.pad(C.indices, (0, ROOM))
    return made | {"with room": kernels.Compressed(C.indptr, filled, None, C.width)}


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
def x64():
    """Double precision, as the library computes."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def calls(monkeypatch):
    """Names of the kernels for which a program was made to call compiled code."""
    from flatrank.kernels import native

    names, call = [], native.call

    def recorded(kernel, *rest):
        names.append(kernel)
        return call(kernel, *rest)

    monkeypatch.setattr(native, "call", recorded)
    return names
