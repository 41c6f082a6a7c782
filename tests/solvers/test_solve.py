"""Optimality, not closeness: certificates, ranks and statuses on instances of every kind."""

import subprocess
import sys

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import random_instance
from flatrank.solvers import AlternatingLeastSquares, Auto, GaussNewton, Lagrangian, largest_lam


def noisy(n1=12, n2=9, seed=0):
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((n1, n2)) < 0.7)
    X = rng.standard_normal((n1, 3)) @ rng.standard_normal((3, n2))
    return rows, cols, X[rows, cols] + 0.3 * rng.standard_normal(rows.size), (n1, n2)


def exact(n=60, r=2, oversampling=6.0, seed=0):
    made = random_instance(n, n, r, oversampling=oversampling, seed=seed, min_per_line=r + 1)
    return made, fr.completion(made.rows, made.cols, made.values, made.shape)


@pytest.fixture(scope="module")
def small_lam():
    rows, cols, values, shape = noisy()
    problem = fr.completion(rows, cols, values, shape, smoothing=1.0)
    return problem.with_lam(0.005 * largest_lam(problem))


@pytest.mark.parametrize("rank", [3, 5])
def test_a_small_rank_is_refused(small_lam, rank):
    solution = fr.solve(small_lam, rank=rank, tol=1e-9)
    assert solution.status is fr.Status.RANK_TOO_SMALL
    assert solution.certificate.operator_norm > 1.01


def test_larger_ranks_agree_to_rounding(small_lam):
    solutions = [fr.solve(small_lam, rank=rank, tol=1e-9) for rank in (7, 9, None)]
    assert all(s.status is fr.Status.CERTIFIED for s in solutions)
    values = [s.certificate.primal for s in solutions]
    assert values == pytest.approx([values[0]] * 3, rel=1e-10)
    assert all(s.rank == 7 for s in solutions)


@pytest.mark.slow
@pytest.mark.parametrize("penalised", [False, True])
def test_the_optimum_is_cvxpys(penalised):
    """Ten instances of one shape, D1 and D2 from the counts."""
    import cvxpy as cp

    d1, d2, m = 5, 4, 12
    for seed in range(10):
        rng = np.random.default_rng(seed)
        while True:  # a row or column without entries is another test's
            rows, cols = np.divmod(rng.choice(d1 * d2, m, replace=False), d2)
            counts = np.bincount(rows, minlength=d1), np.bincount(cols, minlength=d2)
            if min(map(min, counts)) > 0:
                break
        b, lam = rng.standard_normal(m), 0.1 if penalised else 0.0
        D1, D2 = (np.sqrt(n / (m * d)) for n, d in zip(counts, (d2, d1), strict=True))
        X = cp.Variable((d1, d2))  # of D1 X D2: the solver sees the norm alone
        misfit = cp.multiply(1 / (D1[rows] * D2[cols]), X[rows, cols]) - b
        ask = (
            cp.Problem(cp.Minimize(0.5 * cp.sum_squares(misfit) + lam * cp.normNuc(X)))
            if penalised
            else cp.Problem(cp.Minimize(cp.normNuc(X)), [misfit == 0])
        )
        value = ask.solve(solver=cp.CLARABEL)
        problem = fr.completion(rows, cols, b, (d1, d2), lam=lam)
        solution = fr.solve(problem, goal="flat", tol=2e-7)
        assert solution.status is fr.Status.CERTIFIED
        assert solution.certificate.primal == pytest.approx(value, rel=1e-6)
        assert solution.certificate.dual_bound == pytest.approx(value, rel=1e-6)


def test_noiseless_data_are_recovered_certified_and_unique():
    made, problem = exact()
    solution = fr.solve(problem, tol=1e-8)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 2
    assert solution.certificate.unique
    assert solution.certificate.relative_gap <= 1e-8
    assert made.relative_error(solution.factors.L, solution.factors.R) < 1e-7
    assert solution.flatness.excess == pytest.approx(1, abs=1e-9)


def test_too_few_data_for_the_convex_theory_stay_identifiable():
    made, problem = exact(n=200, r=3, oversampling=3.0)
    solution = fr.solve(problem, tol=1e-8)
    assert solution.status is fr.Status.IDENTIFIABLE
    assert made.relative_error(solution.factors.L, solution.factors.R) < 1e-7
    assert solution.certificate.relative_gap > 1e-3
    assert not solution.certificate.unique


