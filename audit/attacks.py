"""Pairs and dual points that try to get a false claim out of a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from audit.drawing import Instance, Rng
from audit.reference import Reference


class Attack(NamedTuple):
    """L, R and y in the units of the model, and how far they are stretched by powers of two."""

    name: str
    L: np.ndarray
    R: np.ndarray
    y: np.ndarray | None
    stretch: int = 0

    def scaled(self, instance: Instance) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """L, R and y as the library gets them."""
        units = instance.units
        left = units.X // 2
        y = None if self.y is None else ldexp(self.y, units.y)
        return (
            ldexp(self.L, left + self.stretch),
            ldexp(self.R, units.X - left - self.stretch),
            y,
        )


def ldexp(x: np.ndarray, k: int) -> np.ndarray:
    """x times two to the k, complex or not."""
    if np.iscomplexobj(x):
        return np.ldexp(x.real, k) + 1j * np.ldexp(x.imag, k)
    return np.ldexp(x, k)


def attacks(rng: Rng, instance: Instance, found: Reference) -> Iterator[Attack]:
    """Each pair with the dual point that the library makes, and with one of ours."""
    for name, L, R, stretch in _pairs(rng, instance, found):
        yield Attack(name, L, R, None, stretch)
        which, y = _dual(rng, instance, found, L @ R.conj().T)
        yield Attack(f"{name}; y {which}", L, R, y, stretch)


def _pairs(
    rng: Rng, instance: Instance, found: Reference
) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    """Name, L, R and a stretch of L against R."""
    d1, d2 = instance.model.A.shape[1:]
    full = min(d1, d2)
    narrow = min(2, full)
    best, truth = found.X, instance.truth
    yield "zero", np.zeros((d1, narrow)), np.zeros((d2, narrow)), 0
    yield "truth", *_factors(truth, full), 0
    near = _noise(rng, truth)
    yield "truth with noise", *_factors(truth + 10.0 ** rng.uniform(-12, 0) * near, full), 0
    yield "optimum", *_factors(best, full), 0
    near = _noise(rng, best)
    yield "optimum with noise", *_factors(best + 10.0 ** rng.uniform(-12, -2) * near, full), 0
    yield "optimum cut", *_factors(best, narrow), 0
    yield "optimum resized", *_factors(best * _multiple(rng), full), 0
    for X in (*instance.others, *found.others):
        yield "another optimum", *_factors(X, full), 0
    L, R = _factors(best if rng.random() < 0.5 else truth, narrow)
    yield "unbalanced", L, R, int(rng.integers(-500, 501))
    L, R = _factors(best, narrow)
    L, R = np.hstack([L[:, :1]] * narrow), np.hstack([R[:, :1]] * narrow) / narrow
    yield "repeated columns", L, R, 0
    L, R = _noise(rng, np.zeros((d1, full))), _noise(rng, np.zeros((d2, full)))
    if rng.random() < 0.3:  # columns that cancel
        L[:, -1], R[:, -1] = 1e6 * L[:, 0], -1e-6 * R[:, 0] * (1 - 10.0 ** rng.uniform(-16, 0))
    yield "random", L, R, 0


def _factors(X: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    U, s, V = np.linalg.svd(X, full_matrices=False)
    root = np.sqrt(s[:width])
    return U[:, :width] * root, V[:width].conj().T * root


def _noise(rng: Rng, like: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(like) / like.size**0.5 or 1.0
    return size * rng.standard_normal(like.shape)


def _multiple(rng: Rng) -> float:
    if rng.random() < 0.5:
        return 1.0 + rng.choice([-1, 1]) * 10.0 ** rng.uniform(-9, -1)
    return 10.0 ** rng.uniform(-8, 8)


def _dual(rng: Rng, instance: Instance, found: Reference, X: np.ndarray) -> tuple[str, np.ndarray]:
    """Name, and a dual point: near the optimal one, or far from all sense."""
    y, m = found.y, found.y.size
    best = instance.model.b - instance.model.measured(X)
    noise = rng.standard_normal(m)
    choices = {
        "residual": lambda: best,
        "optimal": lambda: y,
        "a little long": lambda: y * (1 + 10.0 ** rng.uniform(-9, -3)),
        "much too long": lambda: y * 10.0 ** rng.uniform(0, 160),
        "much too short": lambda: y * 10.0 ** -rng.uniform(0, 160),
        "turned round": lambda: -y * 10.0 ** rng.uniform(-160, 160),
        "near": lambda: y + np.linalg.norm(y) * 10.0 ** rng.uniform(-12, 0) * noise,
        "random": lambda: noise * 10.0 ** rng.uniform(-160, 160),
        "denormal": lambda: noise * 1e-310,
        "one huge entry": lambda: y + np.eye(m)[rng.integers(m)] * 10.0 ** rng.uniform(8, 160),
        "all the same": lambda: np.full(m, 10.0 ** rng.uniform(-160, 160)),
        "zero": lambda: np.zeros(m),
        "the data": lambda: instance.model.b * 10.0 ** rng.uniform(-160, 160),
    }  # fmt: skip
    name = str(rng.choice(list(choices)))
    return name, np.asarray(choices[name](), dtype=float)
