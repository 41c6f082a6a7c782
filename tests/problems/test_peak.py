"""What stating a problem takes of memory, beside what it is given."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import flatrank as fr
from flatrank.measurements import SampledEntries


@pytest.mark.slow
def test_a_tall_sparse_table_is_stated_in_four_times_its_size():
    """Two orientations and the values are 2.7 times, of which 1.6 grow with m; 5.7 was the peak."""
    d1, d2, m = 500_000, 200, 1_000_000
    rng = np.random.default_rng(0)
    rows, cols = np.divmod(np.unique(rng.integers(0, d1 * d2, m)), d2)
    X = sp.csr_array((rng.standard_normal(rows.size), (rows, cols)), shape=(d1, d2))
    given = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    fr.completion(X[:50])  # what is imported at the first call is not counted
    tracemalloc.start()
    try:
        problem = fr.completion(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem.m == rows.size
    assert peak < 4 * given


def test_places_in_order_and_out_of_order_are_one_problem():
    """Entries that come row by row are not sorted again, and are not shared with the user."""
    rng = np.random.default_rng(1)
    places = np.sort(rng.permutation(30 * 7)[:60])
    rows, cols = (x.astype(np.int32) for x in np.divmod(places, 7))
    values, mixed = rng.standard_normal(60), rng.permutation(60)
    ordered = fr.completion(rows, cols, values, (30, 7))
    other = fr.completion(rows[mixed], cols[mixed], values[mixed], (30, 7))
    a, b = ordered.measurement, other.measurement
    assert isinstance(a, SampledEntries)
    assert isinstance(b, SampledEntries)
    for one, two in ((a.by_row, b.by_row), (a.by_col, b.by_col)):
        assert np.array_equal(one.indptr, two.indptr)
        assert np.array_equal(one.indices, two.indices)
    assert np.array_equal(a.order, b.order)
    assert np.array_equal(ordered.b, other.b)
    assert not np.shares_memory(ordered.b, values)
    assert not np.shares_memory(a.by_row.indices, cols)
