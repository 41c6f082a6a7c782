"""The norm of a matrix held as an array, proved by a Cholesky factor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.linalg import cholesky, eigh

from flatrank.arrays import all_cores

# Up to this order the eigenvalues themselves are computed.
AT_ONCE = 64


def dense_norm(S: np.ndarray) -> float:
    """An upper bound on ‖S‖ of a matrix held as an array, equal to it within 1e-9.

    c² I − S Sᵀ has a Cholesky factor if and only if ‖S‖ < c, which proves c whatever it came
    from: here from Lanczos, from below, raised until the factor exists. Valid to rounding (about
    min(d1, d2)·1e-16, relatively, in ‖S‖²).

    Cost: with d = min(d1, d2), d² max(d1, d2) flops for the Gram and d³/3 a factor, of which there
    are one to three; d² memory, three times. Up to d = 64 the eigenvalues themselves.
    """
    top = float(np.max(np.abs(S), initial=0.0))
    if not math.isfinite(top):
        return math.inf
    unit = 1.0 if 1e-100 <= top <= 1e100 or top == 0 else top  # in which squares are in range
    S = S if unit == 1.0 else S / unit
    return root_of_largest(S @ S.T if S.shape[0] <= S.shape[1] else S.T @ S) * unit


def root_of_largest(gram: np.ndarray, guesses: Iterable[float] = ()) -> float:
    """An upper bound on the root of a Gram's largest eigenvalue: a guess that is one, or close."""
    d = gram.shape[0]
    if not np.all(np.isfinite(gram)):
        return math.inf
    if d <= AT_ONCE or not np.any(gram):
        return math.sqrt(max(float(np.linalg.eigvalsh(gram)[-1]), 0.0))
    for guess in guesses:
        if _above(gram, guess * guess):
            return guess
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh  # only here: it takes long

    start = np.random.default_rng(0).standard_normal(d)
    with all_cores(float(d) ** 3):
        try:
            few: dict[str, Any] = {"ncv": 40, "tol": 1e-9, "maxiter": 20}
            found = eigsh(gram, 1, v0=start, return_eigenvectors=False, **few)
            top = float(found[0])
        except ArpackNoConvergence:
            top = float(eigh(gram, eigvals_only=True, subset_by_index=[d - 1, d - 1])[0])
    top = max(top, float(np.trace(gram)) / d)  # from below too, and above zero
    more = 1e-11
    while not _above(gram, (1 + more) * top):
        more *= 30
    return math.sqrt((1 + more) * top)


def _above(gram: np.ndarray, value: float) -> bool:
    """Whether all eigenvalues lie below: value·I − gram has a Cholesky factor."""
    shifted = -gram
    shifted[np.diag_indices(gram.shape[0])] += value
    try:
        with all_cores(float(len(gram)) ** 3):
            cholesky(shifted, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return False
    return True
