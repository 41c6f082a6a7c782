"""How flat, how balanced, how large a pair is, in closed form."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from jaxtyping import Float

from flatrank.arrays import Array, compiled, scope, xp
from flatrank.factors import FactorPair, Factors, compact_svd, given_form, weighted
from flatrank.flatness.rescaling import Rescaling
from flatrank.measurements import Measurement


@dataclass(frozen=True)
class Flatness:
    """The flatness of a pair, for f(L, R) = ‖𝒜(L Rᵀ) − b‖².

    Parameters
    ----------
    scaled_trace : float
        str(D²f) = 2m(‖D1 L‖² + ‖D2 R‖²), D1 and D2 without smoothing; it holds at every (L, R).
    squared_norm : float
        ‖L‖² + ‖R‖².
    imbalance : float
        ‖LᵀL − RᵀR‖_*.
    excess : float
        ½(‖D1 L‖² + ‖D2 R‖²)/‖D1 L Rᵀ D2‖_* ≥ 1, and 1 iff the pair is D-balanced; D1 and D2 are
        the problem's own (smoothed). 1 for the zero pair.
    """

    scaled_trace: float
    squared_norm: float
    imbalance: float
    excess: float

    def to_dict(self) -> dict[str, float]:
        """The four numbers by name."""
        return asdict(self)


def measure_flatness(measurement: Measurement, pair: Factors, rescaling: Rescaling) -> Flatness:
    """Measure a pair (see `Flatness`).

    Parameters
    ----------
    measurement : Measurement
        𝒜.
    pair : FactorPair, Solution or (L, R)
        (d1, k) and (d2, k), of X. Where 𝒜 is of complex matrices L = R = U of X = U U*.
    rescaling : Rescaling
        D1, D2.

    Returns
    -------
    Flatness

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or complex where X is real.

    Notes
    -----
    Cost: O((d1 + d2) k² + k³) flops, with d1² k + d2² k where D1 and D2 are dense; the measurement
    is used for D1², D2² only: 2m‖D1 L‖² = (2/d2) ⟨L, Σ AᵢAᵢᵀ L⟩.
    """
    with scope():
        given = given_form(pair, measurement.shape, measurement.cone)
        return Flatness(*(float(x) for x in _numbers(measurement, given, rescaling)))


@compiled
def _numbers(
    measurement: Measurement, pair: FactorPair, rescaling: Rescaling
) -> tuple[Float[Array, ""], ...]:
    (d1, d2), (rows, cols) = measurement.orders, measurement.grams()
    trace = xp.vdot(pair.L, weighted(rows, pair.L)) / d2
    trace = 2.0 * (trace + xp.vdot(pair.R, weighted(cols, pair.R)) / d1)
    rescaled = rescaling.apply(pair)
    nuclear = xp.sum(compact_svd(rescaled).s)
    imbalance = xp.sum(xp.abs(xp.linalg.eigvalsh(pair.L.T @ pair.L - pair.R.T @ pair.R)))
    zero = nuclear == 0
    excess = xp.where(zero, 1.0, 0.5 * rescaled.squared_norm() / xp.where(zero, 1.0, nuclear))
    return trace, pair.squared_norm(), imbalance, excess
