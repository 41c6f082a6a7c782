"""Flat pairs are nearly norm-minimal and nearly balanced: bounds in κ = α2/α1.

α1 I ≤ D1, D2 ≤ α2 I. A pair is flat when it minimises F = ½(‖D1 L‖² + ‖D2 R‖²) over the pairs
that fit; it is then D-balanced, LᵀD1²L = RᵀD2²R.

The theorems speak of exact minimisers. Here they are stated for the pair at hand: with
F ≤ ρ·min F and E = LᵀD1²L − RᵀD2²R,

    ‖L‖² + ‖R‖² ≤ κ² ρ min (‖L'‖² + ‖R'‖²),
    ‖LᵀL − RᵀR‖_* ≤ (1 − κ⁻²)(‖L‖² + ‖R‖²) + ‖E‖_*/α2² ≤ 2(κ² − 1) ρ ‖M‖_* + ‖E‖_*/α2²,

the minimum over all pairs that fit, and M any matrix that does. ρ = 1, E = 0 is the paper's form.

Everywhere `rescaling` is D1, D2, and `pair` a FactorPair, Solution or (L, R), (d1, k) and (d2, k),
of X; of a complex one L = R = U with X = U U*. Factors that do not fit D1 and D2, or hold a number
that is not finite, raise ValueError. Cost: O((d1 + d2) k² + k³) flops, with d1² k + d2² k where D1
and D2 are dense.

Source: Ding, Drusvyatskiy, Fazel and Harchaoui (2024), Theorem 3.3 and Lemma 3.4.
"""

from __future__ import annotations

from typing import NamedTuple

from flatrank.arrays import Array, compiled, scope, xp
from flatrank.factors import FactorPair, Factors, compact_svd, given_cone, given_form
from flatrank.flatness import Rescaling
from flatrank.flatness.measures import imbalance
from flatrank.theory.inequality import Bound


class _Sizes(NamedTuple):
    squared: float
    imbalance: float
    defect: float
    value: float
    nuclear: float
    alpha1: float
    alpha2: float

    @property
    def kappa2(self) -> float:
        """κ², infinite where D is singular."""
        return (self.alpha2 / self.alpha1) ** 2 if self.alpha1 > 0 else float("inf")

    @property
    def rounding(self) -> float:
        return 1e-12 * self.squared

    @property
    def regular(self) -> dict[str, bool | None]:
        return {"D1 and D2 are nonsingular": self.alpha1 > 0}

    def ratio(self, optimum: float | None) -> tuple[float, dict[str, bool | None]]:
        """ρ, and the hypotheses."""
        if optimum is None:
            return 1.0, self.regular | {"the pair is flat": None}
        return max(1.0, self.value / optimum if optimum > 0 else float("inf")), self.regular


def d_balance(rescaling: Rescaling, pair: Factors) -> float:
    """‖LᵀD1²L − RᵀD2²R‖_* / ‖D1 L Rᵀ D2‖_*, 0 at every flat pair (and 0 for the zero pair)."""
    sizes = _measured(rescaling, pair)
    return sizes.defect / sizes.nuclear if sizes.nuclear > 0 else 0.0


def norm_bound(
    rescaling: Rescaling, pair: Factors, least: float, optimum: float | None = None
) -> Bound:
    """‖L‖² + ‖R‖² ≤ κ² ρ min(‖L'‖² + ‖R'‖²) at a flat pair (Theorem 3.3).

    Parameters
    ----------
    rescaling, pair
        D1, D2; L, R.
    least : float
        min(‖L'‖² + ‖R'‖²) = 2 min ‖X'‖_* over what fits. A lower bound on it makes `holds` a
        proof, an upper bound makes its failure one.
    optimum : float, optional
        A lower bound on min F, such as a certificate's dual bound, for ρ; without it the pair is
        taken to be flat and ρ = 1.
    """
    sizes = _measured(rescaling, pair)
    ratio, assumed = sizes.ratio(optimum)
    right = sizes.kappa2 * ratio * least
    name = "‖L‖² + ‖R‖² ≤ κ² min(‖L'‖² + ‖R'‖²)"
    return Bound(name, sizes.squared, right, assumed, sizes.rounding)


def imbalance_bound(
    rescaling: Rescaling, pair: Factors, nuclear: float, optimum: float | None = None
) -> Bound:
    """‖LᵀL − RᵀR‖_* ≤ 2(κ² − 1) ρ ‖M‖_* + ‖E‖_*/α2² at a flat pair (Theorem 3.3).

    `nuclear` is ‖M‖_* of any matrix that fits; `optimum` as in `norm_bound`.
    """
    sizes = _measured(rescaling, pair)
    ratio, assumed = sizes.ratio(optimum)
    right = 2 * (sizes.kappa2 - 1) * ratio * nuclear + sizes.defect / sizes.alpha2**2
    name = "‖LᵀL − RᵀR‖_* ≤ 2(κ² − 1)‖M‖_*"
    return Bound(name, sizes.imbalance, right, assumed, sizes.rounding)


def balance_lemma(rescaling: Rescaling, pair: Factors) -> Bound:
    """‖LᵀL − RᵀR‖_* ≤ (1 − κ⁻²)(‖L‖² + ‖R‖²) at a D-balanced pair (Lemma 3.4).

    No solution of anything is needed: LᵀL − RᵀR = Lᵀ(I − D1²/α2²)L − Rᵀ(I − D2²/α2²)R + E/α2².
    The bound is without ‖E‖_*/α2², so that it may fail where the pair is not D-balanced.
    """
    sizes = _measured(rescaling, pair)
    balanced = sizes.defect <= 1e-6 * sizes.nuclear
    # What the balance is allowed to miss moves the left side by that much.
    missed = sizes.defect / sizes.alpha2**2 if balanced else 0.0
    return Bound(
        "‖LᵀL − RᵀR‖_* ≤ (1 − κ⁻²)(‖L‖² + ‖R‖²)",
        sizes.imbalance,
        (1.0 - 1.0 / sizes.kappa2) * sizes.squared,
        sizes.regular | {"LᵀD1²L = RᵀD2²R": balanced},
        sizes.rounding + missed,
    )


def _measured(rescaling: Rescaling, pair: Factors) -> _Sizes:
    with scope():
        given = given_form(pair, rescaling.shape, given_cone(pair))
        return _Sizes(*(float(x) for x in _numbers(rescaling, given)))


@compiled
def _numbers(rescaling: Rescaling, pair: FactorPair) -> tuple[Array, ...]:
    rescaled = rescaling.apply(pair)
    nuclear = xp.sum(compact_svd(rescaled).s)
    value = 0.5 * rescaled.squared_norm()
    gaps = imbalance(pair), imbalance(rescaled)
    return pair.squared_norm(), *gaps, value, nuclear, *rescaling.extremes
