"""The singular value decomposition of a product of two thin matrices."""

from __future__ import annotations

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float, Inexact


def svd_of_product(
    L: Inexact[Array, "d1 k"], R: Inexact[Array, "d2 k"]
) -> tuple[Inexact[Array, "d1 q"], Float[Array, " q"], Inexact[Array, "d2 q"]]:
    """U, s, V with L R* = U diag(s) V*, q = min(k, d1, d2), real or complex.

    L = Q1 T1, R = Q2 T2, T1 T2* = U0 diag(s) V0*; then U = Q1 U0, V = Q2 V0. QR rather than Grams:
    singular values far below the largest keep their relative accuracy.

    Cost: O((d1 + d2) k² + k³) flops, O((d1 + d2) k) memory.
    """
    (Q1, T1), (Q2, T2) = xp.linalg.qr(L), xp.linalg.qr(R)
    U0, s, V0h = xp.linalg.svd(T1 @ T2.conj().T, full_matrices=False)
    return Q1 @ U0, s, Q2 @ V0h.conj().T
