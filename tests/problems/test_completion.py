"""Bad input at the front door, and what the data cannot determine."""

import numpy as np
import pytest

import flatrank as fr

GOOD = {"rows": [0, 1], "cols": [0, 1], "values": [1.0, 2.0], "shape": (2, 2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [0, 2]}, "rows must lie between 0 and 1; got 2"),
        ({"cols": [-1, 0]}, "cols must lie between"),
        ({"rows": [0.0, 1.0]}, "vector of integers"),
        ({"rows": ["a", "b"]}, "vector of integers"),
        ({"rows": [[0], [1]]}, "vector of integers"),
        ({"values": [1.0]}, "one length"),
        ({"values": [1.0, np.nan]}, "finite"),
        ({"values": [1.0, np.inf]}, "finite"),
        ({"values": [1j, 2.0]}, "real numbers"),
        ({"values": ["x", "y"]}, "real numbers"),
        ({"rows": [], "cols": [], "values": []}, "no entry"),
        ({"rows": [1, 1], "cols": [1, 1]}, "more than once"),
        ({"shape": (2, 0)}, "between 1"),
        ({"shape": 4}, "two integers"),
        ({"lam": -1.0}, "lam"),
        ({"lam": np.inf}, "lam"),
        ({"smoothing": 1.5}, "smoothing"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        fr.completion(**(GOOD | change))


@pytest.mark.parametrize("kind", ["int8", "float16", "bool", "uint16"])
def test_any_real_type_is_taken(kind):
    problem = fr.completion(**(GOOD | {"values": np.ones(2, dtype=kind)}))
    assert str(problem.b.dtype) == "float64"


def test_strides_and_order_do_not_matter():
    rng = np.random.default_rng(0)
    places = rng.choice(30, 12, replace=False)
    rows, cols = np.divmod(places, 6)
    values = rng.standard_normal(12)
    first = fr.completion(rows, cols, values, (5, 6))
    second = fr.completion(rows[::-1], cols[::-1], values[::-1], (5, 6))
    assert np.array_equal(first.b, second.b)


def test_rows_without_entries_and_separate_blocks_are_named():
    rows, cols = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 0, 1, 2, 2])
    values = np.array([1.0, 2, 2, 4, 1, 1])
    problem = fr.completion(rows, cols, values, (5, 4), lam=0.01)
    solution = fr.solve(problem)
    assert solution.unidentifiable == {"rows": [4], "cols": [3], "components": 2}
    assert np.isnan(np.asarray(solution.entries([4, 0], [0, 3]))).all()
    assert np.isfinite(np.asarray(solution.entries([0, 2], [1, 2]))).all()


def test_one_by_one_is_solved():
    solution = fr.solve(fr.completion([0], [0], [3.0], (1, 1)))
    assert float(solution.entries([0], [0])[0]) == pytest.approx(3.0)
