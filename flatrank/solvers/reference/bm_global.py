"""BM-Global: descent on factors, made global by proximal steps on the convex problem.

    min ½‖ℬ(X̃) − b‖² + λ‖X̃‖_*.   Each step:
    1. from X = L Rᵀ lower ½‖ℬ(L Rᵀ) − b‖² + λ/2 (‖L‖² + ‖R‖²) by a few steps on the factors;
    2. X⁺ = prox(X − ℬ*(c)/ℓ, λ/ℓ), from a space warm-started with X, accepted where
       ½‖c⁺‖² < ½‖c‖² + ⟨ℬ*(c), X⁺ − X⟩ + 0.99 ℓ‖X⁺ − X‖²,   else ℓ ← 2ℓ;
    3. L, R from the singular value decomposition of X⁺, which the proximal step gives.
A point is optimal if and only if step 2 leaves it alone: it finds the rank, up or down, and leaves
stationary points of the factor form that are not optima. Columns that have become redundant are
filtered between the steps.

Reference: Lee, Liang, Tang and Toh (2024). Departures: in step 1 Newton steps take the place of
epochs of coordinate descent, which serve sampled entries alone (`factors="coordinates"`); ℓ starts
at ‖ℬ‖² and falls where half of it would have done (with uneven D the constant is far above the
curvature met); the space always holds random or discarded directions, not only where the rank
stagnates. As published it begins small and at most doubles from one proximal step to the next, so
that the rank comes from below. Where the published rule (the relative change of the objective in
step 2) would stop, a duality gap decides. The filter for a rank that has settled is tied to that
gap: the published 1e-4 of the largest singular value would bar small ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, Scalar, columns, compiled, for_loop, put_columns, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Measurement, SampledEntries
from flatrank.problems import Problem
from flatrank.solvers.loop import check_scope
from flatrank.solvers.newton import newton_step
from flatrank.solvers.reference.proximal import (
    BLOCKS,
    Attempts,
    Iterate,
    Proximal,
    block_width,
    first_iterate,
    iterate_of,
    lipschitz,
    proximal_step,
    with_width,
)
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class BMGlobalState(NamedTuple):
    """X after a proximal step, its spectrum's rank before and after, and the proof so far.

    `change` is the relative fall of the objective in the last proximal step, `capped` whether its
    rank was that of the space it had.
    """

    iterate: Iterate
    block: Array
    ell: float
    rank: int
    counts: Counts
    rng: np.random.Generator
    previous: int = -1
    objective: float = math.inf
    change: float = math.inf
    capped: bool = False
    attempts: Attempts = Attempts()


@dataclass(frozen=True)
class BMGlobal(Proximal):
    """Steps on factors alternating with one proximal step, for λ > 0.

    Parameters
    ----------
    tol, failure_probability, max_failures
        As of `Proximal`: the relative duality gap to reach, and what proofs may cost.
    factors : "newton" or "coordinates"
        The steps on the factors: Newton's, or as published epochs of coordinate descent, one column
        of L and of R after the other (Yu et al. 2012), for sampled entries.
    factor_steps : int
        How many before each proximal step (the published epochs: 2).
    max_inner : int
        Inner steps at most of a Newton step.
    acceptance : float
        Share of ℓ at which a proximal step is accepted (published: 0.99).

    Notes
    -----
    Cost of a step: `factor_steps` times up to 100 curvature products, or about as many flops as
    four for an epoch, and a proximal step (`ProximalGradient`). Memory O(m + (d1 + d2) k).
    """

    factors: str = "newton"
    factor_steps: int = 2
    max_inner: int = 100
    acceptance: float = 0.99

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> BMGlobalState:
        """From a pair of X̃, or by a proximal step from zero."""
        check_scope(self, problem)
        if self.factors not in ("newton", "coordinates"):
            raise ValueError(f"factors must be 'newton' or 'coordinates'; got {self.factors!r}")
        if self.factors == "coordinates" and not isinstance(problem.measurement, SampledEntries):
            raise ValueError(
                "coordinates stand alone where measurements are entries of the matrix; these are "
                "not. Use BMGlobal(factors='newton')"
            )
        rng = np.random.default_rng(seed)
        first, block, rank = first_iterate(problem, start, rng)
        ell, _ = lipschitz(problem, seed)
        state = BMGlobalState(first, block, ell, rank, Counts(1, 0), rng)
        return state if rank else self._proximal(problem, state)

    def step(self, problem: Problem, state: BMGlobalState) -> BMGlobalState:
        """Steps on the factors, a proximal step, and a proof where it changed little."""
        if state.rank:
            state = self._factors(problem, state)
        if math.isfinite(state.objective) or not state.rank:
            state = self._proximal(problem, state)
        if not math.isfinite(state.objective):
            return state._replace(attempts=state.attempts._replace(ended=Status.NONFINITE))
        # The gap is of first order in what the objective shows at second order.
        if state.capped or state.change > self.tol * state.attempts.share:
            return state
        return self._proved(problem, state)

    def _factors(self, problem: Problem, state: BMGlobalState) -> BMGlobalState:
        """Steps on the factors from the balanced pair; the iterate and objective they lead to."""
        pair, counts, objective = state.iterate.svd.pair(), state.counts, state.objective
        # Redundant columns, at rounding level while the rank changes; once it has settled, those
        # whose λ s is below a thousandth of what the tolerance allows.
        weak = 1e-12 * float(state.iterate.svd.s[0])
        if state.rank == state.previous:
            weak = max(weak, 1e-3 * self.tol * min(objective, 1e300) / problem.lam)
        rtol = min(0.1, max(1e-2, math.sqrt(min(state.change, 1.0))))
        for _ in range(self.factor_steps):
            pair, spent = self._lowered(problem, pair, state.rank, rtol, weak)
            counts += spent
        iterate = iterate_of(problem.whitened, problem.b, pair)
        s, c = np.asarray(iterate.svd.s), np.asarray(iterate.c)
        return state._replace(
            iterate=iterate,
            objective=float(0.5 * c @ c + problem.lam * np.sum(s)),
            counts=counts + Counts(1, 0),
        )

    def _lowered(
        self, problem: Problem, pair: FactorPair, rank: int, rtol: float, weak: float
    ) -> tuple[FactorPair, Counts]:
        """One Newton step, or one epoch."""
        at = problem.whitened, problem.b, problem.lam, pair
        if self.factors == "coordinates":
            return coordinate_epoch(*at, rank), Counts(1 + 2 * rank, 2 * rank)
        out = newton_step(*at, rtol, self.max_inner, weak, True, half=True)
        inner = int(out.inner)
        return out.pair, Counts(inner + 4, inner + 1)

    def _proximal(self, problem: Problem, state: BMGlobalState) -> BMGlobalState:
        """The accepted proximal step, with the ℓ and the width it needed."""
        ell, spent, points = state.ell, Counts(steps=1), (state.iterate, state.iterate)
        while True:
            out = proximal_step(
                problem.whitened, problem.b, problem.lam, points, (0.0, ell), state.block
            )
            spent += Counts(1, BLOCKS + 1)
            move, image = float(out.move), float(out.image)
            if 0.5 * image <= self.acceptance * ell * move:
                break
            ell *= 2
        kept, objective = int(out.kept), float(out.objective)
        state = state._replace(
            iterate=out.iterate,
            block=out.block,
            ell=0.5 * ell if image < 0.25 * ell * move else ell,
            rank=kept,
            previous=state.rank,
            objective=objective,
            change=abs(state.objective - objective) / objective if objective else 0.0,
            counts=state.counts + spent,
        )
        width = out.block.shape[1]
        capped = kept == width < min(problem.shape)
        if capped or block_width(problem, kept) < width:
            state = with_width(problem, state, 2 * kept if capped else kept)
        return state._replace(capped=capped)


@compiled
def coordinate_epoch(
    B: Measurement,
    b: Float[Array, " m"],
    lam: Scalar,
    pair: FactorPair,
    rank: int | Array,
) -> FactorPair:
    """The pair after each of its columns (u, v) was replaced by the best u, then by the best v.

    Where measurements are entries the numbers of u stand alone: u ← u − (S v + λ u)/(h + λ) with
    S = ℬ*(c), h the diagonal of the Gauss–Newton matrix; likewise v.
    """

    def column(t: int | Array, carry: tuple[FactorPair, Array]) -> tuple[FactorPair, Array]:
        pair, c = carry
        one = tree_map(lambda x: columns(x, t, 1), pair)
        S, h = B.adjoint(c), B.curvature_diagonal(one)
        step = -(S.right(one.R) + lam * one.L) / (h.L + lam)
        one, c = FactorPair(one.L + step, one.R), c + B.forward(FactorPair(step, one.R))
        S, h = B.adjoint(c), B.curvature_diagonal(one)
        step = -(S.left(one.L) + lam * one.R) / (h.R + lam)
        one, c = FactorPair(one.L, one.R + step), c + B.forward(FactorPair(one.L, step))
        return tree_map(lambda X, x: put_columns(X, t, x), pair, one), c

    own = tree_map(xp.array, pair)  # its columns are replaced in place
    return for_loop(0, rank, column, (own, B.forward(pair) - b))[0]
