"""An interior-point method for small conic problems, dense and plain.

    min ⟨C, W⟩ + cᵀx + ½‖r‖²   s.t.  ⟨Aᵢ, W⟩ + (G x)ᵢ + δᵢ rᵢ = bᵢ,   W ⪰ 0, x ≥ 0
    max bᵀy − ½ Σ δᵢ yᵢ²       s.t.  C − Σ yᵢ Aᵢ ⪰ 0,  c − Gᵀy ≥ 0

δᵢ is 1 for a residual that costs and 0 for an equation. Predictor and corrector of Mehrotra in the
HKM direction (Helmberg and others 1996, Kojima and others 1997, Monteiro 1997).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Cone(NamedTuple):
    """The data: A (m, n, n) symmetric, b, C (n, n), δ, and of the part x ≥ 0 G (m, p), c."""

    A: np.ndarray
    b: np.ndarray
    C: np.ndarray
    delta: np.ndarray
    G: np.ndarray
    c: np.ndarray


class Iterate(NamedTuple):
    """W, its slack Z; x, its slack s; y."""

    W: np.ndarray
    Z: np.ndarray
    x: np.ndarray
    s: np.ndarray
    y: np.ndarray


def interior_point(cone: Cone, steps: int = 60, tol: float = 1e-13) -> tuple[np.ndarray, ...]:
    """W and y, as near the optimum as rounding lets them; neither is exactly feasible.

    The caller makes feasible points of them, whose values enclose the optimum.
    """
    m, n = cone.b.size, cone.C.shape[0]
    flat = cone.A.reshape(m, n * n)
    size = 1.0 + np.abs(cone.b).max(initial=0.0)
    cost = 1.0 + max(np.abs(cone.C).max(initial=0.0), np.abs(cone.c).max(initial=0.0))
    ones = np.ones(cone.c.size)
    now = Iterate(size * np.eye(n), cost * np.eye(n), size * ones, cost * ones, np.zeros(m))
    best, least = now, np.inf
    for _ in range(steps):
        primal = cone.b - flat @ now.W.ravel() - cone.G @ now.x - cone.delta * now.y
        dual = cone.C - (now.y @ flat).reshape(n, n) - now.Z
        lower = cone.c - cone.G.T @ now.y - now.s
        gap = (np.vdot(now.W, now.Z) + now.x @ now.s) / (n + ones.size)
        value = abs(np.vdot(cone.C, now.W) + cone.c @ now.x) + 1e-300
        worst = max(
            gap * n / value,
            np.linalg.norm(primal) / size,
            np.linalg.norm(dual) / cost,
            np.linalg.norm(lower) / cost,
        )
        if worst < least:
            best, least = now, worst
        if not np.isfinite(worst) or worst < tol or worst > 1e8 * least:
            break
        try:
            now = _step(cone, flat, now, (primal, dual, lower, gap))
        except np.linalg.LinAlgError:
            break
    return best.W, best.y


def _step(cone: Cone, flat: np.ndarray, now: Iterate, at: tuple) -> Iterate:
    """One predictor and one corrector."""
    primal, dual, lower, gap = at
    n, m = cone.C.shape[0], cone.b.size
    inverse = np.linalg.inv(now.Z)
    inverse = 0.5 * (inverse + inverse.T)
    ratio = now.x / now.s
    turned = (now.W @ cone.A @ inverse).reshape(m, n * n)
    schur = flat @ turned.T + (cone.G * ratio) @ cone.G.T + np.diag(cone.delta)
    schur = 0.5 * (schur + schur.T)
    schur[np.diag_indices(m)] += 1e-15 * np.trace(schur) / max(m, 1)

    def direction(target: float, second: np.ndarray, linear: np.ndarray) -> tuple:
        fixed = target * inverse - now.W - _symmetric((now.W @ dual + second) @ inverse)
        fixed_x = (target - linear) / now.s - now.x - ratio * lower
        dy = np.linalg.solve(schur, primal - flat @ fixed.ravel() - cone.G @ fixed_x)
        dZ, ds = dual - (dy @ flat).reshape(n, n), lower - cone.G.T @ dy
        dW = target * inverse - now.W - _symmetric((now.W @ dZ + second) @ inverse)
        return dW, dZ, (target - linear) / now.s - now.x - ratio * ds, ds, dy

    roots = np.linalg.cholesky(now.W), np.linalg.cholesky(now.Z)
    dW, dZ, dx, ds, _ = direction(0.0, np.zeros_like(now.W), np.zeros_like(now.x))
    a, b = _room(roots[0], dW, now.x, dx, 1.0), _room(roots[1], dZ, now.s, ds, 1.0)
    after = np.vdot(now.W + a * dW, now.Z + b * dZ) + (now.x + a * dx) @ (now.s + b * ds)
    target = gap * min(1.0, max(after / (gap * (n + now.x.size)), 0.0) ** 3)
    dW, dZ, dx, ds, dy = direction(target, dW @ dZ, dx * ds)
    a, b = _room(roots[0], dW, now.x, dx, 0.98), _room(roots[1], dZ, now.s, ds, 0.98)
    if np.any(cone.delta):  # the residual is y itself: one step for both
        a = b = min(a, b)
    return Iterate(now.W + a * dW, now.Z + b * dZ, now.x + a * dx, now.s + b * ds, now.y + b * dy)


def _symmetric(X: np.ndarray) -> np.ndarray:
    return 0.5 * (X + X.T)


def _room(root: np.ndarray, step: np.ndarray, x: np.ndarray, dx: np.ndarray, share: float) -> float:
    """The part of a step, at most 1, that stays inside."""
    half = np.linalg.solve(root, step)
    low = np.linalg.eigvalsh(_symmetric(np.linalg.solve(root, half.T)))[0]
    low = min(low, np.min(dx / x, initial=0.0))
    return 1.0 if low >= -share else -share / low
