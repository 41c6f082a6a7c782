"""Robust PCA: recovery, optimality, honest statuses, and the file on disk."""

import numpy as np
import pytest

import flatrank as fr


def corrupted(n, rank, share, seed=0, m=None):
    """L + S: Gaussian factors scaled by 1/n, and ±1 at random places."""
    rng, m = np.random.default_rng(seed), m or n
    L = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, m)) / n
    S = np.where(rng.random((n, m)) < share, rng.choice([-1.0, 1.0], (n, m)), 0.0)
    return L, S


def product(solution):
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


def pursuit(Y, sparsity, tol=1e-7):
    """The inexact augmented Lagrangian (Lin, Chen, Ma 2010), a full SVD in each step."""
    norm = np.linalg.norm(Y, 2)
    dual, S, mu = Y / max(norm, np.abs(Y).max() / sparsity), np.zeros_like(Y), 1.25 / norm
    for _ in range(200):
        U, s, Vt = np.linalg.svd(Y - S + dual / mu, full_matrices=False)
        X = (U * np.maximum(s - 1 / mu, 0)) @ Vt
        A = Y - X + dual / mu
        S = np.sign(A) * np.maximum(np.abs(A) - sparsity / mu, 0)
        dual, mu = dual + mu * (Y - X - S), 1.5 * mu
        if np.linalg.norm(Y - X - S) <= tol * np.linalg.norm(Y):
            return X, S
    raise AssertionError("the oracle did not converge")


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("shape", [(150, 150), (120, 200), (200, 120)])
def test_low_rank_and_gross_errors_are_told_apart_exactly(shape, known, share):
    L, S = corrupted(shape[0], 5, share, m=shape[1])
    problem = fr.robust_pca(L + S, radius=np.abs(S).sum() if known else None)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 5
    assert np.linalg.norm(product(solution) - L) <= 1e-9 * np.linalg.norm(L)
    found = np.asarray(solution.extra["sparse"])
    assert np.array_equal(found != 0, S != 0)
    assert np.abs(found - S).max() <= 1e-9
    # The proof holds again from the pair and the dual alone, in dense arithmetic.
    Lam = np.asarray(solution.y).reshape(shape)
    assert np.linalg.norm(Lam, 2) <= 1 + 1e-12
    nuclear = np.linalg.norm(product(solution), "nuc")
    if known:
        dual = np.vdot(L + S, Lam) - problem.radius * np.abs(Lam).max()
        assert np.abs(L + S - product(solution)).sum() <= problem.radius * (1 + 1e-9)
        primal = nuclear
    else:
        dual, primal = np.vdot(L + S, Lam), nuclear + problem.sparsity * np.abs(S).sum()
        assert np.abs(Lam).max() <= problem.sparsity * (1 + 1e-12)
    assert dual >= (1 - 2e-6) * primal


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.1])
def test_recovery_at_five_hundred_is_certified_to_eight_digits(share):
    L, S = corrupted(500, 25, share)
    for radius in (None, np.abs(S).sum()):
        solution = fr.solve(fr.robust_pca(L + S, radius=radius), tol=1e-8)
        assert solution.status is fr.Status.CERTIFIED
        assert np.linalg.norm(product(solution) - L) <= 1e-9 * np.linalg.norm(L)


def test_it_agrees_with_the_inexact_augmented_lagrangian():
    L, S = corrupted(100, 5, 0.05, seed=3)
    problem = fr.robust_pca(L + S)
    X, T = pursuit(L + S, problem.sparsity)
    solution = fr.solve(problem, tol=1e-8)
    assert np.linalg.norm(product(solution) - X) <= 1e-5 * np.linalg.norm(X)
    assert np.abs(np.asarray(solution.extra["sparse"]) - T).max() <= 1e-4


@pytest.mark.parametrize("form", ["sparsity", "radius"])
def test_half_of_the_entries_wrong_is_certified_as_optimal_and_not_as_the_truth(form):
    L, S = corrupted(100, 5, 0.5)
    problem = fr.robust_pca(L + S, radius=np.abs(S).sum() if form == "radius" else None)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert np.linalg.norm(product(solution) - L) > 0.1 * np.linalg.norm(L)
    assert solution.rank > 5
    assert not solution.certificate.unique
    again = fr.certify(problem, solution.factors, solution.y)
    assert again.relative_gap <= 1.01e-6
    if form == "radius":
        truth = np.linalg.norm(L, "nuc")  # feasible, and worse than what was found
        assert again.primal < truth


