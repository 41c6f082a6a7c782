"""Bad input at the front door, and what the data cannot determine."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import flatrank as fr

GOOD = {"rows": [0, 1], "cols": [0, 1], "values": [1.0, 2.0], "shape": (2, 2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [0, 2]}, "rows must lie between 0 and 1; got 2"),
        ({"cols": [-1, 0]}, "cols must lie between"),
        ({"rows": [0.0, 1.5]}, r"whole numbers; 1 are not, first rows\[1\] = 1.5"),
        ({"rows": [0.0, np.nan]}, r"whole numbers; 1 are not, first rows\[1\] = nan"),
        (
            {"cols": pd.array([0, pd.NA], dtype="Int64")},
            "cols hold 1 missing|cols.1. = nan",
        ),
        ({"rows": pd.Series(["a", "b"])}, r"vector of integers.*np.unique\(x, return_inverse"),
        ({"rows": {0, 1}}, r"vector of integers; got shape \(\) of object"),
        (
            {"values": pd.array([1.0, pd.NA], dtype="Float64")},
            "values hold 1 missing|1 are not, first",
        ),
        ({"values": [1.0, None]}, "values hold 1 missing entries, the first at 1"),
        ({"values": pl.Series([1.0, None])}, "values must be finite; 1 are not"),
        ({"values": pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})}, r"got shape \(2, 2\)"),
        ({"cols": None}, r"or all four of rows, cols, values and shape; got list of shape \(2,\)"),
        ({"rows": ["a", "b"]}, "vector of integers"),
        ({"rows": [[0], [1]]}, "vector of integers"),
        ({"values": [1.0]}, "one length"),
        ({"values": [1.0, np.nan]}, "finite"),
        ({"values": [1.0, np.inf]}, "finite"),
        ({"values": [1j, 2.0]}, r"real numbers.*twice the size and rank, \[\[Re X, -Im X\]"),
        ({"values": ["x", "y"]}, "real numbers"),
        ({"rows": [], "cols": [], "values": []}, "no entry"),
        ({"rows": [1, 1], "cols": [1, 1]}, "more than once"),
        ({"shape": (2, 0)}, "between 1"),
        ({"shape": 4}, "two integers"),
        ({"shape": (2.5, 2)}, "two integers"),
        ({"shape": (2, 2, 2)}, "two integers"),
        ({"shape": (2**31, 2)}, "between 1 and"),
        ({"rows": np.array([True, False])}, "vector of integers"),
        ({"rows": [0, 2**31]}, "rows must lie between"),
        ({"values": np.ma.masked_array([1.0, 2.0], mask=[0, 1])}, "1 masked"),
        ({"values": [1e-310, 0.0]}, "common unit"),
        ({"values": [1e301, 0.0]}, "common unit"),
        ({"lam": -1.0}, "lam"),
        ({"lam": np.inf}, "lam"),
        ({"lam": "a"}, "lam must be a number"),
        ({"lam": None}, "lam must be a number"),
        ({"smoothing": 1.5}, "smoothing"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        fr.completion(**(GOOD | change))


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        pl.Series,
        pd.Series,
        lambda x: pd.Series(x, index=[7, 7, 9]),
        lambda x: pd.Series(x).astype("Float64"),
        lambda x: pd.Series(x).astype(object),
        lambda x: pd.DataFrame({"x": x}),
        lambda x: pl.DataFrame({"x": x}),
        lambda x: np.array(x, dtype=np.float32),
        lambda x: np.array([*x, "end"], dtype=object)[:-1],
        lambda x: [Decimal(v) for v in x],
    ],
)
def test_numbers_come_in_many_kinds(kind):
    problem = fr.completion(kind([0.0, 1.0, 1.0]), kind([1, 0, 1]), kind([4, 0, 2]), (2, 2))
    want = fr.completion([0, 1, 1], [1, 0, 1], [4, 0, 2], (2, 2))
    assert np.array_equal(problem.b, want.b)
    for mine, its in zip(problem.measurement.places(), want.measurement.places(), strict=True):
        assert np.array_equal(mine, its)


def test_places_may_be_ranges_and_values_truths():
    problem = fr.completion(range(2), range(2), [True, False], (2, 2))
    assert problem.b.tolist() == [1.0, 0.0]


def test_a_complex_matrix_in_its_real_form():
    rng = np.random.default_rng(0)
    u, v = (rng.standard_normal(d) + 1j * rng.standard_normal(d) for d in (10, 8))
    X = np.outer(u, v)
    i, j = np.nonzero(rng.random(X.shape) < 0.7)
    re, im = X[i, j].real, X[i, j].imag
    rows, cols = np.concatenate([i, i, i + 10, i + 10]), np.concatenate([j, j + 8, j, j + 8])
    s = fr.solve(fr.completion(rows, cols, np.concatenate([re, -im, im, re]), (20, 16)))
    whole = np.asarray(s.factors.L) @ np.asarray(s.factors.R).T
    assert np.allclose(whole[:10, :8] + 1j * whole[10:, :8], X, atol=1e-6)


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


@pytest.fixture(scope="module")
def exact():
    """Rank 2, seven tenths seen."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 20))
    rows, cols = np.nonzero(rng.random(X.shape) < 0.7)
    return rows, cols, X[rows, cols], X.shape


