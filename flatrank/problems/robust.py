"""Robust principal component analysis: Y = low rank + sparse."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import ArrayLike

from flatrank.flatness import Rescaling
from flatrank.measurements.whole import WholeMatrix
from flatrank.problems.arguments import rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable

# Largest entries below this leave the range of full precision when they are scaled.
_SMALLEST = 1e-300


class Separation(Problem):
    """Y = X + S with X of low rank and S sparse; exactly one of the two numbers is given.

        radius:      min ‖X‖_*  s.t. ‖Y − X‖₁ ≤ radius
        sparsity:    min ‖X‖_* + sparsity·‖Y − X‖₁

    (‖·‖₁ adds the absolute entries). `b` holds Y row by row, `measurement` is the identity, and
    D1 = D2 = I: the flattest separation is the norm-minimal one (theory §1.6).

    Parameters
    ----------
    radius, sparsity : float or None
        One of the two, > 0.
    """

    radius: float | None = eqx.field(static=True)
    sparsity: float | None = eqx.field(static=True)

    @property
    def Y(self) -> np.ndarray:
        """The data as a matrix (d1, d2), on the host; no copy where the device is the host."""
        return np.asarray(self.b).reshape(self.shape)

    @property
    def level(self) -> float:
        """The size of the multiplier on the sparse part; with a radius, where to look first."""
        return self.sparsity if self.sparsity is not None else 1.0 / math.sqrt(max(self.shape))

    def with_lam(self, lam: float) -> Problem:
        """Refused: λ weighs a least-squares misfit, which there is not.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            f"robust PCA has no lam (got {lam}); with_sparsity and with_radius give the problem at "
            "another number"
        )

    def with_sparsity(self, sparsity: float) -> Separation:
        """The same data in the penalised form, at a weight > 0."""
        return _separation(self.b, self.shape, None, _positive("sparsity", sparsity))

    def with_radius(self, radius: float) -> Separation:
        """The same data, the sparse part of size `radius` > 0 at most."""
        return _separation(self.b, self.shape, _positive("radius", radius), None)

    def scaled(self, factor: float) -> Separation:
        """The problem of factor·Y: the radius scales, the sparsity does not."""
        radius = None if self.radius is None else self.radius * factor
        return _separation(self.b * factor, self.shape, radius, self.sparsity)

    def settings(self) -> dict[str, float | None]:
        """The numbers that with the arrays make the problem whole again."""
        return {"radius": self.radius, "sparsity": self.sparsity}

    def arrays(self) -> dict[str, np.ndarray]:
        """Y."""
        return {"Y": np.ascontiguousarray(self.Y)}


def robust_pca(
    Y: ArrayLike, *, radius: float | None = None, sparsity: float | None = None
) -> Problem:
    """Y = X + S, X of low rank and S sparse: find both.

    radius: min ‖X‖_* s.t. ‖Y − X‖₁ ≤ radius, the flat problem, for a known size ‖S‖₁;
    sparsity: min ‖X‖_* + sparsity·‖Y − X‖₁, principal component pursuit, which needs no such
    knowledge. With neither, the penalised form at sparsity = 1/√max(d1, d2), the weight of its
    recovery theorem: L and S are then found exactly, whatever the size of the errors, when X
    is incoherent, its rank is small against min(d1, d2) and the errors are few and spread out.

    Parameters
    ----------
    Y : real array of shape (d1, d2)
        The data, finite, complete.
    radius : float, optional
        Σ|S_ij| at most, > 0.
    sparsity : float, optional
        Weight of Σ|S_ij|, > 0. From 1 on S = 0 is optimal.

    Returns
    -------
    Problem
        A `Separation`. `solve` returns X as factors and S as `solution.extra["sparse"]`.

    Raises
    ------
    ValueError
        If Y is not a finite real matrix with at least one entry, or both or a wrong radius or
        sparsity are given.

    Notes
    -----
    Cost: O(d1 d2) time and memory: the data are dense, and so are S and the dual variable.

    Reference: Ding, Drusvyatskiy, Fazel, Harchaoui (2024), §6, for the radius; Candès, Li, Ma,
    Wright (2011), Theorem 1.1, for the sparsity.
    """
    if radius is not None and sparsity is not None:
        raise ValueError(
            f"give radius or sparsity, not both; got radius={radius!r} and sparsity={sparsity!r}"
        )
    data = _checked_matrix(Y)
    radius, sparsity = _positive("radius", radius), _positive("sparsity", sparsity)
    if radius is None and sparsity is None:
        sparsity = 1.0 / math.sqrt(max(data.shape))
    with jax.enable_x64(True):
        # Copied: the caller's array may change later, and the device may share its memory.
        b = jnp.array(data.reshape(-1), copy=True)
        return _separation(b, data.shape, radius, sparsity)


def _separation(
    b: Array, shape: tuple[int, int], radius: float | None, sparsity: float | None
) -> Separation:
    d1, d2 = shape
    rows, cols = np.zeros(d1, dtype=np.int64), np.zeros(d2, dtype=np.int64)
    return Separation(
        WholeMatrix(d1, d2),
        b,
        Rescaling(jnp.ones(d1), jnp.ones(d2)),
        0.0,
        0.0,
        Unidentifiable(rows + d2, cols + d1, rows, cols, 1),
        radius,
        sparsity,
    )


def _positive(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number; got {value!r}") from None
    if not (math.isfinite(number) and number > 0):
        raise ValueError(
            f"{name} must be a finite number > 0; got {value!r}. "
            "Leave it out for principal component pursuit with the usual weight"
        )
    return number


def _checked_matrix(Y: ArrayLike) -> np.ndarray:
    data = rectangular("Y", Y)
    if np.ma.count_masked(Y):
        raise ValueError(
            f"Y holds {np.ma.count_masked(Y)} masked entries; robust PCA needs all of them. "
            "Use completion for a matrix with gaps"
        )
    if data.ndim != 2 or data.dtype.kind not in "fiub":
        raise ValueError(
            f"Y must be a real matrix (d1, d2); got shape {data.shape} of {data.dtype}"
        )
    if data.size == 0:
        raise ValueError(f"Y must hold at least one entry; got shape {data.shape}")
    data = data.astype(np.float64, copy=False)
    finite = np.isfinite(data)
    if not finite.all():
        wrong = np.argwhere(~finite)
        i, j = wrong[0]
        raise ValueError(
            f"Y must be finite; {len(wrong)} entries are not, first Y[{i}, {j}] = {data[i, j]}. "
            "Use completion for a matrix with gaps"
        )
    top = float(max(data.max(), -data.min()))
    if top and not _SMALLEST <= top <= 1 / _SMALLEST:
        raise ValueError(
            f"the largest entry of Y is {top:.3g} in size; expected between {_SMALLEST:.0e} and "
            f"{1 / _SMALLEST:.0e}: divide Y by a common unit first"
        )
    return data
