"""Solvers at a fixed rank: first-order points, known optima, rates, refusals, honest statuses."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.arrays import leaves
from flatrank.data import random_instance
from flatrank.factors import compact_svd
from flatrank.solvers import (
    BalancedDescent,
    RiemannianConjugateGradient,
    RiemannianTrustRegion,
    Status,
)
from flatrank.solvers.reference import FixedRank
from flatrank.theory import inner

CG, TR = RiemannianConjugateGradient, RiemannianTrustRegion
SOLVERS = {
    "descent": (BalancedDescent, {}),
    "cg, fixed rank": (CG, {}),
    "cg, balanced": (CG, {"geometry": "balanced"}),
    "tr, fixed rank": (TR, {}),
    "tr, balanced": (TR, {"geometry": "balanced"}),
}
each = pytest.mark.parametrize(("solver", "options"), SOLVERS.values(), ids=SOLVERS)


@pytest.fixture(scope="module")
def exact():
    made = random_instance(60, 60, 2, oversampling=4.0, seed=0, min_per_line=3)
    return made, fr.completion(made.rows, made.cols, made.values, made.shape)


@pytest.fixture(scope="module")
def noisy():
    made = random_instance(60, 60, 2, oversampling=4.0, seed=0, min_per_line=3, noise=0.3)
    return fr.completion(made.rows, made.cols, made.values, made.shape)


@each
def test_exact_data_are_recovered(exact, solver, options):
    made, problem = exact
    solution = fr.solve(problem, solver=solver(rank=2, tol=1e-12, **options))
    assert made.relative_error(solution.factors.L, solution.factors.R) <= 1e-10
    assert solution.status in (Status.STATIONARY, Status.CERTIFIED)
    proved = solution.certificate.certified(1e-6)
    assert (solution.status is Status.CERTIFIED) == proved
    assert solution.flatness.excess == pytest.approx(1, abs=1e-10)
    assert solution.counts.forward > solution.counts.steps > 0


@each
def test_noisy_data_end_at_a_first_order_point(noisy, solver, options):
    """The residual is orthogonal to what the Riemannian gradient can change of it."""
    solution = fr.solve(noisy, solver=solver(rank=2, tol=1e-7, **options))
    assert solution.status is Status.STATIONARY
    pair, B = noisy.whiten(solution.factors), noisy.whitened
    c = B.forward(pair) - noisy.b
    x = compact_svd(pair)
    g = FixedRank().gradient(x, B.adjoint(c))
    misfit, image = np.linalg.norm(c), np.linalg.norm(FixedRank().derivative(B, x, g))
    assert float(misfit) > 0.01 * float(np.linalg.norm(noisy.b))
    assert float(inner(g, g)) <= 1e-6 * float(misfit * image)


def test_the_balanced_optimum_is_the_rank_constrained_one(noisy):
    """Balancing changes no loss, so descent on balanced pairs and the solvers on matrices of rank k
    end at one value.
    """
    rows, cols = noisy.measurement.places()
    values = []
    for solver, options in SOLVERS.values():
        L, R = (
            np.asarray(x)
            for x in leaves(fr.solve(noisy, solver=solver(rank=2, tol=1e-7, **options)).factors)
        )
        values.append(np.sum((np.sum(L[rows] * R[cols], axis=1) - np.asarray(noisy.b)) ** 2))
    assert values == pytest.approx([values[0]] * len(values), rel=1e-10)


@pytest.mark.parametrize("geometry", ["fixed rank", "balanced"])
def test_trust_regions_converge_superlinearly(exact, geometry):
    _, problem = exact
    solution = fr.solve(problem, solver=TR(rank=2, tol=1e-13, geometry=geometry))
    misfits = [step["misfit"] for step in solution.history]
    ratios = [b / a for a, b in zip(misfits, misfits[1:], strict=False) if b > 1e-13 * misfits[0]]
    assert ratios[-1] <= 1e-3
    assert len(misfits) <= 20


@each
def test_a_start_at_the_answer_takes_one_step(exact, solver, options):
    made, problem = exact
    chosen = solver(rank=2, tol=1e-10, **options)
    solution = fr.solve(problem, solver=chosen, start=(made.U, made.V))
    assert solution.counts.steps <= 1
    assert made.relative_error(solution.factors.L, solution.factors.R) <= 1e-10


@each
def test_a_start_of_lower_rank_or_zero_is_filled(exact, solver, options):
    made, problem = exact
    chosen = solver(rank=2, tol=1e-10, **options)
    for width in (0, 1):
        start = made.U * (np.arange(2) < width), made.V
        solution = fr.solve(problem, solver=chosen, start=start)
        assert made.relative_error(solution.factors.L, solution.factors.R) <= 1e-8


@each
def test_zero_data_give_the_zero_matrix(exact, solver, options):
    made, _ = exact
    problem = fr.completion(made.rows, made.cols, 0 * made.values, made.shape)
    solution = fr.solve(problem, solver=solver(rank=2, **options))
    assert np.all(np.asarray(solution.entries([0], [0])) == 0)
    assert solution.status is Status.CERTIFIED


@each
def test_lam_is_refused_by_name(exact, solver, options):
    problem = exact[1].with_lam(0.5)
    with pytest.raises(ValueError, match=rf"{solver.__name__} fits the data without a penalty"):
        fr.solve(problem, solver=solver(rank=2, **options))


@each
def test_nan_is_never_success(exact, solver, options):
    _, problem = exact
    chosen = solver(rank=2, **options)
    state = chosen.init(problem)
    spoilt = np.append(np.nan, problem.b[1:])
    broken = fr.Problem(
        problem.measurement, spoilt, problem.rescaling, 0.0, 0.0, problem.unidentifiable
    )
    state = chosen.step(broken, state)
    state = chosen.step(broken, state)
    assert chosen.status(broken, state) in (Status.NONFINITE, Status.STALLED, Status.RUNNING)
    assert chosen.status(broken, state) is not Status.STATIONARY


@pytest.mark.parametrize("solver", [CG, TR])
def test_more_columns_than_rows_are_refused(exact, solver):
    with pytest.raises(ValueError, match=r"rank=61 exceeds min\(d1, d2\) = 60"):
        fr.solve(exact[1], solver=solver(rank=61))


def test_wrong_options_are_refused(exact):
    with pytest.raises(ValueError, match="rank must be a whole number >= 1; got 0"):
        CG(rank=0).init(exact[1])
    with pytest.raises(ValueError, match="geometry must be 'fixed rank' or 'balanced'; got 'flat'"):
        CG(geometry="flat").init(exact[1])
