"""Symmetric matrices known through quadratic forms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from flatrank.arrays import scope
from flatrank.factors import Cone
from flatrank.measurements import CodedDiffraction, QuadraticForms
from flatrank.problems.arguments import checked_array, checked_parameters, rectangular
from flatrank.problems.flat import Problem
from flatrank.problems.share import at_share
from flatrank.problems.symmetric import stated


@scope()
def covariance(
    x: ArrayLike, y: ArrayLike, *, lam: float = 0.0, lam_ratio: float | None = None
) -> Problem:
    """A positive semidefinite matrix known through yᵢ = xᵢᵀ M xᵢ.

    lam = 0: min tr(D M D) over M ⪰ 0 that fit; lam > 0: min ½ Σ (xᵢᵀ M xᵢ − yᵢ)² + lam tr(D M D),
    D² = (1/(m d)) Σ ‖xᵢ‖² xᵢxᵢᵀ.

    Parameters
    ----------
    x : real array of shape (m, d)
        The vectors, a row each, finite.
    y : real array of shape (m,)
        The data, finite.
    lam : float
        Weight λ ≥ 0 of the trace; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.

    Returns
    -------
    Problem
        A `Symmetric`; its solution has L = R = U with M = U Uᵀ.

    Raises
    ------
    ValueError
        If lengths differ, nothing is measured, a number is not finite or not real, every
        vector is zero, or lam is out of range.

    Notes
    -----
    Cost: m d numbers of memory, the matrices xᵢxᵢᵀ are never formed; 2 m d² flops for the Gram and
    O(d³) for D. With m < d the problem is the one restricted to the span of the vectors.

    tr(D M D) = (1/(m d)) Σ ‖xᵢ‖² yᵢ is the same for all M ⪰ 0 that fit: each is flattest, certified
    says no more than that it fits, and recovery is what `certificate.unique` proves.

    Reference: Ding, Drusvyatskiy, Fazel, Harchaoui (2024), §7.
    """
    return at_share(_stated(x, y, lam, Cone.POSITIVE), lam, lam_ratio)


@scope()
def quadratic_network(
    x: ArrayLike, y: ArrayLike, *, lam: float = 0.0, lam_ratio: float | None = None
) -> Problem:
    """A symmetric matrix of any sign known through yᵢ = xᵢᵀ M xᵢ.

    A network with squared activations: y = Σⱼ vⱼ (uⱼᵀ x)² with vⱼ = ±1 is xᵀ M x for
    M = U1 U1ᵀ − U2 U2ᵀ, the uⱼ in U1 and U2 by their sign. lam = 0: min ‖D M D‖_* over symmetric M
    that fit; lam > 0: min ½ Σ (xᵢᵀ M xᵢ − yᵢ)² + lam ‖D M D‖_*, D² = (1/(m d)) Σ ‖xᵢ‖² xᵢxᵢᵀ.

    Parameters
    ----------
    x : real array of shape (m, d)
        The inputs, a row each, finite.
    y : real array of shape (m,)
        The outputs, finite.
    lam : float
        Weight λ ≥ 0 of the norm; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.

    Returns
    -------
    Problem
        A `Symmetric`; its solution has R = U = [U1, U2] in some order of columns and L = U E, with
        the signs on the diagonal of E.

    Raises
    ------
    ValueError
        As for `covariance`, whose cost it has.

    Notes
    -----
    Reference: Ding, Drusvyatskiy, Fazel, Harchaoui (2024), §7.
    """
    return at_share(_stated(x, y, lam, Cone.SYMMETRIC), lam, lam_ratio)


@scope()
def phase_retrieval(
    x: ArrayLike | CodedDiffraction,
    y: ArrayLike,
    *,
    lam: float = 0.0,
    lam_ratio: float | None = None,
) -> Problem:
    """A vector z known through the sizes yᵢ = |xᵢ* z|², up to its phase.

    lam = 0: min tr(D Z D) over Z ⪰ 0 with xᵢ* Z xᵢ = yᵢ; lam > 0:
    min ½ Σ (xᵢ* Z xᵢ − yᵢ)² + lam tr(D Z D), D² = (1/(m n)) Σ ‖xᵢ‖² xᵢxᵢ*. Where the answer has
    rank one it is z z*, and `solution.U[:, 0]` is z times a number of size one.

    Parameters
    ----------
    x : real or complex array of shape (m, n), or CodedDiffraction
        The vectors, a row each, finite; or masks before a Fourier transform
        (`measurements.coded_diffraction`), never written out as vectors.
    y : real array of shape (m,)
        The squared sizes, finite; noise may make some negative. Of masks those of the first, then
        those of the second and so on.
    lam : float
        Weight λ ≥ 0 of the trace; 0 interpolates.
    lam_ratio : float, optional
        λ as a share of λ_max, in [0, 1], in place of `lam`: from λ_max on X = 0 is optimal.

    Returns
    -------
    Problem
        A `Symmetric`. Its factors are the real parts of those of Z over the imaginary ones; D² and
        tr(D Z D) are the complex ones above, so that real vectors given as complex numbers pose the
        same problem.

    Raises
    ------
    ValueError
        As for `covariance`, but that x may be complex.

    Notes
    -----
    Cost: that of `covariance` for real vectors; complex numbers cost four times as much each.
    Masks: O(m) memory, O(m log n) flops a product with a column.
    tr(D Z D) is the same for all Z that fit: see `covariance`.

    Reference: Candès, Strohmer, Voroninski (2013) for the convex form; Demanet and Hand (2014) for
    what is left without the trace.
    """
    if not isinstance(x, CodedDiffraction):
        complex_ones = rectangular("x", x).dtype.kind == "c"
        among = Cone.HERMITIAN if complex_ones else Cone.POSITIVE
        return at_share(_stated(x, y, lam, among), lam, lam_ratio)
    data, (lam, _) = checked_array("y", y), checked_parameters(lam)
    if data.size != x.m:
        count, n = x.masks.shape
        raise ValueError(
            f"y must hold {x.m} numbers, {n} for each of {count} masks; got {data.size}"
        )
    return at_share(stated(x, data, lam, Cone.HERMITIAN), lam, lam_ratio)


def _stated(x: ArrayLike, y: ArrayLike, lam: float, among: Cone) -> Problem:
    vectors = _complex(x) if among is Cone.HERMITIAN else checked_array("x", x, 2)
    data, (lam, _) = checked_array("y", y), checked_parameters(lam)
    if vectors.shape[0] != data.size:
        raise ValueError(f"x and y must have one length; got {vectors.shape[0]} and {data.size}")
    if not vectors.size:
        raise ValueError(
            f"x must hold at least one vector of one number; got shape {vectors.shape}"
        )
    return stated(QuadraticForms(vectors), data, lam, among)


def _complex(x: ArrayLike) -> np.ndarray:
    """Either part may be as small as it likes."""
    array = rectangular("x", x)
    re, im = (
        checked_array(f"x.{part}", getattr(array, part), 2, smallest=1e-300)
        for part in ("real", "imag")
    )
    checked_array("x", np.maximum(np.abs(re), np.abs(im)), 2)
    return re + 1j * im
