"""When a minimiser is the only one, from numbers at hand.

Two minimisers differ by some Δ with ℬ(Δ) = 0, for the misfit is strictly convex (λ > 0) or zero
(λ = 0). Let U, V be orthonormal frames, those of the pair at hand, and S = [C, ·; ·, W] in them.

λ > 0. Every minimiser is U₁HV₁ᵀ, U₁, V₁ the singular vectors of S* = ℬ*(z*)/λ at 1. The dual value
falls by ½‖z − z*‖² at least, so that ‖S − S*‖ ≤ η = √(2 gap) β/λ, β ≥ ‖ℬ‖. With a the larger of
‖(I−UUᵀ)SV‖ and ‖UᵀS(I−VVᵀ)‖, and κ = ‖C − I‖, what of U₁, V₁ lies off the frames, and how far
UᵀU₁ and VᵀV₁ are from each other, is at most

    θ = (η + a)/(1 − ‖W‖),   φ = θ + κ + aθ + η,   hence   ‖Δ − UKVᵀ‖ ≤ ω‖Δ‖,   ω = 2√2 φ,

for some symmetric K. With τ ≤ ‖ℬ(UKVᵀ)‖/‖K‖ for all of them, τ(1 − ω) > ωβ leaves Δ = 0 alone.
Where X is symmetric the frame is that of both signs, and UKVᵀ has no part between them; where it is
positive semidefinite, ‖W‖ may be the largest eigenvalue. States: with 𝒜 and the trace for ℬ.

λ = 0. X̃ = UΣVᵀ fits, T = {UQᵀ + PVᵀ}. For any y, with ε = ‖P_T ℬ*(y) − UVᵀ‖, 1 − δ ≥ ‖W‖, and
τ ≤ ‖ℬ(Z)‖/‖Z‖ on T,

    ‖X̃ + Δ‖_* ≥ ‖X̃‖_* − ε‖P_TΔ‖ + δ‖P_T⊥Δ‖_*   and   ‖P_TΔ‖ ≤ (β/τ)‖P_T⊥Δ‖

leave Δ = 0 alone where δ > εβ/τ. Where X̃ ⪰ 0, the same of tr X̃, ‖W‖ the largest eigenvalue: off T
any X̃ + Δ ⪰ 0 is positive semidefinite.

Inexact dual certificates: Gross (2011); the regions about a dual point: Ndiaye et al. (2017).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, compiled, mapped, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.dual import adjoint
from flatrank.certificates.effort import Effort
from flatrank.certificates.norms import norm_bound
from flatrank.certificates.uniqueness import least_on_tangent
from flatrank.factors import CompactSVD, Cone, FactorPair, weighted
from flatrank.linalg import Operator, ritz_ranges
from flatrank.measurements import (
    Adjoint,
    CodedDiffraction,
    Measurement,
    QuadraticForms,
    RankOne,
    SampledEntries,
    Whitened,
)
from flatrank.problems import Problem

# An eigenvalue of a Gram this far below its largest is rounding.
_ROUNDING = 1e-12
# Strict means by more than this: of what is closer to 1, rounding may be all.
STRICT = 1e-6


def penalised_alone(
    problem: Problem, svd: CompactSVD, y: Array, off: float | None, gap: float, effort: Effort
) -> bool:
    """Whether the minimiser is proved to be the only one, λ > 0.

    Of a pair near a minimiser, without zero columns; y = z/λ of a feasible dual point z; ‖W‖ of
    ℬ*(y) where it is known (of X̃ = 0, where it is all of ℬ*(y), it must be); the gap from above.
    """
    B, delta = problem.whitened, effort.failure_probability or 1e-12
    size = operator_size(B, delta)
    eta = math.sqrt(2.0 * gap) * size / problem.lam + rounding(problem, y)
    if svd.s.shape[0] == 0:
        return off is not None and bool(off + eta < 1.0 - STRICT)
    if not eta < 0.5:
        return False
    S = adjoint(B, y)
    parts = blocks(B, S, svd)
    most = most_on_face(B, svd)  # of what the proof asks for the rest, before it is paid for
    limit = largest_off(parts, eta, most / (most + size)) if most > 0 else 0.0
    loose = off is None

    def rest(limit: float) -> float | None:
        return norm_bound(S, svd, 0.999 * limit, effort, limit, B.cone).off_tangent

    off = rest(limit) if loose and limit > 0 else off
    if off is None or not off < limit:
        return False
    tau = least_on_face(B, svd, effort)
    limit = largest_off(parts, eta, tau / (tau + size) if tau > 0 else 0.0)
    if loose and limit > 0 and not off < limit:
        off = rest(limit)
    return off is not None and bool(off < limit)


def interpolant_alone(
    problem: Problem, svd: CompactSVD, y: Array, S: Adjoint, off: float, effort: Effort
) -> bool:
    """Whether a pair that fits to rounding is proved to be the only minimiser, λ = 0.

    The pair without zero columns; any dual point y, S = ℬ*(y), and ‖W‖ or the largest eigenvalue of
    W from above.
    """
    B, delta = problem.whitened, effort.failure_probability or 1e-12
    lost = rounding(problem, y) + _ROUNDING
    margin = 1.0 - off - lost
    epsilon = blocks(B, S, svd).both + lost
    if not (margin > STRICT and epsilon < margin):
        return False
    least = least_on_tangent(B, svd, failure_probability=delta, whole=effort.spectrum)
    return bool(least > 0 and margin * least > epsilon * operator_size(B, delta))


def rounding(problem: Problem, y: Array) -> float:
    """How far off ℬ*(y) may be by rounding where parts of it cancel, as they do for long y.

    Of the sum's terms, by their length and the size of D; for entries nothing is summed.
    """
    if isinstance(problem.measurement, SampledEntries):
        return 0.0
    D = problem.rescaling
    tops = [float(np.max(np.abs(np.asarray(d)), initial=0.0)) for d in (D.D1, D.D2)]
    total = float(xp.sum(problem.measurement.gram_diagonals()[0]))
    unit = tops[0] * tops[1]
    length = float(np.linalg.norm(np.asarray(y)))
    return 4.0 * np.finfo(float).eps * math.sqrt(total) / unit * length if unit > 0 else math.inf


class Blocks(NamedTuple):
    """Of S in the frames U, V: ‖C − I‖, the larger of the two next to it, and a bound on ‖W‖."""

    inner: float
    outer: float
    both: float
    """‖P_T S − UVᵀ‖_F."""


def blocks(B: Measurement, S: Adjoint, svd: CompactSVD) -> Blocks:
    """Of S; all norms are Frobenius', which bound the others."""
    U, V, SV, StU = (B.cone.lift(np.asarray(x)) for x in (svd.U, svd.V, *_seen(S, svd.U, svd.V)))
    C = U.conj().T @ SV
    inner = float(np.linalg.norm(C - np.eye(C.shape[0])))
    left, right = (float(np.linalg.norm(x)) for x in (SV - U @ C, StU - V @ C.conj().T))
    return Blocks(inner, left if left > right else right, math.hypot(inner, left, right))


