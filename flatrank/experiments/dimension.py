"""How many measurements recovery takes, in theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

Measure = tuple[np.ndarray, np.ndarray]


def degrees_of_freedom(d1: int, d2: int, r: int) -> int:
    """r(d1 + d2 − r): with fewer measurements no method can find a matrix of rank r."""
    return r * (d1 + d2 - r)


def statistical_dimension(d1: int, d2: int, r: int) -> float:
    """The statistical dimension of the descent cone of the nuclear norm at rank r.

    δ = min_{τ ≥ 0} r(d1 + d2 − r) + rτ² + E Σᵢ (σᵢ − τ)₊², σᵢ the singular values of a Gaussian
    (d1 − r) × (d2 − r) matrix: its distance to τ times the subdifferential. Recovery from m
    Gaussian measurements switches from unlikely to likely around m = δ, within a few √(d1 d2).

    For 0 ≤ r ≤ min(d1, d2) between r(d1 + d2 − r) and d1 d2; 0 for r = 0.

    Notes
    -----
    Reference: Amelunxen, Lotz, McCoy, Tropp, Living on the edge: phase transitions in convex
    programs with random data (Information and Inference 3, 2014), Theorem II and Proposition 4.7.
    The expectation is that of the Marchenko–Pastur law, the limit of large d; at d = 10 this is
    within 2 % of the expectation itself. Cost: some thirty sums of 2000 terms.
    """
    low, high = sorted((d1 - r, d2 - r))
    base = float(degrees_of_freedom(d1, d2, r))
    if r == 0 or low == 0:
        return base
    values, weights = _marchenko_pastur(low / high)
    return base + _least(r, low, (math.sqrt(high) * values, weights))


def symmetric_degrees_of_freedom(d: int, r: int) -> int:
    """Degrees of freedom of symmetric d × d matrices of rank r: r d − r(r − 1)/2."""
    return r * d - r * (r - 1) // 2


def symmetric_statistical_dimension(d: int, r: int) -> float:
    """`statistical_dimension` among symmetric d × d matrices, of which r eigenvalues are not zero.

    δ = min_{τ ≥ 0} rd − r(r − 1)/2 + rτ² + E Σᵢ (|λᵢ| − τ)₊², λᵢ the eigenvalues of a standard
    Gaussian symmetric (d − r) × (d − r) matrix (variance 1 on the diagonal, ½ off it).

    For 0 ≤ r ≤ d between rd − r(r − 1)/2 and d(d + 1)/2, 0 for r = 0; the signs of the eigenvalues
    make no difference. The expectation is that of the semicircle law on [−√(2n), √(2n)],
    n = d − r + 1, which has the mean of Σ λᵢ² right.
    """
    base = float(symmetric_degrees_of_freedom(d, r))
    if r == 0 or r == d:
        return base
    cosines, weights = _semicircle()
    return base + _least(r, d - r, (math.sqrt(2 * (d - r + 1)) * np.abs(cosines), weights))


def _least(r: int, count: int, law: Measure) -> float:
    """min over τ ≥ 0 of rτ² + Σ E (σᵢ − τ)₊² for `count` values σᵢ of one law."""
    values, weights = law

    def distance(tau: float) -> float:
        return r * tau**2 + count * float(weights @ np.maximum(values - tau, 0.0) ** 2)

    found: Any = minimize_scalar(distance, bounds=(0.0, values.max()), method="bounded")
    return float(found.fun)


def _semicircle() -> Measure:
    """Nodes and weights of cos φ, φ of the density 2 sin²φ/π on [0, π].

    The midpoint rule is as good as any where the integrand is periodic.
    """
    nodes = 2000
    phi = math.pi * (np.arange(nodes) + 0.5) / nodes
    return np.cos(phi), 2 * np.sin(phi) ** 2 / nodes


def _marchenko_pastur(y: float) -> Measure:
    """Nodes and weights for the singular values of an n × N Gaussian matrix over √N, y = n/N ≤ 1.

    Their squares t have the density √((t₊ − t)(t − t₋))/(2πyt) on [t₋, t₊] = (1 ∓ √y)²; with
    t = 1 + y + 2√y cos φ it is 2 sin²φ/(πt) on [0, π].
    """
    cosines, weights = _semicircle()
    t = 1 + y + 2 * math.sqrt(y) * cosines
    return np.sqrt(t), weights / t
