"""Conjugate gradients for symmetric operators on trees of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from flatrank.arrays import (
    Array,
    Module,
    Scalar,
    contiguous,
    flattened,
    leaves,
    moved,
    on_device,
    ravel,
    tree_map,
    turned,
    while_loop,
    xp,
)
from flatrank.arrays.shapes import Float
from flatrank.kernels import steps


class Diagonal(Module):
    """A diagonal as an operator: a number for each number of the tree it is applied to."""

    diagonal: Any

    def __call__(self, x: Any) -> Any:
        """The products, one by one."""
        return tree_map(xp.multiply, self.diagonal, x)


class _State(NamedTuple):
    x: Float[Array, " n"]
    r: Float[Array, " n"]
    p: Float[Array, " n"]
    z: Float[Array, " n"]
    rz: Scalar
    taken: int | Array
    done: bool | Array


def conjugate_gradients(  # noqa: PLR0913 - where from, and how far
    product: Callable[[Any], Any],
    b: Any,
    *,
    x0: Any = None,
    squares: Any = None,
    tol: Scalar = 1e-5,
    atol: Scalar = 0.0,
    maxiter: int,
) -> Any:
    """The x with H x ≈ b, ‖b − H x‖ ≤ max(tol ‖b‖, atol) (Hestenes and Stiefel 1952).

    With D² given the steps are those of D H D (D⁻¹ x) = D b, and ‖r‖ is ‖D r‖.

    Parameters
    ----------
    product : callable
        x ↦ H x, on trees like b; H positive semidefinite.
    b : tree of arrays
        Right-hand side.
    x0 : tree, optional
        Where to start; zero by default.
    squares : tree like b, optional
        D², a diagonal.
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
    A product a step, and four vectors of memory; six with D².
    """
    flat, restore = ravel(b)
    M = None if squares is None else flattened(squares)

    def conditioned(r: Array) -> Array:
        return r if M is None else M * r

    target = xp.maximum(tol**2 * xp.vdot(flat, conditioned(flat)), atol**2)
    if x0 is None:
        x, r = xp.zeros_like(flat), xp.array(flat)
    else:
        x = xp.array(flattened(x0))
        r = flat - flattened(product(restore(x)))
    z = conditioned(r)

    def running(s: _State) -> bool | Array:
        return xp.logical_and(s.rz > target, s.taken < maxiter)

    def step(s: _State) -> _State:
        h, bend, _ = _along(s.p, product(restore(s.p)), None)
        before, s = s.rz, _stepped(s, s.rz / bend, h, M)
        if M is None:
            s = s._replace(z=s.r, rz=xp.vdot(s.r, s.r))
        p = _turned(s.p, s.rz / before, s.z)
        return s._replace(p=p, taken=s.taken + 1)

    start = _State(x, r, xp.array(z), z, xp.vdot(r, z), 0, False)
    return restore(while_loop(running, step, start).x)


def truncated_cg(
    product: Callable[[Any], Any],
    b: Any,
    precondition: Callable[[Any], Any],
    tol: Scalar,
    maxiter: int | Array,
    ridge: Any = None,
) -> tuple[Any, int | Array]:
    """The same for any symmetric H, ended where the curvature is not positive (Steihaug 1983).

    Parameters
    ----------
    product : callable
        x ↦ H x, on trees like b: a new tree each time.
    b : tree of arrays
        Right-hand side.
    precondition : callable
        r ↦ M r with a symmetric positive semidefinite M; fastest as a `Diagonal`.
    tol : float
        Relative residual, in the norm √(rᵀ M r).
    maxiter : int
        Steps at most.
    ridge : tree like b, optional
        A diagonal to be added to H.

    Returns
    -------
    (tree, int)
        x, which is M b where the first direction has no positive curvature, and the steps taken.

    Notes
    -----
    A product and three passes over the vectors a step.
    """
    flat, restore = ravel(b)
    p = flattened(precondition(b))
    own = len(list(leaves(b))) > 1  # vectors put together here, that nobody else holds
    del b
    p = p if own else xp.array(p)
    rz = xp.vdot(flat, p)
    target = tol**2 * rz
    ridge = None if ridge is None else flattened(ridge)
    diagonal = flattened(precondition.diagonal) if isinstance(precondition, Diagonal) else None
    if not (on_device(p) or steps.worthwhile(p)):

        def whole(p: Array) -> Array:
            h = flattened(product(restore(p)))
            return h if ridge is None else h + ridge * p

        def conditioned(r: Array) -> Array:
            return flattened(precondition(restore(r))) if diagonal is None else diagonal * r

        x, taken = _short(whole, conditioned, (flat, p, float(rz)), float(target), int(maxiter))
        return restore(x), taken

    def running(s: _State) -> bool | Array:
        return xp.logical_and(xp.logical_not(s.done), s.taken < maxiter)

    def step(s: _State) -> _State:
        h, bend, square = _along(s.p, product(restore(s.p)), ridge)
        bad = xp.logical_not(bend > 1e-14 * square)  # below, the curvature is rounding
        first = xp.where(s.taken == 0, 1.0, 0.0)
        alpha = xp.where(bad, first, s.rz / xp.where(bad, 1.0, bend))
        before, s = s.rz, _stepped(s, alpha, h, diagonal)
        del h  # as long as what the preconditioner makes
        if diagonal is None:
            z = flattened(precondition(restore(s.r)))
            s = s._replace(z=z, rz=xp.vdot(s.r, z))
        done = xp.logical_or(bad, xp.logical_not(s.rz > target))
        p = _turned(s.p, s.rz / before, s.z)
        # Room for z is kept from step to step only where a step writes into it.
        z = s.r if diagonal is None else s.z
        return s._replace(p=p, z=z, taken=s.taken + 1, done=done)

    r = flat if own else xp.array(flat)
    z = r if diagonal is None else xp.zeros_like(r)
    start = _State(xp.zeros_like(r), r, p, z, rz, 0, xp.logical_not(rz > 0))
    end = while_loop(running, step, start)
    return restore(end.x), end.taken


def _short(
    whole: Callable[[Array], Array],
    conditioned: Callable[[Array], Array],
    start: tuple[Array, Array, float],
    target: float,
    maxiter: int,
) -> tuple[Array, int]:
    """The same steps on NumPy's short vectors, where what counts is the time of calls."""
    (r, p, rz), taken = start, 0
    r, x = r.copy(), np.zeros_like(r)
    while (rz > target or taken == 0 < rz) and taken < maxiter:
        h = whole(p)
        bend = float(p @ h)
        taken += 1
        if not bend > 1e-14 * float(p @ p):
            return (p if taken == 1 else x), taken
        x += (rz / bend) * p
        r -= (rz / bend) * h
        z = conditioned(r)
        rz, before = float(r @ z), rz
        p = z + (rz / before) * p
    return x, taken


