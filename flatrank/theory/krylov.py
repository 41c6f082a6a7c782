"""One end of the spectrum of a symmetric operator: Lanczos with full reorthogonalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flatrank.arrays import Array, compiled, for_loop, put, while_loop, xp
from flatrank.arrays.shapes import Float, Int

# Steps between restarts, and restarts at most.
STEPS = 24
_RESTARTS = 100
# A new direction below this share of the product it came from is rounding: the space is invariant.
_INVARIANT = 1e-12


class Ritz(NamedTuple):
    """θ, a unit vector v and ‖H v − θ v‖: some eigenvalue lies that close to θ."""

    value: Float[Array, ""]
    vector: Float[Array, " n"]
    residual: Float[Array, ""]
    restarts: Int[Array, ""] | int


def ritz(
    product: Callable[[Float[Array, " n"]], Float[Array, " n"]],
    start: Float[Array, " n"],
    sign: int,
) -> Ritz:
    """The extreme Ritz pair on the Krylov space of `start`.

    Parameters
    ----------
    product : callable
        v ↦ H v.
    start : array of shape (n,)
        Not zero. The result is at least as extreme as its Rayleigh quotient.
    sign : int
        1 for the largest, −1 for the smallest.

    Returns
    -------
    Ritz

    Notes
    -----
    Cost: min(n, 24) products, 4·24² n flops and 48 n numbers.
    """
    n = start.size
    steps = min(STEPS, n)

    def step(j: Array, both: tuple[Array, Array]) -> tuple[Array, Array]:
        V, W = both
        w = product(V[j])
        r = w - V.T @ (V @ w)
        r = r - V.T @ (V @ r)
        size = xp.linalg.norm(r)
        alive = size > _INVARIANT * xp.linalg.norm(w)
        unit = xp.where(alive, r / xp.where(alive, size, 1.0), 0.0)
        # The new direction beyond the last falls into the first row, which is then rewritten.
        return put(put(V, (j + 1) % steps, unit), 0, first), put(W, j, w)

    first = start / xp.linalg.norm(start)
    V = put(xp.zeros_like(start, shape=(steps, n)), 0, first)
    V, W = for_loop(0, steps, step, (V, xp.zeros_like(V)))
    T = V @ W.T
    dead = xp.sum(V * V, axis=1) < 0.5
    # Zero directions must not be taken for eigenvectors of the eigenvalue zero.
    T = 0.5 * (T + T.T) - sign * xp.diag(xp.where(dead, 1.0 + 4.0 * xp.linalg.norm(T), 0.0))
    values, vectors = xp.linalg.eigh(T)
    end = steps - 1 if sign > 0 else 0
    theta, y = values[end], vectors[:, end]
    v = y @ V
    return Ritz(theta, v, xp.linalg.norm(y @ W - theta * v), 1)


@compiled
def extreme(
    product: Callable[[Float[Array, " n"]], Float[Array, " n"]],
    start: Float[Array, " n"],
    sign: int,
    tol: float,
) -> Ritz:
    """`ritz`, restarted from its own vector until ‖H v − θ v‖ ≤ tol·|θ| or 100 times."""

    def unfinished(r: Ritz) -> Array:
        return xp.logical_and(r.residual > tol * xp.abs(r.value), r.restarts < _RESTARTS)

    def again(r: Ritz) -> Ritz:
        return ritz(product, r.vector, sign)._replace(restarts=r.restarts + 1)

    return while_loop(unfinished, again, ritz(product, start, sign))
