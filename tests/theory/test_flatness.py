"""Displayed equations of the theory, one test each, on random instances."""

import numpy as np
import pytest

import flatrank as fr
from flatrank import FactorPair
from flatrank.flatness import Rescaling, measure_flatness
from flatrank.theory import flattest_pair, rescaled_matrix


@pytest.fixture
def instance():
    rng = np.random.default_rng(1)
    places = rng.choice(42, 25, replace=False)
    rows, cols = np.divmod(places, 6)
    problem = fr.completion(rows, cols, rng.standard_normal(25), (7, 6))
    return problem, FactorPair(rng.standard_normal((7, 3)), rng.standard_normal((6, 3)))


def traces(oracle, forward, b, pair):
    """Traces of the blocks of the Hessian of ‖forward(L, R) − b‖²."""
    n = pair.L.size

    def f(z):
        return np.sum((forward(z[:n].reshape(pair.L.shape), z[n:].reshape(pair.R.shape)) - b) ** 2)

    found = oracle.diagonal(f, np.concatenate([pair.L.ravel(), pair.R.ravel()]))
    return found[:n].sum(), found[n:].sum()


def test_scaled_trace_identity_holds_at_every_pair(instance, oracle):
    """str(D²f) = 2m(‖D1 L‖² + ‖D2 R‖²) for f = ‖𝒜(LRᵀ) − b‖²."""
    problem, pair = instance
    rows, cols = problem.measurement.places()
    forward = lambda L, R: np.sum(L[rows] * R[cols], axis=1)
    left, right = traces(oracle, forward, problem.b, pair)
    measured = measure_flatness(problem.measurement, pair, problem.rescaling).scaled_trace
    assert measured == pytest.approx(left / 7 + right / 6, rel=1e-12)


@pytest.mark.parametrize(
    "name", ["dense", "rank one", "regenerated", "masked transform", "user's map"]
)
@pytest.mark.parametrize("fits", [False, True], ids=["anywhere", "at zero loss"])
def test_the_traces_of_every_family(measure, oracle, name, fits):
    """Scaled trace 2m(‖D1 L‖² + ‖D2 R‖²), plain trace 2m(d2 ‖D1 L‖² + d1 ‖D2 R‖²)."""
    A, m, rng = measure(name, (5, 4), 9), 9, np.random.default_rng(1)
    pair = FactorPair(*(rng.standard_normal((d, 2)) for d in (5, 4)))
    if name == "rank one":
        M = np.einsum("ip,iq->ipq", A.a, A.c).reshape(m, -1)
    else:
        M = np.stack([A.matrix(e).ravel() for e in np.eye(m)])
    b = A.forward(pair) if fits else rng.standard_normal(m)
    left, right = traces(oracle, lambda L, R: M @ (L @ R.T).ravel(), b, pair)
    problem = fr.sensing(A, b)
    weighted = problem.whiten(pair)
    ours = [2 * m * np.vdot(x, x) for x in (weighted.L, weighted.R)]
    measured = fr.flatness_of(problem, pair)
    assert measured.scaled_trace == pytest.approx(left / 5 + right / 4, rel=1e-11)
    assert sum(ours) == pytest.approx(left / 5 + right / 4, rel=1e-11)
    assert 4 * ours[0] + 5 * ours[1] == pytest.approx(left + right, rel=1e-11)


def test_rescaling_is_the_gram_of_the_measurement(instance):
    """D1² = (1/(m d2)) Σ AᵢAᵢᵀ: counts n_i/(m d2) and c_j/(m d1) for entries."""
    problem, _ = instance
    rows, cols = problem.measurement.places()
    assert np.allclose(problem.rescaling.D1**2, np.bincount(rows, minlength=7) / (25 * 6))
    assert np.allclose(problem.rescaling.D2**2, np.bincount(cols, minlength=6) / (25 * 7))


@pytest.mark.parametrize("theta", [0.0, 0.25, 1.0])
def test_dense_rescalings_are_roots_of_the_gram(measure, theta):
    """D² = (1−θ)D² + θ·mean(diag D²)·I, D1² = (1/(m d2)) Σ AᵢAᵢᵀ; κ from its eigenvalues."""
    A = measure("dense", (5, 4), 9)
    smooth = Rescaling.of(A, theta)
    whole = smooth.apply(FactorPair(np.eye(5), np.eye(4, 5)))
    back = smooth.undo(whole)
    kappa = float(smooth.kappa)
    G = np.einsum("ipj,iqj->pq", A.A, A.A) / (9 * 4)
    expected = (1 - theta) * G + theta * np.trace(G) / 5 * np.eye(5)
    assert np.allclose(np.asarray(whole.L) @ np.asarray(whole.L), expected)
    assert np.allclose(back.L, np.eye(5))
    if theta == 1.0:
        assert smooth.D1.ndim == 1  # a multiple of the identity, held as such
        return
    H = np.einsum("ipj,ipl->jl", A.A, A.A) / (9 * 5)
    H = (1 - theta) * H + theta * np.trace(H) / 4 * np.eye(4)
    both = np.concatenate([np.linalg.eigvalsh(expected), np.linalg.eigvalsh(H)])
    assert kappa == pytest.approx(np.sqrt(both.max() / both.min()), rel=1e-9)


@pytest.mark.parametrize("theta", [0.0, 0.25, 1.0])
def test_smoothing_mixes_with_the_mean(instance, theta):
    """D_θ² = (1−θ)D² + θ·mean(diag D²)."""
    problem, _ = instance
    smooth = Rescaling.of(problem.measurement, theta)
    plain = np.asarray(problem.rescaling.D1) ** 2
    assert np.allclose(np.asarray(smooth.D1) ** 2, (1 - theta) * plain + theta * plain.mean())


def test_excess_is_one_exactly_at_d_balanced_pairs(instance):
    """½(‖D1L‖² + ‖D2R‖²) ≥ ‖D1LRᵀD2‖_*, with equality iff D-balanced."""
    problem, pair = instance
    D = problem.rescaling
    flat = flattest_pair(D, rescaled_matrix(D, pair))
    even = measure_flatness(problem.measurement, flat, problem.rescaling)
    uneven = measure_flatness(problem.measurement, pair, problem.rescaling)
    assert even.excess == pytest.approx(1, abs=1e-12)
    assert uneven.excess > 1.001


def test_flattest_factorisation_value(instance):
    """min over factorisations of X of the scaled trace = 4m ‖D1 X D2‖_*."""
    problem, pair = instance
    svd = rescaled_matrix(problem.rescaling, pair)
    nuclear = np.asarray(svd.s).sum()
    flat = measure_flatness(
        problem.measurement, flattest_pair(problem.rescaling, svd), problem.rescaling
    )
    assert flat.scaled_trace == pytest.approx(4 * problem.m * nuclear, rel=1e-12)
