"""Alternating least squares over all cells: exact rows, a falling objective, a proof at the end."""

import numpy as np
import pytest
import scipy.sparse as sp

import flatrank as fr
from flatrank.solvers import ImplicitLeastSquares, Status
from flatrank.solvers.implicit import ridge_rows, sided


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(1)
    rate = np.exp(rng.standard_normal((50, 2)) @ rng.standard_normal((2, 35)) - 1.5)
    return fr.implicit(sp.csr_array(rng.poisson(rate)), alpha=4.0, lam=2.0)


def test_a_row_is_its_ridge_regression_over_all_columns(problem):
    rng = np.random.default_rng(0)
    R, A, c = rng.standard_normal((35, 6)), problem.measurement, np.asarray(problem.b)
    side = sided(A.by_row, c, np.float64)
    L = ridge_rows(side, np.zeros((50, 6)), R, R.T @ R, problem.lam, 6)
    C, P = np.ones((50, 35)), np.zeros((50, 35))
    C[A.places()], P[A.places()] = c, 1
    for i in range(50):
        G = R.T @ (C[i, :, None] * R) + problem.lam * np.eye(6)
        np.testing.assert_allclose(L[i], np.linalg.solve(G, R.T @ (C[i] * P[i])), atol=1e-8)


def test_wide_enough_it_ends_with_the_proof(problem):
    solver = ImplicitLeastSquares(rank=35, sweeps=3000)
    solution = fr.solve(problem, solver=solver)
    assert solution.status is Status.CERTIFIED
    assert solution.certificate.relative_gap <= 1e-6
    assert solution.certificate.unique
    falls = [record["fall"] for record in solution.history[1:]]
    assert min(falls) > -1e-6  # rounding in single precision
    np.testing.assert_allclose(
        solution.history[-1]["objective"], solution.certificate.primal, rtol=1e-5
    )


def test_too_narrow_it_says_how_far_it_is(problem):
    solution = fr.solve(problem, solver=ImplicitLeastSquares(rank=2, sweeps=500))
    assert solution.status is Status.STATIONARY
    assert solution.certificate.relative_gap > 0.01
    assert solution.certificate.operator_norm > 1.1
    best = fr.solve(problem, solver=ImplicitLeastSquares(rank=35, sweeps=3000)).certificate
    assert solution.certificate.dual_bound <= best.primal <= solution.certificate.primal


def test_sweeps_end_when_asked_to_and_go_on_from_there(problem):
    first = fr.solve(problem, solver=ImplicitLeastSquares(rank=5, sweeps=4))
    assert first.status is Status.MAX_STEPS
    assert len(first.history) == first.counts.steps == 4
    more = fr.solve(problem, solver=ImplicitLeastSquares(rank=5, sweeps=1), start=first)
    assert more.certificate.primal < first.certificate.primal
    wider = fr.solve(problem, solver=ImplicitLeastSquares(rank=8, sweeps=4), start=first)
    assert wider.rank == 8
    assert wider.certificate.primal < more.certificate.primal


def test_the_default_width_stays_within_the_matrix(problem):
    assert fr.solve(problem, tol=1e-3).rank == 35
    assert fr.solve(problem, rank=3, tol=1e-3).rank == 3


def test_the_same_seed_gives_the_same_factors(problem):
    one, other = (fr.solve(problem, rank=4, seed=3, tol=1e-3) for _ in range(2))
    np.testing.assert_array_equal(one.factors.L, other.factors.L)
    assert not np.array_equal(one.factors.L, fr.solve(problem, rank=4, seed=4, tol=1e-3).factors.L)


def test_steps_of_the_iteration_make_sweeps_exact(problem):
    """With as many steps as columns a sweep is that of direct solves."""
    few, many = (
        fr.solve(problem, solver=ImplicitLeastSquares(rank=6, sweeps=3, steps=steps))
        for steps in (3, 12)
    )
    assert many.certificate.primal <= few.certificate.primal * (1 + 1e-3)


def test_every_cell_counts_so_that_no_entry_is_unknown(problem):
    solution = fr.solve(problem, rank=4, tol=1e-3)
    assert np.all(np.isfinite(solution.matrix()))
    assert solution.unidentifiable == {"rows": [], "cols": [], "components": 1}


def test_solvers_of_other_problems_are_refused(problem):
    with pytest.raises(ValueError, match="does not see the cells without a click"):
        fr.solve(problem, solver=fr.solvers.GaussNewton())
    table = fr.completion([0, 1], [0, 1], [1.0, 2.0], (2, 2), lam=0.1)
    with pytest.raises(ValueError, match=r"problems of flatrank\.implicit; got Problem"):
        fr.solve(table, solver=ImplicitLeastSquares())
    for wrong in ({"rank": 0}, {"steps": 0}, {"sweeps": -1}, {"rank": 2.5}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number"):
            fr.solve(problem, solver=ImplicitLeastSquares(**wrong))


def test_the_posterior_is_not_that_of_clicks(problem):
    with pytest.raises(TypeError, match="ImplicitFeedback"):
        fr.posterior(problem)


@pytest.mark.parametrize("lam", [1e-12, 1e-6])
def test_a_lam_below_rounding_of_the_gram_matrix_leaves_numbers(problem, lam):
    """There are more columns than the clicks fill, and the Gram matrix is singular in single."""
    solution = fr.solve(problem.with_lam(lam), solver=ImplicitLeastSquares(rank=35, sweeps=20))
    assert solution.status in (Status.MAX_STEPS, Status.STATIONARY)
    assert 0 <= solution.certificate.primal < 1e-3 * problem.misfit(problem.zero(1))
