"""The largest numbers of each row, in order."""

from __future__ import annotations

import numpy as np

#: Numbers of which the largest stands for all.
GROUP = 64


def best_columns(scores: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the `top` largest numbers of each row, best first; `scores` is (q, d).

    Columns are taken in groups, every so many of them: the `top` groups whose largest numbers are
    largest hold all that is sought, and the rest is not sorted. Of equal numbers the earlier column
    comes first, unless the last place is among them.
    """
    (q, d), every = scores.shape, np.arange(scores.shape[0])[:, None]
    groups = -(-d // GROUP)
    cols = np.broadcast_to(np.arange(d), (q, d))
    if top < groups:
        largest = scores[:, :groups].copy()
        for first in range(groups, d, groups):
            block = scores[:, first : first + groups]
            np.maximum(largest[:, : block.shape[1]], block, out=largest[:, : block.shape[1]])
        kept = np.argpartition(-largest, top - 1, axis=1)[:, :top]
        cols = (kept[:, :, None] + np.arange(0, d, groups)).reshape(q, -1)
        inside = cols < d
        cols = np.where(inside, cols, 0)
        scores = np.where(inside, scores[every, cols], -np.inf)
    if top < cols.shape[1]:
        kept = np.argpartition(-scores, top - 1, axis=1)[:, :top]
        cols, scores = cols[every, kept], scores[every, kept]
    order = np.lexsort((cols, -scores))
    return cols[every, order], scores[every, order]
