"""min ‖X‖_* s.t. ℬ(X) = b by a primal–dual interior-point method.

Paper: Helmberg, Rendl, Vanderbei, Wolkowicz, An interior-point method for semidefinite programming
(SIAM J. Optim. 6, 1996), with the predictor and corrector of Mehrotra. As a pair of semidefinite
programs the problem is, with P = [[W1, X], [Xᵀ, W2]] and Z = [[I, −S], [−Sᵀ, I]],

    min ½ tr P  s.t.  ℬ(X) = b, P ⪰ 0        max bᵀy  s.t.  S = ℬ*(y), Z ⪰ 0

and the gap is ½⟨P, Z⟩. Both sides are feasible from the start: X the shortest matrix that fits,
W1 = W2 = tI with t above ‖X‖, and y = 0. A first-order method needs hundreds of singular value
decompositions for the gap that this reaches in a dozen steps, whatever the rank.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, eigh, solve_triangular

from flatrank.experiments.duality import smallest
from flatrank.experiments.ensembles import Blocks, Ensemble, Reals

# Relative gap to stop at. Successes are told by an error of 1e-6, which needs more than a gap of
# 1e-6.
_TOL = 1e-9
_STEPS = 40
# Shares of the mean diagonal added to a Schur complement that rounding has made indefinite.
_RIDGES = (0.0, 1e-14, 1e-12, 1e-10)
_SHORTEST = 1e-4


class State(NamedTuple):
    """P, y and S = ℬ*(y)."""

    P: Reals
    y: Reals
    S: Reals

    @property
    def X(self) -> Reals:
        """The upper right block of P."""
        d1 = self.S.shape[0]
        return self.P[:d1, d1:]

    @property
    def Z(self) -> Reals:
        """[[I, −S], [−Sᵀ, I]]."""
        return np.eye(self.P.shape[0]) - off_diagonal(self.S)

    @property
    def relative_gap(self) -> float:
        """½⟨P, Z⟩ / ½ tr P."""
        return float(np.vdot(self.P, self.Z) / np.trace(self.P))


def interior_point(B: Ensemble, b: Reals, *, tol: float = _TOL) -> tuple[Reals, Reals]:
    """The minimiser and a dual point.

    Parameters
    ----------
    B : Ensemble
        ℬ, its Bᵢ independent.
    b : array of shape (m,)
        Data, not all zero.
    tol : float
        Relative gap to stop at; it stops sooner where rounding allows no more.

    Returns
    -------
    (X, y) : arrays of shape (d1, d2) and (m,)
        X fits; nothing else is promised, ask `duality_gap`.

    Notes
    -----
    Cost: about a dozen steps of one Schur complement (see the ensembles), m³/3 flops and O(d³).
    """
    X = smallest(B, b)
    if not np.all(np.isfinite(X)):
        return np.zeros(B.shape), np.zeros(B.m)
    d1, d2 = B.shape
    t = float(np.linalg.norm(X, 2)) + 2 * float(np.linalg.norm(X)) / min(d1, d2) ** 0.5
    state = State(t * np.eye(d1 + d2) + off_diagonal(X), np.zeros(B.m), np.zeros(B.shape))
    for _ in range(_STEPS):
        if state.relative_gap <= tol:
            break
        try:
            new, length = _step(B, b, state)
        except LinAlgError:
            break
        if not np.isfinite(new.relative_gap) or length < _SHORTEST:
            break
        state = new
    # An antisymmetric part is seen neither by ℬ nor, to first order, by the norm.
    X = symmetric(state.X) if B.symmetric else state.X
    return X + smallest(B, b - B.forward(X)), state.y


def _step(B: Ensemble, b: Reals, state: State) -> tuple[State, float]:
    """One predictor and corrector; the shorter of the two step lengths."""
    P, y, S = state
    d1, Z = S.shape[0], state.Z
    LP, LZ = (cholesky(matrix, lower=True, check_finite=False) for matrix in (P, Z))
    inverse = cho_solve((LZ, True), np.eye(P.shape[0]), check_finite=False)
    factor = _factor(B.schur(blocks(P, d1), blocks(inverse, d1)))
    mu = float(np.vdot(P, Z)) / P.shape[0]

    def direction(target: float, corrector: Reals) -> tuple[Reals, Reals, Reals]:
        """From ΔP + sym(P ΔZ Z⁻¹) = target Z⁻¹ − P − corrector and ℬ(X + ΔX) = b."""
        wanted = target * inverse - corrector
        dy = cho_solve((factor, True), b - B.forward(wanted[:d1, d1:]), check_finite=False)
        dS = B.matrix(dy)
        return wanted - P + symmetric(P @ off_diagonal(dS) @ inverse), dy, dS

    dP, dy, dS = direction(0.0, np.zeros_like(P))
    dZ = -off_diagonal(dS)
    a, c = _length(LP, dP, 1.0), _length(LZ, dZ, 1.0)
    share = (float(np.vdot(P + a * dP, Z + c * dZ)) / P.shape[0] / mu) ** 3
    keep = 0.9 + 0.09 * min(a, c)
    dP, dy, dS = direction(share * mu, symmetric(dP @ dZ @ inverse))
    a, c = _length(LP, dP, keep), _length(LZ, -off_diagonal(dS), keep)
    return State(P + a * dP, y + c * dy, S + c * dS), min(a, c)


def _factor(M: Reals) -> Reals:
    """The Cholesky factor, of a slightly larger matrix where rounding leaves no other."""
    size = float(np.trace(M)) / M.shape[0]
    for ridge in _RIDGES:
        try:
            return cholesky(M + ridge * size * np.eye(M.shape[0]), lower=True, check_finite=False)
        except LinAlgError:
            continue
    raise LinAlgError("the Schur complement is indefinite")


def _length(L: Reals, D: Reals, keep: float) -> float:
    """The longest step a ≤ 1 for which L Lᵀ + a D / keep stays positive semidefinite."""
    half = solve_triangular(L, D, lower=True, check_finite=False)
    whole = solve_triangular(L, half.T, lower=True, check_finite=False)
    low = float(eigh(whole, eigvals_only=True, subset_by_index=[0, 0], check_finite=False)[0])
    return min(1.0, keep / -low) if low < 0 else 1.0


def off_diagonal(S: Reals) -> Reals:
    """[[0, S], [Sᵀ, 0]]."""
    d1, d2 = S.shape
    whole = np.zeros((d1 + d2, d1 + d2))
    whole[:d1, d1:], whole[d1:, :d1] = S, S.T
    return whole


def blocks(P: Reals, d1: int) -> Blocks:
    """The diagonal blocks and the upper right one."""
    return P[:d1, :d1], P[d1:, d1:], P[:d1, d1:]


def symmetric(Y: Reals) -> Reals:
    """½(Y + Yᵀ)."""
    return 0.5 * (Y + Y.T)
