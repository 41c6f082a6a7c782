"""The statistical dimension of the nuclear norm's descent cone, at its known limits."""

import numpy as np
import pytest

from flatrank.experiments import (
    degrees_of_freedom,
    statistical_dimension,
    symmetric_degrees_of_freedom,
    symmetric_statistical_dimension,
)
from flatrank.experiments.dimension import _marchenko_pastur


@pytest.mark.parametrize("shape", [(5, 5), (7, 12)])
def test_no_rank_and_full_rank(shape):
    assert statistical_dimension(*shape, 0) == 0.0
    assert statistical_dimension(*shape, min(shape)) == shape[0] * shape[1]


def test_symmetric_and_increasing_between_its_bounds():
    values = [statistical_dimension(12, 20, r) for r in range(1, 12)]
    assert values == pytest.approx([statistical_dimension(20, 12, r) for r in range(1, 12)])
    assert np.all(np.diff(values) > 0)
    for r, value in enumerate(values, 1):
        dof = degrees_of_freedom(12, 20, r)
        assert dof < value < min(12 * 20, 3 * dof)


def test_three_times_the_degrees_of_freedom_at_a_small_share_of_the_rank():
    ratio = [statistical_dimension(d, d, 1) / (2 * d) for d in (100, 10_000, 1_000_000)]
    assert np.all(np.diff(ratio) > 0)
    assert ratio[-1] == pytest.approx(3.0, rel=2e-2)


@pytest.mark.parametrize("y", [1.0, 0.5])
def test_singular_values_have_the_moments_of_marchenko_and_pastur(y):
    s, w = _marchenko_pastur(y)
    assert [w @ s**p for p in (0, 2, 4)] == pytest.approx([1.0, 1.0, 1.0 + y], rel=1e-6)


@pytest.mark.parametrize(("shape", "r"), [((10, 10), 2), ((12, 20), 3)])
def test_the_expectation_itself_by_drawing(shape, r):
    rng = np.random.default_rng(0)
    d1, d2 = shape
    s = np.linalg.svd(rng.standard_normal((4000, d1 - r, d2 - r)), compute_uv=False)
    tau = np.linspace(0, 10, 400)
    beyond = [np.mean(np.sum(np.maximum(s - t, 0) ** 2, axis=1)) for t in tau]
    drawn = np.min(degrees_of_freedom(d1, d2, r) + r * tau**2 + np.array(beyond))
    assert statistical_dimension(d1, d2, r) == pytest.approx(drawn, rel=0.02)


def test_symmetric_matrices_of_no_and_of_full_rank():
    assert symmetric_statistical_dimension(9, 0) == 0.0
    assert symmetric_statistical_dimension(9, 9) == 45.0
    assert symmetric_statistical_dimension(9, 8) < 45.0
    values = [symmetric_statistical_dimension(20, r) for r in range(1, 21)]
    assert np.all(np.diff(values) > 0)
    assert values[0] > symmetric_degrees_of_freedom(20, 1) == 20


def test_the_symmetric_expectation_by_drawing():
    rng, d, r = np.random.default_rng(0), 12, 3
    G = rng.standard_normal((4000, d - r, d - r))
    values = np.abs(np.linalg.eigvalsh((G + G.transpose(0, 2, 1)) / 2))
    tau = np.linspace(0, 10, 400)
    beyond = [np.mean(np.sum(np.maximum(values - t, 0) ** 2, axis=1)) for t in tau]
    drawn = np.min(symmetric_degrees_of_freedom(d, r) + r * tau**2 + np.array(beyond))
    assert symmetric_statistical_dimension(d, r) == pytest.approx(drawn, rel=0.03)
