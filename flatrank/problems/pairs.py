"""Factor pairs from anywhere, for a given problem."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import ArrayLike

from flatrank.factors import FactorPair, padded_width
from flatrank.flatness import Flatness, measure_flatness
from flatrank.kernels import scope
from flatrank.problems.flat import Problem
from flatrank.problems.symmetric import Symmetric


def as_pair(problem: Problem, factors: FactorPair | tuple[ArrayLike, ArrayLike]) -> FactorPair:
    """Accept (L, R) in any array type; check shapes and values."""
    both = (factors.L, factors.R) if isinstance(factors, FactorPair) else factors
    L, R = (np.asarray(x, dtype=np.float64) for x in both)
    d1, d2 = problem.shape
    fits = L.ndim == R.ndim == 2 and L.shape[1] == R.shape[1]
    if not fits or L.shape[0] != d1 or R.shape[0] != d2:
        raise ValueError(
            f"factors must be L ({d1}, k) and R ({d2}, k) for this problem; "
            f"got {L.shape} and {R.shape}"
        )
    if not (np.all(np.isfinite(L)) and np.all(np.isfinite(R))):
        raise ValueError("factors hold NaN or infinite numbers; expected finite ones")
    return FactorPair(jax.device_put(L), jax.device_put(R))


def flatness_of(problem: Problem, factors: FactorPair | tuple[ArrayLike, ArrayLike]) -> Flatness:
    """How flat, how balanced and how large a pair is, whoever made it.

    Parameters
    ----------
    problem : Problem
        Gives D1, D2 and the number of measurements; its data do not matter, but for the scaled
        trace of a symmetric problem off the data (see `Symmetric`).
    factors : FactorPair or (L, R)
        (d1, k) and (d2, k), of X (not of D1 X D2).

    Returns
    -------
    Flatness
        Scaled trace, squared norm, imbalance and excess.

    Raises
    ------
    ValueError
        If shapes do not fit or a number is not finite.

    Notes
    -----
    Cost: O((d1 + d2) k² + k³) flops. Source: §2 of the flat-minima report; the closed form of the
    scaled trace holds at every pair.
    """
    with scope():
        pair = as_pair(problem, factors)
        padded = pair.resized(padded_width(pair.rank))
        found = measure_flatness(problem.measurement, padded, problem.rescaling)
        if isinstance(problem, Symmetric):
            found = replace(found, scaled_trace=problem.scaled_trace(pair))
        return found
