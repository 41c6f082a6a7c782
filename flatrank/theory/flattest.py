"""Between pairs and rescaled matrices: the two maps behind val(F) = val(N_k).

    (F)    min ½(‖D1 L‖² + ‖D2 R‖²)  s.t. 𝒜(L Rᵀ) = b, L and R with k columns,
    (N_k)  min ‖X̃‖_*                 s.t. 𝒜(D1⁻¹ X̃ D2⁻¹) = b, rank X̃ ≤ k.

(L, R) ↦ D1 L Rᵀ D2 takes solutions of (F) to those of (N_k), and X̃ = U Σ Vᵀ ↦ (D1⁻¹ U Σ^½,
D2⁻¹ V Σ^½) takes them back. Where X is symmetric V = U E, and the pair is L = U E, R = U again.

Shapes that do not fit D1 and D2 or the cone, and numbers that are not finite, raise ValueError.
Cost: O((d1 + d2) k² + k³) flops, with d1² k + d2² k where D1 and D2 are dense.

Source: Ding, Drusvyatskiy, Fazel and Harchaoui (2024), Theorem 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import compiled, scope
from flatrank.factors import (
    CompactSVD,
    ComplexPair,
    Cone,
    FactorPair,
    Factors,
    given_cone,
    given_form,
)
from flatrank.flatness import Rescaling
from flatrank.measurements.checks import checked_count


def rescaled_matrix(rescaling: Rescaling, pair: Factors, cone: Cone | None = None) -> CompactSVD:
    """(L, R) ↦ X̃ = D1 L Rᵀ D2 = U diag(s) Vᵀ; the sum of s is ‖X̃‖_*.

    `pair` is a FactorPair, Solution or (L, R) of X; of a symmetric one L = U E, R = U with
    E = diag(±1). `cone` is what X is, as `problem.cone`; by default Hermitian where the factors are
    complex, otherwise anything. At most k terms, s descending. Where X is symmetric V = ±U column
    by column; where it is Hermitian U and V are complex, X̃ = U diag(s) V*.
    """
    cone = given_cone(pair) if cone is None else cone
    with scope():
        return _decomposed(cone, rescaling.apply(given_form(pair, rescaling.shape, cone)))


@compiled
def _decomposed(cone: Cone, pair: FactorPair) -> CompactSVD:
    U, s, V = cone.decompose(pair)
    return CompactSVD(cone.lift(U), s, cone.lift(V))


def flattest_pair(
    rescaling: Rescaling,
    matrix: tuple[ArrayLike, ArrayLike, ArrayLike],
    k: int | None = None,
    cone: Cone | None = None,
) -> FactorPair:
    """X̃ = U diag(s) Vᵀ ↦ (D1⁻¹ U diag(s)^½, D2⁻¹ V diag(s)^½), of all pairs of X the flattest.

    `matrix` is (U, s, V), (d1, r), (r,) and (d2, r), as from `rescaled_matrix`, `cone` as there; k
    columns, zero ones from rank X̃ on, by default those of U. ½(‖D1 L‖² + ‖D2 R‖²) = Σ s; where D
    is singular, of the part of X that it sees.

    Raises
    ------
    ValueError
        Also if some s is negative, or k is smaller than the rank.
    """
    U, s, V = (np.asarray(x) for x in matrix)
    if s.ndim != 1 or s.dtype.kind not in "fiu" or not np.all(s >= 0):
        raise ValueError(f"s must be a vector of singular values >= 0; got {s}")
    if not U.ndim == V.ndim == 2 or not U.shape[1] == V.shape[1] == s.size:
        raise ValueError(
            "matrix must be (U, s, V) with singular vectors in columns, V and not its transpose; "
            f"got shapes {U.shape}, {s.shape} and {V.shape}"
        )
    k = s.size if k is None else checked_count("k", k, 1)
    if np.any(s[k:]):
        raise ValueError(f"k={k} columns do not hold s[{k}] = {s[k]:.3g}; raise k or leave it out")
    root = np.sqrt(s)[None, :]
    cone = given_cone((U, V)) if cone is None else cone
    with scope():
        balanced = given_form((U * root, V * root), rescaling.shape, cone).resized(k)
        pair = rescaling.undo(balanced)
        return ComplexPair(pair.L, pair.R) if cone is Cone.HERMITIAN else pair
