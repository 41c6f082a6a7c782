"""Offsets: a global mean, an effect per row and one per column, by ridge-regularised fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from flatrank.data.entries import InputError

Kind = Literal["none", "mean", "row", "col", "both"]
Vector = NDArray[np.float64]

#: Entries of mean 0 that shrink each effect, where nothing can be held out to choose by.
RIDGE = 1.0


@dataclass(frozen=True)
class Offsets:
    """What is known of an entry from its row and its column alone: mean + row[i] + col[j]."""

    #: Global level, in the units of the values.
    mean: float
    #: (d1,) and (d2,) effects, same units; 0 without entries, and for a side that is left out.
    row: Vector
    col: Vector
    #: (weight on ‖row‖², weight on ‖col‖²); infinite where the side is left out.
    ridge: tuple[float, float]
    #: `"none"` (all zero), `"mean"`, `"row"` (mean and rows), `"col"` or `"both"`.
    kind: Kind = "both"

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.row.size, self.col.size

    def at(self, rows: ArrayLike, cols: ArrayLike) -> Vector:
        """Offsets at (n,) positions; at an unknown row or column, -1, its effect is 0.

        Indices out of range raise `InputError`.
        """
        return self.mean + _effects(self.row, rows, "row") + _effects(self.col, cols, "column")

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Offsets:
        """The offsets that are zero everywhere."""
        return cls(0.0, np.zeros(shape[0]), np.zeros(shape[1]), (np.inf, np.inf), "none")

    @classmethod
    def fit(
        cls,
        rows: ArrayLike,
        cols: ArrayLike,
        values: ArrayLike,
        shape: tuple[int, int],
        *,
        ridge: float | tuple[float, float],
    ) -> Offsets:
        """Minimise Σ (vᵢⱼ - mean - rowᵢ - colⱼ)² + ρ₁ ‖row‖² + ρ₂ ‖col‖² over all three together.

        Mean and row effects (of the longer side) are eliminated exactly; what is left is solved
        by conjugate gradients, scaled by the counts, to a relative residual of 1e-10.

        Parameters
        ----------
        rows, cols, values, shape
            (m,) positions and values in a d1 × d2 matrix.
        ridge
            ρ ≥ 0 for both sides, or (ρ₁, ρ₂), in numbers of entries: a row with ρ₁ entries is
            halved. Infinite leaves the side out. With 0 on a side its effects have mean zero over
            the rows or columns that have entries.

        Returns
        -------
        Offsets
            The minimiser: a few tens of sweeps at most, each O(m); O(m + d1 + d2) memory.

        Raises
        ------
        InputError
            If there are no entries, values are not finite, indices out of range, or a ridge < 0.
        """
        row, col = (float(weight) for weight in np.broadcast_to(ridge, 2))
        if not (row >= 0.0 and col >= 0.0):
            raise InputError(f"Offset ridges must be at least 0 (infinite allowed), got {ridge}.")
        return Design(rows, cols, values, shape).solve((row, col))

    def of_rows(
        self, rows: NDArray[np.int32], cols: NDArray[np.int32], values: Vector, n: int
    ) -> Offsets:
        """The effects of n new rows given their entries; mean and columns as they are."""
        number = np.bincount(rows, minlength=n)
        sums = np.bincount(rows, values - self.mean - self.col[cols], n)
        # Infinite where the side is left out; a row without entries has no effect.
        return replace(self, row=sums / np.maximum(number + self.ridge[0], np.finfo(float).tiny))

    def refit(self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike) -> Offsets:
        """The same kind and ridge, fitted to other entries of the same matrix."""
        if self.kind == "none":
            return self
        return Offsets.fit(rows, cols, values, self.shape, ridge=self.ridge)


class Design:
    """The entries, laid out once so that offsets for many ridges can be fitted to them.

    Arguments and what they raise are those of `Offsets.fit`.
    """

    def __init__(
        self, rows: ArrayLike, cols: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> None:
        i, j, v = _checked(rows, cols, values, shape)
        self.shape = shape
        # Eliminating the longer side leaves the shorter one to the iteration.
        self.flipped = shape[0] < shape[1]
        if self.flipped:
            i, j = j, i
        long, short = max(shape), min(shape)
        self.m = v.size
        # Centred and scaled data: no cancellation under a huge mean, no overflow at 1e300.
        self.scale = float(np.abs(v).max()) or 1.0
        v = v / self.scale
        self.centre = float(v.mean())
        v -= self.centre
        incidence = sparse.coo_array((np.ones(self.m), (i, j)), shape=(long, short))
        self.incidence = cast("sparse.csr_array", incidence.tocsr())
        self.counts = np.bincount(i, minlength=long).astype(float)
        self.short_counts = np.bincount(j, minlength=short).astype(float)
        self.sums = np.bincount(i, v, minlength=long).astype(float)
        self.short_sums = np.bincount(j, v, minlength=short).astype(float)

    def solve(
        self,
        ridge: tuple[float, float],
        start: Offsets | None = None,
        rtol: float = 1e-10,
    ) -> Offsets:
        """Fit for one pair of ridges, from the effects in `start`, to a relative residual."""
        long_ridge, short_ridge = ridge[::-1] if self.flipped else ridge
        short = np.zeros(min(self.shape))
        if np.isfinite(short_ridge):
            first = None
            if start is not None:
                first = (start.row if self.flipped else start.col) / self.scale
            short = self._short_effects((long_ridge, short_ridge), first, rtol)
        mean, long = self._eliminated(self.sums - self.incidence @ short, long_ridge)
        if long_ridge == 0.0:
            mean, long = _centred(mean, long, self.counts > 0)
        if short_ridge == 0.0:
            mean, short = _centred(mean, short, self.short_counts > 0)
        mean, long, short = self.scale * (mean + self.centre), self.scale * long, self.scale * short
        row, col = (short, long) if self.flipped else (long, short)
        kinds: dict[tuple[bool, bool], Kind] = {
            (True, True): "both", (True, False): "row", (False, True): "col", (False, False): "mean"
        }  # fmt: skip
        kind = kinds[bool(np.isfinite(ridge[0])), bool(np.isfinite(ridge[1]))]
        return Offsets(float(mean), row, col, ridge, kind)

    def _eliminated(self, sums: Vector, ridge: float) -> tuple[float, Vector]:
        """Best mean and long effects when the entries of each long line add up to `sums`.

        aᵢ = (sᵢ - nᵢ μ)/(nᵢ + ρ), and the optimal μ weighs line i by ρ/(nᵢ + ρ).
        """
        if np.isinf(ridge):
            return float(sums.sum() / self.m), np.zeros_like(sums)
        shrunk = np.maximum(self.counts + ridge, np.finfo(float).tiny)
        # With ρ = 0 mean and effects are not separate; the plain mean is as good as any.
        weights = ridge / shrunk if ridge > 0.0 else np.ones_like(sums)
        mean = float(weights @ sums / (weights @ self.counts))
        return mean, (sums - self.counts * mean) / shrunk

    def _fitted_short_sums(self, sums: Vector, ridge: float) -> Vector:
        mean, long = self._eliminated(sums, ridge)
        return self.incidence.T @ (long + mean)

    def _short_effects(
        self, ridge: tuple[float, float], start: Vector | None, rtol: float
    ) -> Vector:
        long_ridge, short_ridge = ridge
        diagonal = self.short_counts + short_ridge
        safe = np.where(diagonal > 0.0, diagonal, 1.0)

        def schur(effects: Vector) -> Vector:
            fitted = self._fitted_short_sums(self.incidence @ effects, long_ridge)
            return diagonal * effects - fitted

        right = self.short_sums - self._fitted_short_sums(self.sums, long_ridge)
        # The stubs do not know the functional constructor's keywords.
        make, size = cast("Any", LinearOperator), (right.size, right.size)
        solution, _ = cg(
            make(size, matvec=schur, dtype=np.float64),
            right,
            x0=start,
            rtol=rtol,
            # The values themselves, at most 1 here, are not known more closely than this.
            atol=float(np.finfo(float).eps * np.linalg.norm(self.short_counts)),
            maxiter=2000,
            M=make(size, matvec=lambda residual: residual / safe, dtype=np.float64),
        )
        return solution


def _centred(mean: float, effects: Vector, seen: NDArray[np.bool_]) -> tuple[float, Vector]:
    level = float(effects[seen].mean())
    return mean + level, np.where(seen, effects - level, 0.0)


def _checked(
    rows: ArrayLike, cols: ArrayLike, values: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any], Vector]:
    i, j, v = np.asarray(rows), np.asarray(cols), np.asarray(values, dtype=np.float64)
    if not (i.ndim == j.ndim == v.ndim == 1 and i.size == j.size == v.size):
        raise InputError(
            "rows, cols and values must be one-dimensional and equally long, "
            f"got {i.shape}, {j.shape}, {v.shape}."
        )
    if v.size == 0:
        raise InputError("Offsets need at least one entry, got none.")
    if not np.isfinite(v).all():
        raise InputError(f"{np.count_nonzero(~np.isfinite(v))} values are NaN or infinite.")
    for index, size, name in ((i, shape[0], "row"), (j, shape[1], "column")):
        if index.min() < 0 or index.max() >= size:
            raise InputError(
                f"{name} indices must lie in 0..{size - 1}, got {index.min()}..{index.max()}."
            )
    return i, j, v


def _effects(effects: Vector, index: ArrayLike, name: str) -> Vector:
    index = np.asarray(index)
    if index.size and (index.min() < -1 or index.max() >= effects.size):
        raise InputError(
            f"{name} indices must lie in -1..{effects.size - 1} (-1 is unknown), "
            f"got {index.min()}..{index.max()}."
        )
    if index.size == 0 or effects.size == 0:
        return np.zeros(index.shape)
    return np.where(index < 0, 0.0, effects[np.maximum(index, 0)])
