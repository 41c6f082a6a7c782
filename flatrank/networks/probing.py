"""Traces and the Frobenius norm from random signs, with intervals that cover.

With z of random signs E[z ∘ Hz] is the diagonal of H, so that one product serves every trace of
D H, D diagonal: the plain one, the scaled one, that of each block, the adaptive one; and
E‖Hz‖² = ‖H‖². What the top eigenvectors V with values Θ explain is added up exactly and taken out
of the probes, (H − VΘVᵀ)z: unbiased however well they have converged, and of a smaller variance.
Probes come one at a time; matfree's estimators draw all at once, and need a vector for each.

The interval is Stein's (1945): the variance S² of the first s₀ probes decides how many n follow,
and mean ± t_{s₀−1} S/√n covers as stated for normal samples although n was chosen by the data;
stopping as soon as an ordinary interval is narrow does not. Each sample is a sum over many
eigenvalues, nearly normal once the few that dominate are taken out: that, and not a theorem, is
what coverage rests on. Bounds that hold for every matrix (Cortinovis and Kressner 2022) need ‖H‖
and are two to three times as wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from flatrank.networks.curvatures import Curvature
from flatrank.networks.eigenvalues import TopEigenvalues
from flatrank.networks.estimates import Asked, Estimate, student
from flatrank.networks.vectors import Vector, dot, dots, plus, squared_dot

Weights = str | Mapping[str, float] | Callable[[str, tuple[int, ...]], float]


class Traces(NamedTuple):
    """What the probes say of H: tr H, Σ wᵦ tr Hᵦ, ‖H‖, Σ pᵢ² Hᵢᵢ and each tr Hᵦ."""

    trace: Estimate
    scaled_trace: Estimate
    frobenius: Estimate
    adaptive_trace: Estimate | None
    blocks: tuple[Estimate, ...]
    probes: int


def probed(
    H: Curvature, top: TopEigenvalues, weights: np.ndarray, asked: Asked, left: int
) -> Traces:
    """Probe until the interval of the trace is as narrow as asked, or no product is left.

    `weights` are those of the blocks in the scaled trace. The first stage is made whatever is left.
    Cost: a product a probe; two vectors and those of a product.
    """
    exact, count = _explained(H, top), len(H.form.names)
    whole = np.array([*[1.0] * count, 0.0, 0.0])
    samples: list[np.ndarray] = []
    wanted = first = asked.budget.probes
    while len(samples) < wanted:
        samples.append(_sample(H, top, (asked.seed, 2, len(samples))))
        asked.tell(probes=len(samples), of=wanted)
        if len(samples) == wanted:
            needed = _needed(np.array(samples) @ whole, first, float(exact @ whole), asked)
            wanted = min(needed, max(left, first))
    every = np.array(samples)
    # A sample is a sum of n terms of products: its rounding, where the spread is less.
    size = math.sqrt(np.mean(every[:, -1])) + max(abs(pair.value) for pair in top.pairs)
    rounding = H.form.eps * math.sqrt(H.form.n) * size

    def estimate(c: np.ndarray) -> Estimate:
        return _stein(every @ c, first, float(exact @ c), rounding, asked.confidence)

    at = np.eye(count + 2)
    square = estimate(at[-1])
    return Traces(
        trace=estimate(whole),
        scaled_trace=estimate(np.array([*weights, 0.0, 0.0])),
        frobenius=_root(square, float(exact[-1])),
        adaptive_trace=None if H.parameters is None else estimate(at[-2]),
        blocks=tuple(estimate(at[i]) for i in range(count)),
        probes=len(samples),
    )


def _explained(H: Curvature, top: TopEigenvalues) -> np.ndarray:
    """The traces of VΘVᵀ, block by block and adaptive, and ‖VΘVᵀ‖²."""
    total = np.zeros(len(H.form.names) + 2)
    for value, _, v in top.pairs:
        total += [*(value * dots(v, v)), value * _adaptive(H, v, v), value**2]
    return total


def _sample(H: Curvature, top: TopEigenvalues, seed: tuple[int, ...]) -> np.ndarray:
    """One probe's estimates for H − VΘVᵀ: of the traces, the adaptive one, and the square norm."""
    z = H.form.signs(*seed)
    w = H(z)
    for value, _, v in top.pairs:
        w = plus(w, -value * dot(v, z), v)
    found = np.array([*dots(z, w), _adaptive(H, z, w), dot(w, w)])
    if not np.all(np.isfinite(found)):
        raise ValueError("a product with the curvature is not finite for a vector of random signs")
    return found


def _adaptive(H: Curvature, x: Vector, y: Vector) -> float:
    return 0.0 if H.parameters is None else squared_dot(H.parameters, x, y)


def _needed(x: np.ndarray, first: int, exact: float, asked: Asked) -> int:
    """Probes in all for half an interval of `trace_tol` of the value, by the first ones' spread."""
    goal = asked.budget.trace_tol * abs(exact + float(np.mean(x)))
    spread = student(first, asked.confidence) * float(np.std(x[:first], ddof=1))
    # A trace of zero can be had to no share of itself: then all that is left is spent.
    return math.ceil(min((spread / max(goal, 1e-300)) ** 2, 2.0**62))


def _stein(x: np.ndarray, first: int, exact: float, rounding: float, level: float) -> Estimate:
    """The mean of all samples, with the spread of the first."""
    value = exact + float(np.mean(x))
    half = student(first, level) * float(np.std(x[:first], ddof=1)) / math.sqrt(x.size) + rounding
    return Estimate(value, (value - half, value + half), level)


def _root(square: Estimate, least: float) -> Estimate:
    """√ of an estimate that is positive and not below `least`, with an interval in its logarithm.

    Squares are skewed to the right: a mean that is too small comes with a spread that is too small,
    and a symmetric interval then ends below the truth more often than it says.
    """
    value = max(square.value, least)
    # Where the spread dwarfs the value, as at a loss that is flat but for rounding, it is infinite.
    with np.errstate(over="ignore"):
        factor = float(np.exp(square.half_width / value)) if value > 0 else 1.0
    low, high = math.sqrt(max(value / factor, least)), math.sqrt(value * factor)
    return Estimate(math.sqrt(value), (low, high), square.confidence)


def block_weights(H: Curvature, weights: Weights) -> np.ndarray:
    """The weight of each block: by its first axis, its other axes, a mapping or a function."""
    names, shapes = H.form.names, H.form.shapes
    if isinstance(weights, Mapping):
        if set(weights) != set(names):
            raise ValueError(
                f"weights must name every block, {', '.join(names)}; got {', '.join(weights)}"
            )
        return np.array([float(weights[name]) for name in names])
    if callable(weights):
        return np.array([float(weights(n, s)) for n, s in zip(names, shapes, strict=True)])
    if weights == "rows":
        return np.array([1.0 / (shape or (1,))[0] for shape in shapes])
    if weights == "columns":
        return np.array([1.0 / math.prod(shape[1:]) for shape in shapes])
    raise ValueError(f'weights must be "rows", "columns", a mapping or a function; got {weights!r}')