def frozen(x):
    x = np.array(x)
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "kind",
    [list, frozen, lambda x: np.repeat(x, 2)[::2], lambda x: np.asfortranarray(x)[::-1][::-1]],
    ids=["lists", "read-only", "strided", "negative strides"],
)
def test_arrays_of_every_layout(exact, kind):
    rows, cols, values, shape = exact
    problem = fr.completion(kind(rows), kind(cols), kind(values), shape)
    assert np.array_equal(problem.b, fr.completion(*exact).b)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e150, 1e299])
def test_values_whose_squares_overflow(exact, scale):
    rows, cols, values, shape = exact
    solution = fr.solve(fr.completion(rows, cols, values * scale, shape))
    assert solution.status is fr.Status.CERTIFIED
    assert solution.rank == 2


@pytest.mark.parametrize("change", [np.ones_like, lambda v: v + 1e8], ids=["constant", "offset"])
def test_values_of_next_to_no_spread(exact, change):
    rows, cols, values, shape = exact
    solution = fr.solve(fr.completion(rows, cols, change(values), shape))
    assert solution.certificate.relative_gap <= 1e-6
    assert np.allclose(solution.entries(rows, cols), change(values), rtol=1e-6)


@pytest.mark.parametrize("rank", [2, 2.0, np.int64(3), 100])
def test_a_rank_limit_above_the_rank_changes_nothing(exact, rank):
    solution = fr.solve(fr.completion(*exact), rank=rank)
    assert (solution.status, solution.rank) == (fr.Status.CERTIFIED, 2)


def starts():
    rng = np.random.default_rng(1)
    L, R = rng.standard_normal((30, 2)), rng.standard_normal((20, 2))
    return {
        "unbalanced": (1e8 * L, 1e-8 * R),
        "deficient": (np.ones((30, 3)), np.ones((20, 3))),
        "zero": (0 * L, 0 * R),
        "half zero": (L, 0 * R),
    }


@pytest.mark.parametrize("lam", [0.0, 1.0])
@pytest.mark.parametrize("start", starts().values(), ids=starts())
def test_hard_starts(exact, lam, start):
    solution = fr.solve(fr.completion(*exact, lam=lam), start=start)
    assert solution.status is fr.Status.CERTIFIED


def test_an_outlier_is_fitted_or_the_gap_says_so(exact):
    rows, cols, values, shape = exact
    values = np.where(np.arange(values.size) == 5, 1e8, values)
    solution = fr.solve(fr.completion(rows, cols, values, shape, lam=1.0))
    assert (solution.status is fr.Status.CERTIFIED) == (solution.certificate.relative_gap <= 1e-6)


def test_a_callback_that_raises_is_heard(exact):
    def stop(_):
        raise RuntimeError("from the caller")

    with pytest.raises(RuntimeError, match="from the caller"):
        fr.solve(fr.completion(*exact), progress=stop)


def test_an_unknown_option_is_refused(exact):
    with pytest.raises(TypeError, match="max_iter"):
        fr.solve(fr.completion(*exact), max_iter=3)


def test_flatness_of_a_pair_from_anywhere(exact):
    solution = fr.solve(fr.completion(*exact))
    pair = (2.0 * np.asarray(solution.factors.L), 0.5 * np.asarray(solution.factors.R))
    measured = fr.flatness_of(solution.problem, pair)
    assert measured.excess > solution.flatness.excess == pytest.approx(1.0)
    with pytest.raises(ValueError, match="factors must be L"):
        fr.flatness_of(solution.problem, (np.ones((3, 1)), np.ones((20, 1))))


def test_what_is_solved_is_dual_to_the_data():
    rng = np.random.default_rng(0)
    rows, cols = np.nonzero(rng.random((8, 7)) < 0.6)
    problem = fr.completion(rows, cols, rng.standard_normal(rows.size), (8, 7), lam=0.1)
    solution = fr.solve(problem, tol=1e-8)
    assert solution.y.shape == (problem.m,)
    proved = fr.certify(problem, solution.factors, solution.y)
    assert proved.relative_gap <= 1e-8
    np.testing.assert_allclose(proved.dual_bound, solution.certificate.dual_bound, rtol=1e-9)
