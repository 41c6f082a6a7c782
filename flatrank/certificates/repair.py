"""What a pair lacks to fit exact data: what it costs to repair, or a proof that nothing fits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.infeasible import fits_nothing, size_of_adjoint
from flatrank.measurements import Measurement, affordable, spectrum_of
from flatrank.problems import Problem

# Misfit, relative to ‖b‖, that is asked of the repaired matrix, and that counts as rounding.
_ASKED, _FITTED = 1e-13, 1e-11


class Repair(NamedTuple):
    """A bound on ‖X̃_f‖_* − ‖X̃‖_* for some X̃_f that fits, or a y that proves there is none.

    Where neither was found the cost is infinite, and y None.
    """

    cost: float
    y: Float[Array, " m"] | None = None


def repaired(problem: Problem, r: Float[Array, " m"]) -> Repair:
    """How much the misfit r = b − ℬ(X̃) costs at most.

    With ℬ(Ñ) = r, X̃ + Ñ fits, and ‖Ñ‖_* ≤ √d_min ‖Ñ‖_F. For entries and orthogonal maps Ñ is
    D1 𝒜*(r) D2; in general the smallest, by iterations on ℬℬ*, and where they end before either
    Ñ fits or no matrix can, by a decomposition of ℬ, if that is small. What D leaves out of the
    problem repairs nothing.

    Parameters
    ----------
    problem : Problem
        With λ = 0.
    r : array of shape (m,)
        The misfit.

    Returns
    -------
    Repair

    Notes
    -----
    Cost: a few products with ℬℬ*, 500 at most in general; then those of `spectrum_of`.
    """
    B, misfit = problem.whitened, float(xp.linalg.norm(r))
    if misfit == 0:
        return Repair(0.0)
    scale = max(float(xp.linalg.norm(problem.b)), misfit)
    tol, root = min(_ASKED * scale, 1e-2 * misfit), math.sqrt(min(B.shape))
    if type(B.inner).right_inverse is not Measurement.right_inverse:  # it has one of its own
        D = problem.rescaling
        N, _ = B.inner.right_inverse(r, tol)
        return Repair(root * float(size_of_adjoint(N, D.D1, D.D2)))
    N, left = B.right_inverse(r, tol)
    if xp.linalg.norm(left) <= _FITTED * scale:
        return Repair(root * float(size_of_adjoint(N, *(xp.ones(d) for d in B.shape))))
    if fits_nothing(B, problem.b, left):
        return Repair(math.inf, left)
    written = B.written() if affordable(B) else None
    if written is None:
        return Repair(math.inf)
    found, c = spectrum_of(written), np.asarray(r)
    y = found.outside(c)
    if np.linalg.norm(y) <= _FITTED * scale:
        return Repair(root * float(np.linalg.norm(found.least(c))))
    y = np.asarray(y)
    return Repair(math.inf, y if fits_nothing(B, problem.b, y) else None)
