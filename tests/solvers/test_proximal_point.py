"""Penalised problems of ordinary tables: the proximal point method, and growth beside it."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.solvers import Auto, ProximalPoint
from flatrank.solvers.proximal_point import threshold


def table(seed, shape=(60, 40), rank=3, m=1200, noise=0.3):
    rng = np.random.default_rng(seed)
    d1, d2 = shape
    X = rng.standard_normal((d1, rank)) @ rng.standard_normal((rank, d2))
    rows, cols = np.divmod(rng.permutation(d1 * d2)[:m], d2)
    return rows, cols, X[rows, cols] + noise * rng.standard_normal(m), shape


def penalised(entries, ratio, smoothing=0.0):
    problem = fr.completion(*entries, lam=1.0, smoothing=smoothing)
    return problem.with_lam(ratio * fr.solvers.largest_lam(problem))


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (6, 6)])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_the_derivative_of_the_thresholding(shape, kept):
    rng = np.random.default_rng(0)
    Z, H = rng.standard_normal((2, *shape))
    values = np.linalg.svd(Z, compute_uv=False)
    limit = np.quantile(values, 1 - kept)
    step = 1e-6
    ahead, behind = (threshold(Z + t * H, limit).matrix() for t in (step, -step))
    derivative = threshold(Z, limit).derivative()(H)
    np.testing.assert_allclose(derivative, (ahead - behind) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("ratio", [0.3, 0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
def test_a_small_noisy_table_is_certified(ratio, smoothing):
    solution = fr.solve(penalised(table(0), ratio, smoothing))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.relative_gap <= 1e-6
    assert len(solution.history) <= 40


@pytest.mark.parametrize("solver", [ProximalPoint(), Auto()], ids=["proximal point", "growth"])
def test_noise_at_a_tenth_of_the_largest_weight_takes_few_steps(solver):
    for seed in range(6):
        solution = fr.solve(penalised(table(seed), 0.1), solver=solver)
        assert solution.status is fr.Status.CERTIFIED
        assert len(solution.history) <= 40


def test_both_ways_reach_one_optimum():
    problem = penalised(table(1), 0.05)
    one, other = (
        fr.solve(problem, solver=s, tol=1e-8) for s in (ProximalPoint(1e-8), Auto(tol=1e-8))
    )
    assert one.status is other.status is fr.Status.CERTIFIED
    assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=2e-8)
    assert one.rank == other.rank


def ordinary():
    rng = np.random.default_rng(3)
    full = np.divmod(np.arange(20 * 15), 15)
    yield "one row", (np.zeros(9, int), np.arange(9), rng.standard_normal(9), (1, 9))
    yield "one entry", ([2], [1], [3.0], (4, 3))
    yield "constant", (*full, np.full(300, 2.5), (20, 15))
    yield "zero", (*full, np.zeros(300), (20, 15))
    yield (
        "repeated rows",
        (*full, np.repeat(rng.standard_normal((5, 15)), 4, axis=0).ravel(), (20, 15)),
    )
    yield "noise alone", (*full, rng.standard_normal(300), (20, 15))
    blocks = np.divmod(np.flatnonzero(np.add.outer(np.arange(20) < 9, np.arange(15) < 6) != 1), 15)
    yield "two blocks", (*blocks, rng.standard_normal(blocks[0].size), (20, 15))
    few = np.divmod(rng.permutation(300)[:25], 15)
    yield "rows without entries", (*few, rng.standard_normal(25), (20, 15))


@pytest.mark.parametrize("entries", [pytest.param(e, id=name) for name, e in ordinary()])
@pytest.mark.parametrize("ratio", [1.0, 0.2, 1e-3])
def test_ordinary_and_degenerate_tables_are_certified(entries, ratio):
    rows, cols, values, shape = entries
    top = max(ratio * float(np.abs(values).sum()), 1e-3) if not np.any(values) else None
    problem = fr.completion(*entries, lam=top) if top else penalised(entries, ratio)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert np.all(np.isfinite(np.asarray(solution.factors.L)))


def test_a_start_is_used():
    problem = penalised(table(2), 0.05)
    cold = fr.solve(problem)
    warm = fr.solve(problem, start=cold)
    assert warm.status is fr.Status.CERTIFIED
    assert len(warm.history) < len(cold.history)


@pytest.mark.parametrize("door", ["sensing", "bilinear"])
def test_measurements_that_mix_entries(door):
    rng = np.random.default_rng(4)
    A, b = rng.standard_normal((60, 6, 5)), rng.standard_normal(60)
    problem = fr.sensing(A, b, lam=1.0)
    if door == "bilinear":
        problem = fr.bilinear(A[:, :, 0], A[:, 0, :], b, lam=1.0)
    problem = problem.with_lam(0.1 * fr.solvers.largest_lam(problem))
    solution = fr.solve(problem, solver=ProximalPoint())
    assert solution.status is fr.Status.CERTIFIED
    assert not ProximalPoint().suits(problem)


def test_what_it_is_not_for_is_refused():
    with pytest.raises(ValueError, match="ProximalPoint needs lam > 0"):
        fr.solve(fr.completion(*table(0)), solver=ProximalPoint())
    x = np.random.default_rng(0).standard_normal((12, 4))
    with pytest.raises(ValueError, match="ProximalPoint"):
        fr.solve(fr.covariance(x, np.ones(12), lam=1.0), solver=ProximalPoint())


def test_a_search_that_takes_long_goes_on_by_proximal_points():
    problem = penalised(table(5), 2e-3)
    solution = fr.solve(problem, solver=Auto(long=3))
    assert solution.status is fr.Status.CERTIFIED
    assert {record["phase"] for record in solution.history} == {"find", "converge"}
