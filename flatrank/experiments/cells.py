"""One cell of a figure: one size, several draws of the measurements, flat and norm-minimal.

Find, then prove. The experimenter knows M, so M is the first candidate: where the least-squares
dual is strict, M is the unique minimiser and nothing is left to solve. Elsewhere the convex problem
is solved by interior points. Whatever the way, the gap is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from flatrank.experiments.duality import duality_gap, least_squares_dual, off_tangent_norm
from flatrank.experiments.ensembles import FAMILIES, Ensemble, Family, Reals, draw
from flatrank.experiments.interior import interior_point

#: Recovered: ‖X − M‖_F at most this, with ‖M‖_F = 1 (the paper's threshold).
RECOVERED = 1e-6
#: Certified: relative gap at most this.
CERTIFIED = 1e-6
# Eigenvalues of D² below this share of the largest are rounding: D is singular there.
_RANK_FLOOR = 1e-13
_STRICT = 1 - 1e-6


@dataclass(frozen=True)
class Draw:
    """What one draw of the measurements gave; pairs are (flat, norm-minimal).

    Parameters
    ----------
    error : (float, float)
        ‖X − M‖_F.
    gap : (float, float)
        Proved relative duality gap.
    kappa : float
        κ of D1, D2; infinite where one is singular.
    excess : float
        (‖L_f‖² + ‖R_f‖²)/(2‖X_nuc‖_*) − 1 of the flat factors; NaN where D is singular.
    imbalance : float
        ‖L_fᵀL_f − R_fᵀR_f‖_*/‖X_nuc‖_*; NaN where D is singular.
    """

    error: tuple[float, float]
    gap: tuple[float, float]
    kappa: float
    excess: float
    imbalance: float

    @property
    def certified(self) -> tuple[bool, bool]:
        """Whether each gap is closed."""
        return self.gap[0] <= CERTIFIED, self.gap[1] <= CERTIFIED

    @property
    def recovered(self) -> tuple[bool, bool]:
        """Whether each solution is M."""
        return self.error[0] <= RECOVERED, self.error[1] <= RECOVERED


@dataclass(frozen=True)
class Cell:
    """Every draw at one d and one m (or probability)."""

    d: int
    size: float
    draws: tuple[Draw, ...]

    def share(self, smoothing: int) -> float:
        """Share of draws recovered: 0 for flat, 1 for norm-minimal."""
        return float(np.mean([one.recovered[smoothing] for one in self.draws]))

    @property
    def uncertified(self) -> int:
        """Number of solutions whose gap is not closed."""
        return sum(not proved for one in self.draws for proved in one.certified)


class _Solved(NamedTuple):
    """X̃ = D1 X D2, X itself, and the gap."""

    whitened: Reals
    X: Reals
    gap: float


def solve_cell(family: Family, d: int, size: float, rank: int, draws: int, seed: int) -> Cell:
    """One M, `draws` draws of the measurements, two solutions each.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    d : int
        M is d × d.
    size : float
        m, or for completion the probability of an entry.
    rank : int
        r: M = U Vᵀ/‖U Vᵀ‖_F with Gaussian U, V of r columns; V = U diag(1, −1, 1, …) for
        "quadratic".
    draws : int
        Number of draws.
    seed : int
        Of M and of every draw; other cells have other numbers.

    Returns
    -------
    Cell

    Notes
    -----
    Draws run side by side, a thread each, as many as there are processors. Memory: two arrays of
    m d² numbers a thread for sensing, m² otherwise.
    """
    key = (seed, FAMILIES.index(family), d, round(1e6 * size))
    first, *others = np.random.SeedSequence(key).spawn(draws + 1)
    rng = np.random.default_rng(first)
    U = rng.standard_normal((d, rank))
    if family == "quadratic":
        M = (U * (-1.0) ** np.arange(rank)) @ U.T
    else:
        M = U @ rng.standard_normal((rank, d))
    M /= np.linalg.norm(M)

    def one(child: np.random.SeedSequence) -> Draw:
        return solve_draw(draw(family, d, size, np.random.default_rng(child)), M, rank)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor() as pool:
        return Cell(d, size, tuple(pool.map(one, others)))


def solve_draw(A: Ensemble, M: Reals, rank: int) -> Draw:
    """The flat and the norm-minimal solution of 𝒜(X) = 𝒜(M), compared.

    Parameters
    ----------
    A : Ensemble
        𝒜.
    M : array of shape (d1, d2)
        The truth, of rank `rank`.
    rank : int
        r.

    Returns
    -------
    Draw
    """
    b, d = A.forward(M), min(A.shape)
    squares = [G / (max(A.m, 1) * other) for G, other in zip(A.grams(), A.shape[::-1], strict=True)]
    solved, roots = [], []
    for smoothing in (0.0, 1.0):
        roots.append([_roots(square, smoothing) for square in squares])
        solved.append(_solve(A, b, M, rank, roots[-1]))
    flat, minimal = solved
    kappa = _kappa(squares)
    excess = imbalance = math.nan
    size = float(np.linalg.norm(minimal.X, "nuc"))
    if math.isfinite(kappa) and size > 0:
        U, s, Vt = np.linalg.svd(flat.whitened)
        root = np.sqrt(s)[None, :]
        L = roots[0][0][1] @ (U[:, :d] * root)
        R = roots[0][1][1] @ (Vt[:d].T * root)
        excess = float(np.vdot(L, L) + np.vdot(R, R)) / (2 * size) - 1
        imbalance = float(np.abs(np.linalg.eigvalsh(L.T @ L - R.T @ R)).sum()) / size
    return Draw(
        (float(np.linalg.norm(flat.X - M)), float(np.linalg.norm(minimal.X - M))),
        (flat.gap, minimal.gap),
        kappa,
        excess,
        imbalance,
    )


def _solve(A: Ensemble, b: Reals, M: Reals, rank: int, roots: list[tuple[Reals, Reals]]) -> _Solved:
    """The minimiser of ‖D1 X D2‖_*: M where that can be proved, else by interior points."""
    (D1, inverse1), (D2, inverse2) = roots
    if not np.any(b):  # nothing was seen: X = 0, and the gap is 0
        return _Solved(np.zeros_like(M), np.zeros_like(M), 0.0)
    B = A.whitened(inverse1, inverse2)
    whitened = D1 @ M @ D2
    U, _, Vt = np.linalg.svd(whitened)
    U, V = U[:, :rank], Vt[:rank].T
    y = least_squares_dual(B, U, V)
    if y is not None and off_tangent_norm(B, y, U, V) < _STRICT:
        gap = duality_gap(B, b, whitened, y).relative
        if gap <= CERTIFIED and np.allclose(inverse1 @ whitened @ inverse2, M, rtol=0, atol=1e-9):
            return _Solved(whitened, M, gap)
    X, y = interior_point(B, b)
    return _Solved(X, inverse1 @ X @ inverse2, duality_gap(B, b, X, y).relative)


def _roots(square: Reals, smoothing: float) -> tuple[Reals, Reals]:
    """D_θ and its pseudo-inverse from D² (see `Rescaling`)."""
    w, Q = np.linalg.eigh(square)
    w = np.where(w > _RANK_FLOOR * w[-1], w, 0.0)
    root = np.sqrt((1 - smoothing) * w + smoothing * w.mean())
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    return (Q * root) @ Q.T, (Q * inverse) @ Q.T


def _kappa(squares: list[Reals]) -> float:
    w = np.concatenate([np.linalg.eigvalsh(square) for square in squares])
    return math.sqrt(w.max() / w.min()) if w.min() > _RANK_FLOOR * w.max() else math.inf


def instances(cells: tuple[Cell, ...]) -> Iterator[Draw]:
    """Every draw of every cell."""
    return (one for cell in cells for one in cell.draws)
