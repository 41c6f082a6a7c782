"""What is measured of a pair before it is judged."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from flatrank.arrays import Array, compiled, xp
from flatrank.arrays.shapes import Float
from flatrank.certificates.certificate import relative_misfit
from flatrank.factors import CompactSVD, FactorPair
from flatrank.measurements import Measurement

# Misfit, relative to ‖b‖, up to which a pair is one that nearly fits: it is then judged as one of
# exact data, for least squares would compare rounding with rounding.
FITS = 1e-6
# Numbers between this and its reciprocal may be squared, and their squares added.
LONGEST = 1e60


class Point(NamedTuple):
    """U, s, V of X̃, r = b − ℬ(X̃), ‖r‖², ‖b‖, ‖X̃‖_*."""

    svd: CompactSVD
    r: Float[Array, " m"]
    square: float
    size: float
    nuclear: float

    @property
    def misfit(self) -> float:
        """‖r‖."""
        return math.sqrt(self.square)

    @property
    def feasibility(self) -> float:
        """‖r‖/‖b‖."""
        return relative_misfit(self.misfit, self.size)

    def fits(self, share: float = FITS) -> bool:
        """Whether ‖r‖ is at most this share of ‖b‖."""
        return self.misfit <= share * self.size


def measured(B: Measurement, b: Array, svd: CompactSVD) -> Point:
    """Of X̃ = U diag(s) Vᵀ without its terms of rounding; the width stays."""
    svd, r, *numbers = _measured(B, b, svd)
    return Point(svd, r, *(float(x) for x in numbers))


@compiled
def _measured(B: Measurement, b: Array, svd: CompactSVD) -> tuple[CompactSVD, *tuple[Array, ...]]:
    svd = positive_part(svd)
    r = b - B.forward(FactorPair(svd.U * svd.s[None, :], svd.V))
    return svd, r, xp.vdot(r, r), xp.linalg.norm(b), xp.sum(svd.s)


def positive_part(svd: CompactSVD) -> CompactSVD:
    """Zero what belongs to singular values that are rounding of the largest; the width stays."""
    keep = (svd.s > 1e-13 * xp.max(svd.s, initial=0.0))[None, :]
    return CompactSVD(
        xp.where(keep, svd.U, 0.0), xp.where(keep[0], svd.s, 0.0), xp.where(keep, svd.V, 0.0)
    )


def in_range(direction: Float[Array, " m"]) -> Float[Array, " m"]:
    """A vector whose length does not matter, so long that its squares are in range."""
    top = float(np.max(np.abs(np.asarray(direction)), initial=0.0))
    return direction if top == 0 or 1 / LONGEST <= top <= LONGEST else np.asarray(direction) / top
