"""The unit of the data, their transpose and the order of their lines change nothing."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.data.instances import random_instance
from flatrank.solvers import Auto, GaussNewton, Lagrangian, largest_lam

SHAPE = (90, 70)


@pytest.fixture(scope="module")
def made():
    return random_instance(*SHAPE, 3, oversampling=3.5, kappa=10, seed=0)


def posed(made, form, rows, cols, values, shape):
    """Exact data, or noisy ones with a λ that scales with them."""
    if form in ("exact", "flattest"):
        return fr.completion(rows, cols, values, shape)
    size = np.linalg.norm(made.values) / np.sqrt(values.size)
    unit = np.linalg.norm(values) / np.linalg.norm(made.values)
    noise = 0.1 * size * unit * np.random.default_rng(1).standard_normal(values.size)
    problem = fr.completion(rows, cols, values + noise, shape, smoothing=1.0)
    return problem.with_lam(0.1 * largest_lam(problem))


def solved(problem, solver, form):
    # The multiplier method takes twice as many steps to 1e-9, and they say nothing new.
    tol = 1e-6 if form == "flattest" else 1e-9
    solution = fr.solve(problem, solver=solver(tol=tol), tol=tol)
    X = np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T
    return X, solution


def same(first, second, X, Y):
    assert second.status is first.status
    assert second.rank == first.rank
    steps = first.counts.steps
    assert abs(second.counts.steps - steps) <= max(1, 0.1 * steps)
    # A gap of 1e-9 leaves its square root in the answer; exact data leave rounding. The flattest
    # interpolant is reached along one road, so that what its gap leaves open is left alike.
    assert np.linalg.norm(Y - X) <= 1e-4 * np.linalg.norm(X)


def late(form, solver):
    return pytest.param(form, solver, marks=pytest.mark.slow)


# "flattest" is where goal="flat" ends: the multiplier method, on data of which it is not M; many
# programs for each shape. Auto begins with GaussNewton: alone it is left to the slow tests.
FORMS = [("exact", Auto), ("penalised", Auto)]
LATE = [late("exact", GaussNewton), late("penalised", GaussNewton)]
each = pytest.mark.parametrize(("form", "solver"), [*FORMS, ("flattest", Lagrangian), *LATE])
most = pytest.mark.parametrize(("form", "solver"), [*FORMS, late("flattest", Lagrangian), *LATE])


@most
@pytest.mark.parametrize("scale", [1e-3, 1e3, 0.37])
def test_the_unit_of_the_data(made, solver, form, scale):
    X, first = solved(posed(made, form, made.rows, made.cols, made.values, SHAPE), solver, form)
    other = posed(made, form, made.rows, made.cols, scale * made.values, SHAPE)
    Y, second = solved(other, solver, form)
    same(first, second, X, Y / scale)


@most
def test_the_transpose(made, solver, form):
    X, first = solved(posed(made, form, made.rows, made.cols, made.values, SHAPE), solver, form)
    other = posed(made, form, made.cols, made.rows, made.values, SHAPE[::-1])
    Y, second = solved(other, solver, form)
    same(first, second, X, Y.T)


@each
def test_the_order_of_rows_and_columns(made, solver, form):
    X, first = solved(posed(made, form, made.rows, made.cols, made.values, SHAPE), solver, form)
    rng = np.random.default_rng(2)
    p, q = rng.permutation(SHAPE[0]), rng.permutation(SHAPE[1])
    Y, second = solved(
        posed(made, form, p[made.rows], q[made.cols], made.values, SHAPE), solver, form
    )
    same(first, second, X, Y[np.ix_(p, q)])
