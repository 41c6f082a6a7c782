"""Ordinary penalised problems, at random: the tables people have, not the hard instances.

Every class of size holds problems of 5 to 300 rows and columns; of rank 0 to full; with noise of
0 to 1 standard deviation; seen uniformly, with counts that fall by a power, in blocks, or whole;
some with repeated rows or constant columns; λ from 1e-4 to 1 of the one at which X = 0 is optimal;
θ of 0, ½ or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Classes by the number of cells d1 d2, from a quarter of it, and how many problems of each: 5000.
CLASSES = {f"cells-{4**k}": 4**k for k in range(4, 10)}
TRIES = dict(zip(CLASSES, (1700, 1600, 940, 500, 200, 60), strict=True))


@dataclass(frozen=True)
class Table:
    """Entries, with the share of the largest λ and the smoothing to solve them at."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    lam_ratio: float
    smoothing: float
    words: str


def table(cells: int, seed: int) -> Table:
    """Problem `seed` of the class."""
    rng = np.random.default_rng((cells, seed))
    d1, d2 = _shape(rng, cells)
    X, rank = _matrix(rng, d1, d2)
    noise = float(rng.choice([0.0, 1e-3, 0.03, 0.1, 0.3, 1.0]))
    Y = X + noise * (X.std() or 1.0) * rng.standard_normal(X.shape)
    name, seen = _mask(rng, d1, d2)
    rows, cols = np.nonzero(seen)
    ratio = 10.0 ** -rng.uniform(0, 4)
    smoothing = float(rng.choice([0.0, 0.5, 1.0]))
    words = f"{d1} x {d2}, rank {rank}, noise {noise}, {name}, θ {smoothing}, λ {ratio:.1e}"
    return Table(rows, cols, Y[rows, cols], (d1, d2), ratio, smoothing, words)


def _shape(rng: np.random.Generator, cells: int) -> tuple[int, int]:
    while True:
        d1, d2 = (round(5 * 60 ** rng.random()) for _ in range(2))
        if cells / 4 < d1 * d2 <= cells:
            return d1, d2


def _matrix(rng: np.random.Generator, d1: int, d2: int) -> tuple[np.ndarray, int]:
    """A matrix of rank 0, few, any or full, its spectrum flat or falling up to a hundredfold."""
    full = min(d1, d2)
    choices = [0, int(rng.integers(1, max(2, min(8, full)))), int(rng.integers(1, full + 1)), full]
    rank = int(rng.choice(choices, p=[0.05, 0.6, 0.2, 0.15]))
    weights = 10.0 ** (-rng.uniform(0, 2) * np.arange(rank) / max(rank, 1))
    X = rng.standard_normal((d1, rank)) @ (rng.standard_normal((d2, rank)) * weights).T
    if rng.random() < 0.15:
        X = np.repeat(X[: -(-d1 // 3)], 3, axis=0)[:d1]
    if rng.random() < 0.15:
        constant = max(1, d2 // 5)
        X[:, :constant] = rng.standard_normal(constant)
    return X, rank


def _mask(rng: np.random.Generator, d1: int, d2: int) -> tuple[str, np.ndarray]:
    name = str(rng.choice(["uniform", "power law", "block", "whole"], p=[0.45, 0.25, 0.15, 0.15]))
    share = rng.uniform(0.1, 0.95)
    seen = np.ones((d1, d2), dtype=bool)
    if name == "uniform":
        seen = rng.random((d1, d2)) < share
    elif name == "power law":
        a, c = ((1.0 + rng.permutation(d)) ** -rng.uniform(0.3, 1.2) for d in (d1, d2))
        chance = np.outer(a, c)
        seen = rng.random((d1, d2)) < chance * (share * d1 * d2 / chance.sum())
    elif name == "block":
        i, j = (max(1, int(d * rng.uniform(0.1, 0.6))) for d in (d1, d2))
        seen[:i, :j] = False
        seen &= rng.random((d1, d2)) < rng.uniform(0.5, 1)
    if not seen.any():
        seen[0, 0] = True
    return name, seen
