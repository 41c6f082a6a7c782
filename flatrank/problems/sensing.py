"""Matrix sensing, by any matrices and by those of rank one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import scope
from flatrank.factors import Cone
from flatrank.flatness import Rescaling
from flatrank.measurements import DenseMatrices, Measurement, OnHermitian, RankOne
from flatrank.problems.arguments import checked_array, checked_parameters, own, rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable
from flatrank.problems.share import at_share


@scope()
def sensing(
    A: ArrayLike | Measurement,
    b: ArrayLike,
    *,
    lam: float = 0.0,
    lam_ratio: float | None = None,
    smoothing: float = 0.0,
) -> Problem:
    """A matrix known through linear measurements bᵢ = ⟨Aᵢ, X⟩.

    lam = 0: min ‖D1 X D2‖_* over X with 𝒜(X) = b; lam > 0: min ½‖𝒜(X) − b‖² + lam ‖D1 X D2‖_*,
    D1² = (1/(m d2)) Σ AᵢAᵢᵀ, D2² = (1/(m d1)) Σ AᵢᵀAᵢ (close to the identity for Gaussian Aᵢ).

    Parameters
    ----------
    A : real array of shape (m, d1, d2), or Measurement
        The matrices Aᵢ, finite; or any measurement, such as those of `flatrank.measurements`.
    b : real array of shape (m,)
        The data, finite; for a measurement in its own order.
    lam : float
        Weight λ ≥ 0 of the norm; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.
    smoothing : float
        θ in [0, 1]: D² ← (1−θ)D² + θ·mean(diag D²)·I. 0 is flat, 1 is norm-minimal.

    Raises
    ------
    ValueError
        If lengths differ, a number is not finite or not real, A is zero, would take more than 8 GB
        or measures complex matrices, or a parameter is out of range.

    Notes
    -----
    Cost: m d1 d2 numbers of memory for an array; 2 m d1 d2 (d1 + d2) flops for the Grams and
    O(d1³ + d2³) for D1, D2. Where no measurement sees some direction (D singular) the problem is
    the one restricted to the range of D1 and D2; rows and columns that none touches are named.
    """
    data = checked_array("b", b)
    lam, smoothing = checked_parameters(lam, smoothing)
    measurement = _of_any(A) if isinstance(A, Measurement) else _stored(A)
    if data.size != measurement.m:
        raise ValueError(
            f"b must hold one number for each of the {measurement.m} measurements; got {data.size}"
        )
    return at_share(stated(measurement, data, lam, smoothing), lam, lam_ratio)


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


def stated(measurement: Measurement, b: np.ndarray, lam: float, smoothing: float) -> Problem:
    """The problem of checked arguments; ValueError if the measurement sees nothing."""
    gaps, rescaling = Unidentifiable.of(measurement), Rescaling.of(measurement, smoothing)
    return Problem(measurement, b, rescaling, lam, smoothing, gaps)


def _of_any(A: Measurement) -> Measurement:
    """If it measures real matrices of any kind."""
    if A.cone is not Cone.HERMITIAN:
        return own(A)
    door = "tomography for states" if isinstance(A, OnHermitian) else "phase_retrieval for z z*"
    raise ValueError(
        f"{type(A).__name__} measures complex Hermitian matrices, and sensing is about real ones; "
        f"use flatrank.{door}"
    )


def _stored(A: ArrayLike) -> DenseMatrices:
    array = rectangular("A", A)
    size = 8e-9 * np.prod(array.shape, dtype=float)
    if size > 8:
        raise ValueError(
            f"A of shape {array.shape} takes {size:.3g} GB in float64, above the limit of 8 GB. "
            "Use flatrank.bilinear for rank-one matrices, or flatrank.measurements: gaussian "
            "(drawn again from a seed, never stored), masked_transform, linear_map"
        )
    A = checked_array("A", array, 3)
    if A.size == 0:
        raise ValueError(
            f"A must hold at least one matrix of at least one entry; got shape {A.shape}"
        )
    return DenseMatrices(A)
