"""The kernels as the rest of the library calls them: arguments checked, path chosen.

X is (n, k) and belongs to the rows of the pattern, Y is (width, k) and belongs to its columns; the
p-th entry of the pattern lies in row i and column j. Real arguments of different types are brought
to their common type. On arrays of JAX the references run, which it differentiates and maps.
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
    """Entries of a low-rank matrix at the places of a pattern: out_p = <X_i, Y_j>.

    Parameters
    ----------
    C
        The places.
    X, Y
        Factors, shapes (n, k) and (width, k).

    Returns
    -------
    Array
        The products in the order of the pattern's entries, shape (m,).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    2mk flops. Memory O(m); on the reference path O(mk).
    """
    return call("sampled_product", C, X=X, Y=Y)


def sparse_tall(
    C: Compressed, v: Float[Array, " m"], Y: Float[Array, "width k"]
) -> Float[Array, "n k"]:
    """A sparse matrix times a tall one: G_i = sum_p v_p Y_j over the entries p of row i.

    Parameters
    ----------
    C
        The places of the sparse matrix.
    v
        Its entries, shape (m,).
    Y
        The tall matrix, shape (width, k).

    Returns
    -------
    Array
        The product, shape (n, k). Each row is summed in the order of its entries.

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    2mk flops. Memory O(nk); on the reference path O(mk).
    """
    return call("sparse_tall", C, v=v, Y=Y)


def tangent_product(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    P: Float[Array, "n k"],
    Q: Float[Array, "width k"],
) -> Float[Array, " m"]:
    """The change of `sampled_product` along a direction: out_p = <X_i, Q_j> + <P_i, Y_j>.

    Parameters
    ----------
    C
        The places.
    X, Y
        Factors, shapes (n, k) and (width, k).
    P, Q
        Directions, of the same shapes.

    Returns
    -------
    Array
        In the order of the pattern's entries, shape (m,).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    4mk flops. Memory O(m); on the reference path O(mk).
    """
    return call("tangent_product", C, X=X, Y=Y, P=P, Q=Q)


def sparse_tall_pair(
    C: Compressed,
    v: Float[Array, " m"],
    Y: Float[Array, "width k"],
    w: Float[Array, " m"],
    Q: Float[Array, "width k"],
) -> Float[Array, "n k"]:
    """Two sparse matrices of one pattern, each times its tall one: G_i = sum_p v_p Y_j + w_p Q_j.

    Parameters
    ----------
    C
        The places of both.
    v, w
        Their entries, shape (m,).
    Y, Q
        The tall matrices, shape (width, k).

    Returns
    -------
    Array
        The sum of the products, shape (n, k).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    4mk flops. Memory O(nk); on the reference path O(mk).
    """
    return call("sparse_tall_pair", C, v=v, Y=Y, w=w, Q=Q)


def residual_gradient(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    b: Float[Array, " m"],
) -> tuple[Float[Array, "n k"], Float[Array, " n"]]:
    """One side of the gradient of half the squared residual, and the squared residual by row.

    With s_p = <X_i, Y_j> - b_p: G_i = sum_p s_p Y_j and ss_i = sum_p s_p^2. The residual itself is
    not stored. Sums are left by row so that their total does not depend on who summed what.

    Parameters
    ----------
    C
        The places seen.
    X, Y
        Factors, shapes (n, k) and (width, k).
    b
        Data in the order of the pattern's entries, shape (m,).

    Returns
    -------
    tuple
        G, shape (n, k), and ss, shape (n,).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    4mk flops. Memory O(nk), and where rows of Y straddle cache lines and Y is large, a padded copy
    of Y; on the reference path O(mk).
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

    With s_p = <X_i, Q_j> + <P_i, Y_j>: G_i = sum_p s_p Y_j + e_p Q_j. Without e this is the
    Gauss-Newton product; with the residual for e it is Newton's.

    Parameters
    ----------
    C
        The places seen.
    X, Y
        Factors, shapes (n, k) and (width, k).
    P, Q
        Directions, of the same shapes; P may be None for zero.
    e
        Residual in the order of the pattern's entries, shape (m,), or None for no such term.

    Returns
    -------
    Array
        G, shape (n, k).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    6mk flops, 8mk with e, 2mk less where P is None. Memory O((n + width) k), for a copy of Y and Q
    side by side; on the reference path O(mk).
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
    """Normal equations of every row: sum_p w_p Y_j Y_j^T and sum_p w_p b_p Y_j.

    Parameters
    ----------
    C
        The places seen.
    Y
        Factor, shape (width, k).
    b
        Data in the order of the pattern's entries, shape (m,).
    w
        Weights in the same order, or None for ones.

    Returns
    -------
    tuple
        Gram matrices, shape (n, k, k), and right-hand sides, shape (n, k).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    2mk^2 flops. Memory O(nk^2); on the reference path O(mk^2).
    """
    if w is None:
        return call("row_grams", C, Y=Y, b=b)
    return call("weighted_row_grams", C, Y=Y, b=b, w=w)


def inverses(A: Float[Array, "n k k"]) -> Float[Array, "n k k"]:
    """The inverse of each symmetric positive semidefinite block, by sweeping its pivots in turn.

    A pivot that is rounding of the diagonal entry it is left of is left out, its row and column 0:
    a generalised inverse, A G A = A and G A G = G up to rounding.

    Parameters
    ----------
    A
        Blocks, shape (n, k, k), symmetric.

    Returns
    -------
    Array
        Inverses, shape (n, k, k), symmetric.

    Raises
    ------
    ValueError
        When A is not a stack of square blocks.

    Notes
    -----
    nk^3 multiply-adds. Memory O(nk^2). LAPACK, block by block,
    was seen to wait for ever beside large products.
    """
    return call("inverses", _no_entries(A.shape[0]), A=A)


def block_product(A: Float[Array, "n k k"], P: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """A symmetric block for each row of a matrix, times it: G_i = A_i P_i.

    Parameters
    ----------
    A
        Blocks, shape (n, k, k), symmetric.
    P
        The matrix, shape (n, k).

    Returns
    -------
    Array
        G, shape (n, k).

    Raises
    ------
    ValueError
        When shapes do not agree.

    Notes
    -----
    2nk^2 flops.
    """
    return call("block_product", _no_entries(A.shape[0]), A=A, P=P)


@lru_cache(maxsize=4)
def _no_entries(n: int) -> Compressed:
    """Rows without entries, where blocks are all there is."""
    return Compressed(np.zeros(n + 1, np.int32), np.zeros(0, np.int32), 0)
