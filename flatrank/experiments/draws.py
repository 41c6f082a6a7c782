"""Random instances: one M, and measurements of it as problems of the front doors."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from flatrank.arrays.shapes import Float
from flatrank.flatness import Rescaling
from flatrank.problems import Problem, bilinear, completion, quadratic_network, sensing

Family = Literal["sensing", "bilinear", "completion", "quadratic"]
FAMILIES: tuple[Family, ...] = get_args(Family)


def truth(family: Family, d: int, rank: int, rng: np.random.Generator) -> Float[np.ndarray, "d d"]:
    """M = U Vᵀ/‖U Vᵀ‖_F with Gaussian U, V of `rank` columns.

    For "quadratic" V = U diag(1, −1, 1, …): M is symmetric, with eigenvalues of both signs.
    """
    U = rng.standard_normal((d, rank))
    if family == "quadratic":
        M = (U * (-1.0) ** np.arange(rank)) @ U.T
    else:
        M = U @ rng.standard_normal((rank, d))
    return M / np.linalg.norm(M)


def draw(
    family: Family, M: Float[np.ndarray, "d d"], size: float, rng: np.random.Generator
) -> Problem | None:
    """The flat problem of one draw of the measurements of M; None where no entry was drawn.

    "sensing": m = `size` standard Gaussian matrices; "bilinear": aᵢcᵢᵀ, standard Gaussian;
    "completion": every entry with probability `size`, independently; "quadratic": xᵢxᵢᵀ, standard
    Gaussian, of symmetric matrices.
    """
    d, m = M.shape[0], int(size)
    if family == "completion":
        rows, cols = np.nonzero(rng.random((d, d)) < size)
        return completion(rows, cols, M[rows, cols], (d, d)) if rows.size else None
    if family == "sensing":
        A = rng.standard_normal((m, d, d))
        return sensing(A, A.reshape(m, -1) @ M.reshape(-1))
    a = rng.standard_normal((m, d))
    if family == "quadratic":
        return quadratic_network(a, np.einsum("ij,ij->i", a @ M, a))
    c = rng.standard_normal((m, d))
    return bilinear(a, c, np.einsum("ij,ij->i", a @ M, c))


def norm_minimal(problem: Problem) -> Problem:
    """The same measurements with smoothing 1: D is a multiple of the identity."""
    return replace(problem, rescaling=Rescaling.of(problem.measurement, 1.0), smoothing=1.0)
