"""The restricted isometry property: what is known of (δ1, δ2), and what follows from them.

    δ1 ‖X‖_F ≤ ‖𝒜(X)‖_p / m^{1/p} ≤ δ2 ‖X‖_F   for every X of rank at most r (ℓp/ℓ2),

with δ1 the largest and δ2 the smallest such number. Finding them is hard in general; any X shows a
bound from inside, δ1 ≤ ‖𝒜(X)‖_p/(m^{1/p}‖X‖_F) ≤ δ2, and so do the eigenvalues of D1 and D2.

Source: Ding, Drusvyatskiy, Fazel and Harchaoui (2024), Lemmas 4.6, 4.7 and 4.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flatrank.arrays import scope
from flatrank.flatness import Rescaling
from flatrank.measurements.checks import checked_count
from flatrank.theory.inequality import Bound


@dataclass(frozen=True)
class Isometry:
    """(δ1, δ2) of an ℓp/ℓ2 property at ranks up to `rank`, as far as known."""

    rank: int
    #: The norm on the measured side.
    p: Literal[1, 2]
    #: `exact`: the constants, or bounds on the safe side. Otherwise from inside: the true δ1 is at
    #: most `delta1`, the true δ2 at least `delta2`.
    delta1: float
    delta2: float
    exact: bool = False

    @property
    def spread(self) -> float:
        """δ2/δ1, which no scaling of 𝒜 changes; infinite where δ1 = 0."""
        return self.delta2 / self.delta1 if self.delta1 > 0 else float("inf")

    def rescaled(self, rescaling: Rescaling) -> Isometry:
        """(δ1/α2², δ2/α1²), a property of ℬ(X) = 𝒜(D1⁻¹ X D2⁻¹) (Lemma 4.6).

        It is implied by an exact one only; from bounds from inside it is a guess.
        """
        low, top = _extremes(rescaling)
        upper = self.delta2 / low**2 if low > 0 else float("inf")
        return Isometry(self.rank, self.p, self.delta1 / top**2, upper, self.exact)


def isometry_of_rescaling(rescaling: Rescaling) -> Isometry:
    """δ1 ≤ λ_min(D1, D2) and λ_max(D1, D2) ≤ δ2 (ℓ2/ℓ2, rank 1): bounds from inside, for free.

    uᵀD1²u is the mean of ‖𝒜(uvᵀ)‖²/m over an orthonormal basis of v: Lemma 4.8 read backwards. They
    hold at every rank, since a larger rank only spreads δ1 and δ2; D1 and D2 without smoothing.
    """
    low, top = _extremes(rescaling)
    return Isometry(1, 2, low, top)


def rescaling_bounds(rescaling: Rescaling, isometry: Isometry) -> tuple[Bound, Bound]:
    """δ1 ≤ α1 and α2 ≤ δ2 under an ℓ2/ℓ2 property at any rank, and then κ ≤ δ2/δ1 (Lemma 4.8).

    D1 and D2 without smoothing; rank 1 is among those of the property.
    """
    low, top = _extremes(rescaling)
    needs = {"ℓ2/ℓ2": isometry.p == 2, "δ1 and δ2 are exact": isometry.exact or None}
    return (
        Bound("δ1 ≤ α1", isometry.delta1, low, needs, 1e-12 * top),
        Bound("α2 ≤ δ2", top, isometry.delta2, needs, 1e-12 * top),
    )


def rescaled_isometry_bounds(
    rescaling: Rescaling, before: Isometry, after: Isometry
) -> tuple[Bound, Bound]:
    """δ1/α2² ≤ δ1(ℬ) and δ2(ℬ) ≤ δ2/α1² for 𝒜 `before` and ℬ `after` (Lemma 4.6)."""
    promised = before.rescaled(rescaling)
    low, _ = _extremes(rescaling)
    needs = {
        "D1 and D2 are nonsingular": low > 0,
        "one rank and one p": (before.rank, before.p) == (after.rank, after.p),
        "both are exact": (before.exact and after.exact) or None,
    }
    rounding = 1e-12 * after.delta2
    return (
        Bound("δ1/α2² ≤ δ1(ℬ)", promised.delta1, after.delta1, needs, rounding),
        Bound("δ2(ℬ) ≤ δ2/α1²", after.delta2, promised.delta2, needs, rounding),
    )


def uniqueness_bound(isometry: Isometry, kappa: float, rank: int) -> Bound:
    """κ² δ2/δ1 small enough for the truth to be the only flattest matrix (Lemma 4.7).

    ℓ2/ℓ2 at rank 5r: κ² δ2/δ1 ≤ 11/9, the paper's δ1 ≥ 0.9 and κ² δ2 ≤ 1.1 after the scaling of 𝒜
    that serves best. ℓ1/ℓ2 at rank l·r: κ² δ2/δ1 < √l. `rank` is r ≥ 1, of the truth. For an
    isometry from inside, a bound that does not hold refutes the lemma's hypothesis, and one that
    holds proves nothing.
    """
    multiple = isometry.rank / checked_count("rank", rank, 1)
    right = 11 / 9 if isometry.p == 2 else multiple**0.5
    needs = {
        "the property reaches rank 5r": isometry.p == 1 or multiple >= 5,
        "δ1 and δ2 are exact": isometry.exact or None,
    }
    name = "κ² δ2/δ1 ≤ " + ("11/9" if isometry.p == 2 else "√l")
    return Bound(name, kappa**2 * isometry.spread, right, needs)


def _extremes(rescaling: Rescaling) -> tuple[float, float]:
    with scope():
        low, top = rescaling.extremes
        return float(low), float(top)
