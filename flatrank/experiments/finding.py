"""Matrices of low rank that fit, for several instances of one shape together, M and r unknown.

Gauss–Newton on the matrices of rank k: in the tangent space T = {U Qᵀ + P Vᵀ} at X = U Σ Vᵀ the
step ξ is the one that fits best, and X + ξ is cut down to rank k again. The rank climbs from 1. One
that is above r does no harm: U and V are orthonormal, so the step stays well determined, and
the values that are too many vanish.

Paper: Zilber, Nadler, GNMR: a provable one-line algorithm for low rank matrix recovery (SIAM J.
Math. Data Sci. 4, 2022), in its "setting" variant; the climb is ours. Nothing is promised here:
whether a matrix that fits is the minimiser, its dual says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flatrank.experiments.dimension import degrees_of_freedom, symmetric_degrees_of_freedom
from flatrank.experiments.duality import tangent_map
from flatrank.experiments.ensembles import Ensemble, Reals

Indices = NDArray[np.intp]

# Misfit, relative to ‖b‖, that is as good as none.
_FITTED = 1e-13
# A step that keeps more than this share of the misfit does not lead to a fit at this rank.
_STALLED = 0.9
_STEPS = 25
# No fit is told from another with fewer measurements than this many times the degrees of freedom.
_OVERSAMPLING = 1.2
# Added to the normal equations, in terms of their mean diagonal: unseen directions stay put.
_RIDGE = 1e-13
# Misfit at which an instance is done, where rounding stopped it before `_FITTED`.
_FOUND = 1e-12


def find(ensembles: Sequence[Ensemble], data: Sequence[Reals]) -> list[Reals | None]:
    """A matrix of low rank that fits, for each instance.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        𝒜 of every instance, all on matrices of one shape; their m may differ.
    data : sequence of arrays of shape (m,)
        b of every instance.

    Returns
    -------
    list
        X with ‖𝒜(X) − b‖ ≤ 1e-12 ‖b‖ or so, of the least rank that fits; None where none was found.

    Notes
    -----
    Where m reaches the dimension of the space, X is the solution of linear equations. Otherwise it
    starts at the matrix of rank 1 nearest to 𝒜*(b). An instance whose misfit no longer falls takes
    the leading pair of 𝒜*(b − 𝒜(X)) in addition, as long as its rank is determined by m. Cost of a
    step: m (2dk)² + (2dk)³/3 flops an instance for the normal equations, 4 m d² k for ℬ on the
    frames. Memory: m × 2dk numbers an instance. Instances are taken together in the normal
    equations, their solution and the singular value decompositions.
    """
    search = _Search(ensembles, data)
    k = 1
    while search.open.size and k <= search.highest():
        search.widen(k)
        for _ in range(_STEPS):
            if not search.step(k):
                break
        k += 1
    return search.found()


class _Search:
    """The iterates of all instances, and which of them are still open at the present rank."""

    def __init__(self, ensembles: Sequence[Ensemble], data: Sequence[Reals]) -> None:
        self.ensembles, self.data = ensembles, data
        count, shape = len(ensembles), ensembles[0].shape
        self.X = np.zeros((count, *shape))
        self.U, self.V = (np.zeros((count, n, 0)) for n in shape)
        self.misfit = np.array([1.0 if np.any(b) else 0.0 for b in data])
        self.size = np.array([float(np.linalg.norm(b)) or 1.0 for b in data])
        self.residuals = list(data)
        self.open = np.flatnonzero(self.misfit)
        self.moving = self.open
        fixed = [i for i in self.open.tolist() if ensembles[i].m >= ensembles[i].dimension]
        for i in fixed:  # as many data as unknowns, or more: linear equations fix X
            rows = ensembles[i].rows()
            self.X[i] = np.linalg.lstsq(rows, data[i], rcond=None)[0].reshape(shape)
            self.residuals[i] = data[i] - ensembles[i].forward(self.X[i])
            self.misfit[i] = np.linalg.norm(self.residuals[i]) / self.size[i]
        self.open = self.open[self.misfit[self.open] > _FOUND]

    def highest(self) -> int:
        """The largest rank that the measurements of some open instance can determine."""
        most = max(self.ensembles[i].m for i in self.open.tolist())
        d1, d2 = self.ensembles[0].shape
        freedom = [
            symmetric_degrees_of_freedom(d1, k)
            if self.ensembles[0].symmetric
            else degrees_of_freedom(d1, d2, k)
            for k in range(1, min(d1, d2))
        ]
        return sum(_OVERSAMPLING * f <= most for f in freedom)

    def widen(self, k: int) -> None:
        """Rank k for the open instances: X plus the gradient step of steepest descent."""
        W = self.X[self.open]
        for W_i, i in zip(W, self.open.tolist(), strict=True):
            A, residual = self.ensembles[i], self.residuals[i]
            gradient = A.matrix(residual)
            image = A.forward(gradient)
            W_i += float(np.vdot(gradient, gradient)) / float(image @ image) * gradient
        self._truncate(self.open, W, k)
        self.moving = self.open

    def step(self, k: int) -> bool:
        """One step of all instances that still move; whether there were any."""
        at = self.moving
        if not at.size:
            return False
        U, V, z = self.U[at], self.V[at], self._directions(at)
        if self.ensembles[0].symmetric:
            half = z.reshape(U.shape) @ U.transpose(0, 2, 1)
            move = 0.5 * (half + half.transpose(0, 2, 1))
        else:
            P, Q = z[:, : U[0].size].reshape(U.shape), z[:, U[0].size :].reshape(V.shape)
            move = P @ V.transpose(0, 2, 1) + U @ Q.transpose(0, 2, 1)
        before = self.misfit[at]
        self._truncate(at, self.X[at] + move, k)
        after = self.misfit[at]
        self.moving = at[(after > _FITTED) & (after < _STALLED * before)]
        self.open = self.open[self.misfit[self.open] > _FOUND]
        return True

    def _directions(self, at: Indices) -> Reals:
        """The coordinates of the best fits in T, from the normal equations of all."""
        maps = [tangent_map(self.ensembles[i], self.U[i], self.V[i]) for i in at.tolist()]
        n = maps[0][0].shape[1]
        J = np.zeros((at.size, max(self.ensembles[i].m for i in at.tolist()), n))
        residuals = np.zeros((*J.shape[:2], 1))
        for place, i in enumerate(at.tolist()):  # rows of zeros where m is smaller
            J[place, : self.ensembles[i].m] = maps[place][0]
            residuals[place, : self.ensembles[i].m, 0] = self.residuals[i]
        Jt = J.transpose(0, 2, 1)
        normal = Jt @ J
        mean = np.trace(normal, axis1=1, axis2=2)[:, None, None] / n
        normal += mean * (np.stack([fixed for _, fixed in maps]) + _RIDGE * np.eye(n))
        return np.linalg.solve(normal, Jt @ residuals)[:, :, 0]

    def _truncate(self, at: Indices, W: Reals, k: int) -> None:
        """The nearest matrices of rank k, their frames and residuals."""
        U, s, Vt = np.linalg.svd(W, full_matrices=False)
        U, s, Vt = U[:, :, :k], s[:, None, :k], Vt[:, :k]
        if self.U.shape[2] != k:
            count, d1, d2 = self.X.shape
            self.U, self.V = np.zeros((count, d1, k)), np.zeros((count, d2, k))
        self.X[at] = (U * s) @ Vt
        self.U[at], self.V[at] = U, Vt.transpose(0, 2, 1)
        for i in at.tolist():
            self.residuals[i] = self.data[i] - self.ensembles[i].forward(self.X[i])
            self.misfit[i] = np.linalg.norm(self.residuals[i]) / self.size[i]

    def found(self) -> list[Reals | None]:
        """X where it fits."""
        return [None if i in self.open else X for i, X in enumerate(self.X)]
