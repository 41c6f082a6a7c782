"""Tables with known truth: of rank 3 with effects of rows and columns, noise, and three masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Standard deviation of the noise over that of the entries.
NOISES = (0.1, 0.5, 1.0)
MASKS = ("uniform", "power law", "blocks")
#: Rows, columns and rank; draws of each cell of the grid.
SHAPE, RANK, DRAWS = (200, 150), 3, 20
#: Name → noise and mask.
CELLS = {
    f"noise-{noise}-{mask.replace(' ', '-')}": (noise, mask) for noise in NOISES for mask in MASKS
}


#: Half an interval of 90 % of one who knows the matrix and the noise, in standard deviations of it.
HALF = 1.6449


class Seen(NamedTuple):
    """All of a noisy table, the matrix under it, and which entries are seen."""

    Y: np.ndarray
    X: np.ndarray
    seen: np.ndarray


def table(name: str, seed: int) -> Seen:
    """Draw `seed` of a cell."""
    noise, mask = CELLS[name]
    rng, (d1, d2) = np.random.default_rng((list(CELLS).index(name), seed)), SHAPE
    X = rng.standard_normal((d1, RANK)) @ rng.standard_normal((RANK, d2))
    X += rng.standard_normal((d1, 1)) + rng.standard_normal(d2)
    Y = X + noise * X.std() * rng.standard_normal(SHAPE)
    seen = rng.random(SHAPE) < 0.3
    if mask == "power law":
        a, c = ((1.0 + rng.permutation(d)) ** -0.7 for d in SHAPE)
        chance = np.outer(a, c)
        seen = rng.random(SHAPE) < chance * (0.3 * d1 * d2 / chance.sum())
    elif mask == "blocks":
        i, j = (int(0.4 * d) for d in SHAPE)
        seen = rng.random(SHAPE) < 0.5
        seen[:i, :j] = seen[-i:, -j:] = False
    # A row or column of which nothing is seen has only the spread of all the others.
    for axis in (0, 1):
        for line in np.flatnonzero(~seen.any(axis=1 - axis)):
            np.moveaxis(seen, axis, 0)[line, rng.integers(SHAPE[1 - axis])] = True
    return Seen(Y, X, seen)


def judged(
    mean: np.ndarray,
    new: tuple[np.ndarray, np.ndarray],
    true: tuple[np.ndarray, np.ndarray] | None,
    unseen: tuple[np.ndarray, np.ndarray],
    noise: float,
) -> dict[str, float]:
    """What predictions and intervals of unseen entries are worth, given their Y and X.

    `new` are intervals of Y, `true` of X where there are some. Widths are means over the finite
    ones, over the width of one who knows X and the noise.
    """
    (low, high), (Y, X) = new, unseen
    finite = np.isfinite(high - low)
    found = {
        "coverage": inside(new, Y),
        "width": np.mean((high - low)[finite]) / (2 * HALF * noise),
        "infinite": 1 - np.mean(finite),
        "error": np.sqrt(np.mean((mean - X) ** 2)) / X.std(),
    }
    return found | ({} if true is None else {"true": inside(true, X)})


def inside(ends: tuple[np.ndarray, np.ndarray], values: np.ndarray) -> float:
    """Share of the values within their intervals."""
    return float(np.mean((ends[0] <= values) & (values <= ends[1])))
