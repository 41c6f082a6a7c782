"""Functions that NumPy lacks."""

import numpy as np
import pytest

from flatrank.arrays import reciprocal


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_the_reciprocal_of_zero_is_zero_and_whole_numbers_have_one(dtype):
    found = reciprocal(np.array([0, 2, -4], dtype))
    np.testing.assert_array_equal(found, [0.0, 0.5, -0.25])
    assert found.dtype == (np.float32 if dtype is np.float32 else np.float64)
