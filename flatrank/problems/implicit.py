"""Implicit feedback: every cell counts, those with a click more.

    min  ½ Σᵢⱼ cᵢⱼ (pᵢⱼ − Xᵢⱼ)² + λ‖X‖_*,      pᵢⱼ = 1 where rᵢⱼ > 0, else 0,    cᵢⱼ = 1 + α rᵢⱼ.

Nothing of size d1 d2 is formed: c = 1 and p = 0 off the clicks, so that with x = X at the clicks

    Σ c (p − X)² = ‖L Rᵀ‖² + Σ_clicks c (1 − x)² − x²,         ‖L Rᵀ‖² = ⟨LᵀL, RᵀR⟩,
    C∘(P − X) = −L Rᵀ + (c − (c − 1) x at the clicks).

Reference: Hu, Koren, Volinsky (2008), "Collaborative filtering for implicit feedback datasets".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from flatrank.arrays import Array, Scalar, scope, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import FactorPair
from flatrank.flatness import Rescaling
from flatrank.measurements import Adjoint, Measurement
from flatrank.measurements.checks import checked_shape
from flatrank.measurements.entries import sample_entries
from flatrank.problems.arguments import checked_array, checked_number, checked_places
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable
from flatrank.problems.share import at_share

#: λ as a share of λ_max where neither is given.
SHARE = 0.1


class Difference(Adjoint):
    """S = A − L Rᵀ of an A that is known by its products, such as a sparse one."""

    first: Adjoint
    pair: FactorPair

    def right(self, R: Float[Array, "d2 k"]) -> Float[Array, "d1 k"]:
        """S R."""
        return self.first.right(R) - self.pair.L @ (self.pair.R.T @ R)

    def left(self, L: Float[Array, "d1 k"]) -> Float[Array, "d2 k"]:
        """Sᵀ L."""
        return self.first.left(L) - self.pair.R @ (self.pair.L.T @ L)


class ImplicitFeedback(Problem):
    """½ Σ c (p − X)² over all cells + λ‖X‖_*, λ > 0.

    `measurement` lists the cells with a click and `b` their confidences c ≥ 1: p is 1 there. In
    all other cells p = 0 and c = 1. D1 = D2 = I.
    """

    def with_lam(self, lam: float) -> Problem:
        """The same clicks at another λ > 0."""
        return super().with_lam(_positive(lam))

    def scaled(self, factor: float) -> Problem:
        """Refused (ValueError): a click is 1."""
        raise ValueError(f"implicit feedback has no other unit; got a factor of {factor}")

    def settings(self) -> dict[str, float | None]:
        """λ; the confidences are data."""
        return {"lam": self.lam}

    def misfit(self, pair: FactorPair) -> Scalar:
        """Σ c (p − X)² over all cells; 2 m k + 2 (d1 + d2) k² flops."""
        c, x = self.b, self.measurement.forward(pair)
        everywhere = xp.vdot(pair.L.T @ pair.L, pair.R.T @ pair.R)
        return everywhere + xp.sum(c * (1 - x) ** 2 - x * x)

    def scaled_trace(self, pair: FactorPair) -> float:
        """2 (Σᵢ ‖l_i‖² Σⱼ cᵢⱼ/d2 + Σⱼ ‖r_j‖² Σᵢ cᵢⱼ/d1): that of Σ c (p − L Rᵀ)²."""
        (d1, d2), more = self.shape, self.measurement.adjoint(self.b - 1)
        rows, cols = more.right(xp.ones((d2, 1)))[:, 0], more.left(xp.ones((d1, 1)))[:, 0]
        L, R = (xp.sum(x * x, axis=1) for x in (pair.L, pair.R))
        return float(2 * (xp.vdot(1 + rows / d2, L) + xp.vdot(1 + cols / d1, R)))

    def slope(self, pair: FactorPair) -> tuple[Adjoint, Float[Array, " m"]]:
        """S = C∘(P − X), minus the gradient of the loss, and its values c (1 − x) at the clicks.

        A product with one column costs 2 m + 2 (d1 + d2) k flops.
        """
        c, x = self.b, self.measurement.forward(pair)
        return Difference(self.measurement.adjoint(c - (c - 1) * x), pair), c * (1 - x)

    def dual_sums(self, off: FactorPair, clicks: Float[Array, " m"]) -> tuple[float, float]:
        """Σ p Z and Σ Z²/c over all cells, of a Z that is −L Rᵀ off the clicks."""
        n = self.measurement.forward(off)
        everywhere = xp.vdot(off.L.T @ off.L, off.R.T @ off.R)
        square = everywhere + xp.sum(clicks * clicks / self.b - n * n)
        return float(xp.sum(clicks)), float(square)


@scope()
def implicit(  # noqa: PLR0913 - the arguments of a front door, each named
    rows: Any,
    cols: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    *,
    alpha: float = 5.0,
    lam: float | None = None,
    lam_ratio: float | None = None,
) -> Problem:
    """Clicks, plays or purchases: cells without one count as well, with less confidence.

    min ½ Σ c (p − X)² + lam ‖X‖_* over all cells, p = 1 where there is a click and 0 elsewhere,
    c = 1 + alpha r with r the count of the cell. In factors X = L Rᵀ the penalty is
    lam/2 (‖L‖² + ‖R‖²), as in weighted matrix factorisation.

    Parameters
    ----------
    rows, cols : integer arrays of shape (m,)
        0-based places of the clicks, in any order; those of one place add up. Or a SciPy sparse
        matrix of counts in place of all four.
    counts : array of shape (m,), optional
        How many, each finite and >= 0; one each by default.
    shape : (d1, d2)
        Shape of the matrix.
    alpha : float
        α >= 0, what a click adds to the confidence 1 of an empty cell. At 0 the singular value
        decomposition of p, shrunk by lam, is the answer.
    lam : float, optional
        Weight λ > 0 of the norm.
    lam_ratio : float, optional
        λ as a share of λ_max = ‖C∘P‖, in (0, 1], in place of `lam`; 0.1 where neither is given.

    Returns
    -------
    Problem
        An `ImplicitFeedback`.

    Raises
    ------
    ValueError
        If lengths differ, there is no click, a place lies outside `shape`, a count is negative or
        not finite, or a parameter is out of range.
    TypeError
        If `rows` alone is given and is no sparse matrix.

    Notes
    -----
    Cost: O(m + d1 + d2) time and memory.

    Reference: Hu, Koren, Volinsky (2008), equation (3); λ is theirs.
    """
    i, j, r, (d1, d2) = _clicks(rows, cols, counts, shape)
    alpha = checked_number("alpha", alpha, 0.0, np.inf, "be a finite number >= 0; got {!r}")
    if r.size and r.min() < 0:
        at = int(np.argmin(r))
        raise ValueError(f"counts must be >= 0; got {r[at]:g} at ({i[at]}, {j[at]})")
    summed = sp.coo_array((r, (i, j)), shape=(d1, d2)).tocsr().tocoo()
    kept = summed.data > 0
    if not kept.any():
        raise ValueError("there is no click; give at least one (row, col) with a count above 0")
    c = 1 + alpha * summed.data[kept]
    A, c = sample_entries(summed.row[kept], summed.col[kept], c, (d1, d2))
    if lam is not None:
        return at_share(stated(A, c, lam), lam, lam_ratio)
    share = SHARE if lam_ratio is None else lam_ratio
    meaning = "lie between 0 and 1, above 0; got {}"
    checked_number("lam_ratio", share, np.finfo(float).tiny, 1.0, meaning)
    return at_share(stated(A, c, 1.0), 0.0, share)


def stated(A: Measurement, c: np.ndarray, lam: float) -> Problem:
    """The problem of the confidences at the clicks."""
    d1, d2 = A.shape
    ones, gaps = Rescaling(np.ones(d1), np.ones(d2)), Unidentifiable.of_all(d1, d2, A.m)
    return ImplicitFeedback(A, c, ones, _positive(lam), 1.0, gaps)


def _positive(lam: float) -> float:
    return checked_number(
        "lam", lam, np.finfo(float).tiny, np.inf, "be a finite number > 0; got {}"
    )


def _clicks(
    rows: Any, cols: Any, counts: Any, shape: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Places and counts (m,), checked, and the shape."""
    if cols is None:
        if not (hasattr(rows, "tocoo") and hasattr(rows, "nnz")):
            raise TypeError(
                "implicit takes a SciPy sparse matrix of counts, or rows, cols, counts and shape; "
                f"got {type(rows).__name__} alone. Of a table: scipy.sparse.csr_array(table)"
            )
        stored = rows.tocoo()
        rows, cols, counts, shape = stored.row, stored.col, stored.data, stored.shape
    if shape is None:
        raise ValueError("shape is missing: give (d1, d2), the numbers of rows and columns")
    d1, d2 = checked_shape(shape)
    i, j = checked_places("rows", rows, d1), checked_places("cols", cols, d2)
    r = np.ones(i.size) if counts is None else checked_array("counts", counts)
    if not i.shape == j.shape == r.shape:
        raise ValueError(
            f"rows, cols and counts must have one length; got {i.size}, {j.size} and {r.size}"
        )
    return i, j, r, (d1, d2)
