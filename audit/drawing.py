"""What an instance is, and the draws that all families share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audit.reference import Model, Reference

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


def low_rank(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
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


def weight(rng: Rng, model: Model) -> float:
    """λ: 0 in half of the cases, else 1e-6 to 2 times the λ from which on X = 0 is optimal."""
    if rng.random() < 0.5:
        return 0.0
    S = np.einsum("m,mij->ij", model.b, model.roots[2])
    top = np.linalg.eigvalsh(S)[-1] if model.form == "positive" else np.linalg.norm(S, 2)
    share = 10.0 ** rng.uniform(-6, 0.3) if rng.random() < 0.7 else rng.uniform(0.05, 1.0)
    return float(share * top) if top > 0 else float(share)


def disturbed(rng: Rng, A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
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


def noisy(rng: Rng, b: np.ndarray) -> tuple[np.ndarray, tuple]:
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


def scales(rng: Rng, most: int, both: bool = True) -> tuple[int, int]:
    """Exponents for 𝒜 and b: none in half of the cases, else up to what the doors accept."""
    if rng.random() < 0.5:
        return 0, 0
    far = 500 if rng.random() < 0.5 else 40
    k = int(rng.integers(-min(far, most), min(far, most) + 1)) if both else 0
    return k, int(rng.integers(-far, far + 1))


def units_of(a: int, b: int, lam: float) -> Units:
    if lam > 0:
        return Units(a, b, b - a, 2 * b, b)
    return Units(a, b, b - a, a + b, a)


def scaled(model: Model, units: Units) -> dict[str, Any]:
    """b, and λ where it is one, at the scale of the door."""
    return {
        "b": np.ldexp(model.b, units.b),
        "lam": float(np.ldexp(model.lam, units.b - units.A)),
    }


def smoothing(rng: Rng) -> float:
    return float(rng.choice([0.0, 0.5, 1.0], p=[0.5, 0.25, 0.25]))


def sensed(
    rng: Rng, family: str, A: np.ndarray, b: np.ndarray, X: np.ndarray, traits: tuple = ()
) -> Instance:
    model = Model("whole", A, b, 0.0, smoothing(rng))
    model = replace(model, lam=weight(rng, model))
    a, scale = scales(rng, 330)
    units = units_of(a, scale, model.lam)
    arguments = {"A": np.ldexp(A, a), "smoothing": model.theta} | scaled(model, units)
    return Instance(family, model, "sensing", arguments, X, units, traits)
