"""The norm of a matrix held as an array, proved by a Cholesky factor."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.linalg import cho_solve, cholesky

from flatrank.arrays import all_cores
from flatrank.linalg import krylov_eigenpairs

# Up to this order the eigenvalues themselves are computed.
AT_ONCE = 64
# Columns at once, and products with them, of a Krylov space.
STEPS = 8, 8
# Relative distances above the spectrum from which it is looked at.
CLOSER = 1e-3, 1e-7
# Relative distance above it at which a factor surely exists.
ROUNDING = 1e-11


def dense_norm(S: np.ndarray) -> float:
    """An upper bound on ‖S‖ of a matrix held as an array, equal to it within 1e-9.

    c² I − S Sᵀ has a Cholesky factor if and only if ‖S‖ < c, which proves c whatever it came
    from: here from Krylov spaces, from below, raised until the factor exists. Valid to rounding
    (about min(d1, d2)·1e-16, relatively, in ‖S‖²).

    Cost: with d = min(d1, d2), d² max(d1, d2) flops for the Gram and d³/3 a factor, of which there
    are one to three; d² memory, three times. Up to d = 64 the eigenvalues themselves.
    """
    top = float(np.max(np.abs(S), initial=0.0))
    if not math.isfinite(top):
        return math.inf
    unit = 1.0 if 1e-100 <= top <= 1e100 or top == 0 else top  # in which squares are in range
    S = S if unit == 1.0 else S / unit
    return root_of_largest(S @ S.T if S.shape[0] <= S.shape[1] else S.T @ S) * unit


def root_of_largest(
    gram: np.ndarray, guesses: Iterable[float] = (), within: float = ROUNDING
) -> float:
    """An upper bound on the root of a Gram's largest eigenvalue: a guess that is one, or close.

    `within`: how close, relatively, in the eigenvalue.

    A few Krylov steps show where the spectrum ends; a Cholesky factor above it then serves for
    steps on the inverse, which part eigenvalues that lie together there. (ARPACK gives up on them.)
    """
    d = gram.shape[0]
    if not np.all(np.isfinite(gram)):
        return math.inf
    if d <= AT_ONCE or not np.any(gram):
        return math.sqrt(max(float(np.linalg.eigvalsh(gram)[-1]), 0.0))
    for guess in guesses:
        if _factor(gram, guess * guess) is not None:
            return guess
    start = np.random.default_rng(0).standard_normal((d, STEPS[0]))
    with all_cores(float(d) ** 3):
        found, V = krylov_eigenpairs(lambda X: gram @ X, start, math.prod(STEPS))
        top = max(float(found[-1]), float(np.trace(gram)) / d)  # from below, and above zero
        for more in CLOSER:
            above, C = _raised(gram, top, more)
            found, V = krylov_eigenpairs(
                lambda X, C=C: cho_solve((C, False), X, check_finite=False),
                V[:, -STEPS[0] :],
                math.prod(STEPS),
            )
            top = max(top, above - 1 / float(found[-1]))
        return math.sqrt(_raised(gram, top, within)[0])


def _raised(gram: np.ndarray, top: float, more: float) -> tuple[float, np.ndarray]:
    """The first of (1 + more) top, more = …, 30 more, … above all eigenvalues, and its factor."""
    while (C := _factor(gram, (1 + more) * top)) is None:
        more *= 30
    return (1 + more) * top, C


def _factor(gram: np.ndarray, value: float) -> np.ndarray | None:
    """The Cholesky factor of value·I − gram, which exists if all eigenvalues lie below."""
    shifted = -gram
    shifted[np.diag_indices(gram.shape[0])] += value
    try:
        with all_cores(float(len(gram)) ** 3):
            return cholesky(shifted, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
