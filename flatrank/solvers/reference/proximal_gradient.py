"""Accelerated proximal gradient for the penalised problem, with restarts, on factors.

    min ½‖ℬ(X̃) − b‖² + λ‖X̃‖_*:     Y = X + β (X − X₋),   X₋ ← X,
    X ← prox(Y − ℬ*(ℬ(Y) − b)/ℓ, λ/ℓ),     β = (t₋ − 1)/t,   t = ½ (1 + √(1 + 4 (ℓ/ℓ₋) t₋²)).

ℓ starts at ‖ℬ‖² and follows the curvature that is met: it doubles until ‖ℬ(X − Y)‖² ≤ ℓ‖X − Y‖²,
and falls to seven tenths where three tenths would have done. t returns to 1 where
⟨Y − X, X − X₋⟩ > 0.

References: Beck and Teboulle (2009), (4.1)–(4.3); Toh and Yun (2010) for the nuclear norm;
Scheinberg, Goldfarb and Bai (2014), Algorithm 5, for steps that lengthen; O'Donoghue and Candès
(2015), §3.2, for the restart. Departures: the decomposition is that of a warm-started space
(`proximal`), and the end is a proved duality gap. Its rate is that of a first-order method;
`GaussNewton` solves the same problem by Newton steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array
from flatrank.factors import FactorPair
from flatrank.problems import Problem
from flatrank.solvers.loop import check_scope
from flatrank.solvers.reference.proximal import (
    BLOCKS,
    Attempts,
    Iterate,
    Proximal,
    ProximalStep,
    block_width,
    first_iterate,
    lipschitz,
    proximal_step,
    with_width,
)
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status


class ProximalState(NamedTuple):
    """X, X₋, ℓ, t and the proof so far; `top` is the ℓ that needs no test."""

    iterate: Iterate
    before: Iterate
    block: Array
    ell: float
    top: float
    rank: int
    counts: Counts
    rng: np.random.Generator
    t: float = 1.0
    short: bool = False
    objective: float = math.inf
    attempts: Attempts = Attempts()


@dataclass(frozen=True)
class ProximalGradient(Proximal):
    """Accelerated proximal gradient with restarts, for λ > 0.

    Parameters
    ----------
    tol, failure_probability, max_failures
        As of `Proximal`: the relative duality gap to reach, and what proofs may cost.
    round : int
        Proximal steps in one step of the solver.

    Notes
    -----
    Cost of a proximal step: four two-sided products with as many columns as the rank and a few, one
    forward product, QRs of a basis three times as wide. Memory O(m + (d1 + d2) k).
    """

    round: int = 10

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ProximalState:
        """From a pair of X̃, or from zero."""
        check_scope(self, problem)
        rng = np.random.default_rng(seed)
        first, block, rank = first_iterate(problem, start, rng)
        ell, proved = lipschitz(problem, seed)
        top = ell if proved else math.inf
        return ProximalState(first, first, block, ell, top, rank, Counts(1, 0), rng)

    def step(self, problem: Problem, state: ProximalState) -> ProximalState:
        """A round of proximal steps; a proof where the last of them hardly moved."""
        for _ in range(self.round):
            state, out = self._proximal(problem, state)
            if not math.isfinite(state.objective):
                return state._replace(attempts=state.attempts._replace(ended=Status.NONFINITE))
            size = float(np.linalg.norm(np.asarray(out.iterate.svd.s)))
            move = state.ell * math.sqrt(float(out.move)) * size
            if move <= self.tol * state.attempts.share * state.objective:
                return self._proved(problem, state)
        return state

    def _proximal(
        self, problem: Problem, state: ProximalState
    ) -> tuple[ProximalState, ProximalStep]:
        """One proximal step, repeated where the block was too narrow or ℓ too small."""
        ell, spent = state.ell * (0.7 if state.short else 1.0), Counts(steps=1)
        while True:
            t = 0.5 * (1 + math.sqrt(1 + 4 * (ell / state.ell) * state.t**2))
            points, weights = (state.iterate, state.before), ((state.t - 1) / t, ell)
            out = proximal_step(
                problem.whitened, problem.b, problem.lam, points, weights, state.block
            )
            spent += Counts(1, BLOCKS + 1)
            kept, width, image = int(out.kept), out.block.shape[1], float(out.image)
            if kept == width < min(problem.shape):
                state = with_width(problem, state, 2 * kept)
            elif image > (1 + 1e-9) * ell * float(out.move) and ell < state.top:
                ell = min(2.0 * ell, state.top)
            else:
                break
        state = state._replace(
            iterate=out.iterate,
            before=state.iterate,
            block=out.block,
            ell=ell,
            t=1.0 if float(out.overshoot) > 0 else t,
            short=image < 0.3 * ell * float(out.move),
            rank=kept,
            objective=float(out.objective),
            counts=state.counts + spent,
        )
        if block_width(problem, kept) < width:
            state = with_width(problem, state, kept)
        return state, out
