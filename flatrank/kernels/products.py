"""The kernels as the rest of the library calls them: arguments checked, path chosen.

X is (n, k) and belongs to the rows of the pattern, Y is (width, k) and belongs to its columns; the
p-th entry of the pattern lies in row i and column j. Real arguments of different types are brought
to their common type. On arrays of JAX the references run, which it differentiates and maps.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays import Array, compiled, on_device, xp
from flatrank.arrays.shapes import Float
from flatrank.kernels import reference, support
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.signatures import SIGNATURES, call_width, parsed

WORDS = {"n": "C.n", "m": "C.m", "w": "C.width", "k": "k"}


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


def call(kernel: str, C: Compressed, **reals: Any) -> Any:
    """Check the arguments of a kernel, given in the order of its signature, and run it."""
    k = check(kernel, C, reals)
    on_host = all(isinstance(x, np.ndarray) for x in (C.indptr, *reals.values()))
    if not on_host and on_device(C, reals):
        dtype = xp.result_type(0.0, *reals.values())
        return _on_device(C, [x.astype(dtype) for x in reals.values()], kernel)
    dtype = np.result_type(0.0, *reals.values())
    arrays = [np.ascontiguousarray(x, dtype) for x in reals.values()]
    if k == 0 or dtype.char not in "fd" or support.obstacle():
        return PLAIN[kernel](C, *arrays)
    width = call_width(k)
    try:
        plan = _execution().plan(kernel, width, 8 * dtype.itemsize)
    except Exception as error:  # numba that is broken, or does not fit the rest
        support.failed(kernel, error)
        return PLAIN[kernel](C, *arrays)
    inputs, outputs = (parsed(s) for s in SIGNATURES[kernel])
    if width != k:
        arrays = [_widened(x, axes, width) for x, (_, axes) in zip(arrays, inputs, strict=True)]
    out = _execution().execute(plan, C, arrays, width)
    if width != k:
        axes = [axes for name, axes in outputs if name != "WORK"]
        out = [_narrowed(x, a, k) for x, a in zip(out, axes, strict=True)]
    return tuple(out) if len(out) > 1 else out[0]


def _widened(x: np.ndarray, axes: list[str], width: int) -> np.ndarray:
    """With zeros after the last column, on each axis of columns."""
    shape = tuple(width if a == "k" else d for a, d in zip(axes, x.shape, strict=True))
    if shape == x.shape:
        return x
    out = np.zeros(shape, x.dtype)
    out[tuple(slice(d) for d in x.shape)] = x
    return out


def _narrowed(x: np.ndarray, axes: list[str], k: int) -> np.ndarray:
    """Without the columns that `_widened` added."""
    return x[tuple(slice(k if a == "k" else None) for a in axes)]


@cache
def _execution() -> Any:
    """The room of compiled code, which brings numba."""
    return import_module("flatrank.kernels.execution")


@compiled
def _on_device(C: Compressed, reals: list[Array], kernel: str) -> Any:
    return PLAIN[kernel](C, *reals)


PLAIN = {
    "sampled_product": reference.sampled_product,
    "sparse_tall": reference.sparse_tall,
    "tangent_product": reference.tangent_product,
    "sparse_tall_pair": reference.sparse_tall_pair,
    "residual_gradient": reference.residual_gradient,
    "curvature_product": reference.curvature_product,
    "newton_product": reference.curvature_product,
    "coupling_product": reference.coupling_product,
    "newton_coupling": reference.coupling_product,
    "row_grams": reference.row_grams,
    "weighted_row_grams": reference.row_grams,
    "inverses": reference.inverses,
    "block_product": reference.block_product,
}


def check(kernel: str, C: Compressed, reals: dict[str, Any]) -> int:
    """The number of columns of the factors, if all shapes agree with the kernel's signature."""
    lengths = {"n": C.n, "m": C.m, "w": C.width}
    signature = parsed(SIGNATURES[kernel][0])
    for (_, axes), (name, x) in zip(signature, reals.items(), strict=True):
        shape = x.shape
        if len(shape) == len(axes) > 1:
            lengths.setdefault("k", shape[1])
        expected = tuple([lengths.get(a) for a in axes])
        if shape != expected:
            words = ", ".join(WORDS[a] for a in axes)
            raise ValueError(
                f"{kernel}: expected {name} of shape ({words}) = {expected}, got {shape}."
            )
    return lengths["k"]
