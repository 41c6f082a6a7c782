"""Every measurement obeys the law, and the law can fail."""

import equinox as eqx
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrank import check_measurement, completion, kernels
from flatrank.measurements import SampledEntries, WholeMatrix


def some_entries(d1, d2, m, seed):
    rng = np.random.default_rng(seed)
    places = rng.choice(d1 * d2, m, replace=False)
    rows, cols = np.divmod(places, d2)
    return completion(rows, cols, rng.standard_normal(m), (d1, d2))


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_sampled_entries_obey_the_law(d1, d2, seed):
    problem = some_entries(d1, d2, max(1, d1 * d2 // 2), seed)
    check_measurement(problem.measurement, rank=2)
    check_measurement(problem.whitened, rank=2)


def test_the_reference_kernels_obey_it_too():
    with kernels.using("reference"):
        check_measurement(some_entries(7, 5, 20, 0).measurement)


def test_the_whole_matrix_obeys_the_law():
    check_measurement(WholeMatrix(5, 7), rank=2)


def test_a_wrong_adjoint_is_caught():
    class Wrong(SampledEntries):
        def forward(self, pair):
            return 1.001 * super().forward(pair)

    good = some_entries(7, 5, 20, 0).measurement
    with pytest.raises(AssertionError, match="adjoint from the right"):
        check_measurement(Wrong(good.by_row, good.by_col, good.order))


def test_forward_is_the_entries_in_order():
    problem = some_entries(6, 4, 13, 3)
    rows, cols = problem.measurement.places()
    with jax.enable_x64(True):
        pair = problem.zero(2)
        pair = eqx.tree_at(lambda p: (p.L, p.R), pair, (pair.L + 1.0, pair.R + 2.0))
        assert np.allclose(problem.measurement.forward(pair), 4.0)
    assert np.all(np.diff(rows * 4 + cols) > 0)
