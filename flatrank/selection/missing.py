"""How likely an entry is to be missing: odds of its row times odds of its column."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from flatrank.arrays.shapes import Float
from flatrank.measurements import SampledEntries

#: Newton's steps at most, the longest of them, and the last one, in logarithms of odds.
STEPS, LONGEST, CLOSE = 100, 1.0, 1e-6


def missing_odds(A: SampledEntries) -> tuple[Float[np.ndarray, " d1"], Float[np.ndarray, " d2"]]:
    """u and v of the likeliest law P(entry i, j is seen) = 1/(1 + u_i v_j).

    The odds that an entry is missing are u_i v_j. They are those under which every row and column
    is expected to hold what it holds,

        Σ_j 1/(1 + u_i v_j) = n_i,   Σ_i 1/(1 + u_i v_j) = c_j,

    once all entries are moved towards half seen by 1/(2 max(d1, d2)), so that an empty or a full
    row, up to half an entry then away from it, keeps finite odds.

    Parameters
    ----------
    A : SampledEntries
        The places seen.

    Returns
    -------
    u, v : arrays of shape (d1,) and (d2,)
        Positive; only their products have a meaning.

    Notes
    -----
    Rows of one count have one u, and there are at most √(2m) + 1 different counts: a step costs
    about 2m flops and numbers at most, whatever d1 d2 is. Newton's steps on log u and log v in
    turn; they ascend a concave likelihood.
    """
    (d1, d2), (n, c) = A.shape, A.grams()
    moved = 0.5 / max(d1, d2)
    n, row, rows = np.unique(
        (1 - 2 * moved) * n + moved * d2, return_inverse=True, return_counts=True
    )
    c, col, cols = np.unique(
        (1 - 2 * moved) * c + moved * d1, return_inverse=True, return_counts=True
    )
    log_u = np.log(d2 / n - 1)
    log_v = np.log(d1 / c - 1) - np.log(d1 * d2 / (n @ rows) - 1)
    for _ in range(STEPS):
        P = expit(-log_u[:, None] - log_v)
        up = np.clip((P @ cols - n) / ((P * (1 - P)) @ cols), -LONGEST, LONGEST)
        log_u = log_u + up
        P = expit(-log_u[:, None] - log_v)
        across = np.clip((rows @ P - c) / (rows @ (P * (1 - P))), -LONGEST, LONGEST)
        log_v = log_v + across
        if max(np.max(np.abs(up)), np.max(np.abs(across))) < CLOSE:
            break
    return np.exp(log_u)[row], np.exp(log_v)[col]
