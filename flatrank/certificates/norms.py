"""Upper bounds on ‖S‖ for S = ℬ*(y), exact or with a stated failure probability.

S is split along a subspace pair (U, V) on which it is already understood, with orthonormal columns:

    ‖S‖ ≤ ‖ [ ‖UᵀSV‖    ‖UᵀS(I−VVᵀ)‖ ]
            [ ‖(I−UUᵀ)SV‖    ‖W‖     ] ‖,     W = (I−UUᵀ) S (I−VVᵀ).

Three blocks are computed exactly; ‖W‖ exactly when small, else from Lanczos on the smaller Gram. At
a solution the top singular values of S cluster at the allowed value; taking (U, V) out is what lets
Lanczos see W. What the split loses is of the order of the off-diagonal blocks, which at an inexact
point can be a hundred times more than ‖S‖ exceeds what is allowed: `exact_norm` loses nothing.

Where X̃ ⪰ 0 only the largest eigenvalue counts. The same with λ_max for ‖·‖ on the diagonal, U = V,
and Lanczos on W itself. For a Hermitian problem V stands for complex columns (see `Cone`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.linalg import LinAlgError, eigh

from flatrank.arrays import Array, Scalar, all_cores, compiled, mapped, static, unit_vectors, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import NormBound
from flatrank.certificates.effort import Effort
from flatrank.certificates.gram import ROUNDING, root_of_largest
from flatrank.factors import CompactSVD, Cone
from flatrank.linalg import Operator, ritz_ranges, slack
from flatrank.linalg.lanczos import LONG
from flatrank.measurements import Adjoint

#: Numbers that a block of columns, of up to 256, may have on the longer side: 32 MB.
HELD = 1 << 22
#: Of a tolerance what an exact norm need not tell; how closely above what is seen it is looked for.
SHARE, CLOSELY = 1e-2, (ROUNDING, 3e-10, 1e-8)


class Gram(Operator):
    """The smaller of WWᵀ and WᵀW, on vectors that already lie outside the basis on that side.

    P S Q² Sᵀ P, with P = I − UUᵀ and Q = I − VVᵀ: Q is applied once, and P once as P is the
    identity on such vectors. ‖W‖² = λ_max lies in [θ_max, θ_max/(1 − ε)], for the Gram has no
    negative eigenvalues.
    """

    S: Adjoint
    U: Float[Array, "d1 q"]
    V: Float[Array, "d2 q"]
    cone = Cone.WHOLE
    ends = 1

    @property
    def wide(self) -> bool:
        """Whether it is WWᵀ."""
        return self.U.shape[0] <= self.V.shape[0]

    @property
    def length(self) -> int:
        """Of the vectors it is applied to."""
        return min(self.U.shape[0], self.V.shape[0])

    @property
    def far_length(self) -> int:
        """Of what becomes of them on the way."""
        return max(self.U.shape[0], self.V.shape[0])

    def outside(self, X: Float[Array, "d n"]) -> Float[Array, "d n"]:
        """X without its part in the basis on the smaller side."""
        near = self.U if self.wide else self.V
        return X - near @ (near.T @ X)

    def far(self, X: Float[Array, "d n"]) -> Float[Array, "D n"]:
        """WᵀX, or WX on the other side."""
        Y, far = (self.S.left(X), self.V) if self.wide else (self.S.right(X), self.U)
        return Y - far @ (far.T @ Y)

    def __call__(self, X: Float[Array, "d n"]) -> Float[Array, "d n"]:
        """The product."""
        Y = self.far(X)
        return self.outside(self.S.right(Y) if self.wide else self.S.left(Y))

    def enclosed(self, low: float, high: float, epsilon: float) -> tuple[float, float]:
        """Bounds on ‖W‖ from below and above, from Ritz values."""
        del low
        reached = math.sqrt(max(high, 0.0))
        return reached, reached / math.sqrt(1 - epsilon) if epsilon < 1 else math.inf

    def exact(self, guesses: Iterable[float], within: float = ROUNDING) -> float:
        """‖W‖, or above it by that share; the first guess that proves to be above will do."""
        gram = np.asarray(_formed(self))
        return root_of_largest(0.5 * (gram + gram.T), guesses, within)

    def parts(self) -> tuple[Scalar, Scalar, Scalar]:
        """‖UᵀSV‖, ‖UᵀS(I−VVᵀ)‖, ‖(I−UUᵀ)SV‖."""
        U, V = self.U, self.V
        SV, StU = self.S.right(V), self.S.left(U)
        core = U.T @ SV
        return (
            xp.linalg.norm(core, ord=2),
            _tall_norm(StU - V @ core.T),
            _tall_norm(SV - U @ core),
        )

    def whole(self, parts: np.ndarray) -> float:
        """The bound on ‖S‖ from those on its blocks."""
        return float(np.linalg.norm(parts, ord=2))


class Symmetric(Operator):
    """W = (I−VVᵀ) S (I−VVᵀ) itself, of which the largest eigenvalue counts.

    λ_max ≤ θ_max + ε (θ_max − θ_min)/(1 − 2ε), with ε for a chance of δ/2 at either end.
    """

    S: Adjoint
    V: Float[Array, "d q"]
    cone: Cone = static()
    ends = 2

    @property
    def length(self) -> int:
        """Of the real vectors it is applied to."""
        return self.V.shape[0]

    @property
    def far_length(self) -> int:
        """The same."""
        return self.length

    def outside(self, X: Float[Array, "d n"]) -> Float[Array, "d n"]:
        """X without its part in the (complex) column space of V."""
        return X - self.cone.inside(self.V, X)

    def __call__(self, X: Float[Array, "d n"]) -> Float[Array, "d n"]:
        """The product."""
        return self.outside(self.S.right(self.outside(X)))

    def enclosed(self, low: float, high: float, epsilon: float) -> tuple[float, float]:
        """Bounds on λ_max(W) from below and above, from Ritz values."""
        margin = 1 - 2 * epsilon
        return high, high + epsilon * (high - low) / margin if margin > 0 else math.inf

    def exact(self, guesses: Iterable[float]) -> float:
        """λ_max(W)."""
        del guesses
        W = np.asarray(_formed(self))
        if not np.all(np.isfinite(W)):
            return math.inf
        W, last = 0.5 * (W + W.conj().T), W.shape[0] - 1
        with all_cores(float(last) ** 3):
            try:
                return float(eigh(W, eigvals_only=True, subset_by_index=[last, last])[0])
            except LinAlgError:  # looking for one of many equal eigenvalues can fail in LAPACK
                return float(np.linalg.eigvalsh(W)[last])

    def parts(self) -> tuple[Scalar, Scalar, Scalar]:
        """λ_max(VᵀSV) and twice ‖(I−VVᵀ)SV‖; −∞ and 0 where V has no columns."""
        if self.V.shape[1] == 0:
            return -xp.array(xp.inf), xp.zeros(()), xp.zeros(())
        SV = self.S.right(self.V)
        core = self.cone.lift(self.V).conj().T @ self.cone.lift(SV)
        outer = _tall_norm(self.cone.lift(self.outside(SV)))
        return xp.linalg.eigvalsh(0.5 * (core + core.conj().T))[-1], outer, outer

    def whole(self, parts: np.ndarray) -> float:
        """The bound on λ_max(S) from those on its blocks."""
        return float(np.linalg.eigvalsh(parts)[-1])


def norm_bound(
    S: Adjoint,
    basis: CompactSVD,
    enough: float,
    effort: Effort,
    hopeless: float = math.inf,
    cone: Cone = Cone.WHOLE,
) -> NormBound:
    """Bound ‖S‖ from above, or the largest eigenvalue where X̃ ⪰ 0, which may be negative.

    U and V are orthonormal columns to be split off. Lanczos stops as soon as the bound on ‖W‖ is
    `enough`, or cannot become so; above `hopeless`, what ‖W‖ is exactly no longer matters. Cost: a
    one-column product with S, and one with Sᵀ for ‖S‖, a Lanczos step, at most 1024 steps. Exact:
    as many of min(d1, d2) columns, and an eigenvalue problem.
    """
    W = Symmetric(S, basis.V, cone) if cone.positive else Gram(S, basis.U, basis.V)
    return _bounded(W, enough, effort, hopeless)


def eigenvalue_bound(
    S: Adjoint, cone: Cone, V: Float[Array, "d q"], enough: float, effort: Effort
) -> NormBound:
    """`norm_bound` for the largest eigenvalue of a symmetric S; V may have no columns."""
    return _bounded(Symmetric(S, V, cone), enough, effort, math.inf)


def _bounded(W: Gram | Symmetric, enough: float, effort: Effort, hopeless: float) -> NormBound:
    order, delta = W.cone.size(W.length), effort.failure_probability
    exact = delta <= 0 or order <= effort.at_once
    bound, reached = math.inf, -math.inf
    if not exact:
        bound, reached = _lanczos_bound(W, enough, effort)
        exact = bound > enough and reached <= hopeless and order <= effort.exact_size
    if exact:
        bound = W.exact((enough,))
    inner, *outer = (float(x) for x in _parts(W))
    parts, value = np.array([[inner, outer[0]], [outer[1], bound]]), math.inf
    if inner == -math.inf:
        value = bound
    # Whatever is not finite is no bound: as infinity it proves nothing, as NaN it would compare.
    elif np.all(np.isfinite(parts)):
        value = W.whole(parts)
    reached = inner if inner > reached else reached
    kind, chance = ("exact", 0.0) if exact else ("probabilistic", delta)
    return NormBound(value, kind, chance, bound, reached)


def _lanczos_bound(W: Gram | Symmetric, enough: float, effort: Effort) -> tuple[float, float]:
    """An upper bound with probability 1 − δ, in as few steps as `enough` allows; a lower one."""
    n, delta = W.length, effort.failure_probability / W.ends
    start = W.outside(xp.asarray(np.random.default_rng(effort.seed).standard_normal((n, 1))))
    bound, reached, last = math.inf, -math.inf, slack(n, delta, LONG)
    # Where it will be computed exactly, or for a solver, a bound that is not enough is of no use;
    # for anyone else one is that is close to what it cannot undercut.
    useless = bool(effort.tol) or W.cone.size(n) <= effort.exact_size
    for low, high, epsilon in ritz_ranges(W, start, n, delta, LONG):
        reached, above = W.enclosed(low, high, epsilon)
        bound = min(bound, above)
        close = useless or bound <= reached + 0.1 * abs(reached - enough)
        # Ritz values only part further: what all steps would make of these is the least there is.
        vain = W.enclosed(low, high, last)[1] > enough and math.isfinite(bound)
        if bound <= enough or (vain and close):
            break
    return bound, reached


@compiled
def _parts(W: Gram | Symmetric) -> tuple[Scalar, Scalar, Scalar]:
    return W.parts()


@compiled
def _formed(W: Gram | Symmetric) -> Array:
    """W, or its Gram, as an array, a block of columns at a time."""
    n = W.cone.size(W.length)
    block = min(n, 256, max(8, HELD // W.far_length))

    def columns(start: Array) -> Array:
        E = unit_vectors(start + xp.arange(block), n, dtype=xp.float64, axis=0)
        return W.cone.lift(W(W.outside(W.cone.lower(E))))

    parts = mapped(columns, xp.arange(-(-n // block)) * block)
    return xp.moveaxis(parts, 0, 1).reshape(n, -1)[:, :n]


def _tall_norm(tall: Array) -> Scalar:
    """The largest singular value: of all, the one that the Gram gives without loss."""
    if tall.shape[1] == 0:
        return xp.zeros(())
    return xp.sqrt(xp.maximum(xp.linalg.eigvalsh(tall.conj().T @ tall)[-1], 0.0))


def exact_norm(
    S: Adjoint, shape: tuple[int, int], guesses: Iterable[float] = (), within: float = ROUNDING
) -> float:
    """‖S‖ from the smaller Gram, or above it by that share, relatively.

    The first of the guesses that proves to be above will do. Cost: 2 min(d1, d2) columns through S,
    a Cholesky factor a guess, and what `dense_norm` costs after its Gram.
    """
    return Gram(S, *(xp.zeros((d, 0)) for d in shape)).exact(guesses, within)


@compiled
def norm_seen(S: Adjoint, basis: CompactSVD) -> Scalar:
    """max(‖S V‖, ‖Sᵀ U‖) ≤ ‖S‖, at a solution to second order in what is left of the slope."""
    return xp.maximum(_tall_norm(S.right(basis.V)), _tall_norm(S.left(basis.U)))


def whole_bound(S: Adjoint, cone: Cone, svd: CompactSVD, tol: float = 0.0) -> NormBound:
    """The same, exact and not by parts; S is symmetric where the cone is of such matrices.

    A bound above it by a share of `tol` will do.
    """
    if cone.positive:
        value = Symmetric(S, xp.zeros((svd.V.shape[0], 0)), cone).exact(())
        return NormBound(value, "exact", 0.0, None, value)
    # Closely above what it may be: to rounding, or to what the tolerance cannot tell.
    seen, within = float(norm_seen(S, svd)), max(SHARE * tol, ROUNDING)
    guesses = [math.sqrt(1 + more) * seen for more in ((within,) if tol else CLOSELY)]
    value = exact_norm(S, (svd.U.shape[0], svd.V.shape[0]), guesses, within)
    return NormBound(value, "exact", 0.0, None, seen if tol else value)
