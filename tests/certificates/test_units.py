"""No number is so large or so small that a certificate claims what is not so."""

import dataclasses

import numpy as np
import pytest

import flatrank as fr
from flatrank.certificates import Effort, dense_norm, norm_bound
from flatrank.factors import CompactSVD
from flatrank.measurements import Adjoint
from flatrank.problems import in_units

RNG = np.random.default_rng(0)
M, D1, D2 = 12, 5, 4
L, R = RNG.standard_normal((D1, 1)), RNG.standard_normal((D2, 1))
A = RNG.standard_normal((M, D1, D2))
ROWS, COLS = np.divmod(RNG.permutation(D1 * D2)[:M], D2)
LEFT, RIGHT = RNG.standard_normal((M, D1)), RNG.standard_normal((M, D2))
NOISE = 0.3 * RNG.standard_normal(M)
X = L @ R.T


def dense(size=1.0, unit=1.0, lam=0.0):
    return fr.sensing(A * size, (np.einsum("ipj,pj->i", A, X) + NOISE) * unit, lam=lam)


def entries(size=1.0, unit=1.0, lam=0.0):
    assert size == 1.0
    return fr.completion(ROWS, COLS, (X[ROWS, COLS] + NOISE) * unit, (D1, D2), lam=lam)


def bilinear(size=1.0, unit=1.0, lam=0.0):
    b = (np.einsum("ip,pj,ij->i", LEFT, X, RIGHT) + NOISE) * unit
    return fr.bilinear(LEFT * np.sqrt(size), RIGHT * np.sqrt(size), b, lam=lam)


def covariance(size=1.0, unit=1.0, lam=0.0):
    y = (np.einsum("ip,pj,ij->i", LEFT, L @ L.T, LEFT) + NOISE) * unit
    return fr.covariance(LEFT * np.sqrt(size), y, lam=lam)


SIZES = [(1.0, 4.0**240), (1.0, 4.0**-240), (4.0**60, 4.0**-100), (4.0**-60, 4.0**100)]


@pytest.mark.parametrize("y", [1e160, 1e250, 1e308])
@pytest.mark.parametrize("lam", [0.0, 0.5])
def test_a_dual_point_whose_norm_overflows_proves_nothing_wrong(y, lam):
    problem = dense(lam=lam)
    pair = (L, R)
    zero = (0 * L, 0 * R)
    short = fr.certify(problem, pair, np.ones(M))
    for factors in (pair, zero):
        certificate = fr.certify(problem, factors, y * np.ones(M))
        assert not certificate.certified(1e-6)
        # Its direction counts, whatever its length: with λ = 0 it is brought to what is allowed.
        assert certificate.dual_bound == pytest.approx(short.dual_bound, rel=1e-9)


@pytest.mark.parametrize("length", [1e-310, 1e-200, 1e200])
def test_the_length_of_a_penalised_dual_point_does_not_matter(length):
    problem, y = dense(lam=0.5), NOISE + 1.0
    one, other = (fr.certify(problem, (L, R), s * y) for s in (1.0, length))
    assert other.dual_bound == pytest.approx(one.dual_bound, rel=1e-9)
    assert np.isfinite(other.operator_norm)


@pytest.mark.parametrize(("size", "unit"), SIZES)
@pytest.mark.parametrize("lam", [0.0, 0.5])
@pytest.mark.parametrize("family", [dense, entries, bilinear, covariance])
def test_units_change_a_certificate_by_the_unit_alone(family, lam, size, unit):
    if family is entries:
        size = 1.0
    if lam and not 1e-150 < unit < 1e150:
        unit **= 0.5
    pair = (L, L) if family is covariance else (L, R)
    one = fr.certify(family(lam=lam), pair)
    root = np.sqrt(unit / size)
    other = fr.certify(family(size, unit, lam * unit / size), tuple(x * root for x in pair))
    value = unit**2 if lam else unit * size
    assert other.primal == pytest.approx(value * one.primal, rel=1e-9)
    assert other.dual_bound == pytest.approx(value * one.dual_bound, rel=1e-7)
    assert other.unique == one.unique


def test_a_zero_pair_is_not_certified_where_squares_underflow():
    problem = fr.sensing(A * 1e95, np.einsum("ipj,pj->i", A, X) * 1e-70, lam=1e-165)
    zero = fr.certify(problem, (0 * L, 0 * R))
    assert not zero.certified(0.1)
    assert zero.dual_bound < 0.5 * zero.primal
    ordinary = fr.solve(fr.sensing(A, np.einsum("ipj,pj->i", A, X), lam=1.0)).factors
    pair = tuple(np.asarray(x) * 10.0**-82.5 for x in (ordinary.L, ordinary.R))
    found = fr.certify(problem, pair)
    assert found.certified(1e-6)
    assert found.primal < 0.5 * zero.primal


