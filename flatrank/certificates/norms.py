"""Upper bounds on ‖S‖ for S = ℬ*(y), exact or with a stated failure probability.

S is split along a subspace pair (U, V) on which it is already understood, with orthonormal columns:

    ‖S‖ ≤ ‖ [ ‖UᵀSV‖    ‖UᵀS(I−VVᵀ)‖ ]
            [ ‖(I−UUᵀ)SV‖    ‖W‖     ] ‖,     W = (I−UUᵀ) S (I−VVᵀ).

Three blocks are computed exactly; ‖W‖ exactly when small, else from Lanczos (see `lanczos`). At a
solution the top singular values of S cluster at the allowed value; taking (U, V) out is what lets
Lanczos see W. What the split loses is of the order of the off-diagonal blocks, which at an inexact
point can be a hundred times more than ‖S‖ exceeds what is allowed: `exact_norm` loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from flatrank.arrays import (
    Array,
    Module,
    Scalar,
    compiled,
    mapped,
    put,
    put_columns,
    unit_vectors,
    xp,
)
from flatrank.arrays.shapes import Float
from flatrank.certificates.gram import root_of_largest
from flatrank.certificates.lanczos import LONG, LanczosState, advance, begin, ritz_ranges, slack
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint

# ‖W‖ is computed from the smaller Gram (n² memory, about 2 n³ flops) at once up to the first
# size, and up to the second where Lanczos cannot bound it tightly enough.
EXACT_AT_ONCE = 256
EXACT_SIZE = 4096
# Where Lanczos cannot bound the norm by enough, its bound is above what it has reached by no more
# than this share of what that is away from enough.
_CLOSE = 0.1
# Columns of the identity pushed through S at a time while the small Gram is formed.
_BLOCK = 64


class NormBound(NamedTuple):
    """An upper bound on ‖S‖, how it was obtained, that on ‖W‖ where there is one; a lower bound."""

    value: float
    kind: str
    failure_probability: float
    off_tangent: float | None
    reached: float = 0.0


class Effort(NamedTuple):
    """How hard a certificate tries.

    Parameters
    ----------
    failure_probability : float
        Allowed chance that a probabilistic bound is wrong; 0 demands the exact norm.
    tol : float
        The bound on the norm need cost no less than this share of the primal value.
    exact_size : int
        Up to min(d1, d2) = exact_size the norm is computed exactly where Lanczos is not enough.
    seed : int
        Of the random starts.
    """

    failure_probability: float = 1e-9
    tol: float = 0.0
    exact_size: int = EXACT_SIZE
    seed: int = 0


def norm_bound(
    S: Adjoint,
    shape: tuple[int, int],
    basis: CompactSVD,
    enough: float,
    effort: Effort,
    hopeless: float = math.inf,
) -> NormBound:
    """Bound ‖S‖ from above.

    Parameters
    ----------
    S : Adjoint
        The matrix, (d1, d2).
    shape : (d1, d2)
        Of S.
    basis : CompactSVD
        U, V with orthonormal columns, to be split off.
    enough : float
        Lanczos stops as soon as the bound on ‖W‖ is at most this, or cannot become so.
    effort : Effort
        How hard to try.
    hopeless : float
        Above this, what ‖W‖ is exactly no longer matters.

    Returns
    -------
    NormBound
        The bound and how it was obtained.

    Notes
    -----
    Cost: two one-column products a Lanczos step, at most 1024 steps. Exact: 2 min(d1, d2) columns
    and an eigenvalue problem.
    """
    d, U, V = min(shape), basis.U, basis.V
    delta = effort.failure_probability
    exact = delta <= 0 or d <= EXACT_AT_ONCE
    bound, reached = math.inf, 0.0
    if not exact:
        bound, reached = _lanczos_bound(S, basis, shape, enough, effort)
        exact = bound > enough and reached <= hopeless and d <= effort.exact_size
    if exact:
        bound = exact_norm(S, shape, basis, (enough,))
    inner, a12, a21 = (float(x) for x in _blocks(S, U, V))
    parts = np.array([[inner, a12], [a21, bound]])
    # Whatever is not finite is no bound: as infinity it proves nothing, as NaN it would compare.
    value = float(np.linalg.norm(parts, ord=2)) if np.all(np.isfinite(parts)) else math.inf
    reached = inner if inner > reached else reached
    if exact:
        return NormBound(value, "exact", 0.0, bound, reached)
    return NormBound(value, "probabilistic", delta, bound, reached)


def _lanczos_bound(
    S: Adjoint, basis: CompactSVD, shape: tuple[int, int], enough: float, effort: Effort
) -> tuple[float, float]:
    """‖W‖ ≤ bound with probability 1 − δ, with as few steps as `enough` allows; ‖W‖ ≥ reached.

    WᵀW is positive semidefinite, so the spread is at most ‖W‖² and ‖W‖² ≤ θ_max/(1 − ε).
    """
    start = np.random.default_rng(effort.seed).standard_normal(min(shape))
    near = np.asarray(basis.U if shape[0] <= shape[1] else basis.V)
    start = xp.asarray(start - near @ (near.T @ start))
    bound, reached = math.inf, 0.0
    # What all steps there are would add to ‖W‖.
    last = slack(min(shape), effort.failure_probability, sum(LONG))
    within = math.sqrt(max(0.0, 1.0 - last))

    def more(state: LanczosState, steps: int) -> LanczosState:
        return _gram_steps(S, basis.U, basis.V, state, xp.asarray(steps))

    state, delta = begin(start, limit=sum(LONG)), effort.failure_probability
    for _, high, epsilon in ritz_ranges(more, state, min(shape), delta, LONG):
        reached = math.sqrt(max(high, 0.0))
        if epsilon < 1:
            bound = min(bound, reached / math.sqrt(1 - epsilon))
        # A solver has no use for a bound that is not enough; anyone else, for one that is close.
        close = math.inf if effort.tol else reached + _CLOSE * abs(reached - enough)
        hopeless = reached > within * enough and math.isfinite(bound)
        if bound <= enough or (hopeless and bound <= close):
            break
    return bound, reached


@compiled
def _blocks(S: Adjoint, U: Array, V: Array) -> tuple[Scalar, Scalar, Scalar]:
    SV, StU = S.right(V), S.left(U)
    core = U.T @ SV
    return (
        xp.linalg.norm(core, ord=2),
        _tall_norm(StU - V @ core.T),
        _tall_norm(SV - U @ core),
    )


def _tall_norm(tall: Float[Array, "n k"]) -> Scalar:
    """The largest singular value: of all, the one that the Gram gives without loss."""
    if tall.shape[1] == 0:
        return xp.zeros(())
    return xp.sqrt(xp.maximum(xp.linalg.eigvalsh(tall.T @ tall)[-1], 0.0))


class _Gram(Module):
    """The smaller of WWᵀ and WᵀW, on vectors that already lie outside the basis on that side.

    P S Q² Sᵀ P, with P = I − UUᵀ and Q = I − VVᵀ: Q is applied once, and P once as P is the
    identity on such vectors.
    """

    S: Adjoint
    U: Float[Array, "d1 q"]
    V: Float[Array, "d2 q"]

    @property
    def wide(self) -> bool:
        """Whether it is WWᵀ."""
        return self.U.shape[0] <= self.V.shape[0]

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


@compiled
def _gram_steps(S: Adjoint, U: Array, V: Array, state: LanczosState, steps: Array) -> LanczosState:
    """Lanczos on the smaller of WᵀW and WWᵀ."""
    gram = _Gram(S, U, V)
    return advance(lambda v: gram(v[:, None])[:, 0], state.vector, state, steps)


def exact_norm(
    S: Adjoint,
    shape: tuple[int, int],
    basis: CompactSVD | None = None,
    guesses: Iterable[float] = (),
) -> float:
    """‖S‖, or ‖W‖ for a basis, from the smaller Gram.

    Parameters
    ----------
    S : Adjoint
        The matrix, (d1, d2).
    shape : (d1, d2)
        Of S.
    basis : CompactSVD, optional
        U, V to leave out.
    guesses : numbers
        The first of these that proves to be above the norm will do.

    Returns
    -------
    float
        One of `guesses`; else the norm, or above it by the little that `dense_norm` allows.

    Notes
    -----
    Cost: 2 min(d1, d2) columns through S, a Cholesky factor a guess, and what `dense_norm` costs
    after its Gram.
    """
    U, V = (xp.zeros((d, 0)) for d in shape) if basis is None else (basis.U, basis.V)
    gram = np.asarray(_small_gram(S, U, V, shape))
    return root_of_largest(0.5 * (gram + gram.T), guesses)


def close_guesses(seen: float) -> list[float]:
    """Closely above a lower bound that may be the norm to rounding."""
    return [math.sqrt(1 + more) * seen for more in (1e-11, 3e-10, 1e-8)]


@compiled
def norm_seen(S: Adjoint, basis: CompactSVD) -> Scalar:
    """max(‖S V‖, ‖Sᵀ U‖) ≤ ‖S‖, at a solution to second order in what is left of the slope."""
    return xp.maximum(_tall_norm(S.right(basis.V)), _tall_norm(S.left(basis.U)))


@compiled
def _small_gram(S: Adjoint, U: Array, V: Array, shape: tuple[int, int]) -> Array:
    """The smaller of WWᵀ and WᵀW, formed a block of columns at a time."""
    d = min(shape)
    starts = xp.arange(-(-d // _BLOCK)) * _BLOCK
    product = _Gram(S, U, V)

    def columns(start: Array) -> Array:
        E = unit_vectors(start + xp.arange(_BLOCK), d, dtype=xp.float64, axis=0)
        return product(product.outside(E))

    return xp.moveaxis(mapped(columns, starts), 0, 1).reshape(d, -1)[:, :d]


@compiled
def top_pairs(S: Adjoint, basis: CompactSVD, X: Float[Array, "d block"], size: int) -> CompactSVD:
    """Approximate top singular triplets of W = (I−UUᵀ) S (I−VVᵀ).

    Block Lanczos with Rayleigh–Ritz on the smaller Gram of W: an orthonormal basis of
    span{X, WWᵀ X, …} for a random block X, and the eigenpairs of WWᵀ on it.

    Parameters
    ----------
    S : Adjoint
        The matrix, (d1, d2).
    basis : CompactSVD
        U, V to leave out (zero columns leave nothing out).
    X : array of shape (min(d1, d2), block)
        A random block.
    size : int
        Dimension of the space at most; a quarter as many triplets are returned.

    Returns
    -------
    CompactSVD
        At most size/4 triplets, values descending. Each value is uᵀ W v for its own vectors, hence
        a lower bound of ‖W‖ however far from converged.

    Notes
    -----
    Cost: size/block two-sided products with `block` columns, one with size/4; min(d1, d2)·size
    memory.
    """
    gram = _Gram(S, basis.U, basis.V)
    d, block = X.shape
    count = min(max(size // 4, block), d)
    if size + basis.s.shape[0] > d:
        return _all_pairs(gram, d, count)
    blocks = size // block
    # S Q Sᵀ = S Sᵀ − (S V)(S V)ᵀ: nothing is projected on the longer side. What that loses to
    # rounding, ε‖S V‖², is nothing to a search.
    taken, avoided = (S.right(basis.V), basis.U) if gram.wide else (S.left(basis.U), basis.V)
    avoided = avoided.astype(X.dtype)
    q = avoided.shape[1]

    def product(X: Array) -> Array:
        Y = S.right(S.left(X)) if gram.wide else S.left(S.right(X))
        return Y - taken @ (taken.T @ X)

    def outside(X: Array, span: Array) -> Array:
        # Orthonormal also where X held nothing but rounding: hence twice more after a QR.
        X = xp.linalg.qr(X - span @ (span.T @ X))[0]
        X = X - span @ (span.T @ X)
        return xp.linalg.qr(X - span @ (span.T @ X))[0]

    n = blocks * block
    # The basis and the space, in one matrix: what is orthogonal to one is to the other.
    span = xp.concatenate([avoided, xp.zeros((d, n), dtype=X.dtype)], axis=1)
    H = xp.zeros((n, n), dtype=X.dtype)
    for i in range(0, n, block):
        Q = outside(X, span[:, : q + i])
        span, X = put_columns(span, q + i, Q), product(Q)
        H = put(H, (slice(i + block), slice(i, i + block)), span[:, q : q + i + block].T @ X)
    span = span[:, q:]
    E = xp.linalg.eigh(xp.triu(H) + xp.triu(H, 1).T)[1][:, ::-1][:, :count]
    return _triplets(gram, span @ E)


def _all_pairs(gram: _Gram, d: int, count: int) -> CompactSVD:
    """The leading triplets of W from all of its Gram: no Krylov space fits beside the basis.

    Forced into the rest of the space it would hold vectors that are not orthonormal, and values
    that are none of W's.
    """
    E = gram.outside(xp.eye(d, dtype=gram.U.dtype))
    Q = xp.linalg.eigh(gram(E))[1]
    return _triplets(gram, gram.outside(Q[:, ::-1][:, :count]))


def _triplets(gram: _Gram, near: Array) -> CompactSVD:
    """U, s, V of W from orthonormal vectors of its smaller side."""
    far = gram.far(near)
    s = xp.linalg.norm(far, axis=0)
    far = far / xp.where(s > 0, s, 1.0)[None, :]
    return CompactSVD(near, s, far) if gram.wide else CompactSVD(far, s, near)
