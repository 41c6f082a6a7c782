"""Coordinates that no measurement sees: left out, and no hindrance to the rest."""

import numpy as np
import pytest

import flatrank as fr


@pytest.mark.parametrize(
    "front", [fr.quadratic_network, pytest.param(fr.covariance, marks=pytest.mark.slow)]
)
def test_an_unseen_coordinate_does_not_hinder_the_others(front):
    """D is singular there, and known to rounding only: a step there would be rounding enlarged."""
    rng = np.random.default_rng(0)
    x, U = rng.standard_normal((30, 6)), rng.standard_normal((6, 2))
    x[:, 2] = 0
    solution = fr.solve(front(x, ((x @ U) ** 2).sum(1)))
    assert solution.status is fr.Status.CERTIFIED
    U[2] = 0
    found = np.asarray(solution.factors.L) @ np.asarray(solution.factors.R).T
    assert np.abs(found - U @ U.T).max() <= 1e-9
