"""How far noise moves a flat solution: bounds with every constant computed from the instance.

b = ℬ(M̃) + e, M̃ = D1 M D2 = U Σ Vᵀ of rank r, T = {U Qᵀ + P Vᵀ}. Let y be the shortest vector with
P_T ℬ*(y) = U Vᵀ, and

    δ = 1 − ‖P_T⊥ ℬ*(y)‖,   τ = min ‖ℬ(Z)‖/‖Z‖ over Z in T,   β = max ‖ℬ(Z)‖/‖Z‖ over Z in T⊥.

Where δ and τ are positive, ‖X̃‖_* ≥ ‖M̃‖_* + ⟨y, ℬ(Δ)⟩ + δ‖P_T⊥Δ‖_* for every X̃ = M̃ + Δ. An X̃
that is no worse than M̃, z = ℬ(Δ), therefore has

    penalised    ½‖z‖² + λδ‖P_T⊥Δ‖_* ≤ ⟨e − λy, z⟩:  ‖z‖ ≤ 2a and ‖P_T⊥Δ‖_* ≤ a²/(2λδ), with
                 a = ‖e − λy‖,
    constrained  ‖z‖ ≤ 2ε and ‖P_T⊥Δ‖_* ≤ 2ε‖y‖/δ, with ε ≥ ‖e‖ what the misfit may be;

and ‖P_TΔ‖ ≤ (‖z‖ + β‖P_T⊥Δ‖)/τ in either case, ‖X − M‖_F ≤ ‖Δ‖_F/α1². Nothing random is assumed of
ℬ or e: the error is proportional to the noise where λ is.

The noisy case of Ding, Drusvyatskiy, Fazel and Harchaoui (2024), appendix A, has its constants from
isometries; these are from a dual certificate, as in Candès and Plan (2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flatrank.arrays import scope, to_numpy, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Factors, compact_svd, given_pair
from flatrank.measurements import HELD
from flatrank.measurements.explicit import written_out
from flatrank.problems import Problem
from flatrank.theory.inequality import Bound


@dataclass(frozen=True)
class NoiseConstants:
    """What the bounds need to know of 𝒜 and M, whatever the noise."""

    y: Float[np.ndarray, " m"]
    #: δ, τ, β; where δ or τ is not positive the bounds are infinite.
    delta: float
    tau: float
    beta: float
    #: The least eigenvalue of D1 and D2.
    alpha1: float

    def distance(self, seen: float, hidden: float) -> float:
        """‖X − M‖_F where ‖z‖ ≤ `seen` and δ‖P_T⊥Δ‖_* ≤ `hidden`."""
        if not min(self.delta, self.tau, self.alpha1) > 0:
            return math.inf
        off = hidden / self.delta
        return math.hypot((seen + self.beta * off) / self.tau, off) / self.alpha1**2


def noise_constants(problem: Problem, truth: Factors) -> NoiseConstants:
    """The constants at M, `truth`, a FactorPair, Solution or (L, R); λ and b do not matter.

    Raises
    ------
    ValueError
        If X is not any real matrix, M does not fit its shape or is zero, or ℬ has more than 2e7
        numbers.

    Notes
    -----
    Cost: ℬ as an m × d1 d2 array and its singular values, O(m d1 d2 min(m, d1 d2)) flops.
    """
    if problem.cone is not Cone.WHOLE:
        raise ValueError(f"noise bounds are for any real matrix X; this X is {problem.cone.value}")
    (d1, d2), m = problem.shape, problem.m
    if m * d1 * d2 > HELD:
        raise ValueError(
            f"noise bounds write ℬ out as m d1 d2 = {m * d1 * d2:.1e} numbers, at most {HELD:.0e}; "
            "take a smaller problem"
        )
    with scope():
        U, s, V = to_numpy(compact_svd(problem.whiten(given_pair(truth, problem.shape))))
        B = to_numpy(written_out(problem.whitened)).reshape(m, d1, d2)
        alpha1 = float(problem.rescaling.extremes[0])
    rank = int(np.sum(s > 1e-10 * np.max(s, initial=0.0)))
    if rank == 0:
        raise ValueError("the truth is zero; noise bounds speak of its singular vectors")
    U, V = U[:, :rank], V[:, :rank]
    off = (np.eye(d1) - U @ U.T) @ B @ (np.eye(d2) - V @ V.T)
    # ℬ on T, of known dimension: what singular values there are beyond it are rounding.
    freedom = rank * (d1 + d2 - rank)
    left, values, right = np.linalg.svd((B - off).reshape(m, -1), full_matrices=False)
    if values.size < freedom or values[freedom - 1] <= 1e-12 * values[0]:
        return NoiseConstants(np.zeros(m), -math.inf, 0.0, 0.0, alpha1)
    y = left[:, :freedom] @ ((right[:freedom] @ (U @ V.T).reshape(-1)) / values[:freedom])
    delta = 1 - np.linalg.norm(np.tensordot(y, off, 1), 2)
    beta = np.linalg.norm(off.reshape(m, -1), 2)
    return NoiseConstants(y, float(delta), float(values[freedom - 1]), float(beta), alpha1)


def penalised_noise_bound(
    problem: Problem, pair: Factors, truth: Factors, constants: NoiseConstants
) -> Bound:
    """‖X − M‖_F against noise, of a pair whose penalised objective is no larger than that of M.

    Every optimum is such a pair, and the bound does not depend on which.

    Parameters
    ----------
    problem : Problem
        λ > 0; its b holds the noise, e = b − 𝒜(M).
    pair, truth : FactorPair, Solution or (L, R)
        X and M, (d1, k) and (d2, k).
    constants : NoiseConstants
        From `noise_constants`.

    Raises
    ------
    ValueError
        If λ = 0, or factors do not fit.
    """
    if not problem.lam > 0:
        raise ValueError("penalised_noise_bound needs lam > 0; for lam = 0 constrained_noise_bound")
    sizes = _sizes(problem, pair, truth)
    objectives = (
        misfit**2 / 2 + problem.lam * nuclear
        for misfit, nuclear in ((sizes.misfit, sizes.nuclear), (sizes.noise, sizes.nuclear_truth))
    )
    a = float(np.linalg.norm(sizes.e - problem.lam * constants.y))
    right = constants.distance(2 * a, a * a / (2 * problem.lam))
    return _bound(sizes, right, constants, {"X is no worse than M": _no_larger(*objectives)})


def constrained_noise_bound(
    problem: Problem, pair: Factors, truth: Factors, constants: NoiseConstants, radius: float
) -> Bound:
    """‖X − M‖_F against noise, of a pair that fits within ε and has ‖X̃‖_* ≤ ‖M̃‖_*.

    Every solution of min ‖X̃‖_* s.t. ‖ℬ(X̃) − b‖ ≤ ε is such a pair where ‖e‖ ≤ ε = `radius`; the
    rest is as for `penalised_noise_bound`, at any λ.
    """
    sizes = _sizes(problem, pair, truth)
    needs: dict[str, bool | None] = {
        "‖e‖ ≤ ε": _no_larger(sizes.noise, radius),
        "X fits within ε": _no_larger(sizes.misfit, radius),
        "‖X̃‖_* ≤ ‖M̃‖_*": _no_larger(sizes.nuclear, sizes.nuclear_truth),
    }
    hidden = 2 * radius * float(np.linalg.norm(constants.y))
    return _bound(sizes, constants.distance(2 * radius, hidden), constants, needs)


@dataclass(frozen=True)
class _Sizes:
    e: np.ndarray
    noise: float
    misfit: float
    error: float
    nuclear: float
    nuclear_truth: float


def _sizes(problem: Problem, pair: Factors, truth: Factors) -> _Sizes:
    X, M = given_pair(pair, problem.shape), given_pair(truth, problem.shape)
    with scope():
        e, residual = (to_numpy(problem.b - problem.measurement.forward(one)) for one in (M, X))
        error = compact_svd(X.plus(FactorPair(-M.L, M.R))).s
        sums = (float(xp.sum(compact_svd(problem.whiten(one)).s)) for one in (X, M))
        numbers = (float(np.linalg.norm(to_numpy(v))) for v in (e, residual, error))
        return _Sizes(e, *numbers, *sums)


def _no_larger(left: float, right: float) -> bool:
    """Up to what a certified optimum may miss by."""
    return bool(left <= right * (1 + 1e-6))


def _bound(
    sizes: _Sizes, right: float, constants: NoiseConstants, needs: dict[str, bool | None]
) -> Bound:
    known: dict[str, bool | None] = {"δ > 0": constants.delta > 0, "τ > 0": constants.tau > 0}
    return Bound("‖X − M‖_F ≤ c·noise", sizes.error, right, known | needs, 1e-12 * sizes.error)
