"""Problems in a symmetric unknown, and what flat means for them."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import static
from flatrank.factors import Cone, Factors
from flatrank.flatness import Rescaling, symmetric_trace
from flatrank.measurements import Measurement
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable


class Symmetric(Problem):
    """X = U E Uᵀ with E = diag(±1), or X = U Uᵀ, known through symmetric Aᵢ.

    For f(U) = ‖𝒜(U E Uᵀ) − b‖², c = 𝒜(U E Uᵀ) − b, U (d, k) and D² = (1/(m d)) Σ Aᵢ²,

        str(D²f) = tr(D²f)/d = 8m ‖D U‖² + (4/d) tr(E) Σ cᵢ tr(Aᵢ),

    and where the data fit the flattest U minimises ‖D U‖², that is the nuclear norm of D X D, or
    its trace if X = U Uᵀ (theory §1.6). Factors are L = U E, R = U. For Hermitian n × n matrices
    d is n, and D and tr(D X D) are those of the complex matrices; the trace of D²f is over the 2n k
    real numbers of U.

    Parameters
    ----------
    among : Cone
        Symmetric, positive semidefinite, or Hermitian positive semidefinite.
    """

    among: Cone = static()

    @property
    def cone(self) -> Cone:
        """The matrices X may be."""
        return self.among

    def degrees(self, rank: int) -> int:
        """Degrees of freedom of a rank, empty rows left out."""
        return self.among.degrees(self.shape[0] - self.unidentifiable.empty[0], rank)

    def scaled_trace(self, pair: Factors) -> float:
        """str(D²f) at L = U E, R = U, by the formula above; d² numbers of work a measurement."""
        trace = symmetric_trace(self.measurement, pair, self.b)
        return float(trace) / self.measurement.orders[0]


def stated(measurement: Measurement, b: np.ndarray, lam: float, among: Cone) -> Symmetric:
    """The problem of checked arguments, the Aᵢ symmetric; ValueError if they are all zero."""
    gaps, rescaling = Unidentifiable.of(measurement), one_sided(Rescaling.of(measurement))
    return Symmetric(measurement, b, rescaling, lam, 0.0, gaps, among)


def one_sided(D: Rescaling) -> Rescaling:
    """D1 on both sides."""
    return Rescaling(D.D1, D.D1, (D.inverse[0], D.inverse[0]))
