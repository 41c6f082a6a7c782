"""Leading eigenpairs of a symmetric operator: block Lanczos with full reorthogonalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flatrank.arrays import Array, Scalar, compiled, put, put_columns, while_loop, xp
from flatrank.arrays.shapes import Float, Inexact


def krylov_eigenpairs(
    product: Callable[[Array], Array],
    X: Inexact[Array, "n block"],
    size: int,
    avoided: Any = None,
) -> tuple[Float[Array, " k"], Inexact[Array, "n k"]]:
    """All Ritz pairs of H on span{X, H X, H² X, …}, less the directions to avoid.

    Parameters
    ----------
    product : callable
        X ↦ H X, (n, k) to (n, k); H symmetric or Hermitian.
    X : array of shape (n, block)
        Where the space starts, such as a random block.
    size : int
        Dimension of the space at most, a multiple of `block`.
    avoided : array of shape (n, q), optional
        Orthonormal or zero columns; H is that of the orthogonal complement.

    Returns
    -------
    (w, Y)
        Values ascending, and orthonormal vectors. A Ritz value lies within the spectrum however far
        from converged. Where the space is invariant before it is full, the rest are zero, vectors
        too; where size + q > n all eigenpairs, those of the avoided directions zero.

    Notes
    -----
    Cost: size/block products with `block` columns, 4 n·size² flops; n·size numbers.
    """
    n, block = X.shape
    avoided = xp.zeros_like(X[:, :0]) if avoided is None else avoided.astype(X.dtype)
    q = avoided.shape[1]
    if size + q > n:  # a space forced into the rest would hold vectors that are not orthonormal
        E = xp.eye(n, dtype=X.dtype)
        E = E - avoided @ avoided.conj().T
        H = E @ product(E)
        return xp.linalg.eigh(0.5 * (H + H.conj().T))
    width = size // block * block
    # Both in one matrix: what is orthogonal to one is to the other.
    span = xp.concatenate([avoided, xp.zeros((n, width), dtype=X.dtype)], axis=1)
    H = xp.zeros((width, width), dtype=X.dtype)
    for i in range(0, width, block):
        Q = _orthonormal(X, span[:, : q + i])
        span, X = put_columns(span, q + i, Q), product(Q)
        H = put(H, (slice(i + block), slice(i, i + block)), span[:, q : q + i + block].conj().T @ X)
    w, E = xp.linalg.eigh(xp.triu(H) + xp.triu(H, 1).conj().T)
    return w, span[:, q:] @ E


def _orthonormal(X: Array, span: Array) -> Array:
    """Columns of X made orthonormal outside a span; zero where they lie in it."""
    Q = xp.linalg.qr(X - span @ (span.conj().T @ X))[0]
    # What held nothing but rounding is another direction now, and not yet orthogonal.
    Q = Q - span @ (span.conj().T @ Q)
    Q, R = xp.linalg.qr(Q - span @ (span.conj().T @ Q))
    return Q * (xp.abs(xp.diagonal(R)) > 0.5)


class Ritz(NamedTuple):
    """θ, a unit vector v and ‖H v − θ v‖: some eigenvalue lies that close to θ."""

    value: Float[Array, ""]
    vector: Float[Array, " n"]
    residual: Scalar
    products: Scalar


def ritz_pair(
    product: Callable[[Array], Array], start: Float[Array, " n"], sign: int, size: int = 24
) -> tuple[Float[Array, ""], Float[Array, " n"]]:
    """The extreme Ritz pair on the Krylov space of a vector, of dimension min(n, size).

    The largest for sign 1, the smallest for −1; at least as extreme as the Rayleigh quotient of
    `start`, which is not zero.
    """
    size = min(size, start.shape[0])
    w, Y = krylov_eigenpairs(lambda X: product(X[:, 0])[:, None], start[:, None], size)
    i = xp.argmax(xp.where(xp.sum(Y * Y, axis=0) > 0.5, sign * w, -xp.inf))
    return w[i], Y[:, i]


@compiled
def extreme_eigenpair(
    product: Callable[[Array], Array],
    start: Float[Array, " n"],
    sign: int,
    tol: float,
    restarts: int = 100,
) -> Ritz:
    """`ritz_pair`, restarted from its own vector until ‖H v − θ v‖ ≤ tol·|θ|.

    Parameters
    ----------
    product : callable
        v ↦ H v.
    start : array of shape (n,)
        Not zero.
    sign : int
        1 for the largest, −1 for the smallest.
    tol : float
        Relative residual to stop at.
    restarts : int
        At most.

    Returns
    -------
    Ritz

    Notes
    -----
    Cost: min(n, 24) + 1 products a restart.
    """
    each = min(24, start.shape[0]) + 1

    def again(r: Ritz) -> Ritz:
        value, vector = ritz_pair(product, r.vector, sign)
        residual = xp.linalg.norm(product(vector) - value * vector)
        return Ritz(value, vector, residual, r.products + each)

    def unfinished(r: Ritz) -> Array:
        left = r.products < restarts * each
        return xp.logical_and(r.residual > tol * xp.abs(r.value), left)

    return while_loop(unfinished, again, again(Ritz(xp.zeros(()), start, xp.inf, 0)))