def test_values_out_of_range_are_not_claimed():
    """½‖b‖² is 1e-400: the numbers are proved, and cannot be said."""
    problem = dense(unit=4.0**-332, lam=1e-198)
    solution = fr.solve(problem)
    assert not solution.certificate.certified(1e-6)
    assert solution.status is fr.Status.NONFINITE
    certificate = fr.certify(problem, (1e-100 * L, 1e-100 * R))
    assert certificate.relative_gap == np.inf


def test_a_lam_out_of_range_in_the_unit_of_the_data_is_refused():
    problem = dense(unit=1e150, lam=1e-250)
    with pytest.raises(ValueError, match="lam = 1e-250 is out of the range"):
        fr.certify(problem, (L, R))
    with pytest.raises(ValueError, match="lam = 1e-250 is out of the range"):
        fr.solve(problem)


def test_units_are_powers_of_four_and_lead_back():
    problem = dense(4.0**60, 4.0**-100, 0.5 * 4.0**-160)
    units = in_units(problem)
    assert np.log2(units.data) % 2 == np.log2(units.map) % 2 == 0
    assert 0.1 <= np.max(np.abs(units.problem.b)) <= 4
    assert 0.1 <= np.max(np.diagonal(units.problem.rescaling.D1)) ** 2 / 4.0**60 <= 10
    assert units.value == units.data**2
    state = fr.tomography(np.eye(2)[None], [1e-3])
    assert in_units(state)[1:] == (1.0, 1.0)


@pytest.mark.parametrize("length", [1e-200, 1e-300, 1e155, 1e300])
@pytest.mark.parametrize("form", [{"sparsity": 0.4}, {"radius": 5.0}])
def test_the_length_of_a_dual_matrix_of_robust_pca_does_not_matter(form, length):
    Y = RNG.standard_normal((D1, D2))
    problem = fr.robust_pca(Y, **form)
    one, other = (fr.certify(problem, (L, R), s * Y) for s in (1.0, length))
    assert other.dual_bound == pytest.approx(one.dual_bound, rel=1e-12)
    assert not other.certified(1e-6)


def test_norms_of_what_overflows_and_of_what_underflows():
    S = RNG.standard_normal((70, 80))
    for size in (1e-250, 1e250):
        assert dense_norm(size * S) == pytest.approx(size * np.linalg.norm(S, 2), rel=1e-9)


@pytest.mark.parametrize("width", [0.0, 1e-12, 1e-7, 1e-3])
@pytest.mark.parametrize("top", [1, 30])
def test_a_norm_that_many_singular_values_nearly_reach(width, top):
    # Residuals of penalised problems: as many values as the rank, all at λ but for the tolerance.
    rng, d = np.random.default_rng(top), 90
    U, V = (np.linalg.qr(rng.standard_normal((n, d)))[0] for n in (d, d + 20))
    s = np.concatenate([[1], 1 - width * rng.random(top - 1), 0.9 * rng.random(d - top)])
    found = dense_norm(U * s @ V.T)
    assert 1 - 1e-14 * d <= found <= 1 + 1e-9


def test_norms_of_one_direction():
    u, v = np.linspace(1, 2, 70), np.linspace(-1, 1, 80)
    long = np.linalg.norm(u) * np.linalg.norm(v)
    assert dense_norm(np.outer(u, v)) == pytest.approx(long, rel=1e-9)


class Broken(Adjoint):
    """All products are NaN."""

    def right(self, R):
        return np.full((6, R.shape[1]), np.nan)

    def left(self, L):
        return np.full((5, L.shape[1]), np.nan)


@pytest.mark.parametrize("delta", [0.0, 1e-9])
def test_a_norm_that_is_no_number_is_no_bound(delta):
    nothing = CompactSVD(np.zeros((6, 1)), np.zeros(1), np.zeros((5, 1)))
    assert norm_bound(Broken(), nothing, 0.5, Effort(delta, at_once=0)).value == np.inf


def test_what_is_refused_whatever_the_tolerance():
    good = fr.certify(dense(lam=0.5), (L, R))
    for change in (
        {"relative_gap": float("nan")},
        {"relative_gap": -1e-6},
        {"primal": float("inf")},
        {"dual_bound": float("nan")},
        {"gap": float("inf")},
    ):
        assert not dataclasses.replace(good, **{"relative_gap": 0.0, **change}).certified(0.5)
    assert dataclasses.replace(good, relative_gap=-1e-12).certified(1e-6)
