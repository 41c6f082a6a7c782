"""The kernels as the rest of the library calls them.

X is (n, k) and belongs to the rows of the pattern, Y is (width, k) and belongs to its columns; the
p-th entry of the pattern lies in row i and column j, and v, b, w, e have an element for each entry.
Real arguments of different types are brought to their common type. Memory is that of the results,
unless said; on the path of the references, which runs on arrays of JAX, it is O(mk). All raise
`ValueError` where shapes do not agree with each other or with the pattern.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.kernels.calls import call
from flatrank.kernels.pattern import Compressed


def sampled_product(
    C: Compressed, X: Float[Array, "n k"], Y: Float[Array, "width k"]
) -> Float[Array, " m"]:
    """Entries of a low-rank matrix at the places of a pattern: out_p = <X_i, Y_j>; 2mk flops."""
    return call("sampled_product", C, X=X, Y=Y)


def sparse_tall(
    C: Compressed, v: Float[Array, " m"], Y: Float[Array, "width k"]
) -> Float[Array, "n k"]:
    """A sparse matrix times a tall one: G_i = Σ_p v_p Y_j over the entries p of row i; 2mk flops.

    Each row is summed in the order of its entries.
    """
    return call("sparse_tall", C, v=v, Y=Y)


def tangent_product(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    P: Float[Array, "n k"],
    Q: Float[Array, "width k"],
) -> Float[Array, " m"]:
    """The change of `sampled_product` along (P, Q): out_p = <X_i, Q_j> + <P_i, Y_j>; 4mk flops."""
    return call("tangent_product", C, X=X, Y=Y, P=P, Q=Q)


def sparse_tall_pair(
    C: Compressed,
    v: Float[Array, " m"],
    Y: Float[Array, "width k"],
    w: Float[Array, " m"],
    Q: Float[Array, "width k"],
) -> Float[Array, "n k"]:
    """Two sparse matrices of one pattern, each times its tall one: G_i = Σ_p v_p Y_j + w_p Q_j.

    4mk flops.
    """
    return call("sparse_tall_pair", C, v=v, Y=Y, w=w, Q=Q)


def residual_gradient(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    b: Float[Array, " m"],
) -> tuple[Float[Array, "n k"], Float[Array, " n"]]:
    """One side of the gradient of half the squared residual, and the squared residual by row.

    With s_p = <X_i, Y_j> − b_p: G_i = Σ_p s_p Y_j and ss_i = Σ_p s_p². The residual itself is not
    stored. Sums are left by row so that their total does not depend on who summed what. 4mk flops.
    """
    return call("residual_gradient", C, X=X, Y=Y, b=b)


def curvature_product(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    P: Float[Array, "n k"] | None,
    Q: Float[Array, "width k"],
    e: Float[Array, " m"] | None = None,
) -> Float[Array, "n k"]:
    """One side of the Hessian of half the squared residual, times a direction (P, Q).

    With s_p = <X_i, Q_j> + <P_i, Y_j>: G_i = Σ_p s_p Y_j + e_p Q_j. Without e this is the
    Gauss-Newton product; with the residual for e it is Newton's. P may be None for zero. 6mk flops,
    8mk with e, 2mk less where P is None; memory for a copy of Y and Q side by side.
    """
    if P is None:
        if e is None:
            return call("coupling_product", C, X=X, Y=Y, Q=Q)
        return call("newton_coupling", C, X=X, Y=Y, Q=Q, e=e)
    if e is None:
        return call("curvature_product", C, X=X, Y=Y, P=P, Q=Q)
    return call("newton_product", C, X=X, Y=Y, P=P, Q=Q, e=e)


def row_grams(
    C: Compressed,
    Y: Float[Array, "width k"],
    b: Float[Array, " m"],
    w: Float[Array, " m"] | None = None,
) -> tuple[Float[Array, "n k k"], Float[Array, "n k"]]:
    """Normal equations of every row, Σ_p w_p Y_j Y_jᵀ and Σ_p w_p b_p Y_j; without w, w = 1.

    2mk² flops; on the path of the references memory O(mk²).
    """
    if w is None:
        return call("row_grams", C, Y=Y, b=b)
    return call("weighted_row_grams", C, Y=Y, b=b, w=w)


def inverses(A: Float[Array, "n k k"]) -> Float[Array, "n k k"]:
    """The inverse of each symmetric positive semidefinite block, by sweeping its pivots in turn.

    A pivot that is rounding of the diagonal entry it is left of is left out, its row and column 0:
    a generalised inverse, A G A = A and G A G = G up to rounding. nk³ multiply-adds. (LAPACK, block
    by block, was seen to wait for ever beside large products.)
    """
    return call("inverses", _no_entries(A.shape[0]), A=A)


def block_product(A: Float[Array, "n k k"], P: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """A symmetric block for each row of a matrix, times it: G_i = A_i P_i; 2nk² flops."""
    return call("block_product", _no_entries(A.shape[0]), A=A, P=P)


@lru_cache(maxsize=4)
def _no_entries(n: int) -> Compressed:
    """Rows without entries, where blocks are all there is."""
    return Compressed(np.zeros(n + 1, np.int32), np.zeros(0, np.int32), 0)
