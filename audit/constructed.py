"""Instances made so that something is known of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from audit.drawing import LARGE, Instance, Rng, scaled, scales, sensed, units_of
from audit.reference import Model, Range, Reference


def thin(rng: Rng) -> Instance:
    """Two measurements of a column of two, one seen more weakly: [1, 0] and [1, ε]."""
    A = np.array([[[1.0], [0.0]], [[1.0], [10.0 ** -rng.uniform(0, 9)]]])
    b = np.array([1.0, 2.0]) if rng.random() < 0.5 else rng.standard_normal(2)
    X = np.array([[b[0]], [(b[1] - b[0]) / A[1, 1, 0]]])
    return sensed(rng, "thin", A, b, X, ("graded rows",))


def mirrored(rng: Rng) -> Instance:
    """One functional unmeasured that turns a minimiser into its mirror image.

    Of X = diag(1, [[d, x], [x, d]]) all but E₂₃ + E₃₂ is measured: with |x| ≤ d the norm is 1 + 2d.
    With a weight λ the same matrices, shrunk in the measured space, are the minimisers: λ = 0 here.
    """
    d = 10.0 ** rng.uniform(-9, 0)
    basis = np.eye(9).reshape(9, 3, 3)
    skew = (basis[5] - basis[7]) / np.sqrt(2.0)
    A = np.concatenate([basis[[0, 1, 2, 3, 4, 6, 8]], skew[None]])
    P, Q = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    if rng.random() < 0.5:
        P = Q = np.eye(3)

    def at(x: float) -> np.ndarray:
        return P @ np.array([[1.0, 0, 0], [0, d, x], [0, x, d]]) @ Q.T

    A = P @ A @ Q.T
    b = np.einsum("mij,ij->m", A, at(0.0))
    model = Model("whole", A, b, 0.0, 1.0)
    x = d * (1.0 if rng.random() < 0.5 else rng.random())
    lam = 0.0
    if rng.random() < 0.5:  # λ = γ D-scale: data that shrink to the same matrices
        lam, model = _shrunk(rng, model, at)
    model = replace(model, lam=lam)
    a, scale = scales(rng, 330)
    units = units_of(a, scale, lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": 1.0} | scaled(model, units)
    name = "mirror images"
    return Instance(name, model, "sensing", arguments, at(0.0), units, (), (at(x), at(-x)))


def planted(rng: Rng) -> Instance:
    """Large enough for norms to be bounded by Lanczos: the optimum is known, not computed.

    X = U diag(s) Vᵀ is a minimiser where 𝒜*(y) = κ S, S = U Vᵀ + W, ‖W‖ ≤ 1: A₀ is made so. With
    θ = 1, D1 X D2 = γ X, γ = ‖A‖²/(m d1 d2). λ = 0: b = 𝒜(X); else b = 𝒜(X) + y and λ = κ/γ.
    """
    (d1, d2), m, r = LARGE, 80, int(rng.integers(1, 4))
    U, V = (np.linalg.qr(rng.standard_normal((d, d2)))[0] for d in LARGE)
    s = 10.0 ** -(rng.choice([0.0, 1.0, 3.0]) * np.arange(r))
    X = (U[:, :r] * s) @ V[:, :r].T
    w = np.ones(d2)
    w[r:] = rng.uniform(0, 1, d2 - r) ** rng.choice([0.02, 1.0, 20.0])
    A, y = rng.standard_normal((m, d1, d2)) / 30, rng.standard_normal(m)
    y[0] = 1.0 + abs(y[0])
    kappa = 10.0 ** rng.uniform(-2, 2)
    A[0] = (kappa * (U * w) @ V.T - np.einsum("m,mij->ij", y[1:], A[1:])) / y[0]
    gamma = float(np.sum(A**2)) / (m * d1 * d2)
    b, lam = np.einsum("mij,ij->m", A, X), 0.0
    if rng.random() < 0.5:
        b, lam = b + y, kappa / gamma
    model = Model("whole", A, b, lam, 1.0)
    value = gamma * s.sum() if lam == 0 else 0.5 * y @ y + lam * gamma * s.sum()
    known = Reference(
        Range(value * (1 - 1e-12), value * (1 + 1e-12)), X, y if lam else y * gamma / kappa
    )
    a, scale = scales(rng, 300)
    units = units_of(a, scale, lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": 1.0} | scaled(model, units)
    return Instance("planted", model, "sensing", arguments, X, units, known=known)


def _shrunk(rng: Rng, model: Model, at: Callable[[float], np.ndarray]) -> tuple[float, Model]:
    """b so that at(x), |x| ≤ d, are the minimisers at a weight: b = 𝒜(at(0)) + λ γ 𝒜(P Qᵀ).

    D1 and D2 are multiples of I, D1 ⊗ D2 = γ: the subgradient is λ γ P Qᵀ = 𝒜*(b − 𝒜(X)), and the
    measurements are orthonormal with P Qᵀ in their range.
    """
    C1, C2, _ = model.roots
    gamma = np.linalg.norm(C1, 2) * np.linalg.norm(C2, 2)
    lam = 10.0 ** rng.uniform(-4, 0) / gamma
    U, _, V = np.linalg.svd(at(0.0))
    return float(lam), replace(model, b=model.b + lam * gamma * model.measured(U @ V))
