"""The device engine: the same source on arrays of JAX, here on its CPU, proves the same optima."""

import numpy as np
import pytest

import flatrank as fr

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.device
RNG = np.random.default_rng(0)
TRUTH = RNG.standard_normal((9, 1)) @ RNG.standard_normal((1, 8))


def entries(lam_ratio):
    rows, cols = np.nonzero(RNG.random((9, 8)) < 0.7)
    noise = 0.1 * bool(lam_ratio) * RNG.standard_normal(rows.size)
    return fr.completion(rows, cols, TRUTH[rows, cols] + noise, (9, 8), lam_ratio=lam_ratio)


def sensed():
    A = RNG.standard_normal((40, 9, 8))
    return fr.sensing(A, np.einsum("ipj,pj->i", A, TRUTH))


@pytest.mark.parametrize(
    "problem", [entries(0.0), entries(0.6), sensed()], ids=["exact", "penalised", "sensing"]
)
def test_the_optimum_is_the_same_on_either_engine(problem):
    ours, theirs = (fr.solve(p, solver=fr.solvers.Auto()) for p in (problem, problem.to("cpu")))
    assert isinstance(ours.factors.L, np.ndarray)
    assert isinstance(theirs.factors.L, jax.Array)
    assert ours.status is theirs.status is fr.Status.CERTIFIED
    assert theirs.certificate.primal == pytest.approx(ours.certificate.primal, rel=1e-5)
    again = fr.certify(problem, theirs.factors, theirs.y)
    assert again.certified(1e-5)
    X, Y = (np.asarray(s.factors.L) @ np.asarray(s.factors.R).T for s in (ours, theirs))
    np.testing.assert_allclose(Y, X, atol=1e-3)


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="no device 'abacus'"):
        entries(0.0).to("abacus")


def test_back_again():
    problem = sensed()
    assert isinstance(problem.to("cpu").b, jax.Array)
    assert isinstance(problem.to("cpu").to("numpy").b, np.ndarray)