def test_the_optimal_values_are_cvxpys():
    import cvxpy as cp

    # Parameters: each form is compiled once.
    X, data, number = cp.Variable((6, 5)), cp.Parameter((6, 5)), cp.Parameter(nonneg=True)
    nuclear = cp.normNuc(X)
    weighted = cp.Problem(cp.Minimize(nuclear + cp.sum(cp.abs(data - number * X))))
    bounded = cp.Problem(cp.Minimize(nuclear), [cp.sum(cp.abs(data - X)) <= number])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        Y, weight = rng.standard_normal((6, 5)), rng.uniform(0.2, 0.6)
        forms = {"sparsity": weight}, {"radius": rng.uniform(0.2, 0.7) * np.abs(Y).sum()}
        for form, oracle in zip(forms, (weighted, bounded), strict=True):
            number.value = next(iter(form.values()))
            data.value = number.value * Y if oracle is weighted else Y
            value = oracle.solve(solver=cp.CLARABEL)
            solution = fr.solve(fr.robust_pca(Y, **form), tol=1e-7)
            assert solution.status is fr.Status.CERTIFIED
            assert solution.certificate.primal == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("Y", "form", "rank", "value"),
    [
        (np.zeros((4, 3)), {}, 0, 0.0),
        (np.ones((3, 3)), {"radius": 100.0}, 0, 0.0),  # X = 0 fits
        (np.ones((3, 3)), {"sparsity": 2.0}, 1, 3.0),  # S = 0 is optimal from 1 on
        (np.ones((3, 3)), {"sparsity": 0.01}, 0, 0.09),  # X = 0 is
        (np.array([[3.0]]), {"sparsity": 0.5}, 0, 1.5),
        (np.eye(80), {}, 0, 80 / np.sqrt(80)),
    ],
)
def test_extreme_problems_have_their_known_answers(Y, form, rank, value):
    solution = fr.solve(fr.robust_pca(Y, **form))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == rank
    assert solution.certificate.primal == pytest.approx(value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("form", ["sparsity", "radius"])
def test_the_unit_of_the_data_changes_nothing(form):
    L, S = corrupted(60, 2, 0.05)
    radius = np.abs(S).sum() if form == "radius" else None
    one = fr.solve(fr.robust_pca(L + S, radius=radius))
    scale = 1e200
    two = fr.solve(fr.robust_pca(scale * (L + S), radius=radius and scale * radius))
    assert (two.status, two.rank) == (fr.Status.CERTIFIED, one.rank)
    assert two.certificate.primal == pytest.approx(scale * one.certificate.primal, rel=1e-5)
    assert np.abs(np.asarray(two.extra["sparse"]) / scale - S).max() <= 1e-9
    assert np.abs(np.asarray(two.y)).max() == pytest.approx(np.abs(np.asarray(one.y)).max(), rel=1)


def test_noise_leaves_a_certified_optimum_near_the_truth():
    rng = np.random.default_rng(4)
    L, S = 20 * corrupted(120, 3, 0.0)[0], 5 * corrupted(120, 3, 0.05, seed=7)[1]
    solution = fr.solve(fr.robust_pca(L + S + 0.01 * rng.standard_normal(L.shape)), tol=1e-5)
    assert solution.status is fr.Status.CERTIFIED
    assert np.linalg.norm(product(solution) - L) <= 0.2 * np.linalg.norm(L)


def test_too_small_a_rank_limit_is_refused():
    L, S = corrupted(60, 5, 0.05)
    solution = fr.solve(fr.robust_pca(L + S), rank=3)
    assert solution.status is fr.Status.RANK_TOO_SMALL
    assert solution.rank == 3
    assert solution.certificate.relative_gap > 1e-4


def test_a_deadline_and_an_interruption_keep_a_certificate():
    L, S = corrupted(60, 3, 0.05)
    stopped = fr.solve(fr.robust_pca(L + S), max_seconds=0.0)
    assert stopped.status is fr.Status.DEADLINE
    assert np.isfinite(stopped.certificate.gap)

    def interrupt(_):
        raise KeyboardInterrupt

    interrupted = fr.solve(fr.robust_pca(L + S), progress=interrupt)
    assert interrupted.status is fr.Status.INTERRUPTED
    assert 0 <= interrupted.certificate.gap < np.inf


def test_a_start_and_a_seed_change_nothing_but_the_way():
    L, S = corrupted(100, 4, 0.05)
    problem = fr.robust_pca(L + S)
    first = fr.solve(problem)
    again = fr.solve(problem, start=first.factors, seed=1)
    assert again.status is fr.Status.CERTIFIED
    assert np.allclose(product(again), product(first), atol=1e-9)


@pytest.mark.parametrize("form", [{"sparsity": 0.2}, {"radius": 25.0}])
def test_save_and_load_keep_the_proof(form, tmp_path):
    L, S = corrupted(30, 2, 0.05)
    solution = fr.solve(fr.robust_pca(L + S, **form))
    loaded = fr.load(solution.save(tmp_path / "run"))
    assert (loaded.problem.radius, loaded.problem.sparsity) == (
        form.get("radius"),
        form.get("sparsity"),
    )
    assert np.array_equal(loaded.extra["sparse"], solution.extra["sparse"])
    assert loaded.status is solution.status
    again = fr.certify(loaded.problem, loaded.factors, loaded.y)
    assert again.relative_gap == pytest.approx(solution.certificate.relative_gap, abs=1e-8)
    assert next(iter(form)) in str(loaded)


@pytest.mark.slow
def test_memory_is_a_few_copies_of_the_data():
    import tracemalloc

    L, S = corrupted(1000, 10, 0.05)
    Y = L + S
    problem = fr.robust_pca(Y)
    tracemalloc.start()
    fr.solve(problem)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 7 * Y.nbytes


def with_gaps(gaps, seed=0, shape=(100, 80)):
    L, S = corrupted(shape[0], 2, 0.04, seed, shape[1])
    mask = np.random.default_rng(seed + 1).random(shape) >= gaps
    return L, np.where(mask, S, 0.0), mask


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("gaps", [0.1, 0.4])
def test_gross_errors_and_gaps_are_overcome_together(known, gaps):
    L, S, mask = with_gaps(gaps)
    Y = np.where(mask, L + S, np.nan)
    problem = fr.robust_pca(Y, radius=np.abs(S).sum() if known else None, mask=mask)
    solution = fr.solve(problem)
    assert solution.status is fr.Status.CERTIFIED
    assert np.linalg.norm(product(solution) - L) <= 1e-9 * np.linalg.norm(L)
    assert np.abs(np.asarray(solution.extra["sparse"]) - S).max() <= 1e-9
    # The proof, in dense arithmetic: Λ may not weigh what is not observed.
    Lam = np.asarray(solution.y).reshape(mask.shape)
    assert not Lam[~mask].any()
    assert np.linalg.norm(Lam, 2) <= 1 + 1e-12
    nuclear, inner = np.linalg.norm(product(solution), "nuc"), np.vdot(Lam[mask], Y[mask])
    errors = np.abs(Y - product(solution))[mask].sum()
    if known:
        assert inner - problem.radius * np.abs(Lam).max() >= (1 - 2e-6) * nuclear
    else:
        assert np.abs(Lam).max() <= problem.sparsity * (1 + 1e-12)
        assert inner >= (1 - 2e-6) * (nuclear + problem.sparsity * errors)


def test_a_dual_matrix_that_weighs_gaps_proves_nothing_for_it():
    L, S, mask = with_gaps(0.3, shape=(30, 20))
    problem = fr.robust_pca(L + S, mask=mask)
    solution = fr.solve(problem)
    y = np.where(mask, np.asarray(solution.y).reshape(mask.shape), 0.5)
    again = fr.certify(problem, solution.factors, y)
    assert again.dual_bound == pytest.approx(solution.certificate.dual_bound, rel=1e-9)
    assert fr.certify(problem, solution.factors).dual_bound <= again.primal * (1 + 1e-9)


@pytest.mark.parametrize("known", [False, True])
def test_the_optimum_with_gaps_is_that_of_interior_points(known):
    cvxpy = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(3)
    Y, mask = rng.standard_normal((12, 9)), rng.random((12, 9)) < 0.7
    radius = 0.3 * np.abs(Y[mask]).sum() if known else None
    problem = fr.robust_pca(Y, radius=radius, mask=mask)
    solution = fr.solve(problem, tol=1e-7)
    X = cvxpy.Variable(Y.shape)
    errors = cvxpy.sum(cvxpy.abs(cvxpy.multiply(mask.astype(float), Y - X)))
    norm = cvxpy.normNuc(X)
    if known:
        program = cvxpy.Problem(cvxpy.Minimize(norm), [errors <= radius])
    else:
        program = cvxpy.Problem(cvxpy.Minimize(norm + problem.sparsity * errors))
    optimum = program.solve(solver="CLARABEL")
    assert solution.certificate.primal == pytest.approx(optimum, rel=1e-5)
    assert solution.certificate.dual_bound <= optimum * (1 + 1e-6)


def test_a_mask_is_kept_in_the_file(tmp_path):
    L, S, mask = with_gaps(0.3, shape=(30, 20))
    solution = fr.solve(fr.robust_pca(L + S, mask=mask))
    solution.save(tmp_path / "run")
    back = fr.load(tmp_path / "run")
    assert np.array_equal(back.problem.mask, mask)
    assert fr.certify(back.problem, back.factors, back.y).certified(1e-6)


def test_a_row_of_which_nothing_is_seen():
    L, S, mask = with_gaps(0.2)
    mask[7] = False
    solution = fr.solve(fr.robust_pca(L + S, mask=mask))
    assert solution.status is fr.Status.CERTIFIED
    assert np.array_equal(np.asarray(solution.problem.unidentifiable.rows(1)), [7])
    assert np.linalg.norm(np.delete(product(solution) - L, 7, 0)) <= 1e-9 * np.linalg.norm(L)
