"""The Hessian as an operator, its traces and its largest eigenvalue, and estimates of a trace."""

import numpy as np
import pytest

from flatrank import FactorPair
from flatrank.flatness import Rescaling, measure_flatness
from flatrank.theory import Hessian, hutchinson, plain_trace, sharpness, xtrace

ESTIMATORS = [hutchinson, xtrace]


def point(A, k=2):
    rng = np.random.default_rng(1)
    return FactorPair(*(rng.standard_normal((d, k)) for d in A.shape))


def dense_hessian(oracle, M, b, pair):
    """Of ‖M vec(L Rᵀ) − b‖², from its values."""
    (d1, k), (d2, _) = pair.L.shape, pair.R.shape

    def f(z):
        P, Q = z[: d1 * k].reshape(d1, k), z[d1 * k :].reshape(d2, k)
        return np.sum((M @ (P @ Q.T).ravel() - b) ** 2)

    return oracle.hessian(f, np.concatenate([pair.L.ravel(), pair.R.ravel()]))


@pytest.mark.parametrize(
    "name",
    ["dense", "rank one", "regenerated", "masked transform", "user's map", "entries", "whole"],
)
def test_the_hessian_of_every_family(instance, oracle, name):
    """D²f as an operator, 2JᵀJ at zero loss; tr D²f = 2m(d2‖D1L‖² + d1‖D2R‖²); S D²f S has the
    scaled trace.
    """
    at = instance(name)
    A = at.problem.measurement
    pair, m = point(A), at.matrix.shape[0]
    rng = np.random.default_rng(2)
    z, noise = rng.standard_normal(28), rng.standard_normal(m)
    fitted = at.matrix @ (pair.L @ pair.R.T).ravel()
    for b, data in ((noise, noise), (fitted, None)):
        H = dense_hessian(oracle, at.matrix, b, pair)
        operator = Hessian.at(A, pair, data)
        assert operator.n == 28
        assert np.allclose(operator(z), H @ z, rtol=0, atol=1e-10 * np.linalg.norm(H))
    scaled = Hessian.at(A, pair, scaled=True)
    s = np.repeat([8**-0.5, 6**-0.5], [16, 12])
    assert np.allclose(scaled(z), s * (H @ (s * z)), rtol=0, atol=1e-10 * np.linalg.norm(H))
    trace = measure_flatness(A, pair, at.problem.rescaling).scaled_trace
    assert plain_trace(A, pair) == pytest.approx(np.trace(H), rel=1e-11)
    assert trace == pytest.approx(np.sum(s**2 * np.diag(H)), rel=1e-11)


def test_the_largest_eigenvalue(measure, oracle):
    """λ_max of 2JᵀJ, and of the whole Hessian where the pair does not fit."""
    A = measure("dense", (5, 4), 9)
    pair = point(A)
    M, rng = A.A.reshape(9, -1), np.random.default_rng(2)
    noise = 30 * rng.standard_normal(9)
    fitted = M @ (pair.L @ pair.R.T).ravel()
    for b, data in ((noise, noise), (fitted, None)):
        top = np.linalg.eigvalsh(dense_hessian(oracle, M, b, pair))[-1]
        found = sharpness(A, pair, data, tol=1e-10)
        assert found.value == pytest.approx(top, rel=1e-9)
        assert found.value <= top * (1 + 1e-12)
        assert found.residual <= 1e-10 * top
        assert found.products >= 18
    with pytest.raises(ValueError, match="seed must be a whole number >= 0"):
        sharpness(A, pair, seed=-1)


class Spectrum:
    """z ↦ Q diag(s) Qᵀ z for a given spectrum."""

    def __init__(self, s):
        rng = np.random.default_rng(0)
        self.Q = np.linalg.qr(rng.standard_normal((s.size, s.size)))[0]
        self.s = s

    def __call__(self, z):
        return self.Q @ (self.s * (self.Q.T @ z))


@pytest.mark.parametrize("estimate", ESTIMATORS)
@pytest.mark.parametrize("kind", ["decaying", "flat", "of both signs"])
def test_estimates_are_unbiased_and_their_error_bars_honest(estimate, kind):
    """Over 60 seeds: the mean within four of its errors, and the error bars of the right size."""
    i = np.arange(40)
    spectra = {"decaying": 0.7**i, "flat": 1 + 0.5 * np.cos(i), "of both signs": np.sin(1 + i)}
    H = Spectrum(spectra[kind])
    results = [estimate(H, 40, products=18, seed=seed) for seed in range(60)]
    misses = np.array([r.value for r in results]) - spectra[kind].sum()
    errors = np.array([r.error for r in results])
    assert abs(np.mean(misses)) <= 4 * np.std(misses) / 60**0.5
    # Root mean squares of misses and of claimed errors: 60 seeds tell them apart to a third.
    assert 0.6 <= np.sqrt(np.mean(misses**2) / np.mean(errors**2)) <= 1.6
    assert all(r.products == 18 for r in results)


def test_a_rank_below_the_sketch_is_caught_whole():
    H = Spectrum(np.r_[3.0, 2.0, 1.0, np.zeros(37)])
    found = xtrace(H, 40, products=18)
    assert found.value == pytest.approx(6, rel=1e-9)
    assert found.error <= 1e-8
    nothing = xtrace(Spectrum(np.zeros(40)), 40, products=18)
    assert (nothing.value, nothing.error) == (0, 0)


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_they_estimate_the_closed_forms(measure, estimate):
    """The scaled trace and the plain one of a Hessian, within five error bars."""
    A = measure("dense", (5, 4), 9)
    pair = point(A)
    for scaled in (False, True):
        H = Hessian.at(A, pair, scaled=scaled)
        found = estimate(H, H.n, products=18, seed=3)
        closed = plain_trace(A, pair)
        if scaled:
            closed = measure_flatness(A, pair, Rescaling.of(A)).scaled_trace
        assert found.error > 0
        assert abs(found.value - closed) <= 5 * found.error


@pytest.mark.parametrize(("estimate", "least"), [(hutchinson, 2), (xtrace, 4)])
def test_estimators_refuse_too_little(estimate, least):
    H = Spectrum(np.ones(5))
    with pytest.raises(ValueError, match=f"products must be a whole number >= {least}"):
        estimate(H, 5, products=least - 1)
    with pytest.raises(ValueError, match="n must be a whole number >= 2"):
        estimate(H, 1)
    with pytest.raises(ValueError, match="seed must be a whole number >= 0"):
        estimate(H, 5, seed=-1)
