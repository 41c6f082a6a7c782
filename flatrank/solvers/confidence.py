"""Entries of a matrix without the bias of a penalty, and how far off each of them may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from flatrank.arrays.shapes import Float
from flatrank.factors import CompactSVD
from flatrank.problems import checked_pairs, portions


@dataclass(frozen=True, eq=False)
class Debiased:
    """A matrix of low rank without the bias of a penalty, and how far off each entry may be.

    Parameters
    ----------
    svd : CompactSVD
        U (d1, r), s (r,), V (d2, r) of X^d.
    noise : float
        σ̂, the standard deviation of the noise, in the data's unit:
        σ̂² = ‖b − 𝒜(X^d)‖²/(m − r(d1 + d2 − r)).
    row_inverse, col_inverse : arrays of shape (d1, r, r) and (d2, r, r)
        G_i⁻¹ and H_j⁻¹; NaN for a row or column with fewer entries than r.
    """

    svd: CompactSVD
    noise: float
    row_inverse: Float[np.ndarray, "d1 r r"]
    col_inverse: Float[np.ndarray, "d2 r r"]

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.svd.U.shape[0], self.svd.V.shape[0]

    @property
    def rank(self) -> int:
        """r."""
        return self.svd.s.size

    def values(self, rows: ArrayLike, cols: ArrayLike) -> Float[np.ndarray, " q"]:
        """Entries of X^d.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q,)
            In the data's unit.

        Raises
        ------
        ValueError
            If a place lies outside the matrix, or the lengths differ.

        Notes
        -----
        2 q r flops.
        """
        U, s, V = self.svd
        return self._over(rows, cols, lambda i, j: np.einsum("pk,k,pk->p", U[i], s, V[j]))

    def standard_error(self, rows: ArrayLike, cols: ArrayLike) -> Float[np.ndarray, " q"]:
        """√v of entries of X^d: σ̂ √(V_jᵀ G_i⁻¹ V_j + U_iᵀ H_j⁻¹ U_i).

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.

        Returns
        -------
        array of shape (q,)
            In the data's unit; infinite in a row or column with fewer entries than r, which do
            not determine it.

        Raises
        ------
        ValueError
            As for `values`.

        Notes
        -----
        4 q r² flops.
        """
        U, _, V = self.svd

        def error(i: np.ndarray, j: np.ndarray) -> np.ndarray:
            v = np.einsum("pk,pkl,pl->p", V[j], self.row_inverse[i], V[j])
            v += np.einsum("pk,pkl,pl->p", U[i], self.col_inverse[j], U[i])
            return np.where(np.isnan(v), np.inf, self.noise * np.sqrt(v))

        return self._over(rows, cols, error)

    def interval(
        self, rows: ArrayLike, cols: ArrayLike, level: float = 0.9, *, noise: bool = False
    ) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
        """Confidence intervals of entries of the true matrix X* of rank r, without noise.

        Parameters
        ----------
        rows, cols : integer array of shape (q,)
            0-based.
        level : float
            In (0, 1).
        noise : bool
            True: of a new observation, whose variance is v + σ̂². Those of a posterior and
            conformal ones are of this kind.

        Returns
        -------
        low, high : arrays of shape (q,)
            In the data's unit.

        Raises
        ------
        ValueError
            As for `values`; if `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level is a probability between 0 and 1; got {level!r}")
        error = self.standard_error(rows, cols)
        half = ndtri((1 + level) / 2) * (np.hypot(error, self.noise) if noise else error)
        x = self.values(rows, cols)
        return x - half, x + half

    def _over(self, rows: ArrayLike, cols: ArrayLike, what: Any) -> Float[np.ndarray, " q"]:
        """Something of places, portion by portion."""
        i, j = checked_pairs(rows, cols, self.shape)
        out = np.empty(i.size)
        for part in portions(i.size):
            out[part] = what(i[part], j[part])
        return out

    def __repr__(self) -> str:
        """One line: what, of which rank, how noisy."""
        d1, d2 = self.shape
        return f"Debiased({d1} x {d2} of rank {self.rank}, noise {self.noise:.3g})"
