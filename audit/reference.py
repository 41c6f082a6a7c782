"""What the right answers are: an enclosure of the optimum, and the value of any matrix.

With D1² = (1/(m d2)) Σ AᵢAᵢ*, D2² = (1/(m d1)) Σ Aᵢ*Aᵢ, smoothed by θ, any C with C*C = D² serves
for D in a norm: ‖D1 X D2‖_* = ‖C1 X C2*‖_*. C comes from the stacked Aᵢ by singular values, after
their columns are brought to one length, so that no square is ever taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from audit.interior import Cone, interior_point

# Rounding of sums of products, relative to the sum of their sizes.
ROUNDING = 1e-13
FORMS = ("whole", "positive", "state", "sparse", "ball")


class Range(NamedTuple):
    """Numbers between which the true one lies."""

    low: float
    high: float


@dataclass(frozen=True)
class Model:
    """A problem written out: A (m, d1, d2), real, or Hermitian where the form asks for it.

    whole     min ½‖𝒜(X) − b‖² + λ‖D1 X D2‖_*;  λ = 0: min ‖D1 X D2‖_* s.t. 𝒜(X) = b
    positive  the same among X ⪰ 0
    state     min ½‖𝒜(X) − b‖² + λ tr(D²X) among X ⪰ 0, tr X = 1;  `exact`: of those that fit
    sparse    min ‖X‖_* + λ‖b − X‖₁
    ball      min ‖X‖_* s.t. ‖b − X‖₁ ≤ λ
    """

    form: str
    A: np.ndarray
    b: np.ndarray
    lam: float
    theta: float = 0.0
    symmetric: bool = False
    exact: bool = False
    # How far, relatively, what is said to fit may miss the data by.
    slack: float = field(default=1e-11, repr=False)

    @property
    def interpolates(self) -> bool:
        """Whether X must fit the data."""
        return self.exact or (self.form in ("whole", "positive") and self.lam == 0)

    @cached_property
    def roots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """C1, C2, and Bᵢ with Aᵢ = C1* Bᵢ C2."""
        m, d1, d2 = self.A.shape
        if self.form in ("sparse", "ball"):
            return np.eye(d1), np.eye(d2), self.A
        right = _root(self.A.reshape(m * d1, d2), m * d1, self.theta)
        left = right
        if self.form == "whole":
            left = _root(np.swapaxes(self.A, 1, 2).reshape(m * d2, d1).conj(), m * d2, self.theta)
        return left.C, right.C, left.inverse.conj().T @ self.A @ right.inverse

    def measured(self, X: np.ndarray) -> np.ndarray:
        """𝒜(X)."""
        return np.einsum("mij,ij->m", self.A.conj(), X).real

    def nearest(self, X: np.ndarray) -> np.ndarray:
        """The nearest matrix among those that X may be."""
        if self.form in ("positive", "state") or self.symmetric:
            X = 0.5 * (X + X.conj().T)
        if self.form in ("positive", "state"):
            w, Q = np.linalg.eigh(X)
            X = (Q * np.maximum(w, 0.0)) @ Q.conj().T
        if self.form == "state":
            trace = np.trace(X).real
            X = X / trace if trace > 0 else X
        return X

    def value(self, X: np.ndarray, mass: np.ndarray | None = None) -> Range:
        """The objective; where X must fit, a lower bound of it for what fits and is nearest to X.

        Repairing a misfit c moves X̃ by N with ℬ(N) = c, and ‖N‖_* ≥ ‖c‖/‖ℬ‖. `mass` bounds the sum
        of the sizes that made each entry of X. Where X must be semidefinite, the nearest matrix
        that is, be it of X or of D X D: the one of less value.
        """
        mass = np.abs(X) if mass is None else mass
        values = [self._value(self.nearest(X), mass)]
        if self.form == "positive" and np.all(np.isfinite(X)):
            C, inverse = self.roots[0], np.linalg.pinv(self.roots[0])
            whitened = self.nearest(C @ X @ C.conj().T)
            values.append(self._value(inverse @ whitened @ inverse.conj().T, mass))
        return min(values)

    def _value(self, X: np.ndarray, mass: np.ndarray) -> Range:
        C1, C2, B = self.roots
        if not np.all(np.isfinite(X)) or (self.form == "state" and not np.any(X)):
            return Range(math.inf, math.inf)
        r = self.b - self.measured(X)
        off = ROUNDING * np.linalg.norm(np.einsum("mij,ij->m", np.abs(self.A), mass))
        off += ROUNDING * np.linalg.norm(self.b)
        norm = np.linalg.norm(C1 @ X @ C2.conj().T, "nuc")
        doubt = ROUNDING * np.linalg.norm(np.abs(C1) @ mass @ np.abs(C2).T)
        if self.form == "sparse":
            misfit, off = np.abs(r).sum(), off * r.size
            return Range(norm + self.lam * (misfit - off) - doubt,
                         norm + self.lam * (misfit + off) + doubt)  # fmt: skip
        misfit = max(np.linalg.norm(r) - off, 0.0)
        if self.form == "ball":
            return Range(norm - doubt, norm + doubt + max(np.abs(r).sum() - self.lam, 0.0))
        if self.interpolates:
            longest = np.linalg.norm(B.reshape(B.shape[0], -1), 2)
            fits = np.linalg.norm(r) <= off + self.slack * np.linalg.norm(self.b)
            return Range(norm - doubt + misfit / longest, norm + doubt if fits else math.inf)
        return Range(
            0.5 * misfit**2 + self.lam * max(norm - doubt, 0.0),
            0.5 * (np.linalg.norm(r) + off) ** 2 + self.lam * (norm + doubt),
        )


class _Root(NamedTuple):
    C: np.ndarray
    inverse: np.ndarray


def _root(stacked: np.ndarray, count: int, theta: float) -> _Root:
    """C with C*C = (1−θ) K*K/count + θ mean(diag), K `stacked`; of its pseudo-inverse as well."""
    d = stacked.shape[1]
    K = math.sqrt((1 - theta) / count) * stacked
    if theta:
        mean = np.sum(np.abs(stacked) ** 2) / (count * d)
        K = np.vstack([K, math.sqrt(theta * mean) * np.eye(d)])
    lengths = np.linalg.norm(K, axis=0)
    scale = np.where(lengths > 0, lengths, 1.0)
    _, s, V = np.linalg.svd(K / scale, full_matrices=False)
    V = V[s > 1e-12 * s[0]]
    s = s[s > 1e-12 * s[0]]
    return _Root(s[:, None] * V * scale, (V.conj().T / s) / scale[:, None])


@dataclass(frozen=True)
class Reference:
    """Enclosure of the optimum, a minimiser X, a dual point y, and other minimisers if seen.

    Infinite where nothing fits.
    """

    optimum: Range
    X: np.ndarray
    y: np.ndarray
    others: tuple[np.ndarray, ...] = ()


class _Conic(NamedTuple):
    """The cone problem, X from W, and y of the model from that of the cone problem."""

    cone: Cone
    lift: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


def solved(model: Model, truth: np.ndarray | None = None) -> Reference:
    """The optimum by the interior-point method, enclosed by points made feasible.

    `truth` is a point that may be feasible, and then bounds the optimum as well.
    """
    conic = _conic(model)
    W, y = interior_point(conic.cone)
    y = conic.back(y)
    X = _feasible(model, conic.lift(W))
    if not _some_fit(model):
        return Reference(Range(math.inf, math.inf), X, y)
    candidates = [X] if truth is None else [X, truth]
    low, high = lower(model, y), min(_upper(model, Z, y) for Z in candidates)
    if model.form == "positive" and model.lam == 0:
        low, high = _constant_trace(model)
    others = _others(model, conic, W, high)
    # Where D is nearly singular the two, feasible to rounding, may cross: either is then a doubt.
    return Reference(Range(min(low, high), max(low, high)), X, y, others)


def _upper(model: Model, X: np.ndarray, y: np.ndarray) -> float:
    """The value at X, with what the misfit that is left there may hide."""
    if not model.interpolates:
        return model.value(X).high
    miss = float(np.linalg.norm(model.b - model.measured(X)))
    return model.value(X).high + 2 * float(np.linalg.norm(y)) * miss


def lower(model: Model, y: np.ndarray) -> float:
    """The dual value of a multiple of y that is feasible."""
    B, b = model.roots[2], model.b
    doubt = ROUNDING * float(np.abs(b) @ np.abs(y))
    if model.form == "state":
        weight = 1.0 if model.exact else model.lam
        C = model.roots[1]
        S = np.einsum("m,mij->ij", y, model.A) - weight * (C.conj().T @ C)
        half = 0.0 if model.exact else 0.5 * y @ y
        return float(b @ y - half - np.linalg.eigvalsh(S)[-1]) - doubt
    S = np.einsum("m,mij->ij", y, B)
    if model.form == "positive":
        S = 0.5 * (S + S.conj().T)
        norm = max(float(np.linalg.eigvalsh(S)[-1]), 0.0)
    else:
        norm = float(np.linalg.norm(S, 2))
    if model.form == "sparse":
        return float(b @ y) / max(1.0, norm, np.abs(y).max() / model.lam) - doubt
    if model.form == "ball":
        return float(b @ y - model.lam * np.abs(y).max()) / max(1.0, norm) - doubt
    if model.lam == 0:
        return float(b @ y) / max(1.0, norm) - doubt
    z = y * min(1.0, model.lam / max(norm, 1e-300))
    return float(b @ z - 0.5 * z @ z) - doubt


def _some_fit(model: Model) -> bool:
    """Whether, where X must fit, some matrix does; among semidefinite ones it is planted."""
    if not model.interpolates or model.form != "whole":
        return True
    *_, contradiction = _independent(model.roots[2], model.b)
    return bool(contradiction <= 1e-9)


def _constant_trace(model: Model) -> Range:
    """tr(D²X) of whatever fits, where Aᵢ² = wᵢ Aᵢ: (1/(m d)) Σ wᵢ bᵢ."""
    m, d, _ = model.A.shape
    weights = np.trace(model.A, axis1=1, axis2=2).real
    value = float(weights @ model.b) / (m * d)
    doubt = ROUNDING * float(weights @ np.abs(model.b)) / (m * d)
    return Range(value - doubt, value + doubt)


def _feasible(model: Model, X: np.ndarray) -> np.ndarray:
    """X, repaired where it must fit or belong to a set."""
    X = model.nearest(X)
    if model.form == "whole" and model.lam == 0:
        C1, C2, B = model.roots
        flat = B.reshape(model.b.size, -1)
        N = np.linalg.pinv(flat, 1e-11) @ (model.b - model.measured(X))
        return X + np.linalg.pinv(C1) @ N.reshape(B.shape[1:]) @ np.linalg.pinv(C2).T
    if model.form == "ball":
        Y = model.b.reshape(X.shape)
        return Y + (X - Y) * min(1.0, model.lam / max(np.abs(X - Y).sum(), 1e-300))
    return X


def _conic(model: Model) -> _Conic:
    """As a problem in one semidefinite matrix W and some x ≥ 0."""
    if model.form in ("positive", "state"):
        return _of_positive(model)
    C1, C2, B = model.roots
    m, (d1, d2) = model.b.size, B.shape[1:]
    left, right = np.linalg.pinv(C1), np.linalg.pinv(C2).T
    b, G, c, back = model.b, np.zeros((m, 0)), np.zeros(0), np.eye(m)
    lam, delta = (1.0, 0.0) if model.interpolates else (model.lam, 1.0)
    if model.form in ("sparse", "ball"):
        lam, delta = 1.0, 0.0
        G, c = np.hstack([np.eye(m), -np.eye(m)]), np.full(2 * m, model.lam)
        if model.form == "ball":
            B = np.concatenate([B, np.zeros((1, d1, d2))])
            G = np.vstack([np.hstack([G, np.zeros((m, 1))]), np.ones(2 * m + 1)])
            b, c, back = np.append(b, model.lam), np.zeros(2 * m + 1), np.eye(m, m + 1)
    elif model.interpolates:
        B, b, back, _ = _independent(B, b)
        G = np.zeros((b.size, 0))
    A = np.zeros((b.size, d1 + d2, d1 + d2))
    A[:, :d1, d1:], A[:, d1:, :d1] = 0.5 * B, 0.5 * np.swapaxes(B, 1, 2)
    cone = Cone(A, b, 0.5 * lam * np.eye(d1 + d2), np.full(b.size, delta), G, c)
    return _Conic(cone, lambda W: left @ W[:d1, d1:] @ right, lambda y: back @ y)


def _of_positive(model: Model) -> _Conic:
    """Complex matrices by their real form [[Re, −Im], [Im, Re]], of twice the trace."""
    C1, _, B = model.roots
    b, m = model.b, model.b.size
    lam, delta = (1.0, np.zeros(m)) if model.interpolates else (model.lam, np.ones(m))
    inverse, cost = np.linalg.pinv(C1), np.eye(C1.shape[0], dtype=B.dtype)
    if model.form == "state":  # in X itself, of trace one
        n = model.A.shape[1]
        B = np.concatenate([model.A, np.eye(n, dtype=B.dtype)[None]])
        inverse, cost = np.eye(n), C1.conj().T @ C1
        b, delta = np.append(b, 1.0), np.append(delta, 0.0)
    folded = np.iscomplexobj(B)
    A, C = _real(B), _real((lam * cost)[None])[0]
    cone = Cone(A, b, C, delta, np.zeros((b.size, 0)), np.zeros(0))
    return _Conic(
        cone,
        lambda W: inverse @ (_complex(W) if folded else W) @ inverse.conj().T,
        lambda y: y[:m],
    )


def _independent(B: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Orthonormal equations for the same X, the map of their multipliers to those of B.

    And the share of b that contradicts itself: in equations of length one, that off their range.
    """
    flat = B.reshape(b.size, -1)
    lengths = np.linalg.norm(flat, axis=1)
    scale = np.where(lengths > 0, lengths, 1.0)
    U, s, V = np.linalg.svd(flat / scale[:, None], full_matrices=False)
    keep = s > 1e-11 * s[0]
    back = U[:, keep] / s[keep] / scale[:, None]
    off = b / scale - U[:, keep] @ (U[:, keep].T @ (b / scale))
    share = np.linalg.norm(off) / max(np.linalg.norm(b / scale), 1e-300)
    return V[keep].reshape(-1, *B.shape[1:]), back.T @ b, back, float(share)