@compiled
def _seen(S: Adjoint, U: Array, V: Array) -> tuple[Array, Array]:
    return S.right(V), S.left(U)


def largest_off(parts: Blocks, eta: float, omega: float) -> float:
    """The ‖W‖ below which the difference of two minimisers is within ω of the frames at hand."""
    theta = (omega / (2.0 * math.sqrt(2.0)) - parts.inner - eta) / (1.0 + parts.outer)
    return min(1.0 - (eta + parts.outer) / theta, 1.0 - STRICT) if theta > 0 else -math.inf


def only_on_face(
    B: Measurement, svd: CompactSVD, omega: float, size: float, effort: Effort
) -> bool:
    """Whether ω leaves no room for a second minimiser; `size` is β."""
    return bool(omega < 1 and least_on_face(B, svd, effort) * (1.0 - omega) > omega * size)


def most_on_face(B: Measurement, svd: CompactSVD) -> float:
    """At least τ: the least ‖ℬ(u_a v_aᵀ)‖. Cost: r products with ℬ of one column."""
    norms = [
        np.linalg.norm(np.asarray(_image(B, FactorPair(svd.U[:, a : a + 1], svd.V[:, a : a + 1]))))
        for a in range(svd.s.shape[0])
    ]
    return float(min(norms, default=math.inf))


@compiled
def _image(B: Measurement, pair: FactorPair) -> Float[Array, " m"]:
    return B.forward(pair)


def least_on_face(B: Measurement, svd: CompactSVD, effort: Effort = Effort()) -> float:  # noqa: B008
    """τ: at most ‖ℬ(UKVᵀ)‖/‖K‖ for symmetric (Hermitian) K; 0 where nothing is proved.

    Cost: r² products with ℬ of one column (twice as many of a Hermitian problem).
    """
    r = svd.s.shape[0]
    hermitian = B.cone is Cone.HERMITIAN
    if r == 0:
        return math.inf
    if (2 if hermitian else 1) * r * r * B.m > effort.images:
        return 0.0
    a, b = np.triu_indices(r)
    plain = B.cone is Cone.WHOLE and isinstance(B, Whitened) and B.diagonal
    if plain and isinstance(B, Whitened) and isinstance(B.inner, SampledEntries):
        return _least_root(_gram_of_entries(B, svd, effort))
    images = _images(B, svd.U, svd.V)
    # ℬ(UKVᵀ) of an orthonormal basis of the symmetric K, one a row.
    straight = np.asarray(images[0])
    root = np.where(a == b, 0.5, math.sqrt(0.5))[:, None]
    rows = root * (straight[a, b] + straight[b, a])
    if B.cone is Cone.SYMMETRIC:  # UKVᵀ is symmetric where it joins columns of one sign
        signs = np.sign(np.einsum("ij,ij->j", np.asarray(svd.U), np.asarray(svd.V)))
        rows = rows[signs[a] == signs[b]]
    if hermitian:
        turned = np.asarray(images[1])
        rows = np.vstack([rows, (math.sqrt(0.5) * (turned[a, b] - turned[b, a]))[a != b]])
    if not rows.shape[0] <= min(rows.shape[1], effort.spectrum):
        return 0.0
    return _least_root(rows @ rows.T)


