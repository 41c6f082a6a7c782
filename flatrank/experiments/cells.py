"""One cell of a figure: one size, several draws of the measurements, flat and norm-minimal.

Find, then prove. A matrix of low rank that fits is found for several draws together, from the data
alone; where its least-squares dual is strict, it is the unique minimiser. Elsewhere the convex
problem is solved by interior points. Whatever the way, the gap is measured. M itself and its rank
are known to nobody but the error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from flatrank.experiments.duality import duality_gap, least_squares_dual, off_tangent_norm
from flatrank.experiments.ensembles import (
    FAMILIES,
    Family,
    Matrices,
    Reals,
    Rescaled,
    Vectors,
    draw,
)
from flatrank.experiments.finding import find
from flatrank.experiments.interior import interior_point

Given = TypeVar("Given")
Done = TypeVar("Done")

#: Recovered: ‖X − M‖_F at most this, with ‖M‖_F = 1 (the paper's threshold).
RECOVERED = 1e-6
#: Certified: relative gap at most this.
CERTIFIED = 1e-6
# Eigenvalues of D² below this share of the largest are rounding: D is singular there.
_RANK_FLOOR = 1e-13
_STRICT = 1 - 1e-6
# Singular values below this share of the largest are no part of the rank that was found.
_VANISHED = 1e-9
# Instances are taken together as long as they stay in a processor's cache, counted in numbers.
_TOGETHER = 2**18


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


class Solved(NamedTuple):
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
    Groups of draws run side by side, a thread each, as many as there are processors. Memory: two
    arrays of m d² numbers a draw of a group for sensing, m² otherwise.
    """
    key = (seed, FAMILIES.index(family), d, round(1e6 * size))
    first, *others = np.random.SeedSequence(key).spawn(draws + 1)
    M = _truth(family, d, rank, np.random.default_rng(first))

    def together(children: Sequence[np.random.SeedSequence]) -> list[Draw]:
        ensembles = [draw(family, d, size, np.random.default_rng(child)) for child in children]
        return solve_draws(ensembles, M)

    numbers = round(size) * d * d if family == "sensing" else 2 * d**3
    return Cell(d, size, tuple(_in_groups(together, others, numbers)))


def _in_groups(
    work: Callable[[Sequence[Given]], list[Done]], items: Sequence[Given], numbers: int
) -> list[Done]:
    """`work` on groups of items of so many numbers each, a thread for each processor."""
    processors = os.cpu_count() or 1
    most = min(max(1, _TOGETHER // max(1, numbers)), math.ceil(len(items) / processors))
    groups = [items[n : n + most] for n in range(0, len(items), most)]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(processors) as pool:
        return [one for group in pool.map(work, groups) for one in group]


def _truth(family: Family, d: int, rank: int, rng: np.random.Generator) -> Reals:
    U = rng.standard_normal((d, rank))
    if family == "quadratic":
        M = (U * (-1.0) ** np.arange(rank)) @ U.T
    else:
        M = U @ rng.standard_normal((rank, d))
    return M / np.linalg.norm(M)


def solve_draws(ensembles: Sequence[Matrices | Vectors], M: Reals) -> list[Draw]:
    """The flat and the norm-minimal solution of 𝒜(X) = 𝒜(M) for every 𝒜, compared.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        Draws of 𝒜, on matrices of one shape.
    M : array of shape (d1, d2)
        The truth: the data come from it and the error is told by it, nothing else.

    Returns
    -------
    list of Draw
    """
    data = [A.forward(M) for A in ensembles]
    found = find(ensembles, data)
    return [_compare(A, b, X, M) for A, b, X in zip(ensembles, data, found, strict=True)]


def _compare(A: Matrices | Vectors, b: Reals, candidate: Reals | None, M: Reals) -> Draw:
    d = min(A.shape)
    squares = _squares(A)
    solved, roots = [], []
    for smoothing in (0.0, 1.0):
        roots.append([_roots(square, smoothing) for square in squares])
        solved.append(_solve(A, b, candidate, roots[-1]))
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


def solve_instances(
    ensembles: Sequence[Matrices | Vectors], data: Sequence[Reals], smoothing: float
) -> list[Solved]:
    """The minimiser of ‖D1 X D2‖_* s.t. 𝒜(X) = b, and its gap, for every instance.

    Parameters
    ----------
    ensembles : sequence of Matrices or Vectors
        𝒜 of every instance, all on matrices of one shape.
    data : sequence of arrays of shape (m,)
        b of every instance.
    smoothing : float
        0 for flat, 1 for norm-minimal solutions.

    Returns
    -------
    list of Solved

    Notes
    -----
    As many together as a processor's cache holds, and groups side by side, as in `solve_cell`.
    """

    def together(group: Sequence[tuple[Matrices | Vectors, Reals]]) -> list[Solved]:
        found = find([A for A, _ in group], [b for _, b in group])
        return [
            _solve(A, b, X, [_roots(square, smoothing) for square in _squares(A)])
            for (A, b), X in zip(group, found, strict=True)
        ]

    pairs = list(zip(ensembles, data, strict=True))
    return _in_groups(together, pairs, ensembles[0].numbers)


def _solve(
    A: Matrices | Vectors,
    b: Reals,
    candidate: Reals | None,
    roots: list[tuple[Reals, Reals]],
) -> Solved:
    """The minimiser of ‖D1 X D2‖_*: the candidate where it is proved, else by interior points."""
    (D1, inverse1), (D2, inverse2) = roots
    if not np.any(b):  # nothing was seen: X = 0, and the gap is 0
        return Solved(np.zeros(A.shape), np.zeros(A.shape), 0.0)
    B = Rescaled(A, inverse1, inverse2)
    if candidate is not None:
        proved = _proved(B, b, D1 @ candidate @ D2)
        if proved is not None:
            return proved
    X, y = interior_point(B.formed, b)
    return Solved(X, inverse1 @ X @ inverse2, duality_gap(B, b, X, y).relative)


def _proved(B: Rescaled, b: Reals, whitened: Reals) -> Solved | None:
    """X̃ where the least-squares dual proves it to be the only minimiser."""
    U, s, Vt = np.linalg.svd(whitened)
    rank = int(np.sum(s > _VANISHED * s[0]))
    U, V = U[:, :rank], Vt[:rank].T
    y = least_squares_dual(B, U, V)
    if y is None or off_tangent_norm(B, y, U, V) >= _STRICT:
        return None
    gap = duality_gap(B, b, whitened, y).relative
    return Solved(whitened, B.Q1 @ whitened @ B.Q2, gap) if gap <= CERTIFIED else None


def _squares(A: Matrices | Vectors) -> list[Reals]:
    """D1² and D2²."""
    return [G / (max(A.m, 1) * n) for G, n in zip(A.grams(), A.shape[::-1], strict=True)]


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
