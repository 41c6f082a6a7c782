"""Upper bounds on the largest eigenvalue of a symmetric S = ℬ*(y), and its leading eigenpairs.

As in `norms`, S is split along orthonormal columns V on which it is understood:

    λ_max(S) ≤ λ_max [ λ_max(VᵀSV)  ‖(I−VVᵀ)SV‖ ]
                     [     ·         λ_max(W)   ],     W = (I−VVᵀ) S (I−VVᵀ).

For a Hermitian problem V stands for complex columns (see `Cone`), and all of it is done with them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import LinAlgError, eigh

from flatrank.arrays import Array, compiled, mapped, put, put_columns, unit_vectors, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.lanczos import LanczosState, advance, begin, ritz_ranges
from flatrank.certificates.norms import EXACT_AT_ONCE, Effort, NormBound, top_pairs
from flatrank.factors import CompactSVD, Cone
from flatrank.measurements import Adjoint, Measurement

# Columns of the identity pushed through S at a time.
_BLOCK = 64


def eigenvalue_bound(
    S: Adjoint,
    cone: Cone,
    V: Float[Array, "d q"],
    enough: float,
    effort: Effort,
    hopeless: float = math.inf,
) -> NormBound:
    """Bound the largest eigenvalue of S from above.

    Parameters
    ----------
    S : Adjoint
        The symmetric matrix, (d, d).
    cone : Cone
        What V stands for.
    V : array of shape (d, q)
        Orthonormal (complex) columns, to be split off; q may be 0.
    enough : float
        Lanczos stops as soon as the bound on λ_max(W) is at most this, or cannot become so.
    effort : Effort
        How hard to try.
    hopeless : float
        Above this, what λ_max(W) is exactly no longer matters.

    Returns
    -------
    NormBound
        The bound, which may be negative, and how it was obtained.

    Notes
    -----
    Cost: one product a Lanczos step, at most 256 steps, with ε for a chance of δ/2 at either end
    λ_max ≤ θ_max + ε (θ_max − θ_min)/(1 − 2ε). Exact: d columns and an eigenvalue problem.
    """
    d = V.shape[0]
    n, delta = cone.size(d), effort.failure_probability
    exact = delta <= 0 or n <= EXACT_AT_ONCE
    bound, reached = math.inf, -math.inf
    if not exact:
        start = np.random.default_rng(effort.seed).standard_normal(d)
        state = begin(_outside(cone, V, np.asarray(start)[:, None])[:, 0])

        def more(state: LanczosState, steps: int) -> LanczosState:
            return _steps(S, cone, V, state, xp.asarray(steps))

        for low, high, epsilon in ritz_ranges(more, state, d, delta / 2):
            reached = high
            if 2 * epsilon < 1:
                bound = min(bound, high + epsilon * (high - low) / (1 - 2 * epsilon))
            if bound <= enough or (reached > enough and math.isfinite(bound)):
                break
        exact = bound > enough and reached <= hopeless and n <= effort.exact_size
    if exact:
        bound = _top_exact(S, cone, V)
    inner, beside = (float(x) for x in _blocks(S, cone, V))
    reached = inner if inner > reached else reached
    value = bound
    if V.shape[1]:
        parts = np.array([[inner, beside], [beside, bound]])
        value = float(np.linalg.eigvalsh(parts)[-1]) if np.all(np.isfinite(parts)) else math.inf
    if exact:
        return NormBound(value, "exact", 0.0, bound, reached)
    return NormBound(value, "probabilistic", delta, bound, reached)


def _top_exact(S: Adjoint, cone: Cone, V: Array) -> float:
    W = np.asarray(_dense(S, cone, V))
    if not np.all(np.isfinite(W)):
        return math.inf
    last = W.shape[0] - 1
    W = 0.5 * (W + W.conj().T)
    try:
        return float(eigh(W, eigvals_only=True, subset_by_index=[last, last])[0])
    except LinAlgError:  # looking for one of many equal eigenvalues can fail in LAPACK
        return float(np.linalg.eigvalsh(W)[last])


def _outside(cone: Cone, V: Array, X: Array) -> Array:
    return X - cone.inside(V, X)


def _product(S: Adjoint, cone: Cone, V: Array, X: Array) -> Array:
    """W X for X outside V already."""
    return _outside(cone, V, S.right(X))


@compiled
def _steps(S: Adjoint, cone: Cone, V: Array, state: LanczosState, steps: Array) -> LanczosState:
    def product(v: Array) -> Array:
        return _product(S, cone, V, _outside(cone, V, v[:, None]))[:, 0]

    return advance(product, state.vector, state, steps)


@compiled
def _blocks(S: Adjoint, cone: Cone, V: Array) -> tuple[Array, Array]:
    """λ_max(VᵀSV) and ‖(I−VVᵀ)SV‖; nothing where V has no columns."""
    if V.shape[1] == 0:
        return -xp.array(xp.inf), xp.zeros(())
    SV = S.right(V)
    core = cone.lift(V).conj().T @ cone.lift(SV)
    far = cone.lift(_outside(cone, V, SV))
    gram = far.conj().T @ far
    return (
        xp.linalg.eigvalsh(0.5 * (core + core.conj().T))[-1],
        xp.sqrt(xp.maximum(xp.linalg.eigvalsh(gram)[-1], 0.0)),
    )


@compiled
def _dense(S: Adjoint, cone: Cone, V: Array) -> Array:
    """W, (complex) n × n, a block of columns at a time."""
    d = V.shape[0]
    n = cone.size(d)

    def columns(start: Array) -> Array:
        E = unit_vectors(start + xp.arange(_BLOCK), n, dtype=xp.float64, axis=0)
        X = _outside(cone, V, xp.pad(E, ((0, d - n), (0, 0))))
        return cone.lift(_product(S, cone, V, X))

    parts = mapped(columns, xp.arange(-(-n // _BLOCK)) * _BLOCK)
    return xp.moveaxis(parts, 0, 1).reshape(n, -1)[:, :n]


@compiled
def top_eigenpairs(
    S: Adjoint,
    cone: Cone,
    V: Float[Array, "d q"],
    X: Float[Array, "d block"],
    size: int,
) -> CompactSVD:
    """Approximate leading eigenpairs of W = (I−VVᵀ) S (I−VVᵀ).

    Block Lanczos with Rayleigh–Ritz on W itself. Where the cone admits no negative eigenvalues the
    largest, else the largest in size.

    Parameters
    ----------
    S : Adjoint
        The symmetric matrix, (d, d).
    cone : Cone
        What V and X stand for, and which eigenvalues are wanted.
    V : array of shape (d, q)
        Orthonormal columns to leave out (zero columns leave nothing out).
    X : array of shape (d, block)
        A random block.
    size : int
        Dimension of the space at most; a quarter as many pairs are returned.

    Returns
    -------
    CompactSVD
        U = ±V, the sign that of the eigenvalue, s its size (0 in place of a negative one that is
        not wanted). Each is a Ritz value, within the spectrum of W however far from converged.

    Notes
    -----
    Cost: size/block products with `block` columns; d·size memory.
    """
    x = cone.lift(X)
    n = x.shape[0]
    x = x[:, : min(n, x.shape[1])]
    block = x.shape[1]
    count = min(max(size // 4, block), n)
    if size + V.shape[1] > n:  # as in `top_pairs`: no Krylov space fits beside V
        w, E = xp.linalg.eigh(_dense(S, cone, V))
        return _signed(cone, w, E, count)
    blocks = size // block

    def outside(x: Array, span: Array) -> Array:
        for _ in range(2):
            x = cone.lift(_outside(cone, V, cone.lower(x)))
            x = x - span @ (span.conj().T @ x)
            x = xp.linalg.qr(x - span @ (span.conj().T @ x))[0]
        return x

    width = blocks * block
    span, H = xp.zeros((n, width), dtype=x.dtype), xp.zeros((width, width), dtype=x.dtype)
    for i in range(0, width, block):
        q = outside(x, span[:, :i])
        span = put_columns(span, i, q)
        x = cone.lift(_product(S, cone, V, cone.lower(q)))
        H = put(H, (slice(i + block), slice(i, i + block)), span[:, : i + block].conj().T @ x)
    w, E = xp.linalg.eigh(xp.triu(H) + xp.triu(H, 1).conj().T)
    return _signed(cone, w, span @ E, count)


def _signed(cone: Cone, w: Array, E: Array, count: int) -> CompactSVD:
    """The leading of the eigenpairs w, E, as `top_eigenpairs` returns them."""
    order = xp.argsort(-w if cone.positive else -xp.abs(w))[:count]
    w, found = w[order], cone.lower(E[:, order])
    s = xp.maximum(w, 0.0) if cone.positive else xp.abs(w)
    return CompactSVD(found * xp.where(w < 0, -1.0, 1.0)[None, :], s, found)


def leading(
    B: Measurement,
    S: Adjoint,
    basis: CompactSVD,
    X: Float[Array, "d block"],
    size: int,
) -> CompactSVD:
    """Leading singular triplets of S = ℬ*(y) outside a basis, or eigenpairs where X is symmetric.

    See `top_pairs` and `top_eigenpairs`.
    """
    if B.cone is Cone.WHOLE:
        return top_pairs(S, basis, X, size)
    return top_eigenpairs(S, B.cone, basis.V, X, size)
