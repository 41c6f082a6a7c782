"""Random instances: one M, and measurements of it as problems of the front doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from flatrank.arrays.shapes import Float
from flatrank.factors import Cone
from flatrank.flatness import Rescaling
from flatrank.problems import (
    Problem,
    Separation,
    bilinear,
    completion,
    covariance,
    quadratic_network,
    robust_pca,
    sensing,
)
from flatrank.problems.robust import usual_weight

Family = Literal["sensing", "bilinear", "completion", "quadratic", "covariance", "robust"]
FAMILIES: tuple[Family, ...] = get_args(Family)
SYMMETRIC: tuple[Family, ...] = ("quadratic", "covariance")
#: Those whose size is a share of the entries: of those seen, and of those in error.
SHARES: tuple[Family, ...] = ("completion", "robust")

#: make_problem(d, size, seed) gives a problem and the matrix it measures, (d1, d2) and of any size;
#: the problem is None where nothing was measured.
MakeProblem = Callable[[int, float, int], tuple[Problem | None, Float[np.ndarray, "d1 d2"]]]


@dataclass(frozen=True)
class Ensemble:
    """make_problem(d, size, seed) of a family: M and its measurements from one seed.

    Parameters
    ----------
    family : str
        "sensing": m = `size` standard Gaussian matrices; "bilinear": aᵢcᵢᵀ, standard Gaussian;
        "completion": every entry with probability `size`, independently; "quadratic" and
        "covariance": xᵢxᵢᵀ, standard Gaussian, of symmetric and of positive semidefinite matrices;
        "robust": the whole matrix, a share `size` of its entries in error (at random places, by
        Gaussian numbers of the mean square of the entries of M).
    rank : int
        r of M.
    aspect : float
        d2/d1 of M, d1 = d; 1 where M is symmetric.
    """

    family: Family
    rank: int
    aspect: float = 1.0

    def shape(self, d: int) -> tuple[int, int]:
        """(d1, d2) of M."""
        return d, round(self.aspect * d)

    def __call__(self, d: int, size: float, seed: int) -> tuple[Problem | None, np.ndarray]:
        """The problem of one draw and its M; None where no entry was drawn."""
        rng = np.random.default_rng((seed, FAMILIES.index(self.family)))
        M = truth(self.family, self.shape(d), self.rank, rng)
        return draw(self.family, M, size, rng), M


def truth(
    family: Family, shape: tuple[int, int], rank: int, rng: np.random.Generator
) -> Float[np.ndarray, "d1 d2"]:
    """M = U Vᵀ/‖U Vᵀ‖_F with Gaussian U, V of `rank` columns.

    For "quadratic" V = U diag(1, −1, 1, …), eigenvalues of both signs; for "covariance" V = U.
    """
    U = rng.standard_normal((shape[0], rank))
    if family == "quadratic":
        M = (U * (-1.0) ** np.arange(rank)) @ U.T
    elif family == "covariance":
        M = U @ U.T
    else:
        M = U @ rng.standard_normal((rank, shape[1]))
    return M / np.linalg.norm(M)


def draw(
    family: Family, M: Float[np.ndarray, "d1 d2"], size: float, rng: np.random.Generator
) -> Problem | None:
    """The flat problem of one draw of the measurements of M (`Ensemble`)."""
    (d1, d2), m = M.shape, int(size)
    if family == "completion":
        rows, cols = np.nonzero(rng.random(M.shape) < size)
        return completion(rows, cols, M[rows, cols], M.shape) if rows.size else None
    if family == "robust":
        S = np.zeros(M.size)
        wrong = rng.choice(M.size, max(round(size * M.size), 1), replace=False)
        S[wrong] = rng.standard_normal(wrong.size) * np.linalg.norm(M) / np.sqrt(M.size)
        return robust_pca(M + S.reshape(M.shape), radius=float(np.abs(S).sum()))
    if family == "sensing":
        A = rng.standard_normal((m, d1, d2))
        return sensing(A, A.reshape(m, -1) @ M.reshape(-1))
    a = rng.standard_normal((m, d1))
    if family in SYMMETRIC:
        door = quadratic_network if family == "quadratic" else covariance
        return door(a, np.einsum("ij,ij->i", a @ M, a))
    c = rng.standard_normal((m, d2))
    return bilinear(a, c, np.einsum("ij,ij->i", a @ M, c))


#: What the flat solution is compared with.
Rival = Literal["norm-minimal", "of any sign", "pursuit"]


def rival(problem: Problem) -> tuple[Rival, Problem]:
    """The other problem of the same data, and its name.

    "norm-minimal": smoothing 1, D a multiple of the identity. Where X ⪰ 0, "of any sign": the flat
    problem among all symmetric matrices. Of a separation, whose flat solution is norm-minimal,
    "pursuit": the weight of the recovery theorem in place of the radius.
    """
    if isinstance(problem, Separation):
        return "pursuit", problem.with_sparsity(usual_weight(problem.shape, problem.mask))
    if problem.cone is Cone.POSITIVE:
        among: dict[str, Any] = {"among": Cone.SYMMETRIC}
        return "of any sign", replace(problem, **among)
    minimal = Rescaling.of(problem.measurement, 1.0)
    return "norm-minimal", replace(problem, rescaling=minimal, smoothing=1.0)
