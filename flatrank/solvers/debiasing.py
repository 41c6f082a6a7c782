"""Confidence intervals for the entries of the matrix itself, from the penalised solution.

The penalty shrinks X. What the data still say against it, scaled up from the places seen to all of
them, takes the bias away to first order, and a projection on rank r the noise of all other
directions,

    X¹ = P_r(X + 𝒜*(b − 𝒜(X))/p),   p = m/(d1 d2);

alternating least squares from there, X^d = U diag(s) Vᵀ of rank r that fits best, takes the rest.
With b = 𝒜(X*) + noise of variance σ² and X* of rank r, each error is nearly normal,

    X^d_ij − X*_ij ~ N(0, v_ij),   v_ij = σ² (V_jᵀ G_i⁻¹ V_j + U_iᵀ H_j⁻¹ U_i),

G_i = Σ V_j V_jᵀ over the places seen in row i and H_j = Σ U_i U_iᵀ over those in column j.

Where places are seen uniformly at random G_i and H_j tend to p I, and v to the paper's
(σ²/p)(‖U_i‖² + ‖V_j‖²); the paper stops at X¹, which it shows to be as good as X^d in the limit. In
tables of a few hundred rows it is not yet, if λ shrinks much, and G_i is not yet p I: this is
where the code departs from it.

Reference: Y. Chen, J. Fan, C. Ma, Y. Yan, "Inference and uncertainty quantification for noisy
matrix completion", PNAS 116 (2019).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import flatrank.kernels as kernels
from flatrank.arrays import static, to_numpy
from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.linalg import krylov_eigenpairs
from flatrank.measurements import Adjoint, SampledEntries
from flatrank.problems import Problem, entries_of
from flatrank.solvers.confidence import Debiased
from flatrank.solvers.solution import Solution

#: Blocks of the Krylov space that the singular vectors are taken from.
BLOCKS = 8
#: Sweeps of least squares at most, and what the last one may gain, as a share of the sum of squares
#: that noise moves a fit of this rank by: a hundredth of a standard error.
SWEEPS, CLOSE = 100, 1e-4


def debiased(solution: Solution, *, rank: int | None = None) -> Debiased:
    """Undo the shrinking of a penalised completion: entries with confidence intervals.

    What they promise is asymptotic, and proved for one kind of data: entries seen uniformly at
    random, of a matrix of low rank none of whose rows or columns holds much of it alone, with
    independent noise of one variance. Elsewhere the same formula is that of least squares, proved
    of nothing; a rank that is not the true one, or a component as weak as the noise, breaks it.

    Parameters
    ----------
    solution : Solution
        Of `flatrank.completion` with λ > 0, of rank r or more.
    rank : int, optional
        r, at most that of the solution. By default as many as stand out of the noise: terms are
        taken while the next singular value of X + 𝒜*(b − 𝒜(X))/p is above τ σ̂ √(max(d1, d2)/p),
        τ the threshold of least squared error (Gavish and Donoho 2014), 4/√3 for a square matrix.

    Returns
    -------
    Debiased

    Raises
    ------
    TypeError
        If it is no solution of sampled entries.
    ValueError
        If λ is 0, `rank` is out of range, nothing stands out of the noise, or the entries are no
        more than the degrees of freedom.

    Notes
    -----
    8 two-sided products with the residual, of as many columns as the solution has, O(m k) flops;
    then 4 m r² + (d1 + d2) r³ for each of some ten sweeps. Memory (d1 + d2) r².

    References
    ----------
    Y. Chen, J. Fan, C. Ma, Y. Yan, "Inference and uncertainty quantification for noisy matrix
    completion", PNAS 116 (2019).
    M. Gavish, D. L. Donoho, "The optimal hard threshold for singular values is 4/√3", IEEE
    Transactions on Information Theory 60 (2014).
    """
    problem, A = _checked(solution, rank)
    b, p = np.asarray(problem.b), problem.m / math.prod(problem.shape)
    svd = _unshrunk(problem, to_numpy(solution.factors), p)
    r = _outstanding(problem, A, svd, p) if rank is None else rank
    free = problem.m - problem.degrees(r)
    if free <= 0:
        raise ValueError(
            f"rank {r} has {problem.degrees(r)} degrees of freedom, no fewer than the {problem.m} "
            "entries, which leaves nothing to tell the noise by: take a smaller rank"
        )
    svd, misfit = _fitted(A, b, svd.narrow(r), free / problem.degrees(r))
    return Debiased(svd, math.sqrt(misfit / free), *_inverses(A, svd))


class _Unshrunk(Adjoint):
    """X + S/p."""

    X: FactorPair
    S: Adjoint
    p: float = static()

    def right(self, R: Float[np.ndarray, "d2 k"]) -> Float[np.ndarray, "d1 k"]:
        return self.X.L @ (self.X.R.T @ R) + self.S.right(R) / self.p

    def left(self, L: Float[np.ndarray, "d1 k"]) -> Float[np.ndarray, "d2 k"]:
        return self.X.R @ (self.X.L.T @ L) + self.S.left(L) / self.p


def _unshrunk(problem: Problem, X: FactorPair, p: float) -> CompactSVD:
    """The leading singular triplets of X + 𝒜*(b − 𝒜(X))/p, as many as X has.

    From a Krylov space of the Gram matrix of the rows, begun at the columns of L.
    """
    A = problem.measurement
    Y, k = _Unshrunk(X, A.adjoint(problem.b - A.forward(X)), p), X.rank
    _, Q = krylov_eigenpairs(lambda Z: Y.right(Y.left(Z)), X.L, BLOCKS * k)
    Q = Q[:, np.sum(Q * Q, axis=0) > 0.5]
    V, s, Wt = np.linalg.svd(Y.left(Q), full_matrices=False)
    return CompactSVD((Q @ Wt.T)[:, :k], s[:k], V[:, :k])


def _outstanding(problem: Problem, A: SampledEntries, svd: CompactSVD, p: float) -> int:
    """The largest rank all of whose terms stand out of the noise left when they are taken."""
    found, least = 0, _threshold(problem.shape) * math.sqrt(max(problem.shape) / p)
    for r in range(1, svd.s.size + 1):
        free = problem.m - problem.degrees(r)
        if free <= 0:
            break
        misfit = _misfit(A, problem.b, svd.narrow(r).pair())
        if svd.s[r - 1] <= least * math.sqrt(misfit / free):
            break
        found = r
    if found == 0:
        raise ValueError(
            "no singular value stands out of the noise: there is no matrix of low rank to give "
            "intervals of; take more entries, or a rank by hand"
        )
    return found


def _fitted(
    A: SampledEntries, b: np.ndarray, svd: CompactSVD, ratio: float
) -> tuple[CompactSVD, float]:
    """The matrix of this rank that fits best near one, by alternating least squares; its misfit.

    What the noise moves the fit by is the misfit over `ratio`, the degrees of freedom left over
    those taken. The last sweep is one that gains little of it.
    """
    L, R = svd.pair().L, svd.pair().R
    by_col, f = b[A.order], _misfit(A, b, FactorPair(L, R))
    for _ in range(SWEEPS):
        L = _rows_fitted(A.by_row, R, b)
        R = _rows_fitted(A.by_col, L, by_col)
        before, f = f, _misfit(A, b, FactorPair(L, R))
        if before - f <= CLOSE * f / ratio:
            break
    return compact_svd(FactorPair(L, R)), f


def _rows_fitted(C: kernels.Compressed, R: np.ndarray, b: np.ndarray) -> np.ndarray:
    """argmin ‖b_i − R l‖ over the entries of each row, the least such l."""
    G, h = kernels.row_grams(C, R, b)
    return (np.linalg.pinv(G, hermitian=True) @ h[:, :, None])[:, :, 0]


def _inverses(A: SampledEntries, svd: CompactSVD) -> tuple[np.ndarray, np.ndarray]:
    """G⁻¹ and H⁻¹; NaN where a row or column has fewer entries than there are terms."""
    out = []
    for C, X in ((A.by_row, svd.V), (A.by_col, svd.U)):
        G, _ = kernels.row_grams(C, X, np.zeros(C.m))
        inverse = np.linalg.pinv(G, hermitian=True)
        inverse[np.diff(C.indptr) < svd.s.size] = np.nan
        out.append(inverse)
    return out[0], out[1]


def _misfit(A: SampledEntries, b: np.ndarray, X: FactorPair) -> float:
    """‖b − 𝒜(X)‖²."""
    r = b - A.forward(X)
    return float(r @ r)


def _threshold(shape: tuple[int, int]) -> float:
    """τ(β) = √(2(β + 1) + 8β/(β + 1 + √(β² + 14β + 1))), β = min(d1, d2)/max(d1, d2)."""
    beta = min(shape) / max(shape)
    return float(np.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1))))


def _checked(solution: Any, rank: int | None) -> tuple[Problem, SampledEntries]:
    """The problem of a solution that can be debiased, and what it sees, on the host."""
    if not isinstance(solution, Solution):
        raise TypeError(
            "debiased takes the Solution that flatrank.solve returns; got "
            f"{type(solution).__name__}"
        )
    problem = solution.problem.to("numpy")
    A = entries_of(problem, "debiased")
    if problem.lam == 0:
        raise ValueError(
            "debiased undoes the shrinking of a penalty, and lam is 0 here: noise was fitted "
            "exactly. Solve with a lam_ratio in (0, 1)"
        )
    if solution.rank == 0:
        raise ValueError("the solution is X = 0, from which nothing can be undone: give less lam")
    whole = isinstance(rank, (int, np.integer))
    if rank is not None and not (whole and 1 <= rank <= solution.rank):
        raise ValueError(
            f"rank must be a whole number from 1 to that of the solution, {solution.rank}, or "
            f"None; got {rank!r}"
        )
    return problem, A
