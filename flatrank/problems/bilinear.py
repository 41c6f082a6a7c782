"""Bilinear sensing."""

from __future__ import annotations

from numpy.typing import ArrayLike

from flatrank.arrays import scope
from flatrank.measurements import RankOne
from flatrank.problems.arguments import checked_array, checked_parameters
from flatrank.problems.flat import Problem
from flatrank.problems.sensing import stated
from flatrank.problems.share import at_share


@scope()
def bilinear(
    a: ArrayLike,
    c: ArrayLike,
    b: ArrayLike,
    *,
    lam: float = 0.0,
    lam_ratio: float | None = None,
    smoothing: float = 0.0,
) -> Problem:
    """A matrix known through bᵢ = aᵢᵀ X cᵢ.

    lam = 0: min ‖D1 X D2‖_* over X that fits; lam > 0: min ½ Σ (aᵢᵀ X cᵢ − bᵢ)² + lam ‖D1 X D2‖_*,
    D1² = (1/(m d2)) Σ ‖cᵢ‖² aᵢaᵢᵀ, D2² = (1/(m d1)) Σ ‖aᵢ‖² cᵢcᵢᵀ.

    Parameters
    ----------
    a, c : real arrays of shape (m, d1) and (m, d2)
        The vectors, a row each, finite.
    b : real array of shape (m,)
        The data, finite.
    lam : float
        Weight λ ≥ 0 of the norm; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.
    smoothing : float
        θ in [0, 1]: D² ← (1−θ)D² + θ·mean(diag D²)·I. 0 is flat, 1 is norm-minimal.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If lengths differ, nothing is measured, a number is not finite or not real, every
        measurement is zero, or a parameter is out of range.

    Notes
    -----
    Cost: m (d1 + d2) numbers of memory, the matrices aᵢcᵢᵀ are never formed; 2 m (d1² + d2²) flops
    for the Grams and O(d1³ + d2³) for D1, D2. With m < d1 or m < d2 the measurements see no more
    than m directions on that side: the problem is the one restricted to them.
    """
    left, right = checked_array("a", a, 2), checked_array("c", c, 2)
    data = checked_array("b", b)
    lam, smoothing = checked_parameters(lam, smoothing)
    if not left.shape[0] == right.shape[0] == data.size:
        raise ValueError(
            "a, c and b must have one length; "
            f"got {left.shape[0]}, {right.shape[0]} and {data.size}"
        )
    if not left.size or not right.size:
        raise ValueError(
            "a and c must hold at least one vector of at least one number; "
            f"got shapes {left.shape} and {right.shape}"
        )
    return at_share(stated(RankOne(left, right), data, lam, smoothing), lam, lam_ratio)
