"""The top of the spectrum, by Lanczos in the memory of few vectors.

The three-term recurrence is run until the Ritz values have converged, and from the same start once
more to add up their vectors: two products a step, and two vectors beside those wanted, where one
that keeps its basis needs as many as it takes steps (as matfree's, and `krylov_eigenpairs`, do).
Vectors that are found are projected out of later runs, so that multiple eigenvalues come too.

Without reorthogonalisation converged Ritz values repeat, and none leaves the spectrum by more than
rounding (Paige 1976; Greenbaum 1989). Residuals are computed anew from the vectors at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from flatrank.linalg import slack
from flatrank.measurements.checks import checked_count
from flatrank.networks.curvatures import Curvature
from flatrank.networks.estimates import Asked, Budget, Eigenvalue, Progress
from flatrank.networks.vectors import Vector, dot, norm, outside, plus, times


class Pair(NamedTuple):
    """θ = vᵀHv, ‖Hv − θv‖ and the unit vector v."""

    value: float
    residual: float
    vector: Vector


@dataclass(frozen=True)
class TopEigenvalues:
    """The largest eigenvalues, descending, with orthonormal vectors.

    `pairs` are (value, residual, vector), vectors in the blocks of the curvature; λ_max is below
    `ceiling` with probability `confidence` over the random start.
    """

    pairs: tuple[Pair, ...]
    ceiling: float
    confidence: float

    @property
    def eigenvalues(self) -> tuple[Eigenvalue, ...]:
        """The numbers alone."""
        first, *others = self.pairs
        return (
            Eigenvalue(first.value, first.residual, self.ceiling, self.confidence),
            *(Eigenvalue(pair.value, pair.residual) for pair in others),
        )


class Recurrence:
    """H V = V T + β v eᵀ outside found vectors; the last two columns of V are all that is kept."""

    def __init__(
        self, H: Curvature, seed: tuple[int, ...], found: list[Vector], size: float = 0.0
    ) -> None:
        self.H, self.found, self.known = H, found, size
        start = outside(H.form.normal(*seed), found)
        self.vector, self.before = times(start, 1.0 / norm(start)), None
        self.diagonal: list[float] = []
        self.off_diagonal: list[float] = []

    def step(self) -> None:
        """One product."""
        w = self.H(self.vector)
        if self.before is not None:
            w = plus(w, -self.off_diagonal[-1], self.before)
        alpha = dot(w, self.vector)
        w = outside(plus(w, -alpha, self.vector), self.found)
        beta = norm(w)
        if not np.isfinite(alpha + beta):
            raise ValueError(
                "a product with the curvature is not finite: look for NaN or infinity in the "
                "parameters, the data or the loss"
            )
        self.before = self.vector
        self.vector = times(w, 1.0 / beta if beta > 0 else 0.0)
        self.diagonal.append(alpha)
        self.off_diagonal.append(beta)

    @property
    def size(self) -> float:
        """About ‖H‖, as far as it has been seen: what rounding is relative to."""
        return max(self.known, max(map(abs, self.diagonal)) + max(self.off_diagonal))

    @property
    def ended(self) -> bool:
        """Whether the space is invariant, or all there is."""
        left = self.H.form.n - len(self.found)
        small = 8 * self.H.form.eps * self.size
        return len(self.diagonal) >= left or self.off_diagonal[-1] <= small

    def ritz(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ritz values descending, their residuals, and their vectors in the basis."""
        theta, S = eigh_tridiagonal(self.diagonal, self.off_diagonal[:-1])
        beta = 0.0 if self.ended else self.off_diagonal[-1]
        return theta[::-1], beta * np.abs(S[-1, ::-1]), S[:, ::-1]


def largest_eigenvalues(
    H: Curvature,
    count: int = 1,
    *,
    budget: Budget = Budget(),  # noqa: B008 - it cannot be changed
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress = False,
) -> TopEigenvalues:
    """The largest eigenvalues of a curvature (not in absolute value), with their vectors.

    Parameters
    ----------
    H : Curvature
        By `curvature` or `given_curvature`; `H.adaptive()` for adaptive sharpness, `H.block(name)`
        for a layer.
    count : int
        How many; fewer come back where the products end before that many are seen.
    budget : Budget
        A quarter of `max_products`, and `eigenvalue_tol`; where the products end first, the
        residuals say how far the values are.
    confidence : float
        Of the ceiling.
    seed : int
        Of the random starts.
    progress : bool or callable
        A line on stderr once a second; or a function of a dictionary of numbers.

    Returns
    -------
    TopEigenvalues

    Raises
    ------
    ValueError
        If a number is out of its range or a product is not finite.

    Notes
    -----
    Cost: two products a step and one for each residual. For count > 1 another run outside the
    vectors found looks for what multiplicity hid. Memory: `count` vectors, two, and those of a
    product.
    """
    return leading(H, count, Asked.checked(budget, confidence, seed, progress))


