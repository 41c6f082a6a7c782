"""Where λ is looked for, on curves that are known."""

from dataclasses import replace

import numpy as np
import pytest

from flatrank.problems import completion
from flatrank.selection.records import PathPoint
from flatrank.selection.search import LEAST_SHARE, climb, refine
from flatrank.selection.trail import CLIMB, PATH, Trail

PROBLEM = completion([0, 1, 1], [0, 1, 2], [1.0, 2.0, 3.0], (2, 3))
ZERO = PathPoint(
    lam=2.0, share=1.0, smoothing=1.0, validation_rmse=1.0, train_rmse=1.0, rank=0,
    relative_gap=0.0, seconds=0.0,
)  # fmt: skip


def searched(curve, begun=None):
    """Both searches on a curve of the error over log10 of the share; every share visited."""
    visited = []

    def trail_of(stage, begun):
        trail = Trail(PROBLEM, stage, replace(ZERO, stage=stage.name), begun)

        def visit(share, _):
            again = trail.again(share)
            if again is not None:
                return again
            visited.append(share)
            pair = np.full((2, 1), share), np.full((3, 1), share)
            error = curve(float(np.log10(share)))
            trail.add(replace(ZERO, share=share, validation_rmse=error, rank=1), *pair)
            return pair

        return trail, visit

    coarse, visit = trail_of(CLIMB, begun or {})
    climb(coarse, visit, None)
    fine, visit = trail_of(PATH, {})
    refine(fine, visit, coarse.best, coarse.points)
    return coarse, fine, visited


@pytest.mark.parametrize("least", [-0.1, -0.5, -1.0, -1.9, -3.0])
def test_the_best_is_found_wherever_it_lies(least):
    _, fine, _ = searched(lambda x: 0.8 + 0.05 * (x - least) ** 2 if x < -0.01 else 1.0)
    assert fine.ended == "turned"
    assert abs(np.log10(fine.best.share) - least) < 0.06


def test_an_error_that_falls_for_ever_ends_at_the_floor():
    coarse, fine, visited = searched(lambda x: 10.0**x)
    assert (coarse.ended, fine.ended) == ("floor", "floor")
    assert LEAST_SHARE <= fine.best.share == min(visited) < 1.5 * LEAST_SHARE


def test_an_error_that_changes_no_more_is_settled():
    coarse, _, visited = searched(lambda x: 0.7 + max(0.0, 0.3 * (x + 1)))
    assert coarse.ended == "settled"
    assert min(visited) > 0.02


def test_a_rise_before_any_gain_does_not_end_the_search():
    # One gross error explains the first few λ.
    _, fine, _ = searched(lambda x: 1.02 if x > -0.7 else 0.8 + 0.05 * (x + 1.5) ** 2)
    assert abs(np.log10(fine.best.share) + 1.5) < 0.06


@pytest.mark.parametrize(("slope", "steps"), [(0.1, CLIMB.patience), (1e-3, CLIMB.hope)])
def test_where_nothing_helps_x_is_zero_and_a_clear_rise_is_not_followed_for_long(slope, steps):
    coarse, fine, visited = searched(lambda x: 1.0 - slope * x)
    assert coarse.best.share == fine.best.share == 1.0
    assert len(visited) == steps


def test_a_search_begun_before_is_not_repeated():
    def curve(x):
        return 0.8 + 0.05 * (x + 1) ** 2

    coarse, _, first = searched(curve)
    _, _, second = searched(curve, coarse.flat())
    assert second == first[len(coarse.points) - 1 :]
