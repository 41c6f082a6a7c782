"""Conjugate gradients for symmetric positive semidefinite operators on trees of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float, Int

from flatrank.arrays import Array, ravel, while_loop, xp


class _State(NamedTuple):
    x: Float[Array, " n"]
    r: Float[Array, " n"]
    p: Float[Array, " n"]
    rr: Float[Array, ""]
    taken: Int[Array, ""] | int


def conjugate_gradients(
    product: Callable[[Any], Any], b: Any, *, x0: Any = None, tol: Any = 1e-5, maxiter: int
) -> Any:
    """The x with H x ≈ b, ‖b − H x‖ ≤ tol ‖b‖ unless steps run out (Hestenes and Stiefel 1952).

    Parameters
    ----------
    product : callable
        x ↦ H x, on trees like b.
    b : tree of arrays
        Right-hand side.
    x0 : tree, optional
        Where to start; zero by default.
    tol : float
        Relative residual.
    maxiter : int
        Steps at most.

    Returns
    -------
    tree
        Not finite where H is singular and the steps broke down.

    Notes
    -----
    A product a step, and four vectors of memory.
    """
    flat, restore = ravel(b)
    target = tol**2 * xp.vdot(flat, flat)

    def H(x: Array) -> Array:
        return ravel(product(restore(x)))[0]

    def running(s: _State) -> Array:
        return xp.logical_and(s.rr > target, s.taken < maxiter)

    def step(s: _State) -> _State:
        Hp = H(s.p)
        alpha = s.rr / xp.vdot(s.p, Hp)
        r = s.r - alpha * Hp
        rr = xp.vdot(r, r)
        return _State(s.x + alpha * s.p, r, r + (rr / s.rr) * s.p, rr, s.taken + 1)

    x = xp.zeros_like(flat) if x0 is None else ravel(x0)[0]
    r = flat if x0 is None else flat - H(x)
    start = _State(x, r, r, xp.vdot(r, r), 0)
    return restore(while_loop(running, step, start).x)
