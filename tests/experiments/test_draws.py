"""What is drawn: M, and problems of the front doors that know it by their data alone."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.experiments.draws import FAMILIES, SYMMETRIC, Ensemble, draw, rival
from flatrank.measurements.explicit import written_out

SIZES = {
    "sensing": 40, "bilinear": 45, "completion": 0.7, "quadratic": 32, "covariance": 32,
    "robust": 0.25,
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_truth_fits_and_has_its_rank(family):
    problem, M = Ensemble(family, 3)(8, SIZES[family], 0)
    assert np.linalg.norm(M) == pytest.approx(1.0)
    assert np.linalg.matrix_rank(M) == 3
    U, s, Vt = np.linalg.svd(M)
    seen = problem.measurement.forward(fr.FactorPair(U * s, Vt.T))
    if family == "robust":
        errors = problem.b - seen
        assert np.count_nonzero(np.abs(errors) > 1e-13) == 16
        assert problem.radius == pytest.approx(np.abs(errors).sum())
        return
    np.testing.assert_allclose(seen, problem.b, atol=1e-13)
    assert problem.lam == 0.0
    if family == "completion":
        assert 0 < problem.m < 64
    else:
        assert problem.m == SIZES[family]
    if family == "quadratic":
        np.testing.assert_allclose(M, M.T, atol=1e-15)
        assert np.linalg.eigvalsh(M)[0] < 0 < np.linalg.eigvalsh(M)[-1]
    if family == "covariance":
        assert np.linalg.eigvalsh(M)[0] > -1e-15


@pytest.mark.parametrize("family", [one for one in FAMILIES if one not in SYMMETRIC])
def test_rectangular_shapes(family):
    problem, M = Ensemble(family, 2, aspect=1.5)(8, SIZES[family], 0)
    assert M.shape == problem.shape == (8, 12)
    assert np.linalg.matrix_rank(M) == 2


def test_families_do_not_share_their_numbers():
    one, other = (Ensemble(family, 2)(6, 20, 0)[1] for family in ("sensing", "bilinear"))
    assert not np.allclose(one, other)


@pytest.mark.parametrize("family", FAMILIES[:4])
def test_norm_minimal_is_the_front_door_with_smoothing_one(family):
    problem, _ = Ensemble(family, 2)(6, SIZES[family], 1)
    name, minimal = rival(problem)
    assert name == "norm-minimal"
    assert minimal.smoothing == 1.0
    assert float(minimal.rescaling.kappa) == pytest.approx(1.0)
    # ℬ is a multiple of 𝒜, one for all measurements, and the trace of D² is kept.
    whole, plain = written_out(minimal.whitened), written_out(problem.measurement)
    ratio = np.linalg.norm(whole) / np.linalg.norm(plain)
    np.testing.assert_allclose(whole, ratio * plain, atol=1e-12)
    if family == "completion":
        rows, cols = problem.measurement.places()
        other = fr.completion(rows, cols, problem.b, (6, 6), smoothing=1.0)
        np.testing.assert_allclose(other.rescaling.D1, minimal.rescaling.D1)


def test_no_entry_drawn_is_no_problem():
    assert draw("completion", np.eye(3), 1e-9, np.random.default_rng(0)) is None


def test_the_rivals_of_covariance_and_of_separation():
    covariance, _ = Ensemble("covariance", 1)(5, 20, 0)
    name, signed = rival(covariance)
    assert name == "of any sign"
    network = fr.quadratic_network(covariance.measurement.x, covariance.b)
    assert signed.cone is network.cone
    np.testing.assert_allclose(signed.rescaling.D1, network.rescaling.D1)
    separation, _ = Ensemble("robust", 1)(5, 0.2, 0)
    name, pursuit = rival(separation)
    assert name == "pursuit"
    assert (pursuit.radius, pursuit.sparsity) == (None, pytest.approx(1 / np.sqrt(5)))
