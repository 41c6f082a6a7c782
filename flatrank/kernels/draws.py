"""Gaussian draws of the rows of a factor, from the normal equations that `row_grams` leaves."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.kernels import support
from flatrank.kernels.pattern import Compressed

#: Columns up to which Cholesky factors of eight rows fit on a thread's stack.
WIDEST = 128


def gaussian_rows(
    G: Float[Array, "n k k"],
    h: Float[Array, "n k"],
    tau: Float[Array, " n"],
    Lam: Float[Array, "k k"],
    c: Float[Array, " k"],
    Z: Float[Array, "n k"],
) -> tuple[Float[Array, "n k"], Float[Array, " n"]]:
    """A draw from N(Pᵢ⁻¹(c + τᵢ hᵢ), Pᵢ⁻¹) with Pᵢ = Λ + τᵢ Gᵢ for every row i, and its misfit.

    With Pᵢ = T Tᵀ the draw is xᵢ = T⁻ᵀ (T⁻¹ (c + τᵢ hᵢ) + zᵢ), and the misfit xᵢᵀ Gᵢ xᵢ − 2 hᵢᵀ xᵢ:
    what the sum of squared residuals of the row is above that of its data.

    Parameters
    ----------
    G, h
        Gram matrices, shape (n, k, k), of which the lower triangle is read, and right-hand sides,
        shape (n, k).
    tau
        Precision of each row's data, shape (n,), positive.
    Lam, c
        The rows' own precision Λ, shape (k, k), positive definite, and Λ times their mean, (k,).
    Z
        Standard normal numbers, shape (n, k); zeros give the means.

    Returns
    -------
    tuple
        The draws, shape (n, k), and the misfits, shape (n,).

    Notes
    -----
    n (k³/6 + 5 k²/2) multiply-adds on one thread, without Python's lock; in single precision, where
    G is, half the time. Memory O(n k).
    """
    dtype = np.float32 if G.dtype == np.float32 else np.float64
    given = [np.ascontiguousarray(x, dtype) for x in (G, h, tau, Lam, c, Z)]
    n, k = h.shape
    if support.obstacle() or k > WIDEST:
        return _plain_rows(*given)
    X, misfit = np.empty((n, k), dtype), np.empty(n, dtype)
    names = ("X", "P", "V", "Y", "Q", "W", "OUT", "SUM")
    words: dict[str, Array] = dict(zip(names, (*given, X, misfit), strict=True))
    _run("gaussian_rows", words, n * k * (k * k // 6 + 3 * k), N=n, K=k)
    return X, misfit


def scaled_data(
    C: Compressed, b: Float[Array, " m"], s: Float[Array, " width"]
) -> tuple[Float[Array, " m"], Float[Array, " n"]]:
    """Data times a number for each column, s_j b_p, and the sum of their squares by row.

    Parameters
    ----------
    C
        The places.
    b
        Data in the order of the pattern's entries, shape (m,).
    s
        A number for each column, shape (width,).

    Returns
    -------
    tuple
        The scaled data, shape (m,), and the sums, shape (n,).

    Notes
    -----
    One pass over the entries on one thread, without Python's lock; in the precision of b.
    """
    dtype = np.float32 if b.dtype == np.float32 else np.float64
    given = [np.ascontiguousarray(x, dtype) for x in (b, s)]
    if support.obstacle():
        out = given[1][C.indices] * given[0]
        return out, np.bincount(C.rows(), out * out, C.n)
    out, squares = np.empty(C.m, dtype), np.empty(C.n, dtype)
    names = ("V", "Y", "OUT", "SUM")
    words: dict[str, Array] = dict(zip(names, (*given, out, squares), strict=True))
    _run("scaled_data", words, 4 * C.m, C, K=1, STRIDE=1)
    return out, squares


def _run(
    name: str, arrays: dict[str, Array], cost: int, C: Compressed | None = None, **words: int
) -> None:
    """Run one of the loops on arrays and the entries of a pattern."""
    rows = _loop(name, 8 * arrays["OUT"].itemsize)
    import_module("flatrank.kernels.execution").execute(rows, cost, arrays, C, **words)


@cache
def _loop(name: str, bits: int) -> Any:
    """A loop for rows of any width, of numbers of so many bits."""
    execution, gaussian, rows = (
        import_module(f"flatrank.kernels.{room}") for room in ("execution", "gaussian", "rows")
    )
    # Wide: the number of columns is a word of the job.
    return execution.loop_of(rows.Variant(name, 16, bits, 256 // bits, True), gaussian)


def _plain_rows(G, h, tau, Lam, c, Z):
    G = np.tril(G) + np.swapaxes(np.tril(G, -1), 1, 2)
    T = np.linalg.cholesky(Lam + tau[:, None, None] * G)
    right = (c + tau[:, None] * h)[:, :, None]
    X = np.linalg.solve(np.swapaxes(T, 1, 2), np.linalg.solve(T, right) + Z[:, :, None])[:, :, 0]
    return X, np.einsum("ia,iab,ib->i", X, G, X) - 2 * np.sum(X * h, axis=1)
