"""Factor pairs from anywhere, for a given problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

from flatrank.factors import Cone, FactorPair, padded_width
from flatrank.flatness import Flatness, measure_flatness
from flatrank.kernels import scope
from flatrank.problems.flat import Problem
from flatrank.problems.symmetric import Symmetric


def as_problem(problem: Any) -> Problem:
    """A problem, as the functions that take one must be given.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(problem, Problem):
        raise ValueError(
            "expected a Problem, made by a front door such as flatrank.completion(rows, cols, "
            f"values, shape) or flatrank.sensing(A, b); got {type(problem).__name__}"
        )
    return problem


def as_pair(
    problem: Problem, factors: FactorPair | tuple[ArrayLike, ArrayLike] | ArrayLike
) -> FactorPair:
    """The pair of X that somebody means, in the form of the problem.

    Parameters
    ----------
    problem : Problem
        Gives the shapes, and whether X is complex.
    factors : FactorPair, (L, R) or U
        (d1, k) and (d2, k), in any array type. Where X is a Hermitian n × n matrix also complex
        (n, k) ones with X = L R*. Where X is positive semidefinite also U alone, k ≠ n.

    Returns
    -------
    FactorPair

    Raises
    ------
    ValueError
        If the problem is none, shapes do not fit, a number is not finite, or complex where X is
        real.
    """
    problem = as_problem(problem)
    L, R = (_as_factor(problem, x) for x in _both(problem, factors))
    d1, d2 = problem.shape
    fits = L.ndim == R.ndim == 2 and L.shape[1] == R.shape[1]
    if not fits or L.shape[0] != d1 or R.shape[0] != d2:
        n = d1 // 2
        also = f", or complex ones of {n} rows," if problem.cone is Cone.HERMITIAN else ""
        raise ValueError(
            f"factors must be L ({d1}, k) and R ({d2}, k){also} for this problem; "
            f"got {L.shape} and {R.shape}"
        )
    if not (np.all(np.isfinite(L)) and np.all(np.isfinite(R))):
        raise ValueError("factors hold NaN or infinite numbers; expected finite ones")
    return FactorPair(jax.device_put(L), jax.device_put(R))


def _both(problem: Problem, factors: Any) -> tuple[Any, Any]:
    """Left and right factor, whatever way they are given."""
    if isinstance(factors, FactorPair):
        return factors.L, factors.R
    if isinstance(factors, (tuple, list)) and len(factors) == 2:
        return factors[0], factors[1]
    n = problem.cone.size(problem.shape[1])
    shape = np.shape(factors) if isinstance(factors, (np.ndarray, jax.Array)) else None
    if problem.cone.positive and shape is not None and len(shape) == 2 and shape[1] != n:
        return factors, factors
    got = type(factors).__name__ if shape is None else f"one array of shape {shape}"
    raise ValueError(
        f"factors must be a FactorPair or (L, R) with X = L R^T; got {got}. Of a matrix X "
        "they are U * s and V from U, s, Vt = numpy.linalg.svd(X, full_matrices=False), V = Vt.T; "
        "of X = U U* they are (U, U)"
    )


def _as_factor(problem: Problem, given: Any) -> np.ndarray:
    """In double precision; complex rows, where X is complex, as the real over the imaginary."""
    x = np.asarray(given)
    if x.dtype.kind not in "fiubc":
        raise ValueError(f"factors must be arrays of numbers; got {x.dtype}")
    if problem.cone is Cone.HERMITIAN and x.ndim == 2 and x.shape[0] == problem.shape[0] // 2:
        return np.concatenate([np.real(x), np.imag(x)]).astype(np.float64)
    if x.dtype.kind == "c":
        lowered = "has real factors, the real over the imaginary parts, or complex ones of n rows"
        holds = lowered if problem.cone is Cone.HERMITIAN else "has real factors"
        raise ValueError(
            f"this problem {holds}; got {x.dtype} of shape {x.shape}. Give x.real where the "
            "imaginary part is rounding"
        )
    return x.astype(np.float64)


def flatness_of(
    problem: Problem, factors: FactorPair | tuple[ArrayLike, ArrayLike] | ArrayLike
) -> Flatness:
    """How flat, how balanced and how large a pair is, whoever made it.

    Parameters
    ----------
    problem : Problem
        Gives D1, D2 and the number of measurements; its data do not matter, but for the scaled
        trace of a symmetric problem off the data (see `Symmetric`).
    factors : FactorPair or (L, R)
        (d1, k) and (d2, k), of X (not of D1 X D2). Where X is complex, `solution.U` will do, and so
        will complex L and R with X = L R*.

    Returns
    -------
    Flatness
        Scaled trace, squared norm, imbalance and excess.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or complex where X is real.

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
