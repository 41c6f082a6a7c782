"""Conjugate gradients for symmetric operators on trees of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float

from flatrank.arrays import Array, Scalar, flattened, moved, ravel, turned, while_loop, xp

# Curvature along a direction, as a share of its length squared, that counts as none.
_FLAT = 1e-14


class _State(NamedTuple):
    x: Float[Array, " n"]
    r: Float[Array, " n"]
    p: Float[Array, " n"]
    rz: Scalar
    taken: int | Array
    done: bool | Array


def conjugate_gradients(
    product: Callable[[Any], Any],
    b: Any,
    *,
    x0: Any = None,
    tol: Scalar = 1e-5,
    atol: Scalar = 0.0,
    maxiter: int,
) -> Any:
    """The x with H x ≈ b, ‖b − H x‖ ≤ max(tol ‖b‖, atol) (Hestenes and Stiefel 1952).

    Parameters
    ----------
    product : callable
        x ↦ H x, on trees like b; H positive semidefinite.
    b : tree of arrays
        Right-hand side.
    x0 : tree, optional
        Where to start; zero by default.
    tol, atol : float
        Residual at the end, relative and absolute, unless steps run out.
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
    target = xp.maximum(tol**2 * xp.vdot(flat, flat), atol**2)
    if x0 is None:
        x, r = xp.zeros_like(flat), xp.array(flat)
    else:
        x = xp.array(flattened(x0))
        r = flat - flattened(product(restore(x)))
    rr = xp.vdot(r, r)

    def running(s: _State) -> bool | Array:
        return xp.logical_and(s.rz > target, s.taken < maxiter)

    def step(s: _State) -> _State:
        Hp = flattened(product(restore(s.p)))
        alpha = s.rz / xp.vdot(s.p, Hp)
        x, r = moved(s.x, alpha, s.p), moved(s.r, -alpha, Hp)
        rr = xp.vdot(r, r)
        return _State(x, r, turned(s.p, rr / s.rz, r), rr, s.taken + 1, False)

    start = _State(x, r, xp.array(r), rr, 0, False)
    return restore(while_loop(running, step, start).x)


def truncated_cg(
    product: Callable[[Any], Any],
    b: Any,
    precondition: Callable[[Any], Any],
    tol: Scalar,
    maxiter: int | Array,
) -> tuple[Any, int | Array]:
    """The same for any symmetric H, ended where the curvature is not positive (Steihaug 1983).

    Parameters
    ----------
    product : callable
        x ↦ H x, on trees like b.
    b : tree of arrays
        Right-hand side.
    precondition : callable
        r ↦ M r with a symmetric positive semidefinite M.
    tol : float
        Relative residual, in the norm √(rᵀ M r).
    maxiter : int
        Steps at most.

    Returns
    -------
    (tree, int)
        x, which is M b where the first direction has no positive curvature, and the steps taken.
    """
    flat, restore = ravel(b)
    p = xp.array(flattened(precondition(b)))
    rz = xp.vdot(flat, p)
    target = tol**2 * rz

    def running(s: _State) -> bool | Array:
        return xp.logical_and(xp.logical_not(s.done), s.taken < maxiter)

    def step(s: _State) -> _State:
        Hp = flattened(product(restore(s.p)))
        curvature = xp.vdot(s.p, Hp)
        bad = xp.logical_not(curvature > _FLAT * xp.vdot(s.p, s.p))
        first = xp.where(s.taken == 0, 1.0, 0.0)
        alpha = xp.where(bad, first, s.rz / xp.where(bad, 1.0, curvature))
        x, r = moved(s.x, alpha, s.p), moved(s.r, -alpha, Hp)
        z = flattened(precondition(restore(r)))
        rz = xp.vdot(r, z)
        done = xp.logical_or(bad, xp.logical_not(rz > target))
        return _State(x, r, turned(s.p, rz / s.rz, z), rz, s.taken + 1, done)

    start = _State(xp.zeros_like(flat), xp.array(flat), p, rz, 0, xp.logical_not(rz > 0))
    end = while_loop(running, step, start)
    return restore(end.x), end.taken
