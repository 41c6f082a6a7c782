"""λ as a share of λ_max = ‖ℬ*(b)‖, from which on X = 0 is optimal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh, svdvals

from flatrank.arrays import Array, to_numpy
from flatrank.factors import Cone
from flatrank.measurements import SampledEntries
from flatrank.problems.arguments import checked_number
from flatrank.problems.flat import Problem

Product = Callable[[np.ndarray], np.ndarray]
# Up to this order S is formed and decomposed; iterations would take as long.
SMALL = 64


def at_share(problem: Problem, lam: float, lam_ratio: Any) -> Problem:
    """The problem, at λ = `lam`, at λ = lam_ratio·λ_max instead; as it is without a share."""
    if lam_ratio is None:
        return problem
    between = "lie between 0 (interpolate) and 1 (the answer is zero); got {}"
    share = checked_number("lam_ratio", lam_ratio, 0.0, 1.0, between)
    if lam:
        raise ValueError(
            f"give lam or lam_ratio = lam/lam_max, not both; got lam = {lam} and lam_ratio = "
            f"{share}"
        )
    return problem.with_lam(share * largest(problem)) if share else problem


def largest(problem: Problem) -> float:
    """λ_max = ‖ℬ*(b)‖ to rounding; the largest eigenvalue, if above zero, where X is positive.

    Cost: some dozen products of ℬ*(b) with vectors.
    """
    (d1, d2), positive = problem.shape, problem.cone.positive
    right, left = _products(problem)
    if min(d1, d2) <= SMALL:
        dense = right(np.eye(d2)) if d2 <= d1 else left(np.eye(d1))
        top = eigh(dense, eigvals_only=True)[-1] if positive else svdvals(dense)[0]
        return max(float(top), 0.0)
    from scipy.sparse.linalg import LinearOperator, eigsh  # only here: a twentieth of a second

    start = np.random.default_rng(0).standard_normal(d2)
    if problem.cone is not Cone.WHOLE:
        op = LinearOperator((d2, d2), matvec=lambda x: right(x)[:, 0], dtype=np.float64)  # pyright: ignore[reportCallIssue]
        which = "LA" if positive else "LM"
        top = eigsh(op, 1, which=which, v0=start, return_eigenvectors=False)[0]
        return max(float(top), 0.0) if positive else abs(float(top))
    gram = LinearOperator((d2, d2), matvec=lambda x: left(right(x))[:, 0], dtype=np.float64)  # pyright: ignore[reportCallIssue]
    top = eigsh(gram, 1, which="LA", v0=start, return_eigenvectors=False)[0]
    return float(np.sqrt(max(float(top), 0.0)))


def _products(problem: Problem) -> tuple[Product, Product]:
    """X ↦ ℬ*(b) X and X ↦ ℬ*(b)ᵀ X; entries make a sparse matrix."""
    B, (d1, d2) = problem.whitened, problem.shape
    if isinstance(B.inner, SampledEntries) and B.scale1.ndim == B.scale2.ndim == 1:
        pattern = B.inner.by_row
        parts = problem.b, pattern.indices, pattern.indptr, B.scale1, B.scale2
        b, indices, indptr, s1, s2 = to_numpy(parts)
        C = sp.csr_array((b, indices, indptr), shape=(d1, d2))  # no copy, but for what it lacks

        def scaled(C: sp.sparray, into: np.ndarray, of: np.ndarray) -> Product:
            def product(X: np.ndarray) -> np.ndarray:
                Y = C @ (of[:, None] * X.reshape(of.size, -1))
                Y *= into[:, None]
                return Y

            return product

        return scaled(C, s1, s2), scaled(C.T, s2, s1)
    S = B.adjoint(problem.b)

    def product(side: Callable[[Array], Array], d: int) -> Product:
        return lambda X: to_numpy(side(X.reshape(d, -1)))

    return product(S.right, d2), product(S.left, d1)