def _least_root(gram: Float[Array, "q q"]) -> float:
    values = np.linalg.eigvalsh(gram)
    return math.sqrt(max(float(values[0]) - _ROUNDING * float(values[-1]), 0.0))


def _gram_of_entries(B: Whitened, svd: CompactSVD, effort: Effort) -> Float[Array, "q q"]:
    """Of the images of the symmetric K, ℬ(UKVᵀ)_p = u_iᵀ K v_j; a zero where they are too many."""
    a, b = np.triu_indices(svd.s.shape[0])
    if not a.size <= min(B.m, effort.spectrum):
        return np.zeros((1, 1))
    (i, j), pair = B.inner.places(), B.unscaled(FactorPair(svd.U, svd.V))
    U, V = np.asarray(pair.L), np.asarray(pair.R)
    root, gram = np.where(a == b, 0.5, math.sqrt(0.5)), np.zeros((a.size, a.size))
    for first in range(0, B.m, 1024):  # so that a piece stays in the cache
        part = slice(first, first + 1024)
        u, v = U[i[part]], V[j[part]]
        rows = root * (u[:, a] * v[:, b] + u[:, b] * v[:, a])
        gram += rows.T @ rows
    return gram


@compiled
def _images(B: Measurement, U: Array, V: Array) -> list[Float[Array, "r r m"]]:
    """ℬ(u_a v_bᵀ), and ℬ(i u_a v_b*) of a Hermitian problem."""

    def all_of(U: Array) -> Array:
        def row(u: Array) -> Array:
            return mapped(lambda v: B.forward(FactorPair(u[:, None], v[:, None])), V.T)

        return mapped(row, U.T)

    if B.cone is not Cone.HERMITIAN:
        return [all_of(U)]
    return [all_of(U), all_of(B.cone.lower(1j * B.cone.lift(U)))]


def operator_size(B: Measurement, failure_probability: float, seed: int = 0) -> float:
    """β ≥ ‖ℬ‖ = max ‖ℬ(X̃)‖/‖X̃‖_F, except with the chance given.

    Entries: the largest of the weights. Matrices of rank one, where ⟨ac*, X⟩² ≤ ‖c‖²‖X*a‖²: from
    the Gram. Else by Lanczos on ℬℬ* (see `lanczos`): ‖ℬ‖² ≤ θ_max/(1 − ε).
    """
    if isinstance(B, Whitened):
        if isinstance(B.inner, SampledEntries) and B.scale1.ndim == B.scale2.ndim == 1:
            i, j = B.inner.places()
            return float(np.max(np.asarray(B.scale1)[i] * np.asarray(B.scale2)[j], initial=0.0))
        if isinstance(B.inner, (RankOne, QuadraticForms, CodedDiffraction)):
            return _rank_one_size(B)
    start, size = np.random.default_rng(seed).standard_normal(B.m), math.inf
    for _, high, epsilon in ritz_ranges(_Normal(B), xp.asarray(start), B.m, failure_probability):
        if epsilon < 1:
            size = math.sqrt(max(high, 0.0) / (1.0 - epsilon))
        if epsilon <= 0.2:  # close enough
            break
    return size * (1.0 + _ROUNDING)


class _Normal(Operator):
    """ℬℬ*."""

    B: Measurement

    def __call__(self, x: Float[Array, " m"]) -> Float[Array, " m"]:
        """The product."""
        return self.B.normal(x)


def _rank_one_size(B: Whitened) -> float:
    """The root of ‖D2⁻¹‖²‖D1⁻¹ (Σ AᵢAᵢᵀ) D1⁻¹‖, or of its like on the other side."""
    D1, D2 = (np.asarray(x) for x in (B.scale1, B.scale2))
    one, other = (np.asarray(G) for G in B.inner.grams())
    out = _reach(D1, one) * float(np.max(_sizes(D2)))
    if not (one is other and D1 is D2):
        out = min(out, _reach(D2, other) * float(np.max(_sizes(D1))))
    return out * (1.0 + _ROUNDING)


def _reach(D: np.ndarray, G: np.ndarray) -> float:
    """‖D G D‖^½."""
    if D.ndim == G.ndim == 1:
        return float(np.max(D * D * G)) ** 0.5
    half = weighted(D, np.diag(G) if G.ndim == 1 else G)
    whole = weighted(D, half.T)
    return max(float(xp.linalg.eigvalsh(0.5 * (whole + whole.T))[-1]), 0.0) ** 0.5


def _sizes(D: np.ndarray) -> np.ndarray:
    """The sizes of the eigenvalues of D."""
    return np.abs(D if D.ndim == 1 else xp.linalg.eigvalsh(D))
