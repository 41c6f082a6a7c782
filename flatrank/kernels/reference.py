"""The kernels in plain JAX: what the compiled twins must equal, and the path on GPU and TPU.

Everything here is a gather, a product and a sorted segment sum, so XLA differentiates, batches
and shards it unaided. On a CPU it
is 10 to 80 times slower than memory allows: XLA materialises the gathered (m, k) rows and adds
segments serially.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def sampled_product(C, X, Y):
    """out_p = <X_i, Y_j>; see `flatrank.kernels.sampled_product`."""
    return _filled(C, jnp.sum(X[C.rows()] * Y[C.indices], axis=1))


def sparse_tall(C, v, Y):
    """G_i = sum_p v_p Y_j; see `flatrank.kernels.sparse_tall`."""
    return _row_sums(C, _filled(C, v)[:, None] * Y[C.indices])


def sparse_tall_transposed(C, v, X):
    """H_j = sum_p v_p X_i: the transpose of `sparse_tall`, a scatter."""
    values = _filled(C, v)[:, None] * X[C.rows()]
    return jax.ops.segment_sum(values, C.indices, num_segments=C.width)


def residual_gradient(C, X, Y, b):
    """Residual and its product with Y; see `flatrank.kernels.residual_gradient`."""
    s = sampled_product(C, X, Y) - b
    return sparse_tall(C, s, Y), _row_sums(C, s * s)


def curvature_product(C, X, Y, P, Q, e=None):
    """Gauss-Newton product, or Newton's with e; see `flatrank.kernels.curvature_product`."""
    s = sampled_product(C, X, Q) + sampled_product(C, P, Y)
    G = sparse_tall(C, s, Y)
    return G if e is None else G + sparse_tall(C, e, Q)


def row_grams(C, Y, b, w=None):
    """Normal equations of every row; see `flatrank.kernels.row_grams`."""
    y = Y[C.indices]
    wy = y if w is None else w[:, None] * y
    return _row_sums(C, wy[:, :, None] * y[:, None, :]), _row_sums(C, b[:, None] * wy)


def _filled(C, values):
    """0 in place of what stands behind the last row."""
    return jnp.where(C.rows() < C.n, values, 0)


def _row_sums(C, values):
    return jax.ops.segment_sum(values, C.rows(), num_segments=C.n, indices_are_sorted=True)
