"""Ridge regressions of many rows at once, by a few conjugate gradient steps each."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.kernels import reference, support
from flatrank.kernels.calls import widened
from flatrank.kernels.hardware import HARDWARE
from flatrank.kernels.pattern import Compressed
from flatrank.kernels.signatures import padded_width


def ridge_steps(
    C: Compressed,
    X: Float[Array, "n k"],
    Y: Float[Array, "width k"],
    b: Float[Array, " m"],
    w: Float[Array, " m"],
    steps: int,
) -> Float[Array, "n k"]:
    """Steps of conjugate gradients on (I + Σ_p w_p Y_j Y_jᵀ) x_i = Σ_p b_p Y_j of every row i.

    Parameters
    ----------
    C
        The places, n rows and m entries.
    X
        Where the rows begin, shape (n, k); stays as it is.
    Y
        Rows of the other side, shape (width, k), of the type of X: float32 or float64.
    b, w
        A number and a weight w ≥ 0 for each entry, shape (m,).
    steps
        How many, the same for every row; k solve the equations exactly but for rounding. A row
        that is solved stays.

    Returns
    -------
    array of shape (n, k)
        Of the type of X.

    Notes
    -----
    4 m k (steps + 1) flops. Memory O(n k), and a copy of Y where k is no multiple of 8 above 16.
    """
    dtype = X.dtype
    Y, b, w = (np.ascontiguousarray(x, dtype) for x in (Y, b, w))
    n, k = X.shape
    if support.obstacle() or k == 0:
        return reference.ridge_steps(C, X, Y, b, w, steps)
    # Of wide rows only: a narrow one is given zeros.
    width = max(padded_width(k), HARDWARE.narrow + 8)
    execution = import_module("flatrank.kernels.execution")
    try:
        rows = execution.rows_of("ridge_steps", width, 8 * dtype.itemsize)
    except Exception as error:  # a compiler that is broken, or does not fit the rest
        support.failed("ridge_steps", error)
        return reference.ridge_steps(C, X, Y, b, w, steps)
    out = widened(X, ["n", "k"], width)
    out = np.array(X, order="C") if out is X else out
    given = {"Y": widened(Y, ["w", "k"], width), "V": b, "W": w, "OUT": out}
    cost = 2 * (steps + 1) * width * (C.m + n)
    execution.execute(rows, cost, given, C, K=width, STRIDE=width, STEPS=steps)
    return out[:, :k]
