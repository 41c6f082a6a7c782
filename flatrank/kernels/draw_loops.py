"""The loops of `draws.py`, in plain numba: one row after another, eight rows at a time.

Numbers of eight rows lie side by side, so that every instruction works on all eight, whatever the
order of the blocks: one compilation serves every k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
from numba import njit

from flatrank.kernels.addresses import cache_folder

ROWS = 8


def _compiled(function: Callable[..., Any]) -> Any:
    """Without Python's lock; kept on disk where numba can write."""
    keep = cache_folder(function) is not None
    return njit(nogil=True, fastmath=True, error_model="numpy", cache=keep)(function)


@_compiled
@no_type_check
def scaled_data(indptr, indices, b, s, out, squares):
    """out_p = s_j b_p and the sum of its squares by row."""
    for i in range(indptr.size - 1):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            x = s[indices[p]] * b[p]
            out[p] = x
            total += x * x
        squares[i] = total


@no_type_check
@njit(fastmath=True, error_model="numpy", inline="always")
def product(A, a, B, b, first, end):
    """Σ_q A_aq B_bq over q from first to end, for eight rows at once.

    Sums have names: numba keeps these in registers, and an array of eight not.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for q in range(first, end):
        s0 += A[a, q, 0] * B[b, q, 0]
        s1 += A[a, q, 1] * B[b, q, 1]
        s2 += A[a, q, 2] * B[b, q, 2]
        s3 += A[a, q, 3] * B[b, q, 3]
        s4 += A[a, q, 4] * B[b, q, 4]
        s5 += A[a, q, 5] * B[b, q, 5]
        s6 += A[a, q, 6] * B[b, q, 6]
        s7 += A[a, q, 7] * B[b, q, 7]
    return s0, s1, s2, s3, s4, s5, s6, s7


@no_type_check
@njit(fastmath=True, error_model="numpy", inline="always")
def subtract(A, a, b, s):
    """A_ab −= s, for eight rows at once."""
    A[a, b, 0] -= s[0]
    A[a, b, 1] -= s[1]
    A[a, b, 2] -= s[2]
    A[a, b, 3] -= s[3]
    A[a, b, 4] -= s[4]
    A[a, b, 5] -= s[5]
    A[a, b, 6] -= s[6]
    A[a, b, 7] -= s[7]


@_compiled
@no_type_check
def gaussian_rows(G, h, tau, Lam, c, Z, X, misfit):  # noqa: PLR0913
    """Cholesky factors, two triangular solves and the quadratic form of every row."""
    n, k = h.shape
    # T and its transpose, with 1/T_aa on the diagonals; x, or what becomes of it; Λ; −Λx.
    T, U, x = np.empty((k, k, ROWS)), np.empty((k, k, ROWS)), np.empty((1, k, ROWS))
    wide, lowered, squares = np.empty((k, k, ROWS)), np.empty((1, k, ROWS)), np.empty(ROWS)
    for a in range(k):
        for e in range(k):
            wide[a, e] = Lam[a, e]
    for first in range(0, n, ROWS):
        for w in range(ROWS):
            i = min(first + w, n - 1)  # after the last row, that one again
            for a in range(k):
                x[0, a, w] = c[a] + tau[i] * h[i, a]
                for e in range(a + 1):
                    T[a, e, w] = Lam[a, e] + tau[i] * G[i, a, e]
        for a in range(k):
            for e in range(a):
                subtract(T, a, e, product(T, a, T, e, 0, e))
                for w in range(ROWS):
                    T[a, e, w] *= T[e, e, w]
                    U[e, a, w] = T[a, e, w]
            subtract(T, a, a, product(T, a, T, a, 0, a))
            for w in range(ROWS):
                T[a, a, w] = 1 / np.sqrt(T[a, a, w])
        for a in range(k):
            subtract(x, 0, a, product(T, a, x, 0, 0, a))
            for w in range(ROWS):
                x[0, a, w] *= T[a, a, w]
        squares[:] = 0
        for w in range(ROWS):
            i = min(first + w, n - 1)
            for a in range(k):
                x[0, a, w] += Z[i, a]
                squares[w] += x[0, a, w] ** 2
        for a in range(k - 1, -1, -1):
            subtract(x, 0, a, product(U, a, x, 0, a + 1, k))
            for w in range(ROWS):
                x[0, a, w] *= T[a, a, w]
        # xᵀGx = (‖Tᵀx‖² − xᵀΛx)/τ
        lowered[:] = 0
        for a in range(k):
            subtract(lowered, 0, a, product(wide, a, x, 0, 0, k))
        for w in range(min(ROWS, n - first)):
            i, total = first + w, 0.0
            for a in range(k):
                X[i, a] = x[0, a, w]
                total += X[i, a] * (lowered[0, a, w] - 2 * tau[i] * h[i, a])
            misfit[i] = (squares[w] + total) / tau[i]
