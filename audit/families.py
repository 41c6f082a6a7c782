"""Random small instances of every front door, in units where numbers are of ordinary size.

Few shapes, so that the library compiles few programs. The arguments of the door are those of the
model times powers of two, which cost no rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.reference import Model, Range, Reference

Rng = np.random.Generator
SHAPE, LARGE = (5, 4), (40, 30)
# Numbers of measurements: too few for rank two, and enough for it.
COUNTS = (12, 17)


@dataclass(frozen=True)
class Units:
    """Exponents of two: of 𝒜, of b, and so of X, of the objective and of y."""

    A: int = 0
    b: int = 0
    X: int = 0
    value: int = 0
    y: int = 0


@dataclass(frozen=True)
class Instance:
    """A model, and what makes the same problem at a front door of the library."""

    family: str
    model: Model
    door: str
    arguments: dict[str, Any]
    truth: np.ndarray
    units: Units = Units()
    traits: tuple[str, ...] = ()
    # Minimisers known by construction.
    others: tuple[np.ndarray, ...] = ()
    # The answer, where it need not be computed.
    known: Reference | None = None

    @property
    def fit(self) -> str:
        """Exact or penalised, or what takes its place."""
        names = {"sparse": "penalised", "ball": "ball", "state": "least squares"}
        if self.model.form == "state" and self.model.exact:
            return "exact"
        return names.get(self.model.form, "exact" if self.model.lam == 0 else "penalised")


def made(rng: Rng, family: str) -> Instance:
    """A random instance of a family."""
    return FAMILIES[family](rng)


def _planted(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    """Of rank 0 to full, its spectrum flat, decaying, or nearly of lower rank; or constant."""
    d1, d2 = shape
    if rng.random() < 0.06:
        return np.ones(shape)
    r = int(rng.choice([0, 1, 2, min(shape)], p=[0.05, 0.5, 0.3, 0.15]))
    s = rng.choice([0.0, 1.0, 3.0]) * np.arange(r)
    s = 10.0**-s
    if r > 1 and rng.random() < 0.3:
        s[-1] = 10.0 ** rng.uniform(-12, -3)
    return (rng.standard_normal((d1, r)) * s) @ rng.standard_normal((r, d2))


def _weight(rng: Rng, model: Model) -> float:
    """λ: 0 in half of the cases, else 1e-6 to 2 times the λ from which on X = 0 is optimal."""
    if rng.random() < 0.5:
        return 0.0
    S = np.einsum("m,mij->ij", model.b, model.roots[2])
    top = np.linalg.eigvalsh(S)[-1] if model.form == "positive" else np.linalg.norm(S, 2)
    share = 10.0 ** rng.uniform(-6, 0.3) if rng.random() < 0.7 else rng.uniform(0.05, 1.0)
    return float(share * top) if top > 0 else float(share)


def _disturbed(rng: Rng, A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Traits that any list of measurements may have."""
    A, b, traits = A.copy(), b.copy(), ()
    m = b.size
    if rng.random() < 0.15:
        i, j = rng.choice(m, 2, replace=False)
        A[j], b[j] = A[i], b[i]
        traits += ("repeated",)
    if rng.random() < 0.08:
        i = rng.integers(m)
        A[i], b[i] = 0, 0
        traits += ("zero measurement",)
    return A, b, traits


def _noisy(rng: Rng, b: np.ndarray) -> tuple[np.ndarray, tuple]:
    draw = rng.random()
    if draw < 0.5:
        return b, ()
    if draw < 0.55:
        return np.zeros_like(b), ("zero data",)
    if draw < 0.6:
        huge = np.eye(b.size)[rng.integers(b.size)]
        return b * (1 + huge * 10.0 ** rng.uniform(1, 9)), ("huge datum",)
    level = 10.0 ** rng.uniform(-12, 0) * (np.linalg.norm(b) / b.size**0.5 + 1e-3)
    return b + level * rng.standard_normal(b.size), ("noise",)


def _scales(rng: Rng, most: int, both: bool = True) -> tuple[int, int]:
    """Exponents for 𝒜 and b: none in half of the cases, else up to what the doors accept."""
    if rng.random() < 0.5:
        return 0, 0
    far = 500 if rng.random() < 0.5 else 40
    k = int(rng.integers(-min(far, most), min(far, most) + 1)) if both else 0
    return k, int(rng.integers(-far, far + 1))


def _units(a: int, b: int, lam: float) -> Units:
    if lam > 0:
        return Units(a, b, b - a, 2 * b, b)
    return Units(a, b, b - a, a + b, a)


def _finish(model: Model, units: Units) -> dict[str, Any]:
    """b, and λ where it is one, at the scale of the door."""
    return {
        "b": np.ldexp(model.b, units.b),
        "lam": float(np.ldexp(model.lam, units.b - units.A)),
    }


def _theta(rng: Rng) -> float:
    return float(rng.choice([0.0, 0.5, 1.0], p=[0.5, 0.25, 0.25]))


