"""Rows that come in later: their factors given the draws there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv

import flatrank.kernels as kernels
from flatrank.arrays.shapes import Float
from flatrank.gibbs.chains import Draws
from flatrank.gibbs.priors import draw_precisions
from flatrank.gibbs.regression import centred
from flatrank.gibbs.sampler import Noise, enough_for, generator, row_blocks

#: Sweeps between a new row's factors and its noise, with the first of the draws.
FOLDS = 5


class New(NamedTuple):
    """Entries of new rows, row by row, in the draws' unit, and features (n, p) if rows have any."""

    C: kernels.Compressed
    b: Float[np.ndarray, " q"]
    F: Float[np.ndarray, "n p"] | None

    def blocks(self, k: int) -> Iterator[tuple[slice, New]]:
        """Rows of each block, and what is known of them."""
        for block, entries, part in row_blocks(self.C, k):
            yield block, New(part, self.b[entries], None if self.F is None else self.F[block])


def mean_factors(
    new: New, draws: Draws, law: Noise, seed: int, some: np.ndarray
) -> Float[np.ndarray, "n Sk"]:
    """Means of the factors of new rows given some draws, those of each beside those of the last."""
    C, d, k = new.C, draws, draws.L.shape[2]
    rng, gamma = generator(seed, 1 << 21), np.ones(C.n)
    counts, which = np.unique(np.diff(C.indptr), return_inverse=True)
    zeros, L, sweeps = np.zeros((C.n, k)), np.empty((C.n, some.size, k)), FOLDS
    for at, s in enumerate(some):
        G, h, squares, m = normal_equations(new, d, s, np.float64)
        alpha, a = d.alpha[s], d.row_shape[s]
        Lam, c = d.row_precision[s], d.row_precision[s] @ d.row_mean[s]
        for _ in range(sweeps if law is Noise.BY_LINE else 0):
            Z = np.tile(rng.standard_normal(k), (C.n, 1))
            _, misfit = kernels.gaussian_rows(G, h, alpha * gamma, Lam, c, Z)
            drawn = gammaincinv(a + counts / 2, rng.random())[which]
            gamma = drawn / (a + alpha * np.maximum(squares + misfit, 0.0) / 2)
        x, _ = kernels.gaussian_rows(G, h, alpha * gamma, Lam, c, zeros)
        L[:, at] = x + m
        sweeps = 1  # the noise of one draw is where that of the next starts
    return L.reshape(C.n, -1)


def normal_equations(
    new: New, draws: Draws, s: int, dtype: type
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | float]:
    """Of every row Σ δ r rᵀ, Σ δ b r and Σ δ b², with the R and δ of a draw, and m = Bᵀ f.

    b is what m leaves of the data; without features m = 0.
    """
    C, b, F = new
    root = np.sqrt(draws.col_noise[s])
    scaled, squares = kernels.scaled_data(C, b.astype(dtype), root)
    R = np.asarray(draws.R[s] * root[:, None], dtype)
    G, h = kernels.row_grams(C, R, scaled)
    B = draws.row_weights
    if F is None or B is None:
        return G, h, squares, 0.0
    m = (F @ B[s]).astype(dtype)
    return G, *centred(G, h, squares, m), m


def drawn_factors(
    new: New, draws: Draws, law: Noise, seed: int
) -> tuple[Float[np.ndarray, "S n k"], Float[np.ndarray, "S n"]]:
    """Factors of new rows and their noise, given each of the draws.

    The noise of one draw is where that of the next starts, so that one sweep each will do.
    """
    rng, n, k = generator(seed, 1 << 20), new.C.n, draws.L.shape[2]
    L, gamma = np.empty((len(draws), n, k), np.float32), np.ones((len(draws), n))
    for block, part in new.blocks(k):
        g = gamma[0, block]
        for s, alpha in enumerate(draws.alpha):
            x, noise = _swept(part, draws, law, s, (g, rng, enough_for(alpha)))
            if not np.all(np.isfinite(x)):
                x, noise = _swept(part, draws, law, s, (g, rng, np.float64))
            L[s, block], gamma[s, block] = x, noise
            g = noise
    return L, gamma


def _swept(
    new: New, d: Draws, law: Noise, s: int, start: tuple[np.ndarray, Any, type]
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of new rows and their noise, given one draw, from noise g on, in a precision."""
    (g, rng, dtype), counts = start, np.diff(new.C.indptr)
    G, h, squares, m = normal_equations(new, d, s, dtype)
    Lam, c = d.row_precision[s], d.row_precision[s] @ d.row_mean[s]
    apart, x = law is Noise.BY_LINE, np.zeros_like(h)
    for _ in range(FOLDS if apart and s == 0 else 1):
        Z = rng.standard_normal(h.shape, dtype)
        x, misfit = kernels.gaussian_rows(G, h, d.alpha[s] * g, Lam, c, Z)
        if apart:
            sums = np.maximum(squares + misfit, 0.0)
            g = draw_precisions(counts, d.alpha[s] * sums, float(d.row_shape[s]), rng)
    return x + m, g