def _real(H: np.ndarray) -> np.ndarray:
    if not np.iscomplexobj(H):
        return H
    top = np.concatenate([H.real, -H.imag], axis=2)
    return 0.5 * np.concatenate([top, np.concatenate([H.imag, H.real], axis=2)], axis=1)


def _complex(W: np.ndarray) -> np.ndarray:
    n = W.shape[0] // 2
    return 0.5 * (W[:n, :n] + W[n:, n:] + 1j * (W[n:, :n] - W[:n, n:]))


def _others(model: Model, conic: _Conic, W: np.ndarray, high: float) -> tuple[np.ndarray, ...]:
    """Two minimisers far apart, where the face of optima that W lies inside of has a direction.

    With W = Q H Q', Q of full column rank, the face is {Q H Q': same products with C and all Aᵢ}.
    """
    cost, penalised = conic.cone.C, model.form in ("whole", "positive") and model.lam > 0
    if np.any(cost) and abs(np.vdot(cost, W)) < 1e-4 * abs(high):
        return ()  # X = 0, to the accuracy here
    if penalised and (not np.any(model.b) or high < 1e-10 * (model.b @ model.b)):
        return ()  # and where the data are zero
    w, Q = np.linalg.eigh(W)
    kept = w > 1e-4 * w[-1]
    if not np.any(kept) or np.any(w[~kept] > 1e-8 * w[-1]):
        return ()
    Q = Q[:, kept] * np.sqrt(w[kept])
    rows = Q.T @ np.concatenate([conic.cone.A, conic.cone.C[None]]) @ Q
    k = Q.shape[1]
    i, j = np.triu_indices(k)
    system = rows[:, i, j] * np.where(i == j, 1.0, math.sqrt(2.0))
    _, s, V = np.linalg.svd(system)
    rank = int(np.sum(s > 1e-12 * s[0]))
    for row in V[rank:]:
        step = np.zeros((k, k))
        step[i, j] = row * np.where(i == j, 1.0, math.sqrt(0.5))
        step = step + np.triu(step, 1).T
        step /= 1.25 * np.abs(np.linalg.eigvalsh(step)).max()
        X, Z = (_feasible(model, conic.lift(Q @ (np.eye(k) + t * step) @ Q.T)) for t in (1, -1))
        equal = max(model.value(X).high, model.value(Z).high) <= high + 1e-9 * abs(high)
        if equal and np.linalg.norm(X - Z) > 1e-3 * np.linalg.norm(X):
            return X, Z
    return ()
