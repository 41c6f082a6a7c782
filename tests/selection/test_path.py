"""Paths of robust PCA, and what a path that cannot be is told."""

import numpy as np
import pytest

import flatrank as fr


def separated(shape=(40, 30), rank=2, share=0.05):
    rng = np.random.default_rng(0)
    L = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    S = np.where(rng.random(shape) < share, 5 * rng.choice([-1.0, 1.0], shape), 0.0)
    return L, S


def product(solution):
    return np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T


def test_the_weights_go_from_nothing_to_where_the_parts_are_told_apart():
    L, S = separated()
    solutions = fr.path(fr.robust_pca(L + S), count=6, tol=1e-5)
    weights = [s.problem.sparsity for s in solutions]
    assert np.allclose(np.diff(np.log(weights)), np.log(weights[1] / weights[0]))
    assert weights[0] == pytest.approx(1 / (0.95 * np.linalg.norm(np.sign(L + S), 2)))
    assert weights[-1] == pytest.approx(2 / np.sqrt(40))
    assert all(s.status is fr.Status.CERTIFIED for s in solutions)
    assert solutions[0].rank <= 1
    # On the way some weight finds the errors: their number stands still there.
    near = [s for s in solutions if np.linalg.norm(product(s) - L) <= 1e-9 * np.linalg.norm(L)]
    assert near
    assert all(np.array_equal(np.asarray(s.extra["sparse"]) != 0, S != 0) for s in near)
    # Just below the first, X = 0: the grid begins where something happens.
    none = fr.solve(fr.robust_pca(L + S, sparsity=0.94 * weights[0]))
    assert none.rank == 0


def test_the_radii_fall_from_all_of_the_data():
    L, S = separated()
    size = np.abs(L + S).sum()
    solutions = fr.path(fr.robust_pca(L + S, radius=1.0), count=3, smallest=0.4, tol=1e-4)
    assert np.allclose([s.problem.radius for s in solutions], size * np.geomspace(0.95, 0.4, 3))
    assert all(s.status is fr.Status.CERTIFIED for s in solutions)
    assert [s.rank for s in solutions] == sorted(s.rank for s in solutions)


@pytest.mark.parametrize("form", [{}, {"radius": 1.0}])
def test_either_number_may_be_asked_of_either_problem(form):
    L, S = separated()
    problem = fr.robust_pca(L + S, **form)
    by_weight = fr.path(problem, sparsities=[0.3, 0.1], tol=1e-3)
    assert [s.problem.settings() for s in by_weight] == [
        {"radius": None, "sparsity": 0.1},
        {"radius": None, "sparsity": 0.3},
    ]
    total = np.abs(S).sum()
    by_size = fr.path(problem, radii=[total, 2 * total], tol=1e-3)
    assert [s.problem.radius for s in by_size] == [2 * total, total]
    assert np.array_equal(by_size[1].problem.Y, L + S)


SEEN = fr.completion([0, 1], [0, 1], [1.0, 2.0], (2, 2))
WHOLE = fr.robust_pca(np.ones((3, 3)))


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (WHOLE, {"lams": [1.0]}, "robust PCA has no lam.*Give sparsities"),
        (WHOLE, {"sparsities": [0.1], "radii": [1.0]}, "give one of sparsities and radii"),
        (WHOLE, {"sparsities": [0.0, 1.0]}, "sparsities must be positive numbers, at least one; g"),
        (WHOLE, {"radii": []}, r"radii must be positive numbers, at least one; got \[\]"),
        (WHOLE, {"radii": ["a"]}, "radii must be positive numbers"),
        (WHOLE, {"count": 0}, "count must be a whole number >= 1; got 0"),
        (WHOLE, {"count": 1.5}, "count must be a whole number >= 1; got 1.5"),
        (WHOLE, {"smallest": 2.0}, "smallest must be a number between 0 and 1; got 2.0"),
        (WHOLE, {"smallest": "a"}, "smallest must be a number between 0 and 1; got 'a'"),
        (fr.robust_pca(np.zeros((3, 3))), {}, "the data are zero"),
        (fr.robust_pca(np.zeros((3, 3)), radius=1.0), {}, "the data are zero"),
        (SEEN, {"radii": [1.0]}, "radii are for problems of robust_pca; .* give lams"),
        (SEEN, {"sparsities": [1.0]}, "sparsities are for problems of robust_pca"),
        (SEEN, {"lams": ["a"]}, "lams must be positive numbers, at least one; use solve for lam"),
        (SEEN, {"smallest": 0.0}, "smallest must be a number between 0 and 1"),
    ],
)
def test_a_wrong_call_is_refused_in_the_words_of_what_was_given(problem, options, message):
    with pytest.raises(ValueError, match=message):
        fr.path(problem, **options)
