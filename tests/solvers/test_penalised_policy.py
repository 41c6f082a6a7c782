"""λ > 0: when the search grows, when it proves, and when it ends."""

import math

import numpy as np

import flatrank as fr
from flatrank.solvers import GaussNewton
from flatrank.solvers.growth import cut


def searching(tol):
    """A noisy table, a search for its optimum, and a nearly stationary state one column short."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 30))
    rows, cols = np.nonzero(rng.random(X.shape) < 0.5)
    values = X[rows, cols] + 0.3 * rng.standard_normal(rows.size)
    problem = fr.completion(rows, cols, values, X.shape, lam_ratio=0.2)
    best = fr.solve(problem)
    find = GaussNewton(tol=tol)
    pair = problem.whiten(best.factors)
    state = find.init(problem, pair, 0)
    state = cut(state, state.rank - 1).growing(waiting=False)
    for _ in range(30):
        state = find.newton(problem, state)
    return problem, find, state


def test_it_grows_at_a_stationary_point_that_is_short_of_a_column():
    problem, find, state = searching(1e-6)
    assert find.penalised.decide(find, problem, state).growth.waiting


def test_what_growth_did_not_gain_is_not_looked_for_again():
    problem, find, state = searching(1e-6)
    now = state.point.objective - state.point.fall
    state = state.growing(grown=(state.rank, now * (1 + 1e-10)))
    decided = find.penalised.decide(find, problem, state)
    assert not decided.growth.waiting
    assert decided.rank == state.rank
    assert decided.growth.grown[1] == math.inf  # after a proof, or steps, growth may be tried again
