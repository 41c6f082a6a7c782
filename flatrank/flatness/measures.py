"""How flat, how balanced, how large a pair is, in closed form."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flatrank.arrays import Array, compiled, for_loop, normal, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Factors, compact_svd, given_form, weighted
from flatrank.flatness.rescaling import Rescaling
from flatrank.measurements import Measurement
from flatrank.measurements.base import BLOCK, identity_block


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
    (d1, d2), (left, right) = measurement.orders, gram_forms(measurement, pair)
    trace = 2.0 * (left / d2 + right / d1)
    rescaled = rescaling.apply(pair)
    nuclear = xp.sum(compact_svd(rescaled).s)
    zero = nuclear == 0
    excess = xp.where(zero, 1.0, 0.5 * rescaled.squared_norm() / xp.where(zero, 1.0, nuclear))
    return trace, pair.squared_norm(), imbalance(pair), excess


def gram_forms(measurement: Measurement, pair: FactorPair) -> tuple[Array, Array]:
    """⟨L, Σ AᵢAᵢᵀ L⟩ and ⟨R, Σ AᵢᵀAᵢ R⟩."""
    rows, cols = measurement.grams()
    return xp.vdot(pair.L, weighted(rows, pair.L)), xp.vdot(pair.R, weighted(cols, pair.R))


def imbalance(pair: FactorPair) -> Float[Array, ""]:
    """‖LᵀL − RᵀR‖_*."""
    return xp.sum(xp.abs(xp.linalg.eigvalsh(pair.L.T @ pair.L - pair.R.T @ pair.R)))


def symmetric_trace(
    measurement: Measurement, pair: Factors, b: Float[Array, " m"]
) -> Float[Array, ""]:
    """The trace of D²f for f(U) = ‖𝒜(U E Uᵀ) − b‖²: 8 Σ‖Aᵢ U‖² + 4 tr(E) Σ cᵢ tr(Aᵢ).

    c = 𝒜(U E Uᵀ) − b, Σ‖Aᵢ U‖² = m d ‖D U‖²; divided by d, which is n for
    complex n × n matrices, it is the scaled trace.

    Parameters
    ----------
    measurement : Measurement
        𝒜, of symmetric Aᵢ.
    pair : FactorPair, Solution or (L, R)
        L = U E, R = U.
    b : array of shape (m,)
        The data.

    Returns
    -------
    array of shape ()

    Raises
    ------
    ValueError
        If L is not U E, the Aᵢ are not symmetric, shapes do not fit or a number is not finite.

    Notes
    -----
    Cost: d² numbers of work a measurement, for the traces of the Aᵢ.
    """
    with scope():
        trace, skew = _symmetric_trace(measurement, symmetric_form(measurement, pair), b)
        if skew > 1e-9:  # of symmetric Aᵢ it is rounding
            raise ValueError(
                "the measurement tells X from its transpose, and this trace is that of symmetric "
                "Aᵢ; give it (Aᵢ + Aᵢᵀ)/2, which measure symmetric matrices alike"
            )
        return trace


def symmetric_form(measurement: Measurement, pair: Factors) -> FactorPair:
    """L = U E and R = U."""
    hermitian = measurement.cone is Cone.HERMITIAN
    return given_form(pair, measurement.shape, Cone.HERMITIAN if hermitian else Cone.SYMMETRIC)


def column_signs(pair: FactorPair) -> Float[Array, " k"]:
    """The diagonal of E, 0 for a column of zeros."""
    return xp.sign(xp.sum(pair.L * pair.R, axis=0))


@compiled
def _symmetric_trace(A: Measurement, pair: FactorPair, b: Array) -> tuple[Array, Array]:
    d = A.shape[0]

    def add(n: Array, total: Array) -> Array:
        E = identity_block(n, d, b.dtype)
        return total + A.forward(FactorPair(E, E))

    traces = for_loop(0, -(-d // BLOCK), add, xp.zeros_like(b))
    value = 4.0 * (
        sum(gram_forms(A, pair)) + xp.sum(column_signs(pair)) * xp.vdot(A.forward(pair) - b, traces)
    )
    # Whether 𝒜(u vᵀ) = 𝒜(v uᵀ) at random u, v: that tells symmetric Aᵢ almost surely.
    u, v = normal(0, (2, d, 1)).astype(b.dtype)
    one, other = A.forward(FactorPair(u, v)), A.forward(FactorPair(v, u))
    skew = xp.linalg.norm(one - other) / xp.maximum(xp.linalg.norm(one), 1e-300)
    return value, skew
