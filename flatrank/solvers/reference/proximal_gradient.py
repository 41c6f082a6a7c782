"""Accelerated proximal gradient for the penalised problem, with restarts, on factors.

    min ½‖ℬ(X̃) − b‖² + λ‖X̃‖_*:     Y = X + β (X − X₋),   X₋ ← X,
    X ← prox(Y − ℬ*(ℬ(Y) − b)/ℓ, λ/ℓ),     β = (t₋ − 1)/t,   t = ½ (1 + √(1 + 4 (ℓ/ℓ₋) t₋²)).

ℓ starts at ‖ℬ‖² and follows the curvature that is met: it rises until ‖ℬ(X − Y)‖² ≤ ℓ‖X − Y‖²,
and falls where a third of it would have done. t returns to 1 where ⟨Y − X, X − X₋⟩ > 0.

References: Beck and Teboulle (2009), (4.1)–(4.3); Toh and Yun (2010) for the nuclear norm;
Scheinberg, Goldfarb and Bai (2014), Algorithm 5, for steps that lengthen; O'Donoghue and Candès
(2015), §3.2, for the restart. Departures: the decomposition is that of a warm-started space
(`proximal`), and the end is a proved duality gap. Its rate is that of a first-order method;
`GaussNewton` solves the same problem by Newton steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from flatrank.arrays import Array
from flatrank.certificates import Effort
from flatrank.factors import FactorPair
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Scope, Solver, check_scope
from flatrank.solvers.reference.proximal import (
    SPENT,
    Iterate,
    Proof,
    ProximalStep,
    block_width,
    first_iterate,
    lipschitz,
    proximal_step,
    with_width,
)
from flatrank.solvers.solution import Counts
from flatrank.solvers.status import Status

# A share of ℓ that the curvature met must stay below for ℓ to fall, and how far it falls or rises.
_SHORT, _FALL, _RISE = 0.3, 0.7, 2.0
# The share (`Proof`) at which a point that is not proved optimal is called stationary.
_SETTLED = 1e-8


class ProximalState(NamedTuple):
    """X, X₋, ℓ, t and the proof so far; `top` is the ℓ that needs no test."""

    iterate: Iterate
    before: Iterate
    block: Array
    ell: float
    top: float
    t: float
    short: bool
    rank: int
    objective: float
    proof: Proof
    counts: Counts
    rng: np.random.Generator


@dataclass(frozen=True)
class ProximalGradient(Solver[ProximalState]):
    """Accelerated proximal gradient with restarts, for λ > 0.

    Parameters
    ----------
    tol : float
        Relative duality gap to reach.
    round : int
        Proximal steps in one step of the solver.
    failure_probability : float
        Of the probabilistic bounds in the certificate.

    Notes
    -----
    Cost of a proximal step: four two-sided products with as many columns as the rank and a few, one
    forward product, QRs of a basis three times as wide. Memory O(m + (d1 + d2) k).
    """

    scope: ClassVar[Scope] = Scope(exact=False)

    tol: float = 1e-6
    round: int = 10
    failure_probability: float = 1e-9

    def init(
        self, problem: Problem, start: FactorPair | None = None, seed: int = 0
    ) -> ProximalState:
        """From a pair of X̃, or from zero."""
        check_scope(self, problem)
        rng = np.random.default_rng(seed)
        first, block, rank = first_iterate(problem, start, rng)
        ell, proved = lipschitz(problem, seed)
        return ProximalState(
            first, first, block, ell, ell if proved else math.inf, 1.0, False, rank, math.inf,
            Proof(), Counts(1, 0), rng,
        )  # fmt: skip

    def step(self, problem: Problem, state: ProximalState) -> ProximalState:
        """A round of proximal steps; a proof where the last of them hardly moved."""
        for _ in range(self.round):
            state, out = self._proximal(problem, state)
            if not math.isfinite(state.objective):
                return state._replace(proof=state.proof._replace(ended=Status.NONFINITE))
            size = float(np.linalg.norm(np.asarray(out.iterate.svd.s)))
            move = state.ell * math.sqrt(float(out.move)) * size
            if move <= self.tol * state.proof.share * state.objective:
                return self._proved(problem, state)
        return state

    def _proximal(
        self, problem: Problem, state: ProximalState
    ) -> tuple[ProximalState, ProximalStep]:
        """One proximal step, repeated where the block was too narrow or ℓ too small."""
        ell, spent = state.ell * (_FALL if state.short else 1.0), Counts()
        while True:
            t = 0.5 * (1 + math.sqrt(1 + 4 * (ell / state.ell) * state.t**2))
            beta = (state.t - 1) / t
            out = proximal_step(
                problem.whitened,
                problem.b,
                problem.lam,
                (state.iterate, state.before),
                (beta, ell),
                state.block,
            )
            spent += SPENT
            kept, move, image = int(out.kept), float(out.move), float(out.image)
            width = out.block.shape[1]
            if kept == width < min(problem.shape):
                state = with_width(problem, state, 2 * kept)
            elif image > (1 + 1e-9) * ell * move and ell < state.top:
                ell = min(_RISE * ell, state.top)
            else:
                break
        state = state._replace(
            iterate=out.iterate,
            before=state.iterate,
            block=out.block,
            ell=ell,
            t=1.0 if float(out.overshoot) > 0 else t,
            short=image < _SHORT * ell * move,
            rank=kept,
            objective=float(out.objective),
            counts=state.counts + spent + Counts(steps=1),
        )
        if block_width(problem, kept) < width:
            state = with_width(problem, state, kept)
        return state, out

    def _proved(self, problem: Problem, state: ProximalState) -> ProximalState:
        effort = Effort(self.failure_probability, self.tol)
        proof = state.proof.again(problem, state.iterate.svd, effort)
        if proof.ended is Status.RUNNING and proof.share < _SETTLED:
            proof = proof._replace(ended=Status.STATIONARY)
        return state._replace(proof=proof)

    def status(self, problem: Problem, state: ProximalState) -> Status:
        """Decided in `step`."""
        del problem
        return state.proof.ended

    def info(self, state: ProximalState) -> dict[str, Any]:
        """Rank, objective, ℓ and gap."""
        return {
            "rank": state.rank,
            "objective": state.objective,
            "ell": state.ell,
            "relative_gap": state.proof.relative_gap,
        }

    def outcome(self, state: ProximalState) -> Outcome:
        """The pair of X̃; the certificate only where it is of this pair."""
        return state.proof.outcome(state.iterate.svd, state.rank, state.counts)
