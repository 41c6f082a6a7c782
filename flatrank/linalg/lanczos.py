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
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from flatrank.arrays import Array, Module, compiled, flattened, for_loop, put, ravel, xp
from flatrank.arrays.shapes import Float

# Steps after which the Ritz values are computed.
LOOKS = (24, 48, 80, 128, 192, 256, 384, 640, 1024)
# Steps by default, and at most where a step is cheap.
LIMIT, LONG = 256, LOOKS[-1]


class Operator(Module):
    """A symmetric operator S on trees of arrays."""

    @abstractmethod
    def __call__(self, x: Any) -> Any:
        """S x."""

    def inverse(self, x: Any) -> Any:
        """M⁻¹ x; with M = C Cᵀ, Lanczos sees the eigenvalues of C⁻¹ S C⁻ᵀ."""
        return x


class _State(NamedTuple):
    """The last two basis vectors, orthonormal in xᵀ M⁻¹ y, and the tridiagonal matrix so far."""

    before: Float[Array, " n"]
    vector: Float[Array, " n"]
    diagonal: Float[Array, " steps"]
    off_diagonal: Float[Array, " steps"]
    taken: int | Array


@compiled
def _begun(S: Operator, start: Any, limit: int) -> _State:
    flat = flattened(start)
    first = flat / xp.sqrt(xp.vdot(flat, flattened(S.inverse(start))))
    return _State(xp.zeros_like(flat), first, np.zeros(limit), np.zeros(limit), 0)


@compiled
def _advanced(S: Operator, like: Any, state: _State, steps: Array) -> _State:
    """More steps of the three-term recurrence; S is given M⁻¹ x."""
    _, restore = ravel(like)

    def image_of(flat: Array) -> Array:
        return flattened(S.inverse(restore(flat)))

    def step(_: int | Array, carry: tuple[_State, Array]) -> tuple[_State, Array]:
        s, image = carry
        last = xp.where(s.taken > 0, s.off_diagonal[s.taken - 1], 0.0)
        w = flattened(S(restore(image))) - last * s.before
        alpha = xp.vdot(image, w)
        w = w - alpha * s.vector
        image = image_of(w)
        beta = xp.sqrt(xp.maximum(xp.vdot(image, w), 0.0))
        scale = xp.where(beta > 0, 1.0 / xp.where(beta > 0, beta, 1.0), 0.0)
        diagonal, off_diagonal = put(s.diagonal, s.taken, alpha), put(s.off_diagonal, s.taken, beta)
        return _State(s.vector, scale * w, diagonal, off_diagonal, s.taken + 1), scale * image

    return for_loop(0, steps, step, (state, image_of(state.vector)))[0]


def slack(n: int, delta: float, q: int = LIMIT) -> float:
    """ε after q steps, as the module's head says; above 1 it says nothing."""
    return (math.log(1.648 * math.sqrt(n) / delta) / (2 * q - 1)) ** 2


def ritz_ranges(
    S: Operator, start: Any, n: int, delta: float, limit: int = LIMIT
) -> Iterator[tuple[float, float, float]]:
    """(θ_min, θ_max, ε) now and then, until the steps run out.

    Parameters
    ----------
    S : Operator
        On trees like `start`.
    start : tree of arrays
        Drawn at random, of covariance M.
    n : int
        Dimension of the space it was drawn from.
    delta : float
        δ at each end.
    limit : int
        Steps at most.

    Yields
    ------
    (float, float, float)
        An invariant subspace ends them: ε is 0 then. What is not finite ends them too.
    """
    state, last = _begun(S, start, limit), 0
    for q in (look for look in LOOKS if look <= limit):
        state, last = _advanced(S, start, state, xp.asarray(q - last)), q
        diagonal, off_diagonal = (np.asarray(x)[:q] for x in (state.diagonal, state.off_diagonal))
        if not (np.all(np.isfinite(diagonal)) and np.all(np.isfinite(off_diagonal))):
            return
        size = np.max(np.abs(diagonal)) + np.max(off_diagonal)
        ended = np.flatnonzero(off_diagonal <= 1e-14 * size)
        if ended.size:
            diagonal, off_diagonal = diagonal[: ended[0] + 1], off_diagonal[: ended[0] + 1]
        values = eigvalsh_tridiagonal(diagonal, off_diagonal[:-1])
        exhausted = ended.size > 0 or q >= n
        yield float(values[0]), float(values[-1]), 0.0 if exhausted else slack(n, delta, q)
        if exhausted:
            return
