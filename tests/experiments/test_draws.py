"""What is drawn: M, and problems of the front doors that know it by their data alone."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.experiments.draws import FAMILIES, draw, norm_minimal, truth
from flatrank.measurements.explicit import written_out

SIZES = {"sensing": 40, "bilinear": 45, "completion": 0.7, "quadratic": 32}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_truth_fits_and_has_its_rank(family):
    rng = np.random.default_rng(0)
    M = truth(family, 8, 3, rng)
    problem = draw(family, M, SIZES[family], rng)
    assert np.linalg.norm(M) == pytest.approx(1.0)
    assert np.linalg.matrix_rank(M) == 3
    U, s, Vt = np.linalg.svd(M)
    seen = problem.measurement.forward(fr.FactorPair(U * s, Vt.T))
    np.testing.assert_allclose(seen, problem.b, atol=1e-13)
    assert problem.lam == 0.0
    if family == "completion":
        assert 0 < problem.m < 64
    else:
        assert problem.m == SIZES[family]
    if family == "quadratic":
        np.testing.assert_allclose(M, M.T, atol=1e-15)
        assert np.linalg.eigvalsh(M)[0] < 0 < np.linalg.eigvalsh(M)[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_norm_minimal_is_the_front_door_with_smoothing_one(family):
    rng = np.random.default_rng(1)
    problem = draw(family, truth(family, 6, 2, rng), SIZES[family], rng)
    minimal = norm_minimal(problem)
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
