"""What a pair lacks to fit exact data: what it costs to repair, or a proof that nothing fits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, for_loop, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.dual import adjoint, identity_dual
from flatrank.certificates.effort import Effort
from flatrank.certificates.norms import eigenvalue_bound
from flatrank.certificates.proofs import rounding as lost
from flatrank.factors import Weight
from flatrank.measurements import Adjoint, Measurement, Whitened, affordable, spectrum_of
from flatrank.problems import Problem


class Repair(NamedTuple):
    """A bound on ‖X̃_f‖_* − ‖X̃‖_* for some X̃_f that fits, or a y that proves there is none.

    Where neither was found the cost is infinite, and y None.
    """

    cost: float
    y: Float[Array, " m"] | None = None


def repaired(problem: Problem, r: Float[Array, " m"]) -> Repair:
    """How much the misfit r = b − ℬ(X̃) costs at most, λ = 0.

    With ℬ(Ñ) = r, X̃ + Ñ fits, and ‖Ñ‖_* ≤ √d_min ‖Ñ‖_F. For entries and orthogonal maps Ñ is
    D1 𝒜*(r) D2; in general the smallest, by iterations on ℬℬ*, and where they end before either
    Ñ fits or no matrix can, by a decomposition of ℬ, if that is small. What D leaves out of the
    problem repairs nothing.

    Cost: a few products with ℬℬ*, 500 at most in general; then those of `spectrum_of`.
    """
    B, misfit = problem.whitened, float(xp.linalg.norm(r))
    if misfit == 0:
        return Repair(0.0)
    scale = max(float(xp.linalg.norm(problem.b)), misfit)
    rounding = 1e-11 * scale
    tol, root = min(1e-2 * rounding, 1e-2 * misfit), math.sqrt(min(B.shape))
    if B.inner.orthonormal:
        D = problem.rescaling
        return Repair(root * float(_size(B.inner.adjoint(r), D.D1, D.D2)))
    w, left = B.right_inverse(r, tol)
    if xp.linalg.norm(left) <= rounding:
        square = max(float(xp.vdot(w, r - left)), 0.0)  # ‖ℬ*(w)‖² = wᵀℬℬ*w, summed by parts
        square += lost(problem, w) ** 2 / (4 * np.finfo(float).eps)
        return Repair(root * math.sqrt(square))
    if fits_nothing(B, problem.b, left):
        return Repair(math.inf, left)
    written = B.written() if affordable(B) else None
    if written is None:
        return Repair(math.inf)
    found, c = spectrum_of(written), np.asarray(r)
    y = np.asarray(found.outside(c))
    if np.linalg.norm(y) <= rounding:
        return Repair(root * float(np.linalg.norm(found.least(c))))
    return Repair(math.inf, y if fits_nothing(B, problem.b, y) else None)


def fits_nothing(B: Whitened, b: Float[Array, " m"], y: Float[Array, " m"]) -> bool:
    """Whether y proves that no matrix fits (Farkas): ℬ*(y) = 0 to rounding, and bᵀy > 0.

    bᵀy = ⟨ℬ*(y), X̃⟩ for every X̃ that fits. Rounding is 1e-13 of ‖ℬ‖ ‖y‖, for ℬ and for 𝒜, in
    which D leaves nothing out: full row rank of a condition below 1e13 is never taken for a
    contradiction. bᵀy must be ½‖y‖² at least, as it is of the residual of least squares, y. It must
    also be more than rounding of ℬ makes of ⟨ℬ*(y), X̃⟩ where ‖X̃‖_F is up to 1e8 ‖b‖/‖ℬ‖: data
    that contradict themselves by less than that, about 2e-8 of ‖b‖, are not proved to.
    """
    square = float(xp.vdot(y, y))
    if not (0 < square < math.inf and float(xp.vdot(b, y)) >= 0.5 * square):
        return False
    for A in (B, B.inner):
        size = float(_size(adjoint(A, y), *(xp.ones(d) for d in A.shape)))
        norm, length = float(_norm(A)), math.sqrt(square)
        hidden = (size + np.finfo(float).eps * norm * length) * 1e8 * float(xp.linalg.norm(b))
        if size > 1e-13 * norm * length or 0.5 * square * norm < hidden:
            return False
    return True


@compiled
def _size(S: Adjoint, D1: Weight, D2: Weight) -> Scalar:
    """‖D1 S D2‖_F."""
    return S.size(D1, D2)


@compiled
def _norm(A: Measurement) -> Scalar:
    """‖𝒜‖ from below, by eight power steps: an underestimate asks for more."""

    def step(_: Array, y: Array) -> Array:
        z = A.normal(y)
        return z / xp.maximum(xp.linalg.norm(z), 1e-300)

    y = for_loop(0, 8, step, np.random.default_rng(0).standard_normal(A.m))
    return xp.sqrt(xp.linalg.norm(A.normal(y)) / xp.maximum(xp.linalg.norm(y), 1e-300))


def no_fit(
    B: Whitened, b: Float[Array, " m"], r: Float[Array, " m"], effort: Effort
) -> Float[Array, " m"] | None:
    """A y that proves that no positive semidefinite matrix fits (Farkas); None where none is found.

    Where ℬ*(y) has no positive eigenvalue, bᵀy = tr(ℬ*(y) X̃) ≤ 0 for every X̃ ⪰ 0 that fits. The
    residual r of the nearest fit, not of rounding's size, is such a y with bᵀy = ‖r‖². Near it y is
    r less as much as it takes of the weights w/(m n), whose ℬ* is the identity. A sum may be 1e-9
    from zero by rounding alone.
    """
    found = identity_dual(B)
    one = xp.zeros_like(r) if found is None else found
    worth, trace = float(xp.vdot(b, r)), float(xp.vdot(b, one))
    if not worth > 0:
        return None
    enough = 0.5 * worth / trace if trace > 0 else 0.0
    empty = xp.zeros((B.shape[1], 0))
    top = eigenvalue_bound(adjoint(B, r), B.cone, empty, enough, effort).value
    if top > 0 and not bool(xp.any(one)):
        return None
    shift = max(top, 0.0) + 1e-9 * abs(top)
    y = r - shift * one
    proved = worth - shift * trace > 1e-9 * float(xp.linalg.norm(b) * xp.linalg.norm(y))
    return y if proved else None
