"""Reweighted least squares: the weighted problem solved, recovery near the limit, refusals."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import random_instance
from flatrank.factors import CompactSVD
from flatrank.solvers import Reweighted
from flatrank.solvers.reference.reweighted import Tangent, reweighted_step


def instance(n=60, r=2, oversampling=2.0, seed=0, **options):
    made = random_instance(n, n, r, oversampling=oversampling, seed=seed, min_per_line=r + 1)
    return made, fr.completion(made.rows, made.cols, made.values, made.shape, **options)


@pytest.mark.parametrize("rank", [2, None])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_exact_data_are_recovered_near_the_limit(rank, smoothing):
    made, problem = instance(smoothing=smoothing)
    solution = fr.solve(problem, solver=Reweighted(rank=rank))
    assert solution.status in (fr.Status.STATIONARY, fr.Status.CERTIFIED)
    assert solution.rank == 2
    assert made.relative_error(solution.factors.L, solution.factors.R) < 1e-7


@pytest.mark.slow
def test_ill_conditioned_data_are_recovered():
    made = random_instance(
        60, 50, 3, oversampling=3.0, seed=1, kappa=1e5, spectrum="log", min_per_line=4
    )
    problem = fr.completion(made.rows, made.cols, made.values, made.shape, smoothing=1.0)
    solution = fr.solve(problem, solver=Reweighted(rank=3))
    assert solution.status in (fr.Status.STATIONARY, fr.Status.CERTIFIED)
    assert made.relative_error(solution.factors.L, solution.factors.R) < 1e-8


def test_a_step_solves_the_weighted_problem():
    """X⁺ interpolates, and Σ_L⁻¹ X⁺ Σ_R⁻¹ lies in the range of P*: the conditions of its problem.

    Checked on the triplets, which with a full block are all of X⁺.
    """
    rng = np.random.default_rng(0)
    d1, d2, r, eps = 8, 7, 2, 0.3
    rows, cols = np.nonzero(rng.random((d1, d2)) < 0.6)
    values = rng.standard_normal(rows.size)
    problem = fr.completion(rows, cols, values, (d1, d2))
    U, V = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (d1, d2))
    s = np.array([3.0, 1.0])
    triplets = fr.solvers.reference.reweighted.CompactSVD(*map(np.asarray, (U[:, :r], s, V[:, :r])))
    near = np.asarray(rng.standard_normal((d2, d2)))
    how = (np.asarray(1e-14), np.asarray(1000))
    A, b = problem.measurement, problem.b
    svd, _ = reweighted_step(A, b, (triplets, near), np.asarray(eps), how)
    X = (svd.U * svd.s) @ svd.V.T
    assert np.abs(X[rows, cols] - np.asarray(b)).max() <= 1e-10
    left, right = ((Q / np.append(s, np.full(len(Q) - r, eps))) @ Q.T for Q in (U, V))
    W = left @ X @ right
    unseen = np.ones((d1, d2), dtype=bool)
    unseen[rows, cols] = False
    assert np.abs(W[unseen]).max() <= 1e-10 * np.abs(W).max()


def test_the_tangent_system_is_symmetric_and_positive():
    rng = np.random.default_rng(2)
    _, problem = instance(n=12)
    U, V = (np.linalg.qr(rng.standard_normal((12, 2)))[0] for _ in range(2))
    point = CompactSVD(U, np.ones(2), V)
    core = np.asarray([[0.1, 0.2], [0.2, 0.5]])
    H = Tangent(problem.measurement, point, core, np.asarray([0.3, 0.4]), np.asarray(0.5))

    def tangent():
        P, Q = (np.asarray(rng.standard_normal((12, 2))) for _ in range(2))
        return fr.FactorPair(P, Q - V @ (V.T @ Q))

    def dot(x, y):
        return float(np.vdot(x.L, y.L) + np.vdot(x.R, y.R))

    a, b = tangent(), tangent()
    t = np.asarray(rng.standard_normal(problem.m))
    assert dot(H(a), b) == pytest.approx(dot(a, H(b)), rel=1e-12)
    assert dot(a, H(a)) > 0
    assert float(np.vdot(H.forward(a), t)) == pytest.approx(dot(a, H.adjoint(t)), rel=1e-12)
    back = H.inverse(H.weighted(a, core + 0.5, H.line + 0.5))
    assert np.allclose(back.L, a.L, atol=1e-13)
    assert np.allclose(back.R, a.R, atol=1e-13)


def test_what_it_cannot_solve_is_refused_by_name():
    _, problem = instance(lam=0.1)
    with pytest.raises(ValueError, match="Reweighted fits the data without a penalty"):
        fr.solve(problem, solver=Reweighted())
    A = np.random.default_rng(0).standard_normal((20, 4, 3))
    with pytest.raises(TypeError, match="Reweighted needs sampled entries"):
        fr.solve(fr.sensing(A, np.ones(20)), solver=Reweighted())
    with pytest.raises(ValueError, match="rank must be a whole number"):
        fr.solve(problem.with_lam(0.0), solver=Reweighted(rank=0))


def test_interruption_keeps_the_triplets():
    made, problem = instance()

    def stop(record):
        if record["misfit"] < 1e-2:
            raise KeyboardInterrupt

    solution = fr.solve(problem, solver=Reweighted(rank=2), progress=stop)
    assert solution.status is fr.Status.INTERRUPTED
    assert made.relative_error(solution.factors.L, solution.factors.R) < 0.5
    # The triplets beside those kept are still large, and are not what is certified.
    again = fr.certify(problem, solution.factors)
    assert solution.certificate.primal == pytest.approx(again.primal, rel=1e-9)
    assert solution.certificate.feasibility == pytest.approx(again.feasibility, rel=1e-6)


def test_a_rank_above_the_largest_is_the_largest():
    rng = np.random.default_rng(0)
    rows, cols = np.nonzero(rng.random((8, 7)) < 0.8)
    values = np.outer(rng.standard_normal(8), rng.standard_normal(7))[rows, cols]
    problem = fr.completion(rows, cols, values, (8, 7))
    state = Reweighted(rank=20).init(problem)
    assert state.rank == 7


@pytest.mark.slow
def test_noise_ends_honestly():
    made, _ = instance(oversampling=4.0)
    noisy = made.values + 0.1 * np.random.default_rng(0).standard_normal(made.m)
    problem = fr.completion(made.rows, made.cols, noisy, made.shape)
    solution = fr.solve(problem, solver=Reweighted(rank=2))
    assert solution.status in (fr.Status.STALLED, fr.Status.MAX_STEPS)
