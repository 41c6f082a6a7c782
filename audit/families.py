"""Random small instances of every front door, in units where numbers are of ordinary size.

The arguments of the door are those of the
model times powers of two, which cost no rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from audit.constructed import mirrored, planted, thin
from audit.drawing import (
    COUNTS,
    SHAPE,
    Instance,
    Rng,
    Units,
    disturbed,
    low_rank,
    noisy,
    scaled,
    scales,
    sensed,
    smoothing,
    units_of,
    weight,
)
from audit.reference import Model


def made(rng: Rng, family: str) -> Instance:
    """A random instance of a family."""
    return FAMILIES[family](rng)


def entries(rng: Rng) -> Instance:
    """Some entries of a matrix."""
    d1, d2 = SHAPE
    m, X = int(rng.choice(COUNTS)), low_rank(rng, SHAPE)
    seen = np.sort(rng.choice(d1 * d2, m, replace=False))
    if m == 12 and rng.random() < 0.15:  # the last two rows, or the last column, unseen
        whole = np.arange(d1 * d2).reshape(SHAPE)
        seen = whole[:3].ravel() if rng.random() < 0.5 else np.sort(whole[:, :3].ravel()[:12])
    rows, cols = np.divmod(seen, d2)
    A = np.zeros((m, d1, d2))
    A[np.arange(m), rows, cols] = 1.0
    b, traits = noisy(rng, X[rows, cols])
    model = Model("whole", A, b, 0.0, smoothing(rng))
    model = replace(model, lam=weight(rng, model))
    units = units_of(0, scales(rng, 0)[1], model.lam)
    arguments = scaled(model, units)
    arguments = {"rows": rows, "cols": cols, "values": arguments["b"], "shape": SHAPE,
                 "lam": arguments["lam"], "smoothing": model.theta}  # fmt: skip
    return Instance("entries", model, "completion", arguments, X, units, traits)


def dense(rng: Rng) -> Instance:
    """Gaussian measurements, now and then of rows and columns of very different size."""
    d1, d2 = SHAPE
    X = low_rank(rng, SHAPE)
    A = rng.standard_normal((int(rng.choice(COUNTS)), d1, d2))
    traits: tuple[str, ...] = ()
    if rng.random() < 0.25:
        fall = 10.0 ** -rng.uniform(0, 9)
        graded = np.where(np.arange(d2) == rng.integers(d2), fall, 1.0)
        A, X, traits = A * graded, X / graded, ("graded columns",)
    if rng.random() < 0.1:
        graded = 10.0 ** -(rng.uniform(0, 9) * rng.integers(0, 2, len(A)))
        A, traits = A * graded[:, None, None], (*traits, "graded measurements")
    if rng.random() < 0.1:
        v = np.linalg.qr(rng.standard_normal((d2, 1)))[0]
        A, traits = A - A @ v @ v.T, (*traits, "blind direction")
    b = np.einsum("mij,ij->m", A, X)
    b, more = noisy(rng, b)
    A, b, others = disturbed(rng, A, b)
    if rng.random() < 0.08:
        A[1], b[1] = A[0], b[0] + (1 + abs(b[0])) * 10.0 ** rng.uniform(-5, 0)
        others += ("contradiction",)
    return sensed(rng, "dense", A, b, X, traits + more + others)


def bilinear(rng: Rng) -> Instance:
    """Rank-one measurements; now and then one column in another unit."""
    (d1, d2), m = SHAPE, 12
    X, traits = low_rank(rng, SHAPE), ()
    a, c = rng.standard_normal((m, d1)), rng.standard_normal((m, d2))
    if rng.random() < 0.25:
        fall = 10.0 ** -rng.uniform(0, 9)
        graded = np.where(np.arange(d2) == rng.integers(d2), fall, 1.0)
        c, X, traits = c * graded, X / graded, ("graded columns",)
    b, more = noisy(rng, np.einsum("mi,ij,mj->m", a, X, c))
    if rng.random() < 0.15:
        a[1], c[1], b[1] = a[0], c[0], b[0]
        more += ("repeated",)
    A = a[:, :, None] * c[:, None, :]
    model = Model("whole", A, b, 0.0, smoothing(rng))
    model = replace(model, lam=weight(rng, model))
    k, scale = scales(rng, 160)
    half = k // 2
    units = units_of(k, scale, model.lam)
    arguments = {"a": np.ldexp(a, half), "c": np.ldexp(c, k - half),
                 "smoothing": model.theta} | scaled(model, units)  # fmt: skip
    return Instance("bilinear", model, "bilinear", arguments, X, units, traits + more)


def _quadratic(rng: Rng, family: str, X: np.ndarray, m: int, form: str) -> Instance:
    n = X.shape[0]
    x = rng.standard_normal((m, n))
    if np.iscomplexobj(X):
        x = x + 1j * rng.standard_normal((m, n))
    traits: tuple[str, ...] = ()
    if rng.random() < 0.15:
        x[1] = x[0]
        traits = ("repeated",)
    A = x[:, :, None] * x[:, None, :].conj()
    model = Model(form, A, np.zeros(m), 0.0, symmetric=family == "quadratic network")
    model = replace(model, b=model.measured(X))
    lam = weight(rng, model)
    if lam > 0 or form == "whole":
        b, more = noisy(rng, model.b)
        if lam == 0 and traits:
            b[1] = b[0]
        traits += more
        model = replace(model, b=b)
    model = replace(model, lam=lam)
    half, scale = scales(rng, 165)
    half //= 2
    units = units_of(2 * half, scale, lam)
    data = scaled(model, units)
    arguments = {"x": np.ldexp(x.real, half), "y": data["b"], "lam": data["lam"]}
    if np.iscomplexobj(x):
        arguments["x"] = arguments["x"] + 1j * np.ldexp(x.imag, half)
    doors = {"covariance": "covariance", "quadratic network": "quadratic_network"}
    door = doors.get(family, "phase_retrieval")
    return Instance(family, model, door, arguments, X, units, traits)


def _semidefinite(rng: Rng, n: int, r: int, complex_too: bool = False) -> np.ndarray:
    U = rng.standard_normal((n, r))
    if complex_too:
        U = U + 1j * rng.standard_normal((n, r))
    return U @ U.conj().T


def covariance(rng: Rng) -> Instance:
    """Positive semidefinite matrices of any rank."""
    X = _semidefinite(rng, 4, int(rng.choice([0, 1, 2, 4], p=[0.05, 0.45, 0.3, 0.2])))
    return _quadratic(rng, "covariance", X, 7, "positive")


def network(rng: Rng) -> Instance:
    """Symmetric matrices of any sign."""
    X = _semidefinite(rng, 4, 1) - rng.integers(2) * _semidefinite(rng, 4, 1)
    return _quadratic(rng, "quadratic network", X, 8, "whole")


def phase(rng: Rng) -> Instance:
    """A real vector up to its sign."""
    return _quadratic(rng, "phase retrieval, real", _semidefinite(rng, 4, 1), 9, "positive")


def complex_phase(rng: Rng) -> Instance:
    """A complex vector up to its phase."""
    X = _semidefinite(rng, 3, 1, True)
    return _quadratic(rng, "phase retrieval, complex", X, 7, "positive")


def robust(rng: Rng) -> Instance:
    """Low rank plus a few gross errors, by weight or by radius."""
    d1, d2 = SHAPE
    X = low_rank(rng, SHAPE)
    S = np.where(rng.random(SHAPE) < rng.choice([0.0, 0.1, 0.4]), rng.standard_normal(SHAPE), 0)
    S = S * 10.0 ** rng.uniform(-3, 1)
    Y, traits = X + S, ()
    if rng.random() < 0.2:
        Y, traits = Y + 10.0 ** rng.uniform(-12, -1) * rng.standard_normal(SHAPE), ("noise",)
    A = np.eye(d1 * d2).reshape(d1 * d2, d1, d2)
    _, scale = scales(rng, 0)
    form, size = "sparse", 10.0 ** rng.uniform(-1.5, 0.3)
    if rng.random() < 0.5:
        form = "ball"
        size = float(np.abs(S).sum()) or float(np.abs(Y).sum()) * 10.0 ** rng.uniform(-6, 0.2)
        size = size or 1.0
    model = Model(form, A, Y.ravel(), float(size))
    arguments: dict[str, Any] = {"Y": np.ldexp(Y, scale)}
    units = Units(0, scale, scale, scale, 0)
    if form == "ball":
        arguments["radius"] = float(np.ldexp(model.lam, scale))
    else:
        arguments["sparsity"] = model.lam
    return Instance("robust PCA", model, "robust_pca", arguments, X, units, traits)


def tomography(rng: Rng) -> Instance:
    """States of three levels, seen by random observables or by all outcomes of two bases."""
    n, m = 3, 6
    X = _semidefinite(rng, n, int(rng.integers(1, 4)), True)
    X = X / np.trace(X).real
    E = rng.standard_normal((m, n, n)) + 1j * rng.standard_normal((m, n, n))
    traits = ("observables",)
    A = 0.5 * (E + np.swapaxes(E, 1, 2).conj())
    if rng.random() < 0.5:
        bases = [np.linalg.qr(E[i])[0] for i in (0, 1)]
        V = np.concatenate([Q.T for Q in bases])
        A, traits = V[:, :, None] * V[:, None, :].conj(), ("projective",)
    model = Model("state", A, np.zeros(m), 0.0)
    b, more = model.measured(X), ()
    exact = rng.random() < 0.4
    if not exact and rng.random() < 0.7:
        b, more = noisy(rng, b)
        if "huge datum" in more:  # of what no state comes near the front door asks for frequencies
            b, more = model.measured(X), ()
    lam = 0.0 if exact or rng.random() < 0.5 else 10.0 ** rng.uniform(-6, 1)
    model = replace(model, b=b, lam=float(lam), exact=exact)
    a = scales(rng, 160)[0]
    units = Units(a, a, 0, 2 * a, a)
    effects = np.ldexp(A.real, a) + 1j * np.ldexp(A.imag, a)
    arguments = {"effects": effects, "frequencies": np.ldexp(b, a), "lam": float(lam)}
    return Instance("tomography", model, "tomography", arguments, X, units, traits + more)


FAMILIES: dict[str, Callable[[Rng], Instance]] = {
    "entries": entries,
    "dense": dense,
    "thin": thin,
    "bilinear": bilinear,
    "covariance": covariance,
    "quadratic network": network,
    "phase retrieval, real": phase,
    "phase retrieval, complex": complex_phase,
    "robust PCA": robust,
    "tomography": tomography,
    "mirror images": mirrored,
    "planted": planted,
}
