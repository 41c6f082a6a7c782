"""Implicit feedback as a problem: its numbers against sums over all cells, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

import flatrank as fr
from flatrank.arrays import to_numpy
from flatrank.factors import FactorPair


@pytest.fixture
def clicks():
    rng = np.random.default_rng(0)
    r = rng.poisson(0.4, (9, 7))
    pair = FactorPair(rng.standard_normal((9, 3)), rng.standard_normal((7, 3)))
    return r, pair


def test_sums_over_all_cells_from_the_clicks_alone(clicks):
    r, pair = clicks
    problem = fr.implicit(sp.csr_array(r), alpha=3.0, lam=1.0)
    C, P, X = 1 + 3.0 * r, (r > 0) * 1.0, pair.L @ pair.R.T
    S = C * (P - X)
    np.testing.assert_allclose(problem.misfit(pair), np.sum(C * (P - X) ** 2))
    slope, clicked = problem.slope(pair)
    np.testing.assert_allclose(slope.right(np.eye(7)), S)
    np.testing.assert_allclose(slope.left(np.eye(9)), S.T)
    np.testing.assert_allclose(clicked, S[problem.measurement.places()])
    rows, cols = C.sum(axis=1) / 7, C.sum(axis=0) / 9
    trace = 2 * (np.sum(rows[:, None] * pair.L**2) + np.sum(cols[:, None] * pair.R**2))
    np.testing.assert_allclose(fr.flatness_of(problem, pair).scaled_trace, trace)


def test_from_the_largest_lam_on_the_answer_is_zero(clicks):
    r, _ = clicks
    C = 1 + 3.0 * r
    largest = np.linalg.norm(C * (r > 0), 2)
    whole = fr.implicit(sp.csr_array(r), alpha=3.0, lam_ratio=1.0)
    np.testing.assert_allclose(whole.lam, largest)
    np.testing.assert_allclose(fr.solvers.largest_lam(whole), largest)
    zero = np.zeros((9, 1)), np.zeros((7, 1))
    assert abs(fr.certify(whole, zero).relative_gap) < 1e-12
    assert fr.certify(whole.with_lam(0.9 * largest), zero).relative_gap > 1e-3


def test_clicks_of_one_place_add_up_and_stored_zeros_are_no_clicks():
    log = fr.implicit([0, 0, 1, 0], [1, 1, 0, 1], shape=(2, 3), alpha=2.0, lam=1.0)
    counted = fr.implicit([0, 1, 1], [1, 0, 2], [3, 1, 0], (2, 3), alpha=2.0, lam=1.0)
    assert log.m == counted.m == 2
    np.testing.assert_array_equal(to_numpy(log.b), [7, 3])
    np.testing.assert_array_equal(to_numpy(counted.b), [7, 3])


def test_the_default_lam_is_a_share_of_the_largest(clicks):
    problem = fr.implicit(sp.csr_array(clicks[0]))
    assert 0 < problem.lam < 0.5 * fr.solvers.largest_lam(problem)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([0], [0], [-1], (2, 2)), {}, "counts must be >= 0; got -1 at"),
        (([0], [0], [np.nan], (2, 2)), {}, "counts must be finite"),
        (([0], [0], [0], (2, 2)), {}, "there is no click"),
        (([0], [2], [1], (2, 2)), {}, "cols"),
        (([0, 1], [0], None, (2, 2)), {}, "one length"),
        (([0], [0], [1]), {}, "shape is missing"),
        (([0], [0], [1], (2, 2)), {"alpha": -1}, "alpha must be a finite number >= 0"),
        (([0], [0], [1], (2, 2)), {"lam": -1}, "lam must be a finite number > 0"),
        (([0], [0], [1], (2, 2)), {"lam": 0}, "lam must be a finite number > 0"),
        (([0], [0], [1], (2, 2)), {"lam_ratio": 0}, "lam_ratio must lie between 0 and 1"),
        (([0], [0], [1], (2, 2)), {"lam_ratio": 0.1, "lam": 1.0}, "give lam or lam_ratio"),
    ],
)
def test_what_is_no_feedback_is_refused(arguments, options, words):
    with pytest.raises(ValueError, match=words):
        fr.implicit(*arguments, **options)


def test_a_dense_table_is_to_be_made_sparse():
    with pytest.raises(TypeError, match=r"scipy.sparse.csr_array\(table\)"):
        fr.implicit(np.eye(3))


def test_there_is_no_other_unit(clicks):
    problem = fr.implicit(sp.csr_array(clicks[0]), lam=1.0)
    with pytest.raises(ValueError, match="no other unit"):
        problem.scaled(2.0)
    with pytest.raises(ValueError, match="> 0"):
        problem.with_lam(0.0)