def test_ill_conditioned_data_are_found_from_the_largest_singular_value_down():
    rng = np.random.default_rng(0)
    U = rng.standard_normal((300, 4)) * np.logspace(0, -4, 4)
    V = rng.standard_normal((200, 4))
    places = rng.choice(300 * 200, 6000, replace=False)
    rows, cols = np.divmod(places, 200)
    problem = fr.completion(rows, cols, (U @ V.T)[rows, cols], (300, 200))
    solution = fr.solve(problem)
    assert solution.rank == 4
    X = np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T
    assert np.linalg.norm(X - U @ V.T) <= 1e-9 * np.linalg.norm(U @ V.T)


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 2))])
def test_flat_spectra_near_the_limit_of_information(seed):
    rng = np.random.default_rng(seed)
    U, V = rng.standard_normal((200, 3)), rng.standard_normal((200, 3))
    seen = rng.random((200, 200)) < 1.7 * 3 * 397 / 200**2
    for lines in (seen, seen.T):  # every row and column holds more entries than the rank
        for k in np.flatnonzero(lines.sum(axis=1) < 5):
            lines[k, rng.choice(200, 5, replace=False)] = True
    rows, cols = np.nonzero(seen)
    problem = fr.completion(rows, cols, (U @ V.T)[rows, cols], (200, 200), smoothing=1.0)
    solution = fr.solve(problem, rank=3)
    X = np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T
    assert np.linalg.norm(X - U @ V.T) <= 1e-9 * np.linalg.norm(U @ V.T)
    assert solution.status is fr.Status.IDENTIFIABLE


