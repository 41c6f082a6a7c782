"""What of S = ℬ*(y) a dual point is judged by: ‖S‖, or its largest eigenvalue where X̃ ⪰ 0."""

from __future__ import annotations

import math

from flatrank.arrays import Array, Scalar, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.dual import scaled_residual
from flatrank.certificates.eigenvalues import eigenvalue_bound
from flatrank.certificates.norms import (
    Effort,
    NormBound,
    close_guesses,
    exact_norm,
    norm_bound,
    norm_seen,
)
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint, Measurement, Whitened

# Up to min(d1, d2) = WHOLE the exact ‖S‖ costs a certificate less than a bound by parts.
WHOLE = 1000


def bound_of(
    B: Whitened,
    S: Adjoint,
    svd: CompactSVD,
    enough: float,
    effort: Effort,
    hopeless: float = math.inf,
) -> NormBound:
    """Of ‖S‖; of the largest eigenvalue where X̃ is positive semidefinite: it alone is bounded."""
    if B.cone.positive:
        return eigenvalue_bound(S, B.cone, svd.V, enough, effort, hopeless)
    return norm_bound(S, B.shape, svd, enough, effort, hopeless)


def whole_bound(B: Whitened, S: Adjoint, svd: CompactSVD) -> NormBound:
    """The same, exact and not by parts."""
    if B.cone.positive:
        nothing = xp.zeros((B.shape[1], 0))
        return eigenvalue_bound(S, B.cone, nothing, 0.0, Effort(0.0))._replace(off_tangent=None)
    guesses = close_guesses(float(norm_seen(S, svd)))
    return NormBound(exact_norm(S, B.shape, guesses=guesses), "exact", 0.0, None)


def affordable(share: float, tol: float) -> float:
    """The e for which the dual point (1 − e) r costs tol of the primal value.

    At a stationary point bᵀr = ‖r‖² + λ‖X̃‖_*, so that it costs e λ‖X̃‖_* + e² ½‖r‖².
    """
    rest = max(1.0 - share, 1e-12)
    return 2 * tol / (share + math.sqrt(share**2 + 4 * rest * tol)) if tol else 0.0


@compiled
def least_gap(B: Measurement, b: Float[Array, " m"], lam: Scalar, svd: CompactSVD) -> Scalar:
    """The relative gap that a certificate of X̃ cannot undercut, for λ > 0 and X of any sign.

    ‖S‖ ≥ max(‖S V‖, ‖Sᵀ U‖), which near a solution is ‖S‖ to second order: what a few products can
    tell before a proof is tried.

    Parameters
    ----------
    B : Measurement
        ℬ.
    b : array of shape (m,)
        The data.
    lam : scalar
        λ > 0.
    svd : CompactSVD
        Of X̃; zero columns do no harm.

    Returns
    -------
    scalar
        Of the primal value, at least 0.

    Notes
    -----
    Cost: one product with ℬ and one with ℬ*.
    """
    r = b - B.forward(svd.pair())
    primal = 0.5 * xp.vdot(r, r) + lam * xp.sum(svd.s)
    _, dual, _ = scaled_residual(r, b, lam, norm_seen(B.adjoint(r), svd))
    return xp.maximum(primal - dual, 0.0) / xp.where(primal > 0, primal, 1.0)
