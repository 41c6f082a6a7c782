"""Certificates of implicit feedback: dual points from the slope of the loss.

With f(X) = ½ Σ c (p − X)² over all cells and f*(Z) = Σ pZ + Z²/(2c),

    f(X) + λ‖X‖_*   ≥   −f*(−Z) = Σ p Z − Z²/(2c)      for every Z with ‖Z‖ ≤ λ.

The slope S = C∘(P − X) is sparse minus of low rank, and so is every Z here, Z = A − N: sums over
all cells follow from the clicks and the Gram matrices of N (`ImplicitFeedback.dual_sums`), and
Lanczos bounds ‖Z‖ in O(m + (d1 + d2) k) flops a step. Of two points the better one counts:

    s S,   and   s (S − Σ (σ − λ) u vᵀ)   over the triplets of S with σ > λ, as far as found.

The first closes the gap at the optimum. The second is S brought to ‖Z‖ ≤ λ by the least change:
at a pair of too few columns the first shrinks S in all directions, the second in those alone. How
well the triplets are known decides how good the bound is, and not whether it holds.

As c ≥ 1 everywhere, f is strongly convex: there is one minimiser X*, and ½‖X − X*‖² ≤ gap.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import Certificate, NormBound, relative_misfit
from flatrank.certificates.effort import Effort
from flatrank.certificates.leading import top_pairs
from flatrank.certificates.norms import Gram
from flatrank.certificates.point import positive_part
from flatrank.certificates.residual import slope_bound
from flatrank.factors import CompactSVD, FactorPair
from flatrank.linalg.lanczos import LONG, slack
from flatrank.measurements import Adjoint
from flatrank.problems import Difference, ImplicitFeedback


class _Point(NamedTuple):
    """A multiple of Z: its values at the clicks, its dual value, and what bounds ‖Z‖."""

    clicks: Float[Array, " m"]
    value: float
    bound: NormBound


def certify_implicit(
    problem: ImplicitFeedback, svd: CompactSVD, effort: Effort
) -> tuple[Certificate, Array]:
    """The certificate of a pair, and the feasible dual point behind it, at the clicks.

    A gap that does not close is wanted for what it is: how far a limit of the rank is from the
    optimum. So norms are bounded closely whatever the tolerance.
    """
    svd, lam, delta = positive_part(svd), problem.lam, effort.failure_probability
    pair, nuclear = svd.pair(), float(svd.s.sum())
    primal = 0.5 * float(problem.misfit(pair)) + lam * nuclear
    effort = replace(effort, tol=0.0, failure_probability=0.5 * delta)
    S, clicks = problem.slope(pair)
    share = lam * nuclear / primal
    best = plain = _point(problem, S, (pair, clicks), svd, share, effort)
    over = None
    if plain.bound.reached > lam:
        over = _over(S, _nothing(problem), svd.s.shape[0], lam, effort)
    if over is not None:
        cut = Difference(S, over)
        seen = pair.plus(over), clicks - problem.measurement.forward(over)
        other = _point(problem, cut, seen, svd, share, effort)
        best = other if other.value > plain.value else plain
    misfit = math.sqrt(2 * max(primal - lam * nuclear, 0.0))
    size = relative_misfit(misfit, math.sqrt(float(problem.b.sum())))
    found = Certificate.between(primal, best.value, size, plain.bound.value / lam, plain.bound)
    # Each of the two bounds may fail with half of the probability.
    found = replace(found, failure_probability=delta if found.failure_probability else 0.0)
    return found.closed(0.0, lambda: True), best.clicks


def _point(
    problem: ImplicitFeedback,
    Z: Adjoint,
    parts: tuple[FactorPair, Float[Array, " m"]],
    svd: CompactSVD,
    share: float,
    effort: Effort,
) -> _Point:
    """The best multiple s of Z: s a − ½ s² q is largest at s = a/q, cut to λ/‖Z‖."""
    (N, clicks), lam = parts, problem.lam
    a, q = problem.dual_sums(N, clicks)
    bound = slope_bound(Z, problem, _split(Z, problem, svd, effort), share, effort)
    # Of Z as it was computed; what cancels in it is as large as X.
    lost = problem.rescaling.rounding * (bound.value + float(svd.s[0]))
    norm = bound.value + lost if bound.value >= 0 else math.inf
    s = min(max(a / q, 0.0), lam / norm) if q > 0 and norm > 0 else 0.0
    return _Point(s * clicks, s * a - 0.5 * s * s * q, bound)


def _over(S: Adjoint, none: CompactSVD, rank: int, lam: float, effort: Effort) -> FactorPair | None:
    """Σ (σ − λ) u vᵀ over the triplets of S with σ > λ; None where none is found.

    Twice as many are looked for as the pair has columns, within `effort.cut`: near a stationary
    point the pair's own lie at λ, and near-by ones mix with them.
    """
    count, n = min(2 * rank, effort.cut), min(none.U.shape[0], none.V.shape[0])
    if count == 0:
        return None
    X = np.random.default_rng(effort.seed).standard_normal((n, min(8, count)))
    found = top_pairs(S, none, np.asarray(X), 4 * count)
    excess = np.maximum(np.asarray(found.s) - lam, 0.0)
    kept = excess > 0
    return FactorPair((found.U * excess)[:, kept], found.V[:, kept]) if kept.any() else None


def _split(Z: Adjoint, problem: ImplicitFeedback, svd: CompactSVD, effort: Effort) -> CompactSVD:
    """What to split off Z: the pair's singular vectors, or none, whichever loses less.

    A split loses up to the blocks beside (U, V), which are small near a stationary point; without
    one Lanczos loses ε/2.
    """
    _, *beside = (float(x) for x in Gram(Z, svd.U, svd.V).parts())
    n, delta = min(problem.shape), effort.failure_probability
    if delta <= 0 or max(beside) <= 0.5 * slack(n, delta, LONG) * problem.lam:
        return svd
    return _nothing(problem)


def _nothing(problem: ImplicitFeedback) -> CompactSVD:
    """Columns of zeros."""
    d1, d2 = problem.shape
    return CompactSVD(np.zeros((d1, 1)), np.zeros(1), np.zeros((d2, 1)))