def entries(rng: Rng) -> Instance:
    """Some entries of a matrix."""
    d1, d2 = SHAPE
    m, X = int(rng.choice(COUNTS)), _planted(rng, SHAPE)
    seen = np.sort(rng.choice(d1 * d2, m, replace=False))
    if m == 12 and rng.random() < 0.15:  # the last two rows, or the last column, unseen
        whole = np.arange(d1 * d2).reshape(SHAPE)
        seen = whole[:3].ravel() if rng.random() < 0.5 else np.sort(whole[:, :3].ravel()[:12])
    rows, cols = np.divmod(seen, d2)
    A = np.zeros((m, d1, d2))
    A[np.arange(m), rows, cols] = 1.0
    b, traits = _noisy(rng, X[rows, cols])
    model = Model("whole", A, b, 0.0, _theta(rng))
    model = replace(model, lam=_weight(rng, model))
    units = _units(0, _scales(rng, 0)[1], model.lam)
    arguments = _finish(model, units)
    arguments = {"rows": rows, "cols": cols, "values": arguments["b"], "shape": SHAPE,
                 "lam": arguments["lam"], "smoothing": model.theta}  # fmt: skip
    return Instance("entries", model, "completion", arguments, X, units, traits)


def dense(rng: Rng) -> Instance:
    """Gaussian measurements, now and then of rows and columns of very different size."""
    d1, d2 = SHAPE
    X = _planted(rng, SHAPE)
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
    b, more = _noisy(rng, b)
    A, b, others = _disturbed(rng, A, b)
    if rng.random() < 0.08:
        A[1], b[1] = A[0], b[0] + (1 + abs(b[0])) * 10.0 ** rng.uniform(-5, 0)
        others += ("contradiction",)
    return _sensed(rng, "dense", A, b, X, traits + more + others)


def _sensed(
    rng: Rng, family: str, A: np.ndarray, b: np.ndarray, X: np.ndarray, traits: tuple = ()
) -> Instance:
    model = Model("whole", A, b, 0.0, _theta(rng))
    model = replace(model, lam=_weight(rng, model))
    a, scale = _scales(rng, 330)
    units = _units(a, scale, model.lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": model.theta} | _finish(model, units)
    return Instance(family, model, "sensing", arguments, X, units, traits)


def thin(rng: Rng) -> Instance:
    """Two measurements of a column of two, one seen more weakly: [1, 0] and [1, ε]."""
    A = np.array([[[1.0], [0.0]], [[1.0], [10.0 ** -rng.uniform(0, 9)]]])
    b = np.array([1.0, 2.0]) if rng.random() < 0.5 else rng.standard_normal(2)
    X = np.array([[b[0]], [(b[1] - b[0]) / A[1, 1, 0]]])
    return _sensed(rng, "thin", A, b, X, ("graded rows",))


def bilinear(rng: Rng) -> Instance:
    """Rank-one measurements; now and then one column in another unit."""
    (d1, d2), m = SHAPE, 12
    X, traits = _planted(rng, SHAPE), ()
    a, c = rng.standard_normal((m, d1)), rng.standard_normal((m, d2))
    if rng.random() < 0.25:
        fall = 10.0 ** -rng.uniform(0, 9)
        graded = np.where(np.arange(d2) == rng.integers(d2), fall, 1.0)
        c, X, traits = c * graded, X / graded, ("graded columns",)
    b, more = _noisy(rng, np.einsum("mi,ij,mj->m", a, X, c))
    if rng.random() < 0.15:
        a[1], c[1], b[1] = a[0], c[0], b[0]
        more += ("repeated",)
    A = a[:, :, None] * c[:, None, :]
    model = Model("whole", A, b, 0.0, _theta(rng))
    model = replace(model, lam=_weight(rng, model))
    k, scale = _scales(rng, 160)
    half = k // 2
    units = _units(k, scale, model.lam)
    arguments = {"a": np.ldexp(a, half), "c": np.ldexp(c, k - half),
                 "smoothing": model.theta} | _finish(model, units)  # fmt: skip
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
    lam = _weight(rng, model)
    if lam > 0 or form == "whole":
        b, more = _noisy(rng, model.b)
        if lam == 0 and traits:
            b[1] = b[0]
        traits += more
        model = replace(model, b=b)
    model = replace(model, lam=lam)
    half, scale = _scales(rng, 165)
    half //= 2
    units = _units(2 * half, scale, lam)
    scaled = _finish(model, units)
    arguments = {"x": np.ldexp(x.real, half), "y": scaled["b"], "lam": scaled["lam"]}
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
    X = _planted(rng, SHAPE)
    S = np.where(rng.random(SHAPE) < rng.choice([0.0, 0.1, 0.4]), rng.standard_normal(SHAPE), 0)
    S = S * 10.0 ** rng.uniform(-3, 1)
    Y, traits = X + S, ()
    if rng.random() < 0.2:
        Y, traits = Y + 10.0 ** rng.uniform(-12, -1) * rng.standard_normal(SHAPE), ("noise",)
    A = np.eye(d1 * d2).reshape(d1 * d2, d1, d2)
    _, scale = _scales(rng, 0)
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
        b, more = _noisy(rng, b)
    lam = 0.0 if exact or rng.random() < 0.5 else 10.0 ** rng.uniform(-6, 1)
    model = replace(model, b=b, lam=float(lam), exact=exact)
    a = _scales(rng, 160)[0]
    units = Units(a, a, 0, 2 * a, a)
    effects = np.ldexp(A.real, a) + 1j * np.ldexp(A.imag, a)
    arguments = {"effects": effects, "frequencies": np.ldexp(b, a), "lam": float(lam)}
    return Instance("tomography", model, "tomography", arguments, X, units, traits + more)


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
    a, scale = _scales(rng, 330)
    units = _units(a, scale, lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": 1.0} | _finish(model, units)
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
    a, scale = _scales(rng, 300)
    units = _units(a, scale, lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": 1.0} | _finish(model, units)
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
