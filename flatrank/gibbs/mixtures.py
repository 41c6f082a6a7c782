"""The predictive law of an entry: a mixture of one normal law for each draw."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from flatrank.arrays.shapes import Float

#: Newton's steps for a quantile, and the last one, in standard deviations, that is small enough.
STEPS, CLOSE = 20, 1e-3


def log_density(
    value: Float[np.ndarray, " q"], x: Float[np.ndarray, "S q"], sd: Float[np.ndarray, "S q"]
) -> Float[np.ndarray, " q"]:
    """log (1/S) Σ_s N(value; x_s, sd_s²)."""
    z = (value - x) / sd
    logs = -0.5 * z * z - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return logsumexp(logs, axis=0) - np.log(x.shape[0])


def share_below(
    value: Float[np.ndarray, " q"], x: Float[np.ndarray, "S q"], sd: Float[np.ndarray, "S q"]
) -> Float[np.ndarray, " q"]:
    """(1/S) Σ_s Φ((value − x_s)/sd_s)."""
    return ndtr((value - x) / sd).mean(axis=0)


def spread(x: Float[np.ndarray, "S q"], sd: Float[np.ndarray, "S q"]) -> Float[np.ndarray, " q"]:
    """Standard deviation of each mixture: √((1/S) Σ_s sd_s² + (1/S) Σ_s (x_s − x̄)²)."""
    return np.sqrt(np.mean(sd**2, axis=0) + x.var(axis=0))


def quantile(
    p: float, x: Float[np.ndarray, "S q"], sd: Float[np.ndarray, "S q"]
) -> Float[np.ndarray, " q"]:
    """The p-quantile of each mixture.

    Newton's steps on (1/S) Σ_s Φ((t − x_s)/sd_s) = p from the normal law of the same mean and
    variance, kept between the least and the largest quantile of the components.
    """
    z, x, sd = ndtri(p), np.asarray(x, np.float64), np.asarray(sd, np.float64)
    low, high = np.min(x + z * sd, axis=0), np.max(x + z * sd, axis=0)
    unit = spread(x, sd)
    t = np.clip(x.mean(axis=0) + z * unit, low, high)
    for _ in range(STEPS):
        u = (t - x) / sd
        F = ndtr(u).mean(axis=0)
        low, high = np.where(p >= F, t, low), np.where(p <= F, t, high)
        f = np.mean(np.exp(-0.5 * u * u) / sd, axis=0) / np.sqrt(2 * np.pi)
        new = t - np.divide(F - p, f, out=np.zeros_like(f), where=f > 0)
        new = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        moved, t = np.max(np.abs(new - t) / unit, initial=0.0), new
        if moved < CLOSE:
            break
    return t
