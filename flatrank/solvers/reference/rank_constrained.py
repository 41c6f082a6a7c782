"""min ½‖ℬ(X̃) − b‖² subject to rank X̃ ≤ k: what the solvers of this problem share.

With k below min(d1, d2) this is also the balanced problem, min ½‖ℬ(L Rᵀ) − b‖² subject to
LᵀL = RᵀR: every matrix of rank ≤ k has a balanced pair (theory notes, fact 3).

Where it ends. The misfit ‖c‖ is small against ‖b‖; or the cosine of the angle between c and the
image ℬ(DX[d]) of the search direction is: (⟨c, ℬ(DX[d])⟩/(‖c‖ ‖ℬ(DX[d])‖))² is the share of ½‖c‖²
that the best step along d takes off, whatever the units of X, ℬ and b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from flatrank.arrays import Array, compiled, tree_map, xp
from flatrank.factors import CompactSVD, FactorPair, balance
from flatrank.measurements import Measurement
from flatrank.problems import Problem
from flatrank.solvers.loop import Scope, Solver, check_scope
from flatrank.solvers.reference.fixed_rank import FixedRank
from flatrank.solvers.starts import even_pairs, random_block
from flatrank.solvers.status import Status
from flatrank.theory import BalancedPairs, Manifold

State = TypeVar("State")

# A cosine below this lowers ½‖c‖² by less than its rounding.
_VISIBLE = 1e-8
# A misfit that is rounding where steps have stopped helping.
_FITS = 1e-12
# Singular values of a start below this share of the largest are rounding.
_RANK_FLOOR = 1e-12
# The block Lanczos behind a start: columns at least, products.
_BLOCK, _PRODUCTS = 8, 7


@dataclass(frozen=True)
class RankConstrained(Solver[State]):
    """A solver at one fixed rank, by least squares.

    Parameters
    ----------
    rank : int
        k, at most that many columns.
    tol : float
        Stop when ‖ℬ(X̃) − b‖ ≤ tol ‖b‖, or at a first-order point: a cosine ≤ tol.
    """

    scope: ClassVar[Scope] = Scope(penalised=False)

    rank: int = 10
    tol: float = 1e-6

    def _begin(
        self, problem: Problem, start: FactorPair | None, seed: int, full_rank: bool = False
    ) -> FactorPair:
        """A balanced pair of min(k, d1, d2) columns from a start, or from the data."""
        name, least = type(self).__name__, min(problem.shape)
        check_scope(self, problem)
        if self.rank < 1:
            raise ValueError(f"rank must be a whole number >= 1; got {self.rank}")
        if full_rank and self.rank > least:
            raise ValueError(
                f"rank={self.rank} exceeds min(d1, d2) = {least}; {name} needs factors of full "
                f"column rank. Use rank <= {least}, or BalancedDescent"
            )
        k, rng = min(self.rank, least), np.random.default_rng(seed)
        if start is None:
            start = problem.zero(1)
        pair, s = _balanced(start, k)
        found = np.asarray(s)
        keep = int(np.sum(found > _RANK_FLOOR * found[0]))
        B, D = problem.whitened, problem.rescaling
        c = problem.b - B.forward(pair)
        if keep == k or not np.any(np.asarray(c)):
            return pair
        # Columns that are zero get no gradient: they are filled from what is not yet fitted.
        X = random_block(problem, max(k, _BLOCK), rng)
        pairs = even_pairs(B.inner, c, (D.D1, D.D2), X, _PRODUCTS)
        return _filled(B, c, pair, keep, pairs)

    def _verdict(self, misfit: float, size: float, cosine: float, moving: bool) -> Status:
        """Stationary, stalled or going on; `moving` tells whether the last step was taken."""
        if not (np.isfinite(misfit) and not np.isnan(cosine)):
            return Status.NONFINITE
        if misfit <= self.tol * size or cosine <= max(self.tol, _VISIBLE):
            return Status.STATIONARY
        if moving:
            return Status.RUNNING
        return Status.STATIONARY if misfit <= _FITS * size else Status.STALLED


def geometry_of(name: str) -> Manifold[Any]:
    """The manifold of a solver's `geometry`."""
    if name not in ("fixed rank", "balanced"):
        raise ValueError(f"geometry must be 'fixed rank' or 'balanced'; got {name!r}")
    return FixedRank() if name == "fixed rank" else BalancedPairs()


@compiled
def _balanced(pair: FactorPair, k: int) -> tuple[FactorPair, Array]:
    balanced, s = balance(pair)
    s = xp.pad(s, (0, max(k - s.shape[0], 0)))[:k]
    return balanced.resized(k), s


@compiled
def _filled(B: Measurement, c: Array, pair: FactorPair, keep: int, pairs: CompactSVD) -> FactorPair:
    """X + τ Σ σᵢ uᵢvᵢᵀ, as many terms as columns are free, with the τ that fits best."""
    new = pairs.pair().resized(pair.rank - keep)
    q = B.forward(new)
    root = xp.sqrt(xp.maximum(xp.vdot(c, q), 0.0) / xp.maximum(xp.vdot(q, q), 1e-300))
    return balance(pair.resized(keep).beside(tree_map(lambda x: root * x, new)))[0]
