"""The flat problem, the one problem every family reduces to.

    λ = 0:   min ½(‖D1 L‖² + ‖D2 R‖²)  s.t. 𝒜(L Rᵀ) = b       =  min ‖X̃‖_*  s.t. ℬ(X̃) = b
    λ > 0:   min ½‖𝒜(L Rᵀ) − b‖² + λ/2 (‖D1 L‖² + ‖D2 R‖²)     =  min ½‖ℬ(X̃) − b‖² + λ‖X̃‖_*

with X̃ = D1 X D2 and ℬ(X̃) = 𝒜(D1⁻¹ X̃ D2⁻¹). Solvers and certificates see only ℬ, b and λ.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from flatrank.arrays import Array, Module, placed, static
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair
from flatrank.flatness import Rescaling
from flatrank.measurements import Measurement, Whitened, to_parts, whitened
from flatrank.problems.arguments import checked_multiple, checked_parameters
from flatrank.problems.identifiability import Unidentifiable
from flatrank.problems.labels import Labels


class Problem(Module):
    """A low-rank recovery problem.

    Parameters
    ----------
    measurement : Measurement
        𝒜, on d1 × d2 matrices.
    b : array of shape (m,)
        The data, in the order of the measurement.
    rescaling : Rescaling
        D1, D2 with the smoothing applied.
    lam : float
        λ ≥ 0; 0 interpolates.
    smoothing : float
        θ in [0, 1]; 0 is flat, 1 is norm-minimal.
    unidentifiable : Unidentifiable
        What the data cannot determine whatever the method.
    labels : Labels, optional
        What rows and columns are called, where a table came in.
    """

    measurement: Measurement
    b: Float[Array, " m"]
    rescaling: Rescaling
    lam: float = static()
    smoothing: float = static()
    unidentifiable: Unidentifiable = static()
    labels: Labels | None = static(default=None, kw_only=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(d1, d2)."""
        return self.measurement.shape

    @property
    def m(self) -> int:
        """Number of measurements."""
        return self.measurement.m

    @property
    def cone(self) -> Cone:
        """The matrices X may be: all of them."""
        return Cone.WHOLE

    @property
    def all_flattest(self) -> bool:
        """Whether every matrix that fits is a flattest one, as where X ⪰ 0 and Aᵢ² = wᵢ Aᵢ.

        tr(D X D) = (1/(m d)) Σ wᵢ bᵢ then, whatever X is: it takes a proof of uniqueness to
        distinguish those that fit.
        """
        if self.lam > 0 or not self.cone.positive:
            return False
        return self.measurement.gram_weights() is not None

    @cached_property
    def hidden(self) -> bool:
        """Whether D leaves out what some measurement sees (`Rescaling.hides`): no proof then."""
        return self.rescaling.hides(self.measurement)

    @cached_property
    def whitened(self) -> Whitened:
        """ℬ(X̃) = 𝒜(D1⁻¹ X̃ D2⁻¹)."""
        return whitened(self.measurement, *self.rescaling.inverse, self.cone)

    def with_lam(self, lam: float) -> Problem:
        """The same problem at another λ ≥ 0, checked as at the front doors."""
        return replace(self, lam=checked_parameters(lam, self.smoothing)[0])

    def to(self, device: Any) -> Problem:
        """The problem on the device engine, whose solution is of JAX's arrays.

        A device is "gpu", "cpu", one of JAX, or "numpy" for the way back; ValueError if JAX is not
        installed, or knows no such device.
        """
        return placed(self, device)

    def scaled(self, factor: float) -> Problem:
        """The problem of `factor` b, whose optimum scales too; ValueError if λ leaves the range."""
        return replace(self, b=self.b * factor, lam=checked_multiple(self.lam, factor))

    def settings(self) -> dict[str, float | None]:
        """The numbers asked for: with `form` and `arrays` they make the problem whole again."""
        return {"lam": self.lam, "smoothing": self.smoothing}

    def form(self) -> dict[str, Any]:
        """Of which family, about which matrices, and how measured (`saving.rebuilt` reads it)."""
        measurement, _ = to_parts(self.measurement)
        return {
            "family": type(self).__name__,
            "among": self.cone.name.lower(),
            "measurement": measurement,
            "labels": None if self.labels is None else self.labels.saved()[0],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The data, the arrays of the measurement, and the labels as text."""
        _, arrays = to_parts(self.measurement)
        labels = {} if self.labels is None else self.labels.saved()[1]
        return {"b": np.ascontiguousarray(self.b), **arrays, **labels}

    def whiten(self, pair: FactorPair) -> FactorPair:
        """(L, R) ↦ (D1 L, D2 R), the pair of X̃."""
        return self.rescaling.apply(pair)

    def unwhiten(self, pair: FactorPair) -> FactorPair:
        """Back from the pair of X̃ to the pair of X."""
        return self.rescaling.undo(pair)

    def degrees(self, rank: int) -> int:
        """r(d1 + d2 − r), the degrees of freedom of rank r, empty rows and columns left out."""
        empty1, empty2 = self.unidentifiable.empty
        d1, d2 = self.shape[0] - empty1, self.shape[1] - empty2
        r = min(rank, d1, d2)
        return r * (d1 + d2 - r)

    def zero(self, k: int) -> FactorPair:
        """The zero pair with k columns."""
        d1, d2 = self.shape
        return FactorPair(np.zeros((d1, k)), np.zeros((d2, k)))