def leading(H: Curvature, count: int, asked: Asked) -> TopEigenvalues:
    """`largest_eigenvalues`, of what was checked."""
    if checked_count("the number of eigenvalues", count, 1) > H.form.n:
        raise ValueError(f"there are only {H.form.n} eigenvalues; {count} were asked for")
    pairs: list[Pair] = []
    ceiling, size, begun, most = np.inf, 0.0, H.products, asked.budget.max_products // 4
    for turn in range(most):
        seeds, found = (asked.seed, 1, turn), [pair.vector for pair in pairs]
        steps = (most - (H.products - begun) - count) // 2
        run = Recurrence(H, seeds, found, size)
        wanted, theta = _converged(run, pairs, count, steps, asked)
        if turn == 0:
            size = float(np.max(np.abs(theta)))
            ceiling = _ceiling(theta, 0.0 if run.ended else _slack(H, theta.size, asked))
        del run
        fresh = _vectors(H, seeds, found, wanted)
        pairs = sorted([*pairs, *fresh], key=lambda pair: -pair.value)[:count]
        complete = len(pairs) == count and (count == 1 or not fresh or len(pairs) == H.form.n)
        # Less than a start, a step and the residuals is not worth another run.
        if complete or most - (H.products - begun) < count + 4:
            break
    return TopEigenvalues(tuple(pairs), max(ceiling, pairs[0].value), asked.confidence)


def _converged(
    run: Recurrence, pairs: list[Pair], k: int, steps: int, asked: Asked
) -> tuple[np.ndarray, np.ndarray]:
    """Steps until the Ritz values among the k largest stand.

    Those above what was found as vectors in the basis, and all of them as values.
    """
    tol = asked.budget.eigenvalue_tol
    least = pairs[k - 1].value if len(pairs) >= k else -np.inf
    while True:
        run.step()
        theta, residual, S = run.ritz()
        size = max(run.known, float(np.max(np.abs(theta))))
        first, *others = _distinct(theta, S, run.H.form.eps**0.5 * size)[:k]
        # Where k are known already, one that is not above them speaks for all below it.
        at = [first, *(i for i in others if theta[i] > least)]
        enough = len(at) >= k or least > -np.inf or run.ended
        asked.tell(steps=theta.size, largest=float(theta[0]), residual=float(residual[0]))
        if enough and np.all(residual[at] <= tol * size) or run.ended or theta.size >= steps:
            return S[:, [i for i in at if theta[i] > least + tol * size]], theta


def _distinct(theta: np.ndarray, S: np.ndarray, width: float) -> list[int]:
    """One of each group of copies: that which the start has most of, as Cullum and Willoughby."""
    groups: list[list[int]] = []
    for i, value in enumerate(theta):
        if groups and theta[groups[-1][0]] - value <= width:
            groups[-1].append(i)
        else:
            groups.append([i])
    return [max(group, key=lambda i: abs(S[0, i])) for group in groups]


def _vectors(
    H: Curvature, seeds: tuple[int, ...], found: list[Vector], S: np.ndarray
) -> list[Pair]:
    """V S by the recurrence run again, orthonormal, with residuals."""
    steps, count = S.shape
    if count == 0:
        return []
    run, sums = Recurrence(H, seeds, found), [H.form.zeros() for _ in range(count)]
    for j in range(steps):
        sums = [plus(y, float(s), run.vector) for y, s in zip(sums, S[j], strict=True)]
        if j < steps - 1:
            run.step()
    del run
    pairs, basis = [], list(found)
    for i in range(count):
        y = outside(sums[i], basis)
        v = times(y, 1.0 / norm(y))
        basis.append(v)
        Hv = H(v)
        value = dot(v, Hv)
        pairs.append(Pair(value, norm(plus(Hv, -value, v)), v))
    return pairs


def _slack(H: Curvature, steps: int, asked: Asked) -> float:
    """ε of `flatrank.linalg.slack`, with half the doubt for each end of the spectrum."""
    return slack(H.form.n, 0.5 * (1 - asked.confidence), steps)


def _ceiling(theta: np.ndarray, eps: float) -> float:
    """θ_max + ε (λ_max − λ_min), the spread by the same bound at both ends."""
    if eps >= 0.5:
        return np.inf
    return float(theta[0] + eps * (theta[0] - theta[-1]) / (1 - 2 * eps))
