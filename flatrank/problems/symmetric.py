"""Problems in a symmetric unknown, and what flat means for them."""

from __future__ import annotations

import numpy as np

from flatrank.arrays import static, to_numpy
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
        """Degrees of freedom of a rank, empty lines left out."""
        return self.among.degrees(self.shape[0] - self.unidentifiable.empty[0], rank)

    def scaled_trace(self, pair: Factors) -> float:
        """str(D²f) at L = U E, R = U, by the formula above; d² numbers of work a measurement."""
        trace = symmetric_trace(self.measurement, pair, self.b)
        return float(trace) / self.measurement.orders[0]


def stated(measurement: Measurement, b: np.ndarray, lam: float, among: Cone) -> Symmetric:
    """The problem of checked arguments; `measurement` has symmetric Aᵢ.

    Parameters
    ----------
    measurement : Measurement
        𝒜.
    b : array of shape (m,)
        The data.
    lam : float
        λ.
    among : Cone
        The matrices X may be.

    Returns
    -------
    Symmetric

    Raises
    ------
    ValueError
        If the measurement sees nothing.
    """
    seen = to_numpy(measurement.gram_diagonals()[0]) > 0
    if not seen.any():
        raise ValueError("every measurement is zero; expected at least one that is not")
    gaps = Unidentifiable.of_lines(seen, seen, measurement.m)
    one = Rescaling.of(measurement)
    rescaling = Rescaling(one.D1, one.D1, (one.inverse[0], one.inverse[0]))
    return Symmetric(measurement, b, rescaling, lam, 0.0, gaps, among)
