"""Quantum state tomography: a density matrix from the statistics of measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import Array, scope, to_numpy, xp
from flatrank.arrays.shapes import Float
from flatrank.factors import Cone, FactorPair, Weight, weighted
from flatrank.flatness import Rescaling
from flatrank.measurements import HermitianEffects, Measurement, OnHermitian, WithTrace
from flatrank.problems.arguments import checked_array, checked_parameters, own, rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.identifiability import Unidentifiable
from flatrank.problems.symmetric import Symmetric, one_sided


class Tomography(Symmetric):
    """Density matrices: X = U U* with tr X = 1, known through bᵢ = tr(Eᵢ X).

        λ ≥ 0:   min ½‖𝒜(X) − b‖² + λ tr(D² X)   over X ⪰ 0 with tr X = 1,

    D² = (1/(m n)) Σ Eᵢ². With λ = 0, where states fit the data exactly, the flattest of them:
    min tr(D² X). D² is a multiple of the identity for Pauli strings and for projective measurements
    in full, and tr(D² X) then the same for every state: all that fit are equally flat, and λ
    changes nothing.

    The trace is a constraint, so D1 = D2 = I here, and `square` holds D².

    Parameters
    ----------
    square : array of shape (d,) or (d, d)
        D², in its real form (d = 2n); a vector where it is a multiple of the identity.
    """

    square: Weight

    @property
    def uniform(self) -> bool:
        """Whether D² is a multiple of the identity."""
        return self.square.ndim == 1

    def degrees(self, rank: int) -> int:
        """r(2n − r) − 1, the degrees of freedom of a state of rank r."""
        return self.among.degrees(self.shape[0], rank) - 1

    def scaled(self, factor: float) -> Problem:
        """Refused (ValueError): the trace fixes the unit of the data."""
        raise ValueError(f"a state has trace one: its data cannot be scaled (by {factor})")

    def penalty(self, pair: FactorPair) -> Float[Array, ""]:
        """tr(D² X) for X = U U*."""
        return xp.vdot(pair.L, weighted(self.square, pair.R))

    @property
    def stiffness(self) -> float:
        """The mean of ‖𝒜(u u*)‖² over unit vectors u: (1/(n(n+1))) Σ ‖Eᵢ‖² + (tr Eᵢ)²."""
        rows, _ = self.measurement.gram_diagonals()
        n, eye = self.shape[0] // 2, np.eye(self.shape[0])
        traces = 0.5 * self.measurement.forward(FactorPair(eye, eye))
        return float((0.5 * xp.sum(rows) + xp.vdot(traces, traces)) / (n * (n + 1)))

    @property
    def steepness(self) -> float:
        """At most this is ‖𝒜(u u*)‖² for a unit vector u."""
        assert isinstance(self.measurement, OnHermitian)
        return self.measurement.steepness()

    def with_trace(self, weight: float) -> WithTrace:
        """𝒜 and w tr X."""
        return WithTrace(self.measurement, np.asarray(weight))

    def exact(self) -> Symmetric:
        """The interpolation problem, the trace one of the data.

        min tr(D'² X) s.t. 𝒜(X) = b, w tr X = w, over X ⪰ 0, w² the `stiffness` and D'² that of the
        m + 1 measurements. It has the minimisers of tr(D² X): (m + 1) n D'² = m n D² + w² I.
        """
        weight = self.stiffness**0.5
        measurement = self.with_trace(weight)
        rescaling, b = one_sided(Rescaling.of(measurement)), xp.append(self.b, weight)
        return Symmetric(measurement, b, rescaling, 0.0, 0.0, self.unidentifiable, self.among)

    def relaxed(self, weight: float, trace: float, multiplier: float) -> Symmetric:
        """Without the constraint on the trace.

        min ½‖𝒜(X) − b‖² + ½w²(tr X − t)² + tr((λ (D² − δI) + μ I) X) over X ⪰ 0, δ the smallest
        eigenvalue of D²: what all states have in common must not outweigh the rest where λ is
        large. Where its minimiser has trace one it is the minimiser over states, for it has the
        same stationarity condition. `weight`, `trace` and `multiplier` are w, t and μ > 0; its λ is
        the mean of the eigenvalues of λ (D² − δI) + μ I.
        """
        w, Q = (self.square, None) if self.uniform else xp.linalg.eigh(self.square)
        weights = self.lam * (w - xp.min(w)) + multiplier
        lam = float(xp.mean(weights))
        root = xp.sqrt(weights / lam)
        if Q is None:
            rescaling = Rescaling(root, root)
        else:
            D, inverse = (Q * root[None, :]) @ Q.T, (Q / root[None, :]) @ Q.T
            rescaling = Rescaling(D, D, (inverse, inverse))
        b, measurement = xp.append(self.b, weight * trace), self.with_trace(weight)
        return Symmetric(measurement, b, rescaling, lam, 0.0, self.unidentifiable, self.among)


@scope()
def tomography(
    effects: ArrayLike | Measurement, frequencies: ArrayLike, *, lam: float = 0.0
) -> Problem:
    """A quantum state known through the frequencies, or expectations, bᵢ ≈ tr(Eᵢ X).

    min ½‖𝒜(X) − b‖² + lam tr(D² X) over X ⪰ 0 with tr X = 1, D² = (1/(m d)) Σ Eᵢ². With lam = 0
    this is least squares over states, and where some fit exactly the one with least tr(D² X). No
    rank is asked for: positivity keeps it low where the state is nearly pure.

    Parameters
    ----------
    effects : complex or real array of shape (m, d, d), or Measurement
        The Hermitian matrices Eᵢ, finite: effects of a POVM, or observables. Or a measurement of
        Hermitian matrices, such as `flatrank.measurements.pauli_strings`. Leading axes may be
        several, as in (settings, outcomes, d, d).
    frequencies : real array of shape (m,)
        The relative frequencies, not counts, or the mean values, finite; with the leading axes of
        `effects`.
    lam : float
        Weight λ ≥ 0 of tr(D² X). It changes nothing where D² is a multiple of the identity.

    Returns
    -------
    Problem
        A `Tomography`. `solution.U` is U, complex, with X = U U*; `factors` hold its real over its
        imaginary part.

    Raises
    ------
    ValueError
        If lengths differ, nothing is measured, a number is not finite, an effect is not Hermitian,
        every effect is zero, lam is out of range, or the data are counts: whole numbers of which
        one is, or numbers of which most by squares are, beyond what any state gives.

    Notes
    -----
    `certificate.primal` is the objective. Where a state fits and lam = 0 it is tr(D² X), and
    `certificate.unique` says whether the data determine the state; see `certify`.

    Cost: m d² complex numbers of memory; none of the kind for Pauli strings.

    Reference: Gross, Liu, Flammia, Becker, Eisert (2010) for low rank; the trace is a constraint
    here, not the objective.
    """
    if isinstance(effects, OnHermitian):
        measurement = own(effects)
    elif not isinstance(effects, Measurement):
        array, frequencies = _flattened(effects, frequencies)
        measurement = HermitianEffects(_checked_effects(array))
    else:
        raise ValueError(
            f"{type(effects).__name__} does not measure Hermitian matrices; give an array "
            "(m, d, d), or flatrank.measurements.pauli_strings"
        )
    if np.iscomplexobj(frequencies):
        raise ValueError(
            "frequencies must be a vector of real numbers, as tr(E X) is for Hermitian E; got "
            "complex ones. Take their real parts if the imaginary ones are rounding"
        )
    data = checked_array("frequencies", frequencies)
    lam, _ = checked_parameters(lam)
    if data.size != measurement.m:
        raise ValueError(
            f"frequencies must hold one number for each of the {measurement.m} effects; "
            f"got {data.size}"
        )
    problem = stated(measurement, data, lam)
    _refuse_counts(measurement, data)
    return problem


@scope()
def fidelity(U: ArrayLike, state: ArrayLike) -> float:
    """F = (tr √(√σ ρ √σ))² of ρ = U U* with a state σ: ‖√σ U‖_*², 1 where they are the same.

    Parameters
    ----------
    U : complex array of shape (d, k)
        As in `solution.U`.
    state : complex array of shape (d, d)
        σ ⪰ 0.

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    Notes
    -----
    Cost: O(d³), on the host. Reference: Jozsa (1994).
    """
    U, state = np.asarray(U), np.asarray(state)
    square = state.ndim == 2 and state.shape[0] == state.shape[1]
    if not square or U.ndim != 2 or U.shape[0] != state.shape[0]:
        raise ValueError(
            "U and state must be (d, k) and (d, d), as are solution.U, which is complex, and a "
            f"density matrix; got {U.shape} and {state.shape}"
        )
    w, Q = np.linalg.eigh(state)
    root = np.sqrt(np.maximum(w, 0.0))[:, None] * Q.conj().T
    return float(np.sum(np.linalg.svd(root @ U, compute_uv=False)) ** 2)


def stated(measurement: OnHermitian, b: np.ndarray, lam: float) -> Tomography:
    """The problem of checked arguments; refuses effects that are all zero."""
    d = measurement.shape[0]
    gram, _ = measurement.grams()
    square = gram / (measurement.m * measurement.orders[0])
    top = float(xp.max(xp.abs(square)))
    if top == 0:
        raise ValueError("every effect is zero; expected at least one that is not")
    if square.ndim == 2:
        mean = xp.mean(xp.diagonal(square))
        if float(xp.max(xp.abs(square - mean * xp.eye(d)))) <= 1e-12 * top:
            square = np.full(d, float(mean))
    ones, gaps = Rescaling(np.ones(d), np.ones(d)), Unidentifiable.of_all(d, d, measurement.m)
    return Tomography(measurement, b, ones, lam, 0.0, gaps, Cone.HERMITIAN, square)


def _refuse_counts(measurement: OnHermitian, b: np.ndarray) -> None:
    """Refuse data that no state comes near: |tr(E X)| ≤ ‖E‖ ≤ ‖E‖_F, which counts exceed."""
    if isinstance(measurement, HermitianEffects):
        sizes = np.linalg.norm(to_numpy(measurement.effects), axis=(1, 2))
    else:  # on average over them: tr Σ Eᵢ², half of that of the real form
        rows, _ = measurement.gram_diagonals()
        sizes = np.full(b.size, np.sqrt(0.5 * float(xp.sum(rows)) / b.size))
    excess = np.maximum(np.abs(b) - sizes * (1 + 1e-9), 0.0)
    whole = bool((b == np.round(b)).all())
    counts = bool((b >= 0).all()) and (whole or excess @ excess > 0.5 * (b @ b))
    if not (counts and excess.any()):
        return
    first = int(np.argmax(excess))
    raise ValueError(
        f"frequencies[{first}] = {b[first]:.6g}, and no state gives more than {sizes[first]:.3g} "
        "there: these look like counts. Divide the counts of each setting by its shots, "
        "counts / counts.sum(axis=-1, keepdims=True) for counts (settings, outcomes); mean values "
        "of observables are sums of outcomes over their number"
    )


def _flattened(effects: ArrayLike, frequencies: ArrayLike) -> tuple[np.ndarray, ArrayLike]:
    """With one leading axis, where both have the same several."""
    array = rectangular("effects", effects)
    lead = array.shape[:-2]
    if array.ndim > 3:
        if np.shape(frequencies) not in (lead, (int(np.prod(lead)),)):
            raise ValueError(
                f"effects have leading axes {lead}; frequencies must have the same, or be one "
                f"vector of {int(np.prod(lead))}; got shape {np.shape(frequencies)}"
            )
        return array.reshape(-1, *array.shape[-2:]), np.reshape(np.asarray(frequencies), -1)
    return array, frequencies


def _checked_effects(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.dtype.kind not in "fiubc":
        raise ValueError(
            f"effects must be an array (m, d, d) of numbers; got shape {array.shape} of "
            f"{array.dtype}"
        )
    if not array.size:
        raise ValueError(
            f"effects must hold at least one matrix of one number; got shape {array.shape}"
        )
    effects = array.astype(np.complex128, copy=False)
    sizes = np.max(np.abs(effects), axis=(1, 2))
    checked_array("effects (by the largest number of each)", sizes, smallest=1e-50)
    skew = np.max(np.abs(effects - effects.conj().transpose(0, 2, 1)), axis=(1, 2))
    wrong = np.flatnonzero(skew > 1e-9 * float(sizes.max()))
    if wrong.size:
        raise ValueError(
            f"effects must be Hermitian; {wrong.size} are not, first effects[{wrong[0]}], which is "
            f"off by {skew[wrong[0]]:.2g}. Take their Hermitian parts if that is what was measured"
        )
    return 0.5 * (effects + effects.conj().transpose(0, 2, 1))