def test_a_row_with_too_few_entries_is_named_and_the_rest_identified():
    made, _ = exact(n=200, r=3, oversampling=3.0)
    keep = made.rows != 7
    keep |= np.cumsum(made.rows == 7) <= 2
    places = made.rows[keep], made.cols[keep]
    solution = fr.solve(fr.completion(*places, made.values[keep], made.shape))
    assert solution.status in (fr.Status.IDENTIFIABLE, fr.Status.CERTIFIED)
    assert solution.unidentifiable["rows"] == [7]
    assert not solution.determined([7], [0])[0]
    assert np.delete(solution.determined(np.arange(200), np.zeros(200, int)), 7).all()
    assert np.isfinite(np.asarray(solution.entries([7], [0])))[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("n", "m", "ceiling"),  # in kB; of the matrix, 3.2e6 and 8e7
    [(20_000, 400_000, 9e5), pytest.param(100_000, 2_000_000, 1.5e6, marks=pytest.mark.slow)],
)
def test_memory_is_that_of_the_entries(n, m, ceiling):
    # Not ru_maxrss: it starts from what the process that started this one had.
    script = (
        "import sys, numpy as np, flatrank as fr\n"
        "n, m = map(int, sys.argv[1:])\n"
        "rng = np.random.default_rng(0)\n"
        "U, V = rng.standard_normal((2, n, 3))\n"
        "i, j = np.divmod(np.unique(rng.integers(0, n * n, m)), n)\n"
        "b = np.einsum('pk,pk->p', U[i], V[j])\n"
        "solution = fr.solve(fr.completion(i, j, b, (n, n)))\n"
        "print(solution.status.name, solution.rank)\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", script, str(n), str(m)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found, peak = done.stdout.splitlines()
    assert found == "IDENTIFIABLE 3"
    assert int(peak) <= ceiling


def test_goal_flat_proves_the_flattest_interpolant():
    _, problem = exact(n=30, oversampling=2.5, seed=1)
    solution = fr.solve(problem, goal="flat", tol=1e-5)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.history[-1]["phase"] == "flatten"


def test_goal_flat_where_the_minimiser_is_barely_the_only_one():
    """Near the number of measurements that determine M, a step at the lowest λ that is usual left
    0.9 of the gap, and all ended at a gap of 3e-3.
    """
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((18, 6)), rng.standard_normal((6, 2))
    problem = fr.quadratic_network(x, (x @ u[:, 0]) ** 2 - (x @ u[:, 1]) ** 2)
    solution = fr.solve(problem, solver=Lagrangian())
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.relative_gap <= 1e-6


def test_lam_at_least_lam_max_gives_zero(small_lam):
    solution = fr.solve(small_lam.with_lam(1.01 * largest_lam(small_lam)))
    assert (solution.rank, solution.status) == (0, fr.Status.CERTIFIED)
    assert np.all(np.asarray(solution.entries([0], [0])) == 0)


def test_all_zero_data_give_the_zero_matrix():
    solution = fr.solve(fr.completion([0, 1, 1], [0, 1, 0], [0.0, 0, 0], (2, 2)))
    assert (solution.rank, solution.status) == (0, fr.Status.CERTIFIED)


@pytest.mark.parametrize("scale", [1e-9, 1e6, 1e150])
def test_the_unit_of_the_data_changes_nothing(scale):
    made, problem = exact()
    other = fr.completion(made.rows, made.cols, made.values * scale, made.shape)
    first, second = fr.solve(problem, tol=1e-8), fr.solve(other, tol=1e-8)
    assert second.status is first.status
    assert abs(second.counts.steps - first.counts.steps) <= 1
    assert second.certificate.primal == pytest.approx(scale * first.certificate.primal, rel=1e-9)


def test_alternating_least_squares_is_certified_by_us(small_lam):
    solution = fr.solve(small_lam, solver=AlternatingLeastSquares(rank=9, tol=1e-9), tol=1e-5)
    assert solution.status is fr.Status.CERTIFIED


@pytest.mark.parametrize("share", [1e-8, 1e-12])
def test_a_tiny_lam_is_certified_in_a_few_steps(small_lam, share):
    """Newton steps from nothing ended at the step limit there, the gap at 0.7."""
    largest = largest_lam(small_lam)
    solution = fr.solve(small_lam.with_lam(share * largest))
    assert solution.status is fr.Status.CERTIFIED
    assert len(solution.history) < 30


@pytest.mark.parametrize("count", [24, 16])
def test_a_tiny_lam_is_certified_where_nothing_fits(count):
    """24 measurements of the 21 numbers of M; 16, each made twice, with noise of its own."""
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((count, 6)), rng.standard_normal(6)
    x = np.concatenate([x, x[:8]])[:24]
    problem = fr.sensing(
        np.einsum("mi,mj->mij", x, x), (x @ u) ** 2 + 0.1 * rng.standard_normal(24)
    )
    solution = fr.solve(problem.with_lam(1e-8 * largest_lam(problem)))
    assert solution.status is fr.Status.CERTIFIED


def test_a_lam_below_rounding_ends_honestly(small_lam):
    solution = fr.solve(small_lam.with_lam(1e-30 * largest_lam(small_lam)))
    assert solution.status is fr.Status.STATIONARY
    assert len(solution.history) < 60


def test_the_multiplier_method_agrees_with_newton_steps(small_lam):
    """From nothing, and from the optimum of a larger λ."""
    first = fr.solve(small_lam, solver=GaussNewton(tol=1e-9), tol=1e-9)
    larger = fr.solve(small_lam.with_lam(2 * small_lam.lam))
    for start in (None, larger.factors):
        second = fr.solve(small_lam, solver=Lagrangian(tol=1e-9), tol=1e-9, start=start)
        assert second.status is fr.Status.CERTIFIED
        primal = first.certificate.primal
        assert second.certificate.primal == pytest.approx(primal, rel=2e-9)


def test_a_deadline_keeps_the_iterate(small_lam):
    solution = fr.solve(small_lam, max_seconds=0.0, tol=1e-9)
    assert solution.status is fr.Status.DEADLINE
    assert np.isfinite(solution.certificate.gap)


def test_ctrl_c_keeps_the_last_iterate(small_lam):
    def stop(_):
        raise KeyboardInterrupt

    assert fr.solve(small_lam, progress=stop).status is fr.Status.INTERRUPTED


def test_a_start_at_the_optimum_takes_no_more_than_two_steps(small_lam):
    first = fr.solve(small_lam, tol=1e-9)
    again = fr.solve(small_lam, tol=1e-9, start=first.factors)
    assert again.counts.steps <= 2
    assert again.status is fr.Status.CERTIFIED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": "best"}, "goal must be"),
        ({"rank": 0}, "rank must be"),
        ({"rank": 2.5}, "rank must be"),
        ({"rank": True}, "rank must be"),
        ({"rank": "a"}, "rank must be"),
        ({"tol": "a"}, "tol is a relative"),
        ({"tol": np.nan}, "tol is a relative"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"max_seconds": np.nan}, "max_seconds"),
        ({"tol": 0}, "tol is a relative"),
        ({"max_seconds": -1}, "max_seconds"),
        ({"start": (np.ones((2, 1)), np.ones((2, 1)))}, "factors must be"),
        ({"start": (np.full((12, 1), np.nan), np.ones((9, 1)))}, "NaN"),
    ],
)
def test_wrong_options_are_refused(small_lam, options, message):
    with pytest.raises(ValueError, match=message):
        fr.solve(small_lam, **options)


