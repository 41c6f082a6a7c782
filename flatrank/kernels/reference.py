"""The kernels in plain array operations: what the compiled twins must equal, and JAX's path.

Everything here is a gather, a product and a segment sum, which JAX differentiates, batches and
shards unaided. On a CPU it is 10 to 80 times slower than memory allows: the gathered (m, k) rows
are written out, and segments added serially.
"""

from __future__ import annotations

from flatrank.arrays import added_at, for_loop, xp
from flatrank.kernels.signatures import PIVOT


def sampled_product(C, X, Y):
    """out_p = <X_i, Y_j>."""
    return xp.sum(X[C.rows()] * Y[C.indices], axis=1)


def sparse_tall(C, v, Y):
    """G_i = Σ_p v_p Y_j."""
    return _row_sums(C, v[:, None] * Y[C.indices])


def tangent_product(C, X, Y, P, Q):
    """out_p = <X_i, Q_j> + <P_i, Y_j>."""
    return sampled_product(C, X, Q) + sampled_product(C, P, Y)


def sparse_tall_pair(C, v, Y, w, Q):
    """G_i = Σ_p v_p Y_j + w_p Q_j."""
    return sparse_tall(C, v, Y) + sparse_tall(C, w, Q)


def residual_gradient(C, X, Y, b):
    """With s_p = <X_i, Y_j> − b_p: Σ_p s_p Y_j and Σ_p s_p²."""
    s = sampled_product(C, X, Y) - b
    return sparse_tall(C, s, Y), _row_sums(C, s * s)


def curvature_product(C, X, Y, P, Q, e=None):
    """With s_p = <X_i, Q_j> + <P_i, Y_j>: Σ_p s_p Y_j + e_p Q_j."""
    s = tangent_product(C, X, Y, P, Q)
    G = sparse_tall(C, s, Y)
    return G if e is None else G + sparse_tall(C, e, Q)


def coupling_product(C, X, Y, Q, e=None):
    """The same along (0, Q)."""
    G = sparse_tall(C, sampled_product(C, X, Q), Y)
    return G if e is None else G + sparse_tall(C, e, Q)


newton_product, newton_coupling = curvature_product, coupling_product


def block_product(C, A, P):
    """Each block times its row."""
    del C
    return xp.einsum("iab,ib->ia", A, P)


def row_grams(C, Y, b, w=None):
    """Σ_p w_p Y_j Y_jᵀ and Σ_p w_p b_p Y_j."""
    y = Y[C.indices]
    wy = y if w is None else w[:, None] * y
    return _row_sums(C, wy[:, :, None] * y[:, None, :]), _row_sums(C, b[:, None] * wy)


weighted_row_grams = row_grams


def ridge_steps(C, X, Y, b, w, steps):
    """Conjugate gradients on (I + Σ_p w_p Y_j Y_jᵀ) x_i = Σ_p b_p Y_j, from X on."""

    def product(P):
        return P + sparse_tall(C, w * sampled_product(C, P, Y), Y)

    def ratio(a, b):
        return xp.where(b > 0, a / xp.where(b > 0, b, 1.0), 0.0)[:, None]

    R = sparse_tall(C, b, Y) - product(X)
    D, square = R, xp.sum(R * R, axis=1)
    for _ in range(steps):
        H = product(D)
        a = ratio(square, xp.sum(D * H, axis=1))
        X, R = X + a * D, R - a * H
        before, square = square, xp.sum(R * R, axis=1)
        D = R + ratio(square, before) * D
    return X


def inverses(C, A):
    """The inverse of each block, by sweeping its pivots.

    With a the column of the pivot p and e its unit vector, a sweep is A ← A − (a − e)(a − e)ᵀ/p −
    2 e eᵀ; all of them leave −A⁻¹. Pivots of a unit diagonal are at most 1, so that a − e does not
    cancel.
    """
    del C
    k, small = A.shape[1], PIVOT * xp.finfo(A.dtype).eps
    d = xp.diagonal(A, axis1=1, axis2=2)
    root = xp.where(d > 0, 1.0 / xp.sqrt(xp.where(d > 0, d, 1.0)), 0.0)
    A = A * root[:, :, None] * root[:, None, :]

    def sweep(i, state):
        A, swept = state
        e = (xp.arange(k) == i).astype(A.dtype)[None, :]
        a = A[:, :, i]
        p = a[:, i][:, None, None]
        good, a = p > small, a - e
        p = xp.where(good, p, 1.0)
        new = A - a[:, :, None] * a[:, None, :] / p - 2.0 * e[:, :, None] * e[:, None, :]
        return xp.where(good, new, A), swept | ((e > 0) & good[:, :, 0])

    A, swept = for_loop(0, k, sweep, (A, xp.zeros(d.shape, bool)))
    root = root * swept
    return -A * root[:, :, None] * root[:, None, :]


def _row_sums(C, values):
    return added_at(C.rows(), values, C.n)