# ---- the passes of a step, by compiled loops where vectors are long ----


def _along(p: Array, Hp: Any, ridge: Array | None) -> tuple[list[Array], Scalar, Scalar]:
    """H p with the ridge, in pieces or whole; ⟨p, H p⟩ and ⟨p, p⟩."""
    if steps.worthwhile(p):
        pieces = [contiguous(h.astype(p.dtype, copy=False)).reshape(-1) for h in leaves(Hp)]
        return pieces, *steps.curvature_along(p, pieces, ridge)
    h = flattened(Hp)
    h = h if ridge is None else h + ridge * p
    return [h], xp.vdot(p, h), xp.vdot(p, p)


def _stepped(s: _State, alpha: Scalar, pieces: list[Array], diagonal: Array | None) -> _State:
    """x + α p and r − α H p; with a diagonal M also z = M r and ⟨r, z⟩."""
    if steps.worthwhile(s.p):
        rz = steps.stepped((s.x, s.r, s.p, s.z), float(alpha), pieces, diagonal)
        return s if diagonal is None else s._replace(rz=rz)
    x, r = moved(s.x, alpha, s.p), moved(s.r, -alpha, pieces[0])
    if diagonal is None:
        return s._replace(x=x, r=r)
    z = diagonal * r
    return s._replace(x=x, r=r, z=z, rz=xp.vdot(r, z))


def _turned(p: Array, a: Scalar, z: Array) -> Array:
    """a p + z."""
    if not steps.worthwhile(p):
        return turned(p, a, z)
    steps.turned(p, float(a), contiguous(z))
    return p
