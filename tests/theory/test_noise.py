"""Bounds on the error that noise makes: the constants, and that no instance breaks them."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.measurements.explicit import written_out

th = fr.theory


def instance(m, seed, shape=(7, 6), rank=1, size=1e-2, lam=0.0):
    rng = np.random.default_rng(seed)
    truth = tuple(rng.standard_normal((d, rank)) for d in shape)
    A = rng.standard_normal((m, *shape)) * (1 + np.arange(shape[1]) / 5)
    b = np.einsum("ipj,pk,jk->i", A, *truth)
    return fr.sensing(A, b + size * rng.standard_normal(m), lam=lam), truth


def test_the_constants_are_what_they_are_called():
    problem, truth = instance(60, 0, rank=2)
    known = th.noise_constants(problem, truth)
    B = written_out(problem.whitened)
    X = problem.rescaling.D1 @ truth[0] @ truth[1].T @ problem.rescaling.D2
    U, _, Vt = np.linalg.svd(X)
    U, V = U[:, :2], Vt[:2].T
    S = (known.y @ B).reshape(7, 6)
    off = (np.eye(7) - U @ U.T) @ S @ (np.eye(6) - V @ V.T)
    np.testing.assert_allclose(S - off, U @ V.T, atol=1e-10)
    assert known.delta == pytest.approx(1 - np.linalg.norm(off, 2))
    # τ and β are extremes: no matrix of T or T⊥ is seen less or more, and some vectors come close.
    rng = np.random.default_rng(1)
    for _ in range(200):
        Z = rng.standard_normal((7, 6))
        hidden = (np.eye(7) - U @ U.T) @ Z @ (np.eye(6) - V @ V.T)
        for part, low, high in ((Z - hidden, known.tau, np.inf), (hidden, 0.0, known.beta)):
            seen = np.linalg.norm(B @ part.reshape(-1)) / np.linalg.norm(part)
            assert low <= seen * (1 + 1e-12)
            assert seen <= high * (1 + 1e-12)
    assert known.alpha1 == pytest.approx(float(problem.rescaling.extremes[0]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lam", [0.05, 1.0, 20.0])
def test_penalised_optima_are_within_the_bound(seed, lam):
    problem, truth = instance(45, seed, lam=lam)
    solution = fr.solve(problem)
    bound = th.penalised_noise_bound(problem, solution, truth, th.noise_constants(problem, truth))
    assert bound.failing == bound.unchecked == ()
    assert np.isfinite(bound.right)
    assert bound.left == pytest.approx(np.linalg.norm(solution.matrix() - truth[0] @ truth[1].T))
    assert bound.holds


def test_the_truth_itself_and_a_smaller_matrix_that_fits_are_within_the_constrained_bound():
    problem, truth = instance(45, 5)
    noise = np.linalg.norm(problem.b - problem.measurement.forward(fr.FactorPair(*truth)))
    known = th.noise_constants(problem, truth)
    assert th.constrained_noise_bound(problem, truth, truth, known, noise).holds
    # A penalised optimum solves the constrained problem at its own misfit, where that is enough.
    solution = fr.solve(problem.with_lam(2.0))
    misfit = np.linalg.norm(problem.measurement.forward(solution.factors) - problem.b)
    assert misfit > noise
    bound = th.constrained_noise_bound(problem, solution, truth, known, misfit)
    assert bound.holds
    assert bound.failing == ()
    tight = th.constrained_noise_bound(problem, solution, truth, known, 0.5 * noise)
    assert tight.failing == ("‖e‖ ≤ ε", "X fits within ε")


def test_without_noise_the_constrained_bound_is_exact_recovery():
    problem, truth = instance(45, 6, size=0.0)
    known = th.noise_constants(problem, truth)
    bound = th.constrained_noise_bound(problem, truth, truth, known, 1e-12)
    assert bound.right < 1e-9


def test_too_few_measurements_bound_nothing():
    for m in (8, 20):  # not injective on T; or no dual certificate
        problem, truth = instance(m, 0, lam=0.1)
        known = th.noise_constants(problem, truth)
        bound = th.penalised_noise_bound(problem, truth, truth, known)
        assert bound.right == np.inf
        assert bound.failing
    assert known.tau > 0


def test_a_worse_pair_than_the_truth_is_named():
    problem, truth = instance(45, 0, lam=0.1)
    known = th.noise_constants(problem, truth)
    worse = (2 * truth[0], truth[1])
    bound = th.penalised_noise_bound(problem, worse, truth, known)
    assert bound.failing == ("X is no worse than M",)


def test_refusals():
    problem, truth = instance(20, 0)
    known = th.noise_constants(problem, truth)
    with pytest.raises(ValueError, match="needs lam > 0; for lam = 0 constrained_noise_bound"):
        th.penalised_noise_bound(problem, truth, truth, known)
    with pytest.raises(ValueError, match="the truth is zero"):
        th.noise_constants(problem, (0 * truth[0], truth[1]))
    x = np.ones((3, 4))
    with pytest.raises(ValueError, match="any real matrix X; this X is a positive semidefinite"):
        th.noise_constants(fr.covariance(x, np.ones(3)), (x.T, x.T))
    large = fr.completion(np.arange(400), np.arange(400), np.ones(400), (400, 400))
    with pytest.raises(ValueError, match=r"write ℬ out as m d1 d2 = 6.4e\+07 numbers"):
        th.noise_constants(large, (np.ones((400, 1)), np.ones((400, 1))))
