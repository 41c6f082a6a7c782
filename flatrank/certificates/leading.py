"""Leading singular triplets or eigenpairs of S = ℬ*(y) outside a basis, by block Lanczos."""

from __future__ import annotations

from flatrank.arrays import Array, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.norms import Gram
from flatrank.factors import CompactSVD, Cone
from flatrank.linalg import krylov_eigenpairs
from flatrank.measurements import Adjoint, Measurement


@compiled
def top_pairs(S: Adjoint, basis: CompactSVD, X: Float[Array, "d block"], size: int) -> CompactSVD:
    """Approximate top singular triplets of W = (I−UUᵀ) S (I−VVᵀ): Ritz pairs of its smaller Gram.

    From a random block X, min(d1, d2) × block, on a space of dimension `size` at most; a quarter as
    many triplets, values descending. Each value is uᵀ W v for its own vectors, hence a lower bound
    of ‖W‖ however far from converged. Zero columns of U and V leave nothing out.

    Cost: size/block two-sided products with `block` columns, one with size/4; min(d1, d2)·size
    memory.
    """
    gram = Gram(S, basis.U, basis.V)
    count = min(max(size // 4, X.shape[1]), X.shape[0])
    # S Q Sᵀ = S Sᵀ − (S V)(S V)ᵀ: nothing is projected on the longer side. What that loses to
    # rounding, ε‖S V‖², does not matter to a search.
    taken, avoided = (S.right(basis.V), basis.U) if gram.wide else (S.left(basis.U), basis.V)

    def product(X: Array) -> Array:
        Y = S.right(S.left(X)) if gram.wide else S.left(S.right(X))
        return Y - taken @ (taken.T @ X)

    near = gram.outside(krylov_eigenpairs(product, X, size, avoided)[1][:, ::-1][:, :count])
    far = gram.far(near)
    s = xp.linalg.norm(far, axis=0)
    far = far / xp.where(s > 0, s, 1.0)[None, :]
    return CompactSVD(near, s, far) if gram.wide else CompactSVD(far, s, near)


@compiled
def top_eigenpairs(
    S: Adjoint, cone: Cone, V: Float[Array, "d q"], X: Float[Array, "d block"], size: int
) -> CompactSVD:
    """Approximate leading eigenpairs of W = (I−VVᵀ) S (I−VVᵀ), S symmetric: Ritz pairs of W itself.

    Where the cone admits no negative eigenvalues the largest, else the largest in size: U = ±V, the
    sign that of the eigenvalue, s its size (0 in place of a negative one that is not wanted). Each
    is a Ritz value, within the spectrum of W however far from converged. X and size as in
    `top_pairs`. Cost: size/block products with `block` columns; d·size memory.
    """
    x = cone.lift(X)[:, : cone.size(X.shape[0])]
    count = min(max(size // 4, x.shape[1]), x.shape[0])

    def product(x: Array) -> Array:
        return cone.lift(S.right(cone.lower(x)))

    w, E = krylov_eigenpairs(product, x, size, cone.lift(V))
    order = xp.argsort(-w if cone.positive else -xp.abs(w))[:count]
    w, found = w[order], cone.lower(E[:, order])
    s = xp.maximum(w, 0.0) if cone.positive else xp.abs(w)
    return CompactSVD(found * xp.where(w < 0, -1.0, 1.0)[None, :], s, found)


def leading(
    B: Measurement, S: Adjoint, basis: CompactSVD, X: Float[Array, "d block"], size: int
) -> CompactSVD:
    """Leading singular triplets of S = ℬ*(y) outside a basis, or eigenpairs where X is symmetric.

    See `top_pairs` and `top_eigenpairs`.
    """
    if B.cone is Cone.WHOLE:
        return top_pairs(S, basis, X, size)
    return top_eigenpairs(S, B.cone, basis.V, X, size)
