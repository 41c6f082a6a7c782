"""The front door of robust PCA: what it takes, what it refuses, and what it says."""

import numpy as np
import pytest

import flatrank as fr

Y = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (Y, {"radius": 1.0, "sparsity": 0.5}, "radius or sparsity, not both"),
        (Y, {"radius": -1.0}, "radius must be a finite number > 0; got -1.0"),
        (Y, {"radius": 0}, "radius must be a finite number > 0"),
        (Y, {"sparsity": np.nan}, "sparsity must be a finite number > 0"),
        (Y, {"sparsity": "small"}, "sparsity must be a number; got 'small'"),
        (np.where(Y == 5, np.nan, Y), {}, r"first Y\[1, 1\] = nan.*mask=np.isfinite\(Y\)"),
        (np.where(Y == 5, np.inf, Y), {}, "Y must be finite"),
        (
            1j * Y,
            {},
            "matrix of real numbers; .* of complex128. A complex X is a real one of twice the size",
        ),
        (np.where(Y == 5, None, Y), {}, "Y hold 1 missing entries, the first at 5"),
        (Y, {"mask": Y > -1.0, "radius": -1}, "radius must be"),
        (Y, {"mask": Y < 0}, "mask is False everywhere"),
        (
            Y,
            {"mask": Y},
            r"mask must be an array of bool .*\(3, 4\), True where Y is observed; got",
        ),
        (Y, {"mask": [True]}, r"mask must be .*; got shape \(1,\) of bool"),
        (np.where(Y == 5, np.nan, Y), {"mask": Y != 4}, r"first Y\[1, 1\] = nan"),
        (Y.astype(str), {}, "matrix of real numbers"),
        (Y[0], {}, r"matrix of real numbers; got shape \(4,\)"),
        (np.zeros((0, 4)), {}, r"at least one entry; got shape \(0, 4\)"),
        (np.ma.masked_equal(Y, 3), {}, r"1 masked entries.*mask=~np\.ma\.getmaskarray\(Y\)"),
        (1e301 * Y, {}, "largest of Y is .* divide by a common unit"),
    ],
)
def test_wrong_input_is_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        fr.robust_pca(data, **options)


def test_neither_number_means_the_usual_weight():
    problem = fr.robust_pca(Y)
    assert (problem.sparsity, problem.radius) == (pytest.approx(0.5), None)


def test_a_mask_says_where_the_data_are():
    gap = Y == 5
    problem = fr.robust_pca(np.where(gap, np.nan, Y), mask=~gap)
    assert np.array_equal(problem.Y, np.where(gap, 0.0, Y))
    assert problem.sparsity == pytest.approx(1 / np.sqrt(4 * 11 / 12))
    masked = np.ma.masked_equal(Y, 5)
    filled = fr.robust_pca(masked.filled(0), mask=~np.ma.getmaskarray(masked))
    assert np.array_equal(filled.Y, problem.Y)
    assert fr.robust_pca(Y, mask=np.ones_like(Y, dtype=bool)).mask is None
    assert np.array_equal(problem.with_radius(2.0).mask, ~gap)


def test_the_problem_keeps_its_own_copy_of_the_data():
    mine = Y.copy()
    problem = fr.robust_pca(mine)
    mine[:] = 0
    assert np.array_equal(problem.Y, Y)


def test_scaling_scales_the_radius_and_not_the_sparsity():
    bounded, weighted = fr.robust_pca(Y, radius=3.0), fr.robust_pca(Y, sparsity=0.3)
    assert (bounded.scaled(4.0).radius, weighted.scaled(4.0).sparsity) == (12.0, 0.3)
    assert np.array_equal(bounded.scaled(4.0).Y, 4 * Y)


def test_lam_and_solvers_of_other_problems_are_refused():
    problem = fr.robust_pca(Y)
    with pytest.raises(ValueError, match="robust PCA has no lam"):
        problem.with_lam(1.0)
    with pytest.raises(ValueError, match="GaussNewton does not separate"):
        fr.solve(problem, solver=fr.solvers.GaussNewton())
    entries = fr.completion([0], [0], [1.0], (1, 1))
    with pytest.raises(ValueError, match="separates a whole matrix"):
        fr.solve(entries, solver=fr.solvers.AlternatingDirections())