def test_save_and_load_give_the_same_solution(small_lam, tmp_path):
    solution = fr.solve(small_lam)
    loaded = fr.load(solution.save(tmp_path / "run"))
    assert loaded.status is solution.status
    assert np.array_equal(loaded.factors.L, solution.factors.L)
    again = fr.certify(loaded.problem, loaded.factors)
    assert again.relative_gap == pytest.approx(solution.certificate.relative_gap, abs=1e-6)


def test_damaged_and_missing_runs_are_named(tmp_path):
    with pytest.raises(ValueError, match="not a run folder"):
        fr.load(tmp_path)
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="damaged run"):
        fr.load(tmp_path)


def test_the_path_falls_from_lam_max_and_is_certified(small_lam):
    solutions = fr.path(small_lam, count=4, smallest=0.05, tol=1e-3)
    ranks = [s.rank for s in solutions]
    assert ranks == sorted(ranks)
    assert all(s.status is fr.Status.CERTIFIED for s in solutions)
    with pytest.raises(ValueError, match="positive"):
        fr.path(small_lam, [0.0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ill_conditioned_and_few_data_are_found_by_growth_alone(seed):
    """Pairs found loosely, or a rank judged after one step, took 41 to 107 steps here."""
    instance = random_instance(300, 300, 4, oversampling=1.6, kappa=1e4, seed=seed, min_per_line=5)
    problem = fr.completion(instance.rows, instance.cols, instance.values, instance.shape)
    solution = fr.solve(problem, tol=1e-12, rank=4)
    L, R = (np.asarray(x) for x in (solution.factors.L, solution.factors.R))
    assert instance.relative_error(L, R) < 1e-12
    assert len(solution.history) < 35


def test_no_global_flag_is_changed():
    jax, before = pytest.importorskip("jax"), np.geterr()
    fr.solve(fr.completion([0, 1], [0, 1], [1.0, 2.0], (2, 2), lam=0.1))
    assert not jax.config.jax_enable_x64
    assert np.geterr() == before


@pytest.mark.slow
def test_only_columns_that_carry_next_to_nothing_are_cut():
    """Cut more eagerly, at a twentieth of the gap, columns grow back: 10 000 to 13 000 products."""
    rng = np.random.default_rng(0)
    n, r, m = 100, 3, 1477
    L, R = rng.standard_normal((n, r)), rng.standard_normal((n, r))
    rows, cols = np.divmod(rng.choice(n * n, m, replace=False), n)
    values = np.einsum("ek,ek->e", L[rows], R[cols])
    problem = fr.completion(rows, cols, values, (n, n), smoothing=1.0)
    solution = fr.solve(problem, goal="flat", tol=1e-6)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 22
    assert solution.counts.forward < 8500


def test_the_fall_of_a_step_tells_the_misfit_it_leaves():
    instance = random_instance(30, 24, 2, oversampling=3, seed=0)
    problem = fr.completion(instance.rows, instance.cols, instance.values, instance.shape)
    solver, compared = GaussNewton(rank=2), 0
    state = solver.init(problem)
    while state.ended is fr.Status.RUNNING:
        after = solver.step(problem, state)
        if not state.growth.waiting and state.point.misfit > 1e-4:
            assert after.point.misfit == pytest.approx(state.point.left, rel=1e-6)
            compared += 1
        state = after
    assert compared


def test_a_search_for_a_flatter_answer_that_is_cut_short_keeps_the_one_found():
    """The flattest is far from rank 2 here; at its first steps the multiplier method knows 0."""
    instance = random_instance(60, 50, 2, oversampling=2.2, seed=0)
    problem = fr.completion(instance.rows, instance.cols, instance.values, instance.shape)
    solver = Auto(goal="flat")
    state = solver.init(problem)
    while state.phase != "flatten":
        state = solver.step(problem, state)
    kept = solver.outcome(state)
    assert kept.certificate is not None
    assert kept.certificate.feasibility < 1e-9
    again = fr.certify(problem, problem.unwhiten(kept.pair), kept.y)
    assert again.relative_gap == pytest.approx(kept.certificate.relative_gap, rel=1e-3)


def test_a_flattest_answer_fits_also_where_many_matrices_are_as_flat():
    """Of the diagonal alone, any matrix of trace n that fits has the least norm, 1/n."""
    n = 10
    places = np.arange(n)
    solution = fr.solve(fr.completion(places, places, np.ones(n), (n, n)), goal="flat")
    assert solution.status is fr.Status.CERTIFIED
    assert solution.certificate.feasibility <= 1e-6
    assert solution.certificate.primal == pytest.approx(1 / n, rel=1e-6)
    np.testing.assert_allclose(solution.entries(places, places), 1.0, rtol=1e-6)
    assert not solution.certificate.unique
