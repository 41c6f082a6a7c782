"""One draw and one cell: solved by the front doors, certified, compared with M."""

import numpy as np
import pytest

import flatrank as fr
from flatrank.data import InputError
from flatrank.experiments.cells import solve_cell, solve_draw
from flatrank.experiments.draws import Ensemble, draw, truth


@pytest.mark.parametrize(
    ("family", "size"),
    [("sensing", 45), ("bilinear", 50), ("completion", 0.85), ("quadratic", 36)],
)
def test_what_the_data_determine_is_recovered_and_proved(family, size):
    one = solve_draw(*Ensemble(family, 1)(8, size, 3))
    assert one.certified == (True, True)
    assert one.recovered == (True, True)
    assert 0 <= one.excess <= one.kappa**2 - 1
    assert one.imbalance <= 2 * (one.kappa**2 - 1)


@pytest.mark.parametrize(
    ("family", "size"), [("sensing", 15), ("bilinear", 15), ("completion", 0.3), ("quadratic", 14)]
)
def test_fewer_data_than_degrees_of_freedom_certify_another_matrix(family, size):
    one = solve_draw(*Ensemble(family, 3)(8, size, 2))
    assert one.certified == (True, True)
    assert one.recovered == (False, False)


def test_the_measures_are_those_of_the_factors():
    rng = np.random.default_rng(4)
    M = truth("bilinear", (6, 6), 2, rng)
    problem = draw("bilinear", M, 40, rng)
    one = solve_draw(problem, M)
    # Both solutions are M here: flat factors are L = D1⁻¹ U Σ^½, R = D2⁻¹ V Σ^½ of D1 M D2.
    D1, D2 = problem.rescaling.D1, problem.rescaling.D2
    U, s, Vt = np.linalg.svd(D1 @ M @ D2)
    root = np.sqrt(np.where(s > 1e-12 * s[0], s, 0.0))
    L, R = np.linalg.solve(D1, U * root), np.linalg.solve(D2, Vt.T * root)
    size = np.linalg.norm(M, "nuc")
    excess = (np.sum(L**2) + np.sum(R**2)) / (2 * size) - 1
    assert one.excess == pytest.approx(excess, rel=1e-6)
    imbalance = np.abs(np.linalg.eigvalsh(L.T @ L - R.T @ R)).sum() / size
    assert one.imbalance == pytest.approx(imbalance, rel=1e-6)
    w = np.concatenate([np.linalg.eigvalsh(D) for D in (D1, D2)])
    assert one.kappa == pytest.approx(w.max() / w.min())


def test_a_row_that_is_never_seen_is_not_recovered():
    M = truth("completion", (6, 6), 2, np.random.default_rng(5))
    rows, cols = np.nonzero(np.arange(6)[:, None] + np.zeros(6) > 0)
    one = solve_draw(fr.completion(rows, cols, M[rows, cols], (6, 6)), M)
    assert one.certified == (True, True)
    assert one.recovered == (False, False)
    assert one.kappa == np.inf
    assert np.isnan(one.excess)


def test_nothing_seen_gives_zero():
    one = solve_draw(None, truth("completion", (4, 4), 1, np.random.default_rng(6)))
    assert one.error == pytest.approx((1.0, 1.0))
    assert one.gap == (0.0, 0.0)


def test_more_measurements_recover_more():
    shares = [solve_cell(Ensemble("sensing", 2), 8, m, 6, 0) for m in (20, 40, 60)]
    flat = [cell.share(0) for cell in shares]
    assert flat == sorted(flat)
    assert flat[0] == 0.0
    assert flat[-1] == 1.0
    assert sum(cell.uncertified for cell in shares) == 0


def test_on_the_transition_every_solution_is_certified():
    cell = solve_cell(Ensemble("completion", 2), 13, 0.6, 8, 0)
    assert 0 < cell.share(0) < 1
    assert cell.uncertified == 0


def test_a_cell_is_its_seed():
    first = solve_cell(Ensemble("bilinear", 2), 6, 30, 3, 1)
    assert first == solve_cell(Ensemble("bilinear", 2), 6, 30, 3, 1)
    assert first != solve_cell(Ensemble("bilinear", 2), 6, 30, 3, 2)


def test_errors_few_enough_are_separated_by_the_radius_and_by_pursuit():
    cell = solve_cell(Ensemble("robust", 1), 24, 0.05, 3, 0)
    assert cell.rival == "pursuit"
    assert (cell.uncertified, cell.share(0), cell.share(1)) == (0, 1.0, 1.0)


def test_the_radius_recovers_what_pursuit_does():
    # Where M is optimal with some weight it is so with the radius ‖S‖₁ (theory §1.6).
    for seed in range(3):
        one = solve_cell(Ensemble("robust", 2), 20, 0.12, 4, seed)
        assert all(a or not b for a, b in (draw.recovered for draw in one.draws))


def test_where_all_that_fit_are_flattest_only_a_proof_of_uniqueness_counts():
    few, many = (solve_cell(Ensemble("covariance", 2), 10, m, 2, 0) for m in (15, 50))
    assert few.rival == many.rival == "of any sign"
    assert few.uncertified == many.uncertified == 0
    assert (few.share(0), many.share(0)) == (0.0, 1.0)
    assert not any(one.alone[0] for one in few.draws)
    assert all(one.alone[1] for one in few.draws)


def test_intervals_are_those_of_wilson():
    cell = solve_cell(Ensemble("sensing", 1), 5, 25, 4, 0)
    assert cell.recovered(0) == 4
    z2 = 1.959963984540054**2
    assert cell.interval(0) == pytest.approx((4 / (4 + z2), 1.0))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "must return a problem and the matrix that it measures; got NoneType"),
        ((1, np.eye(3)), "the first was int"),
        ("shape", r"of shape \(4, 4\) as the problem says; the second had shape \(4, 3\)"),
        ((None, np.zeros((3, 3))), "not zero"),
    ],
)
def test_what_is_no_problem_and_its_truth_is_refused(found, message):
    problem = fr.completion([0, 1], [1, 0], [1.0, 2.0], (4, 4))
    found = (problem, np.ones((4, 3))) if found == "shape" else found
    with pytest.raises(InputError, match=message):
        solve_cell(lambda *_: found, 4, 1, 1, 0)
