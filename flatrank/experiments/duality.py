"""Gap and least-squares dual of min ‖X‖_* s.t. ℬ(X) = b, for matrices that are formed.

The same numbers as `flatrank.certificates` gives, at a small fraction of its cost for d ≤ 40.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from flatrank.experiments.ensembles import Ensemble, Reals

# Misfit, relative to ‖b‖, at which a matrix counts as fitting to rounding.
_FITTED = 1e-13
# Ratio of Cholesky pivots below which ℬ counts as not injective on the tangent space.
_INJECTIVE = 1e-6


class Gap(NamedTuple):
    """‖X‖_* (after repair), the dual value, and ‖ℬ*(y)‖ before scaling."""

    primal: float
    dual: float
    operator_norm: float

    @property
    def relative(self) -> float:
        """(primal − dual)/primal; 0 when both are 0, infinite where nothing fits."""
        if self.primal == self.dual == 0:
            return 0.0
        return (self.primal - self.dual) / self.primal if math.isfinite(self.primal) else math.inf


def duality_gap(B: Ensemble, b: Reals, X: Reals, y: Reals) -> Gap:
    """‖X_f‖_* − bᵀŷ with ŷ = y/max(1, ‖ℬ*(y)‖), X_f = X + ℬ⁺(b − ℬ(X)) (theory §6.1).

    Parameters
    ----------
    B : Ensemble
        ℬ.
    b, y : arrays of shape (m,)
        Data and dual point.
    X : array of shape (d1, d2)
        A matrix; its misfit, where above rounding, is charged √d_min ‖ℬ⁺(b − ℬ(X))‖_F.

    Returns
    -------
    Gap

    Notes
    -----
    Cost: two products with ℬ, two singular value decompositions without vectors; m³/3 flops where
    there is a misfit.
    """
    misfit = b - B.forward(X)
    primal = float(np.linalg.norm(X, "nuc"))
    if np.linalg.norm(misfit) > _FITTED * np.linalg.norm(b):
        primal += math.sqrt(min(B.shape)) * float(np.linalg.norm(smallest(B, misfit)))
    norm = float(np.linalg.norm(B.matrix(y), 2))
    return Gap(primal, float(b @ y) / max(1.0, norm), norm)


def smallest(B: Ensemble, b: Reals) -> Reals:
    """ℬ⁺(b), the matrix of least Frobenius norm that fits; infinite where the Bᵢ are dependent."""
    try:
        return B.matrix(cho_solve(cho_factor(B.gram(), lower=True), b))
    except LinAlgError:
        return np.full(B.shape, np.inf)


def least_squares_dual(B: Ensemble, U: Reals, V: Reals) -> Reals | None:
    """The shortest y for which ℬ*(y) equals U Vᵀ on the tangent space T = {U Qᵀ + P Vᵀ}.

    Of symmetric matrices, where V = U E with E = diag(±1), T = {U Qᵀ + Q Uᵀ}. With as many
    measurements as the space has dimensions the shortest y with ℬ*(y) = U Vᵀ everywhere: the data
    then fix X.

    Parameters
    ----------
    B : Ensemble
        ℬ.
    U, V : arrays of shape (d1, r) and (d2, r)
        With orthonormal columns.

    Returns
    -------
    array of shape (m,), or None where ℬ is not injective on T

    Notes
    -----
    Cost: 4 m d² r flops for ℬ on the frames and m (2dr)² for the normal equations.
    """
    if B.m >= B.dimension:
        fit = np.linalg.lstsq(B.rows().T, (U @ V.T).reshape(-1), rcond=None)
        return np.asarray(fit[0], dtype=np.float64)
    J, fixed = tangent_map(B, U, V)
    wanted = V.reshape(-1)
    if not B.symmetric:
        wanted = np.concatenate([U.reshape(-1), wanted])
    normal = J.T @ J
    normal += np.trace(normal) / normal.shape[0] * fixed
    try:
        factor = cho_factor(normal, lower=True)
    except LinAlgError:
        return None
    pivots = np.diagonal(factor[0])
    if pivots.min() < _INJECTIVE * pivots.max():
        return None
    return J @ cho_solve(factor, wanted)


def tangent_map(B: Ensemble, U: Reals, V: Reals) -> tuple[Reals, Reals]:
    """ℬ on T in coordinates, and the projector onto the coordinates that change nothing.

    Parameters
    ----------
    B : Ensemble
        ℬ.
    U, V : arrays of shape (d1, r) and (d2, r)
        With orthonormal columns; of symmetric matrices V = U E, E = diag(±1).

    Returns
    -------
    (J, fixed) : arrays of shape (m, n) and (n, n)
        J z = ℬ(P Vᵀ + U Qᵀ) for z = (P, Q) row by row; of symmetric matrices J z = ℬ(Q Uᵀ).
    """
    left, right = B.on_frames(U, V)
    if B.symmetric:
        return right.reshape(B.m, -1), _turns(U)
    r, d1 = U.shape[1], U.shape[0]
    J = np.concatenate([left.reshape(B.m, -1), right.reshape(B.m, -1)], axis=1)
    # U C Vᵀ may be had from P = U C or from Q = V Cᵀ: their difference is nothing.
    same = np.empty((J.shape[1], r, r))
    same[: r * d1] = np.einsum("ia,bc->icab", U, np.eye(r)).reshape(-1, r, r)
    same[r * d1 :] = -np.einsum("jb,ac->jcab", V, np.eye(r)).reshape(-1, r, r)
    same = same.reshape(J.shape[1], -1)
    return J, 0.5 * same @ same.T


def _turns(U: Reals) -> Reals:
    """The projector onto U K with antisymmetric K, which changes nothing in U Qᵀ + Q Uᵀ."""
    r = U.shape[1]
    first, second = np.triu_indices(r, 1)
    K = np.zeros((first.size, r, r))
    K[np.arange(first.size), first, second] = 0.5**0.5
    K -= K.transpose(0, 2, 1)
    turns = (U @ K).reshape(first.size, U.size)
    return turns.T @ turns


def off_tangent_norm(B: Ensemble, y: Reals, U: Reals, V: Reals) -> float:
    """‖W‖, W = (I − UUᵀ) ℬ*(y) (I − VVᵀ): below 1 it makes the minimiser unique (theory §6.1)."""
    S = B.matrix(y)
    W = S - U @ (U.T @ S)
    return float(np.linalg.norm(W - (W @ V) @ V.T, 2))
