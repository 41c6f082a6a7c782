"""Symmetric matrices known through quadratic forms."""

from __future__ import annotations

import jax
import numpy as np
from numpy.typing import ArrayLike

from flatrank.factors import Cone
from flatrank.measurements import QuadraticForms
from flatrank.problems.arguments import checked_array, checked_parameters
from flatrank.problems.flat import Problem
from flatrank.problems.symmetric import stated

# Largest numbers of x below this, or above its reciprocal, have Grams out of range.
_SMALLEST = 1e-50


def covariance(x: ArrayLike, y: ArrayLike, *, lam: float = 0.0) -> Problem:
    """A positive semidefinite matrix known through yᵢ = xᵢᵀ M xᵢ.

    lam = 0: min tr(D M D) over M ⪰ 0 that fit; lam > 0: min ½ Σ (xᵢᵀ M xᵢ − yᵢ)² + lam tr(D M D),
    D² = (1/(m d)) Σ ‖xᵢ‖² xᵢxᵢᵀ.

    Parameters
    ----------
    x : real array of shape (m, d)
        The vectors, a row each, finite.
    y : real array of shape (m,)
        The data, finite.
    lam : float
        Weight λ ≥ 0 of the trace; 0 interpolates.

    Returns
    -------
    Problem
        A `Symmetric`; its solution has L = R = U with M = U Uᵀ.

    Raises
    ------
    ValueError
        If lengths differ, nothing is measured, a number is not finite or not real, every
        vector is zero, or lam is out of range.

    Notes
    -----
    Cost: m d numbers of memory, the matrices xᵢxᵢᵀ are never formed; 2 m d² flops for the Gram and
    O(d³) for D. With m < d the problem is the one restricted to the span of the vectors.

    Reference: Ding, Drusvyatskiy, Fazel, Harchaoui (2024), §7.
    """
    return _stated(x, y, lam, Cone.POSITIVE)


def _stated(x: ArrayLike, y: ArrayLike, lam: float, among: Cone) -> Problem:
    vectors, data = checked_array("x", x, 2, _SMALLEST), checked_array("y", y)
    lam, _ = checked_parameters(lam, 0.0)
    return _of_vectors(vectors, data, lam, among)


def _of_vectors(x: np.ndarray, y: np.ndarray, lam: float, among: Cone) -> Problem:
    if x.shape[0] != y.size:
        raise ValueError(f"x and y must have one length; got {x.shape[0]} and {y.size}")
    if not x.size:
        raise ValueError(f"x must hold at least one vector of one number; got shape {x.shape}")
    with jax.enable_x64(True):
        measurement = QuadraticForms(jax.device_put(x))
    return stated(measurement, y, lam, among)
