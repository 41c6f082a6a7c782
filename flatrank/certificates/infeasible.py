"""Proofs that data cannot be fitted."""

from __future__ import annotations

import math

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, for_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.dual import adjoint, identity_dual
from flatrank.certificates.eigenvalues import eigenvalue_bound
from flatrank.certificates.norms import Effort
from flatrank.factors import Weight
from flatrank.measurements import Adjoint, Measurement, Whitened

# How far a sum may be from zero by rounding alone.
_ROUNDING = 1e-9
_EPS = float(np.finfo(np.float64).eps)

# ℬ*(y) beside ‖ℬ‖ ‖y‖ that is zero to rounding. Full row rank of a condition below 1e13 is thus
# never taken for a contradiction.
_ZERO = 1e-13
# Size, beside ‖b‖/‖ℬ‖, of matrices that may have made the data: what rounding then left of a misfit
# contradicts nothing.
_LARGE = 1e8
# Power steps for ‖ℬ‖, from below: an underestimate asks for more.
_STEPS = 8


def fits_nothing(B: Whitened, b: Float[Array, " m"], y: Float[Array, " m"]) -> bool:
    """Whether y proves that no matrix fits (Farkas): ℬ*(y) = 0 to rounding, and bᵀy > 0.

    bᵀy = ⟨ℬ*(y), X̃⟩ for every X̃ that fits. Rounding is 1e-13 of ‖ℬ‖ ‖y‖, for ℬ and for 𝒜, in
    which D leaves nothing out; bᵀy must be ½‖y‖² at least, as it is of the residual of least
    squares. It must also be more than rounding of ℬ makes of ⟨ℬ*(y), X̃⟩ where ‖X̃‖_F is up to
    1e8 ‖b‖/‖ℬ‖: data that contradict themselves by less than that, about 2e-8 of ‖b‖, are not
    proved to.

    Parameters
    ----------
    B : Whitened
        ℬ.
    b, y : array of shape (m,)
        The data, and what is left of some misfit by least squares.

    Returns
    -------
    bool
        False where nothing is proved either way.
    """
    square = float(xp.vdot(y, y))
    if not (0 < square < math.inf and float(xp.vdot(b, y)) >= 0.5 * square):
        return False
    for A in (B, B.inner):
        size = float(size_of_adjoint(adjoint(A, y), *(xp.ones(d) for d in A.shape)))
        norm, length = float(_norm(A)), math.sqrt(square)
        hidden = (size + _EPS * norm * length) * _LARGE * float(xp.linalg.norm(b))
        if size > _ZERO * norm * length or 0.5 * square * norm < hidden:
            return False
    return True


@compiled
def size_of_adjoint(S: Adjoint, D1: Weight, D2: Weight) -> Scalar:
    """‖D1 S D2‖_F."""
    return S.size(D1, D2)


@compiled
def _norm(A: Measurement) -> Scalar:
    """‖𝒜‖, from below."""

    def step(_: Array, y: Array) -> Array:
        z = A.normal(y)
        return z / xp.maximum(xp.linalg.norm(z), 1e-300)

    start = np.random.default_rng(0).standard_normal(A.m)
    y = for_loop(0, _STEPS, step, start)
    return xp.sqrt(xp.linalg.norm(A.normal(y)) / xp.maximum(xp.linalg.norm(y), 1e-300))


def no_fit(
    B: Whitened, b: Float[Array, " m"], r: Float[Array, " m"], effort: Effort
) -> Float[Array, " m"] | None:
    """A y that proves that no positive semidefinite matrix fits (Farkas).

    Where ℬ*(y) has no positive eigenvalue, bᵀy = tr(ℬ*(y) X̃) ≤ 0 for every X̃ ⪰ 0 that fits. The
    residual r of the nearest fit is such a y with bᵀy = ‖r‖². Near it y is r less as much as it
    takes of the weights w/(m n), whose ℬ* is the identity.

    Parameters
    ----------
    B : Whitened
        ℬ, on positive semidefinite matrices.
    b, r : array of shape (m,)
        The data, and b − ℬ(X̃) of the nearest fit; not of rounding's size.
    effort : Effort
        How hard to bound the largest eigenvalue of ℬ*(r).

    Returns
    -------
    array of shape (m,), or None
        None where nothing is proved either way.
    """
    found = identity_dual(B)
    one = xp.zeros_like(r) if found is None else found
    worth, trace = float(xp.vdot(b, r)), float(xp.vdot(b, one))
    if not worth > 0:
        return None
    enough = 0.5 * worth / trace if trace > 0 else 0.0
    nothing = xp.zeros((B.shape[1], 0))
    top = eigenvalue_bound(adjoint(B, r), B.cone, nothing, enough, effort).value
    if top > 0 and not bool(xp.any(one)):
        return None
    shift = max(top, 0.0) + _ROUNDING * abs(top)
    y = r - shift * one
    proved = worth - shift * trace > _ROUNDING * float(xp.linalg.norm(b) * xp.linalg.norm(y))
    return y if proved else None
