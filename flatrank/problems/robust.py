"""Robust principal component analysis: Y = low rank + sparse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import scope, static, to_numpy
from flatrank.flatness import Rescaling
from flatrank.measurements import WholeMatrix
from flatrank.measurements.entries import sample_entries
from flatrank.problems.arguments import checked_array, checked_number, rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable


class Separation(Problem):
    """Y = X + S with X of low rank and S sparse; exactly one of the two numbers is given.

        radius:      min ‖X‖_*  s.t. ‖Y − X‖₁ ≤ radius
        sparsity:    min ‖X‖_* + sparsity·‖Y − X‖₁

    (‖·‖₁ adds the absolute entries, the observed ones where there are gaps: what S is elsewhere
    costs nothing). `b` holds Y row by row, `measurement` is the identity, and
    D1 = D2 = I: the flattest separation is the norm-minimal one (theory §1.6).

    Parameters
    ----------
    radius, sparsity : float or None
        One of the two, > 0.
    mask : bool array of shape (d1, d2) or None
        Where Y is observed; it is zero elsewhere. None for everywhere.
    """

    radius: float | None = static()
    sparsity: float | None = static()
    mask: np.ndarray | None = None

    @property
    def Y(self) -> np.ndarray:
        """The data as a matrix (d1, d2), on the host."""
        return to_numpy(self.b).reshape(self.shape)

    @property
    def level(self) -> float:
        """The size of the multiplier on the sparse part; with a radius, where to look first."""
        return self.sparsity if self.sparsity is not None else usual_weight(self.shape, self.mask)

    def seen(self, X: np.ndarray, tile: tuple[slice, ...] = ()) -> np.ndarray:
        """X of a tile of the matrix, zero where nothing is observed."""
        return X if self.mask is None else X * self.mask[tile]

    def with_lam(self, lam: float) -> Problem:
        """Refused (ValueError): λ weighs a least-squares misfit, which there is not."""
        raise ValueError(
            f"robust PCA has no lam (got {lam}); with_sparsity and with_radius give the problem at "
            "another number"
        )

    def with_sparsity(self, sparsity: float) -> Separation:
        """The same data in the penalised form, at a weight > 0."""
        return replace(self, radius=None, sparsity=_positive("sparsity", sparsity))

    def with_radius(self, radius: float) -> Separation:
        """The same data, the sparse part of size `radius` > 0 at most."""
        return replace(self, radius=_positive("radius", radius), sparsity=None)

    def scaled(self, factor: float) -> Separation:
        """The problem of factor·Y: the radius scales, the sparsity does not."""
        radius = None if self.radius is None else self.radius * factor
        return replace(self, b=self.b * factor, radius=radius)

    def settings(self) -> dict[str, float | None]:
        """The numbers that with the arrays make the problem whole again."""
        return {"radius": self.radius, "sparsity": self.sparsity}

    def arrays(self) -> dict[str, np.ndarray]:
        """Y, and the mask where there is one."""
        mask = {} if self.mask is None else {"mask": np.ascontiguousarray(self.mask)}
        return {"Y": np.ascontiguousarray(self.Y)} | mask


def robust_pca(
    Y: ArrayLike,
    *,
    radius: float | None = None,
    sparsity: float | None = None,
    mask: ArrayLike | None = None,
) -> Problem:
    """Y = X + S, X of low rank and S sparse: find both.

    radius: min ‖X‖_* s.t. ‖Y − X‖₁ ≤ radius, the flat problem, for a known size ‖S‖₁;
    sparsity: min ‖X‖_* + sparsity·‖Y − X‖₁, principal component pursuit, which needs no such
    knowledge. With neither, the penalised form at sparsity = 1/√max(d1, d2), the weight of its
    recovery theorem: L and S are then found exactly, whatever the size of the errors, when X
    is incoherent, its rank is small against min(d1, d2) and the errors are few and spread out. With
    a share p of the entries observed, at random, the weight is 1/√(p·max(d1, d2)).

    Parameters
    ----------
    Y : real array of shape (d1, d2)
        The data, finite where observed.
    radius : float, optional
        Σ|S_ij| at most, > 0.
    sparsity : float, optional
        Weight of Σ|S_ij|, > 0. From 1 on S = 0 is optimal where Y has no gaps.
    mask : bool array of shape (d1, d2), optional
        True where Y is observed; what Y holds elsewhere is not looked at, S is zero there, and the
        sums run over the observed entries alone. Everywhere by default.

    Returns
    -------
    Problem
        A `Separation`. `solve` returns X as factors and S as `solution.extra["sparse"]`.

    Raises
    ------
    ValueError
        If Y is not a finite real matrix with at least one observed entry, both or a wrong radius
        or sparsity are given, or the mask is not one.

    Notes
    -----
    Cost: O(d1 d2) time and memory: the data are dense, and so are S and the dual variable.

    Reference: Ding, Drusvyatskiy, Fazel, Harchaoui (2024), §6, for the radius; Candès, Li, Ma,
    Wright (2011), Theorems 1.1 and 1.2, for the sparsity.
    """
    if radius is not None and sparsity is not None:
        raise ValueError(
            f"give radius or sparsity, not both; got radius={radius!r} and sparsity={sparsity!r}"
        )
    seen = None if mask is None else _checked_mask(mask, np.shape(Y))
    data = checked_array(
        "Y",
        Y if seen is None else np.where(seen, rectangular("Y", Y), 0.0),
        2,
        smallest=1e-300,
        masked="pass the data and where they are observed: "
        "robust_pca(Y.filled(0), mask=~np.ma.getmaskarray(Y))",
        gaps="Where they are gaps, say so: robust_pca(Y, mask=np.isfinite(Y))",
    )
    if data.size == 0:
        raise ValueError(f"Y must hold at least one entry; got shape {data.shape}")
    with scope():
        radius, sparsity = _positive("radius", radius), _positive("sparsity", sparsity)
        if radius is None and sparsity is None:
            sparsity = usual_weight(data.shape, seen)
        d1, d2 = data.shape
        ones, zeros = (np.ones(d1), np.ones(d2)), (np.zeros(d1, np.int64), np.zeros(d2, np.int64))
        gaps = Unidentifiable(np.full(d1, d2), np.full(d2, d1), *zeros, 1)
        if seen is not None:
            i, j = np.nonzero(seen)
            gaps = Unidentifiable.of(sample_entries(i, j, data[seen], data.shape)[0])
        A, b = WholeMatrix(d1, d2), data.reshape(-1)
        return Separation(A, b, Rescaling(*ones), 0.0, 0.0, gaps, radius, sparsity, seen)


def usual_weight(shape: tuple[int, ...], mask: np.ndarray | None) -> float:
    """The weight of the recovery theorem: 1/√(entries observed in a longest row or column)."""
    share = 1.0 if mask is None else float(np.mean(mask))
    return 1.0 / math.sqrt(share * max(shape))


def _checked_mask(mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray | None:
    """A copy, or None where all is observed."""
    seen = np.array(mask)
    if seen.shape != shape or seen.dtype != bool:
        raise ValueError(
            f"mask must be an array of bool of the shape of Y, {shape}, True where Y is observed; "
            f"got shape {seen.shape} of {seen.dtype}"
        )
    if seen.size and not seen.any():
        raise ValueError("mask is False everywhere; expected at least one observed entry")
    return None if seen.all() else seen


def _positive(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    default = "Leave it out for principal component pursuit with the usual weight"
    least = np.finfo(np.float64).smallest_subnormal
    return checked_number(
        name, value, least, np.inf, "be a finite number > 0; got {!r}. " + default
    )
