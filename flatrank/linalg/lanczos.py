"""Extreme Ritz values of a symmetric operator, and what they say about its extreme eigenvalues.

Started from a random vector in dimension n, after q steps (Kuczyński and Woźniakowski 1992, Theorem
4.2a, on the spread because Krylov spaces do not feel a shift), except with chance δ at each end,

    λ_max − θ_max ≤ ε (λ_max − λ_min),   θ_min − λ_min ≤ ε (λ_max − λ_min),
    ε = (ln(1.648 √n/δ)/(2q − 1))².

The recurrence keeps three vectors and does not reorthogonalise: in floating point converged Ritz
values then repeat, and none leaves the spectrum by more than rounding (Paige 1976; Greenbaum 1989).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from flatrank.arrays import Array, flattened, for_loop, put, ravel, xp
from flatrank.arrays.shapes import Float

# Steps after which the Ritz values are computed.
LOOKS = (24, 48, 80, 128, 192, 256, 384, 640, 1024)
# Steps by default, and at most where a step is cheap.
LIMIT, LONG = 256, LOOKS[-1]


class LanczosState(NamedTuple):
    """The last two basis vectors and the tridiagonal matrix so far."""

    before: Float[Array, " n"]
    vector: Float[Array, " n"]
    diagonal: Float[Array, " steps"]
    off_diagonal: Float[Array, " steps"]
    taken: int | Array


def begin(
    start: Any, inverse: Callable[[Any], Any] = lambda x: x, limit: int = LIMIT
) -> LanczosState:
    """The state before the first of `limit` steps; the caller draws `start` at random."""
    flat, image = flattened(start), flattened(inverse(start))
    first = flat / xp.sqrt(xp.vdot(flat, image))
    return LanczosState(xp.zeros_like(flat), first, np.zeros(limit), np.zeros(limit), 0)


def advance(
    matvec: Callable[[Any], Any],
    like: Any,
    state: LanczosState,
    steps: int | Array,
    inverse: Callable[[Any], Any] = lambda x: x,
) -> LanczosState:
    """`steps` more steps of the three-term recurrence.

    Vectors are orthonormal in xᵀ M⁻¹ y, `inverse` being M⁻¹, and `matvec` is given M⁻¹ x: for a
    symmetric S it then sees the eigenvalues of M⁻¹ S, those of C⁻¹ S C⁻ᵀ for any M = C Cᵀ.
    """
    _, restore = ravel(like)

    def image_of(flat: Array) -> Array:
        return flattened(inverse(restore(flat)))

    def step(_: int | Array, carry: tuple[LanczosState, Array]) -> tuple[LanczosState, Array]:
        s, image = carry
        last = xp.where(s.taken > 0, s.off_diagonal[s.taken - 1], 0.0)
        w = flattened(matvec(restore(image))) - last * s.before
        alpha = xp.vdot(image, w)
        w = w - alpha * s.vector
        image = image_of(w)
        beta = xp.sqrt(xp.maximum(xp.vdot(image, w), 0.0))
        scale = xp.where(beta > 0, 1.0 / xp.where(beta > 0, beta, 1.0), 0.0)
        after = LanczosState(
            s.vector,
            scale * w,
            put(s.diagonal, s.taken, alpha),
            put(s.off_diagonal, s.taken, beta),
            s.taken + 1,
        )
        return after, scale * image

    return for_loop(0, steps, step, (state, image_of(state.vector)))[0]


def slack(n: int, delta: float, q: int = LIMIT) -> float:
    """ε after q steps, as the module's head says; above 1 it says nothing."""
    return (math.log(1.648 * math.sqrt(n) / delta) / (2 * q - 1)) ** 2


def ritz_ranges(
    more: Callable[[LanczosState, int], LanczosState], state: LanczosState, n: int, delta: float
) -> Iterator[tuple[float, float, float]]:
    """(θ_min, θ_max, ε) now and then, until the steps that `state` has room for are taken.

    Yields
    ------
    (float, float, float)
        An invariant subspace ends them: ε is 0 then. What is not finite ends them too.
    """
    last = 0
    for q in (look for look in LOOKS if look <= state.diagonal.shape[0]):
        state, last = more(state, q - last), q
        diagonal, beside = (np.asarray(x)[:q] for x in (state.diagonal, state.off_diagonal))
        if not (np.all(np.isfinite(diagonal)) and np.all(np.isfinite(beside))):
            return
        size = np.max(np.abs(diagonal)) + np.max(beside)
        ended = np.flatnonzero(beside <= 1e-14 * size)
        if ended.size:
            diagonal, beside = diagonal[: ended[0] + 1], beside[: ended[0] + 1]
        values = eigvalsh_tridiagonal(diagonal, beside[:-1])
        exhausted = ended.size > 0 or q >= n
        yield float(values[0]), float(values[-1]), 0.0 if exhausted else slack(n, delta, q)
        if exhausted:
            return
