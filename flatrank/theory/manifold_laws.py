"""The laws every manifold obeys, as a function users can call on their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flatrank.arrays import Array, Scalar, leaves, scope, tree_map, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.measurements import Measurement
from flatrank.measurements.checks import checked_count
from flatrank.theory.manifold import Manifold, inner


def check_manifold(
    manifold: Manifold[Any], measurement: Measurement, *, rank: int = 3, seed: int = 0
) -> None:
    """Check projection, retraction, transport, derivatives and gauge of a manifold.

    At a random point x, with random vectors: Π is idempotent, self-adjoint and lands in the
    tangent space; retractions stay on the manifold and agree with x + tξ to first order (their
    distance has slope 2 in t); transport lands in the tangent space and does nothing at x; for
    f = ½‖𝒜(X) − b‖² along retractions, f − f(x) − t⟨grad, ξ⟩ has slope 2 and with ½t²⟨ξ, Hess ξ⟩
    taken off slope 3; the Hessian is self-adjoint; X, the gradient, the Hessian and Π follow the
    gauge. The measurement gives the shape and a function to differentiate; a few dozen products.

    Raises
    ------
    ValueError
        If `rank` is not a whole number from 1 to min(d1, d2).
    AssertionError
        Naming the law that fails and by how much.
    """
    least = min(measurement.shape)
    if checked_count("rank", rank, 1) > least:
        raise ValueError(
            f"rank must be at most min(d1, d2) = {least}, that of the measurement; got {rank}"
        )
    rng = np.random.default_rng(seed)
    b = rng.standard_normal(measurement.m)
    with scope():
        x = manifold.point(_draw(measurement.shape, rank, rng))
        u, v = (_draw(measurement.shape, rank, rng) for _ in range(2))
        once, other = manifold.project(x, u), manifold.project(x, v)
        _small("points lie on the manifold", manifold.violation(x), 1.0)
        _agree("projection is idempotent", manifold.project(x, once), once)
        size = xp.sqrt(inner(u, u) * inner(v, v))
        _small("projection is self-adjoint", inner(once, v) - inner(u, other), size)
        _small("projection is tangent", manifold.defect(x, once), manifold.defect(x, u))
        unit = xp.sqrt(inner(manifold.pair(x), manifold.pair(x)) / inner(once, once))
        xi = tree_map(lambda a: unit * a, once)
        _check_along(manifold, measurement, b, x, (xi, other))
        Q = manifold.random_gauge(rank, rng)
        _check_gauge(manifold, measurement, b, (x, manifold.rotate(x, Q), Q), (u, xi))


def _draw(shape: tuple[int, int], rank: int, rng: np.random.Generator) -> FactorPair:
    return FactorPair(*(rng.standard_normal((d, rank)) for d in shape))


def _derivatives(
    manifold: Manifold[Any], A: Measurement, b: Array, x: Any
) -> tuple[Array, FactorPair, Callable[[FactorPair], FactorPair]]:
    """f, grad f and ξ ↦ Hess f[ξ] at x."""
    c = A.forward(manifold.pair(x)) - b
    S = A.adjoint(c)
    return (
        0.5 * xp.vdot(c, c),
        manifold.gradient(x, S),
        lambda xi: manifold.hessian(A, x, S, xi),
    )


def _check_along(
    manifold: Manifold[Any],
    A: Measurement,
    b: Float[Array, " m"],
    x: Any,
    vectors: tuple[FactorPair, FactorPair],
) -> None:
    """Derivatives, retraction and transport along a tangent vector as long as the point."""
    xi, eta = vectors
    f, gradient, hessian = _derivatives(manifold, A, b, x)
    product, other = hessian(xi), hessian(eta)
    size = xp.sqrt(inner(product, product) * inner(eta, eta))
    _small("gradient is tangent", manifold.defect(x, gradient), xp.sqrt(f) + 1.0)
    _small("Hessian is self-adjoint", inner(product, eta) - inner(xi, other), size)
    first, second = float(inner(gradient, xi)), float(inner(xi, product))
    off, linear, quadratic, points = [], [], [], []
    for t in (2.0 ** -np.arange(6.0, 12.0)).tolist():
        step = tree_map(lambda a, t=t: t * a, xi)
        new = manifold.retract(x, step)
        _small("retraction stays on the manifold", manifold.violation(new), 1.0)
        off.append(float(manifold.retraction_error(x, step, new)))
        c = A.forward(manifold.pair(new)) - b
        rest = 0.5 * float(xp.vdot(c, c)) - float(f) - t * first
        linear.append(abs(rest))
        quadratic.append(abs(rest - 0.5 * t**2 * second))
        points.append(new)
    _slope("retraction is first order", off, 2, float(xp.sqrt(inner(xi, xi))))
    _slope("gradient", linear, 2, float(f))
    _slope("Hessian", quadratic, 3, float(f))
    new = points[0]
    carried = manifold.transport(x, eta, new)
    _small("transport is tangent", manifold.defect(new, carried), manifold.defect(new, eta) + 1.0)
    _agree("transport to the same point does nothing", manifold.transport(x, eta, x), eta)


def _check_gauge(
    manifold: Manifold[Any],
    A: Measurement,
    b: Float[Array, " m"],
    turned: tuple[Any, Any, Array],
    vectors: tuple[FactorPair, FactorPair],
) -> None:
    """What the action of a gauge Q on the point and on tangent vectors leaves alone, and turns."""
    (x, y, Q), (u, xi) = turned, vectors

    def turn(v: FactorPair) -> FactorPair:
        return FactorPair(v.L @ Q, v.R @ Q)

    (f, g, H), (f_y, g_y, H_y) = (_derivatives(manifold, A, b, p) for p in (x, y))
    _agree("the gauge leaves f alone", f_y, f)
    _agree("the gauge turns the gradient", g_y, turn(g))
    _agree("the gauge turns the Hessian", H_y(turn(xi)), turn(H(xi)))
    _agree(
        "the gauge turns projections", manifold.project(y, turn(u)), turn(manifold.project(x, u))
    )
    new, new_y = manifold.retract(x, xi), manifold.retract(y, turn(xi))
    forward = (A.forward(manifold.pair(p)) for p in (new_y, new))
    _agree("the gauge leaves retractions alone", *forward)


def _slope(law: str, errors: list[float], order: int, size: float) -> None:
    """The error must fall like t^order, a fifth of an order aside, unless it is rounding."""
    clear = [e for e in errors if e > 1e-13 * size]
    if len(clear) < 3:
        return
    slope = float(np.median(-np.diff(np.log2(clear))))
    if not slope >= order - 0.2:
        raise AssertionError(f"law broken: {law}; error has slope {slope:.2f}, expected {order}")


def _agree(law: str, left: Any, right: Any) -> None:
    pairs = list(zip(leaves(left), leaves(right), strict=True))
    size = max(float(xp.max(xp.abs(r), initial=0.0)) for _, r in pairs)
    error = max(float(xp.max(xp.abs(a - r), initial=0.0)) for a, r in pairs)
    _small(law, error, size)


def _small(law: str, error: Scalar, size: Scalar) -> None:
    relative = abs(float(error)) / (float(size) + 1e-300)
    if not relative <= 1e-9:
        raise AssertionError(f"law broken: {law}; relative error {relative:.1e}, expected <= 1e-09")
