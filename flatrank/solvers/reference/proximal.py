"""Proximal steps on min ½‖ℬ(X̃) − b‖² + λ‖X̃‖_*, on factors, and what their solvers share.

    X⁺ = prox(Y − ℬ*(ℬ(Y) − b)/ℓ, λ/ℓ),     prox(U diag(σ) Vᵀ, τ) = U diag(σ − τ)₊ Vᵀ,
    Y = X + β (X − X₋).

What is thresholded is a matrix of low rank plus ℬ* of a vector; its leading triplets come from a
few block Lanczos products that start from the vectors of the step before (`top_pairs`). X⁺ is thus
the proximal point of the matrix cut to that space: at a fixed point the space is invariant, and the
point exact. Reference: Cai, Candès and Shen (2010), Theorem 2.1, for the proximal map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from flatrank.arrays import Array, Scalar, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates import Certificate, Effort, certify_whitened, top_pairs
from flatrank.factors import CompactSVD, FactorPair, compact_svd
from flatrank.kernels import padded_width
from flatrank.linalg import ritz_pair
from flatrank.measurements import Adjoint, Measurement, SampledEntries
from flatrank.problems import Problem
from flatrank.solvers.loop import Outcome, Scope, Solver
from flatrank.solvers.status import Status

# Blocks of the Krylov space of a step: the first, and one for each product with the Gram.
BLOCKS = 3


class Iterate(NamedTuple):
    """X̃ = U diag(s) Vᵀ, zero beyond its rank, and its misfit c = ℬ(X̃) − b."""

    svd: CompactSVD
    c: Float[Array, " m"]


class ProximalStep(NamedTuple):
    """X⁺ and numbers of the move from Y.

    `block` starts the next step, `kept` is the rank of X⁺, `move` is ‖X⁺ − Y‖², `image`
    ‖ℬ(X⁺ − Y)‖², `overshoot` ⟨Y − X⁺, X⁺ − X⟩.
    """

    iterate: Iterate
    block: Float[Array, "d w"]
    objective: Scalar
    kept: int | Array
    move: Scalar
    image: Scalar
    overshoot: Scalar


class Attempts(NamedTuple):
    """The last attempt to certify X̃, and the status of the search.

    The next one follows where the last change is below tol·`share`, which each attempt quarters;
    `failures` counts attempts in a row whose gap was not below nine tenths of the one before.
    """

    certificate: Certificate | None = None
    y: Float[Array, " m"] | None = None
    share: float = 1.0
    failures: int = 0
    ended: Status = Status.RUNNING


@dataclass(frozen=True)
class Proximal(Solver[Any]):
    """A solver of the penalised form (λ > 0) by proximal steps, ended by a proof.

    Its states have an `iterate`, a `block`, `rank`, `objective`, `attempts`, `counts` and `rng`.

    Parameters
    ----------
    tol : float
        Relative duality gap to reach.
    failure_probability : float
        Of the probabilistic bounds in the certificate.
    max_failures : int
        Proofs in a row without a better gap before a point is called stationary.
    """

    scope: ClassVar[Scope] = Scope(exact=False)

    tol: float = 1e-6
    failure_probability: float = 1e-9
    max_failures: int = 5

    def status(self, problem: Problem, state: Any) -> Status:
        """Decided in `step`."""
        del problem
        return state.attempts.ended

    def info(self, state: Any) -> dict[str, Any]:
        """Rank, objective, ℓ and gap."""
        numbers = {name: getattr(state, name) for name in ("rank", "objective", "ell")}
        proof = state.attempts.certificate
        return numbers | {"relative_gap": None if proof is None else proof.relative_gap}

    def outcome(self, state: Any) -> Outcome:
        """The pair of X̃; the certificate only where it is of this pair."""
        pair, last = state.iterate.svd.pair(), state.attempts
        if last.ended is Status.RUNNING:
            return Outcome(pair, state.rank, state.counts)
        return Outcome(pair, state.rank, state.counts, last.y, last.certificate)

    def _proved(self, problem: Problem, state: Any) -> Any:
        """Certified; stationary where proofs no longer get better; otherwise on."""
        effort = Effort(self.failure_probability, self.tol)
        certificate, y = certify_whitened(problem, state.iterate.svd, effort=effort)
        last: Attempts = state.attempts
        better = last.certificate is None or (
            certificate.relative_gap < 0.9 * last.certificate.relative_gap
        )
        failures = 0 if better else last.failures + 1
        ended = Status.STATIONARY if failures >= self.max_failures else Status.RUNNING
        if certificate.certified(self.tol):
            ended = Status.CERTIFIED
        return state._replace(attempts=Attempts(certificate, y, 0.25 * last.share, failures, ended))


class PairPlus(Adjoint):
    """Y + ω S: a pair and a multiple of 𝒜* of a vector, the matrix whose triplets are wanted."""

    Y: FactorPair
    S: Adjoint
    omega: Scalar

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """(Y + ω S) R."""
        return self.Y.L @ (self.Y.R.T @ R) + self.omega * self.S.right(R)

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """(Y + ω S)ᵀ L."""
        return self.Y.R @ (self.Y.L.T @ L) + self.omega * self.S.left(L)

    def leading(self, block: Float[Array, "d w"]) -> CompactSVD:
        """As many leading triplets as `block` has columns, from a few products that start there."""
        d1, d2 = self.Y.shape
        zero = CompactSVD(xp.zeros((d1, 1)), xp.zeros(1), xp.zeros((d2, 1)))
        w = block.shape[1]
        return resized(top_pairs(self, zero, block, BLOCKS * w), w)


@compiled
def proximal_step(
    B: Measurement,
    b: Float[Array, " m"],
    lam: Scalar,
    points: tuple[Iterate, Iterate],
    weights: tuple[Scalar, Scalar],
    block: Float[Array, "d w"],
) -> ProximalStep:
    """X⁺ from `points` X and X₋, `weights` β and ℓ, and a block of approximate singular vectors.

    The block (min(d1, d2), w) is of the smaller side; X⁺ has at most w columns, and where it keeps
    w < min(d1, d2) of them, w was too small. Cost: four two-sided products with w columns and one
    forward product; memory of a basis of 3 w vectors. Differences of matrices are formed inside the
    space of `block` and outside of it, so that `move` and `overshoot` keep their digits however
    small they are; on the other side the vectors of vanishing values are not orthonormal.
    """
    (X, c), (X_, c_) = points
    beta, ell = weights
    cY = c + beta * (c - c_)
    Y = _scaled(X, 1 + beta).plus(_scaled(X_, -beta))
    U, sigma, V = PairPlus(Y, B.adjoint(cY), -1 / ell).leading(block)
    s = xp.maximum(sigma - lam / ell, 0.0)
    new = CompactSVD(U, s, V)
    c_new = B.forward(_scaled(new, 1.0)) - b

    left = block.shape[0] == U.shape[0]
    Q, far = (U, V) if left else (V, U)

    def split(pair: FactorPair) -> tuple[Array, FactorPair]:
        # (Mᵀ Q, factors of (I − QQᵀ) M), M the pair's matrix or its transpose
        L, R = (pair.L, pair.R) if left else (pair.R, pair.L)
        core = Q.T @ L
        return R @ core.T, FactorPair(L - Q @ core, R)

    (Y_in, Y_out), (X_in, X_out) = split(Y), split(_scaled(X, 1.0))
    top = far * s[None, :]
    change = c_new - cY
    return ProximalStep(
        iterate=Iterate(new, c_new),
        block=Q,
        objective=0.5 * xp.vdot(c_new, c_new) + lam * xp.sum(s),
        kept=xp.sum(s > 0),
        move=xp.vdot(top - Y_in, top - Y_in) + _inner(Y_out, Y_out),
        image=xp.vdot(change, change),
        overshoot=xp.vdot(Y_in - top, top - X_in) - _inner(Y_out, X_out),
    )


def _scaled(svd: CompactSVD, factor: Array | float) -> FactorPair:
    return FactorPair(svd.U * (factor * svd.s)[None, :], svd.V)


def _inner(a: FactorPair, b: FactorPair) -> Array:
    """⟨a.L a.Rᵀ, b.L b.Rᵀ⟩."""
    return xp.vdot(a.L.T @ b.L, a.R.T @ b.R)


@compiled
def iterate_of(B: Measurement, b: Float[Array, " m"], pair: FactorPair) -> Iterate:
    """The iterate of any pair."""
    return Iterate(compact_svd(pair), B.forward(pair) - b)


@compiled
def resized(svd: CompactSVD, width: int) -> CompactSVD:
    """Exactly `width` terms: the last cut off, or zero ones added."""
    fill = ((0, 0), (0, max(width - svd.s.shape[0], 0)))
    return CompactSVD(
        xp.pad(svd.U, fill)[:, :width],
        xp.pad(svd.s, fill[1])[:width],
        xp.pad(svd.V, fill)[:, :width],
    )


def block_width(problem: Problem, rank: int) -> int:
    """Columns of a block for a rank: one of a few widths, or d where its space would exceed it."""
    d, w = min(problem.shape), padded_width(rank + rank // 8 + 2)
    return d if BLOCKS * w > d else w


def first_iterate(
    problem: Problem, start: FactorPair | None, rng: np.random.Generator
) -> tuple[Iterate, Array, int]:
    """The iterate of a pair of X̃ or of zero, the first block, and the rank."""
    pair = problem.zero(1) if start is None else start
    first = iterate_of(problem.whitened, problem.b, pair)
    rank = first.svd.rank
    width = block_width(problem, rank)
    first = first._replace(svd=resized(first.svd, width))
    block = first.svd.U if problem.shape[0] <= problem.shape[1] else first.svd.V
    return first, refreshed(block[:, :rank], width, rng), rank


def refreshed(block: Array, width: int, rng: np.random.Generator) -> Array:
    """Exactly `width` columns, the ones that are missing random."""
    old = np.asarray(block)[:, :width]
    new = rng.standard_normal((old.shape[0], width - old.shape[1])) / np.sqrt(old.shape[0])
    return np.hstack([old, new])


def with_width(problem: Problem, state: Any, rank: int) -> Any:
    """A solver's state with columns for a rank in its iterates and its block."""
    width = block_width(problem, rank)
    iterates = {
        name: x._replace(svd=resized(x.svd, width))
        for name, x in state._asdict().items()
        if isinstance(x, Iterate)
    }
    return state._replace(block=refreshed(state.block, width, state.rng), **iterates)


def lipschitz(problem: Problem, seed: int = 0) -> tuple[float, bool]:
    """‖ℬ‖², the Lipschitz constant of the gradient, and whether it is proved to be no less.

    For entries and diagonal D it is max 1/(D1ᵢ D2ⱼ)² over the places, as ℬℬ* is diagonal;
    otherwise a Ritz value of ℬℬ*, a lower bound.
    """
    A, scales = problem.measurement, [np.asarray(x) for x in problem.rescaling.inverse]
    if isinstance(A, SampledEntries):
        rows, cols = A.places()
        return float(np.max((scales[0][rows] * scales[1][cols]) ** 2)), True
    y = np.random.default_rng(seed).standard_normal(problem.m)
    return float(ritz_pair(problem.whitened.normal, y, 1)[0]), False
