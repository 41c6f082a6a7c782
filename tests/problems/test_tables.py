"""Tables as people hold them come in, and go out with their names."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import xarray as xr

import flatrank as fr
from flatrank.problems.tables import observed

X = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, np.nan], [0.0, 8.0, 9.0], [2.0, np.nan, 1.0]])
SEEN = ~np.isnan(X)
ROWS, COLS = ["ann", "bob", "cy", "dee"], ["a", "b", "c"]
OBJECTS = np.array([[None if np.isnan(v) else v for v in row] for row in X], dtype=object)
FRAME = pd.DataFrame(X, index=ROWS, columns=COLS)
TABLES = {
    "array": X,
    "single precision": X.astype(np.float32),
    "lists": X.tolist(),
    "objects": OBJECTS,
    "masked": np.ma.masked_array(np.nan_to_num(X, nan=7.0), mask=~SEEN),
    "pandas": FRAME,
    "nullable pandas": FRAME.astype("Float64"),
    "mixed pandas": FRAME.assign(a=FRAME["a"].astype(int), c=FRAME["c"].astype("Int64")),
    "objects of pandas": pd.DataFrame(OBJECTS, index=ROWS, columns=COLS),
    "polars": pl.DataFrame(OBJECTS.tolist(), schema=COLS, orient="row"),
    "xarray": xr.DataArray(X, coords={"who": ROWS, "what": COLS}, dims=("who", "what")),
    "csr": sp.csr_array((X[SEEN], np.nonzero(SEEN)), X.shape),
    "coo matrix": sp.coo_matrix((X[SEEN], np.nonzero(SEEN)), X.shape),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_table_is_the_problem_of_its_entries(name):
    expected = fr.completion(*np.nonzero(SEEN), X[SEEN], X.shape, lam=0.5)
    found = fr.completion(TABLES[name], lam=0.5)
    assert found.shape == X.shape
    np.testing.assert_array_equal(found.measurement.places(), expected.measurement.places())
    np.testing.assert_array_equal(found.b, expected.b)


@pytest.mark.parametrize(
    ("table", "kind", "message"),
    [
        (FRAME.assign(name="x"), ValueError, "not 'name'.*set_index"),
        (FRAME.assign(day=pd.Timestamp("2020-01-01")), ValueError, "not 'day'"),
        (pl.DataFrame({"u": ["a"], "v": [1.0]}), ValueError, r"not 'u': X\.drop"),
        (pl.DataFrame({"v": [1.0]}).lazy(), TypeError, r"give X\.collect\(\)"),
        (xr.Dataset({"t": ("x", [1.0])}), TypeError, "Dataset: give one of its variables"),
        (np.array([["1", "2"]]), ValueError, "must hold real numbers"),
        (X + 1j, ValueError, "must hold real numbers"),
        (sp.csr_array(X * 1j), ValueError, "must hold real numbers"),
        (np.array([1.0, np.nan]), TypeError, r"takes a table of two dimensions.*shape \(2,\)"),
        (np.where(X == 9, np.inf, X), ValueError, "1 entries are infinite.*row 2, column 2"),
        (np.full((3, 3), np.nan), ValueError, "no entry is observed"),
    ],
)
def test_what_is_no_table_is_refused_by_name(table, kind, message):
    with pytest.raises(kind, match=message):
        fr.completion(table)


def test_duplicates_of_a_sparse_matrix_are_refused():
    twice = sp.coo_array(([1.0, 2.0, 3.0], ([0, 0, 1], [0, 0, 1])), (2, 2))
    with pytest.raises(ValueError, match="occurs twice|more than once|twice"):
        fr.completion(twice)


def test_places_that_occur_twice_get_what_is_asked():
    twice = [0, 1, 0, 2], [0, 1, 0, 0], [1.0, 5.0, 4.0, -9.0], (3, 2)
    with pytest.raises(ValueError, match='more than once, first .*duplicates="mean" or "last"'):
        fr.completion(*twice)
    for how, value in (("mean", 2.5), ("last", 4.0)):
        problem = fr.completion(*twice, duplicates=how, missing=-9)
        np.testing.assert_array_equal(problem.measurement.places(), [[0, 1], [0, 1]])
        assert problem.b.tolist() == [value, 5.0]
    with pytest.raises(ValueError, match='duplicates must be "mean", "last", "sum" or "error"'):
        fr.completion(*twice, duplicates="first")
    sparse = sp.coo_array((twice[2], twice[:2]), (3, 2))
    assert fr.completion(sparse, duplicates="last", missing=[-9]).b.tolist() == [4.0, 5.0]


@pytest.mark.parametrize("name", TABLES)
def test_numbers_that_stand_for_gaps(name):
    marked = fr.completion(TABLES[name], missing=[1, 9.0])
    seen = SEEN & ~np.isin(X, [1, 9])
    np.testing.assert_array_equal(marked.measurement.places(), np.nonzero(seen))
    np.testing.assert_array_equal(marked.b, X[seen])


def test_gaps_of_the_one_call_and_marks_that_are_no_numbers():
    rng = np.random.default_rng(0)
    table = np.round(rng.standard_normal((20, 2)) @ rng.standard_normal((2, 6)), 3)
    gaps = rng.random(table.shape) < 0.2
    blank, marked = np.where(gaps, np.nan, table), np.where(gaps, -999.0, table)
    options = {"predict": "flat", "holdout": 0.0}
    np.testing.assert_array_equal(
        fr.impute(marked, missing=-999, **options), fr.impute(blank, **options)
    )
    np.testing.assert_array_equal(
        fr.complete(marked, missing=-999, **options).matrix(),
        fr.complete(blank, **options).matrix(),
    )
    with pytest.raises(ValueError, match="missing must be a number, or several; got 'NA'"):
        fr.completion(table, missing="NA")
    with pytest.raises(ValueError, match="every value is one that stands for a gap|no entry is"):
        fr.completion(np.zeros((2, 2)), missing=0)


def test_zeros_in_a_full_table_are_doubted():
    with pytest.warns(UserWarning, match="14 of 16 are 0.*write NaN, say missing=0"):
        observed(np.diag([1.0, 2.0, 0.0, 0.0]))
    assert observed(X).values.size == SEEN.sum()  # warnings are errors here


def test_part_of_four_arguments_is_refused():
    with pytest.raises(ValueError, match="a table, or all four"):
        fr.completion([0, 1], [0, 1])


@pytest.mark.parametrize("name", ["pandas", "polars", "xarray"])
def test_names_come_back(name):
    solution = fr.solve(fr.completion(TABLES[name], lam=0.1))
    filled = solution.to_frame(keep_observed=True)
    assert type(filled) is type(TABLES[name])
    if name == "pandas":
        assert filled.index.tolist() == ROWS
        assert filled.columns.tolist() == COLS
    elif name == "polars":
        assert filled.columns == COLS
    else:
        assert filled.coords["who"].values.tolist() == ROWS
    np.testing.assert_array_equal(np.asarray(filled)[SEEN], X[SEEN])
    np.testing.assert_allclose(solution.to_frame(), solution.matrix())


def test_a_solution_has_its_matrix_and_its_singular_values():
    solution = fr.solve(fr.completion(X, lam=0.1))
    whole = solution.matrix()
    rows, cols = np.indices(X.shape).reshape(2, -1)
    np.testing.assert_allclose(whole.ravel(), solution.entries(rows, cols))
    U, s, Vh = solution.svd()
    np.testing.assert_allclose((U * s) @ Vh, whole, atol=1e-12)
    np.testing.assert_allclose(U.T @ U, np.eye(s.size), atol=1e-12)
    assert np.all(np.diff(s) <= 0)
    assert repr(solution).startswith("Solution(4 x 3 of rank ")
    assert "status" in solution._repr_html_()
    with pytest.raises(ValueError, match="no table with names"):
        solution.to_frame()


def test_what_nothing_ties_to_the_data_is_nan_in_the_matrix():
    blocks = np.full((5, 5), np.nan)
    blocks[:2, :2], blocks[2:4, 2:4] = 1.0, 2.0
    for lam in (0.0, 0.1):
        solution = fr.solve(fr.completion(blocks, lam=lam), goal="flat")
        rows, cols = np.indices(blocks.shape).reshape(2, -1)
        expected = solution.entries(rows, cols).reshape(blocks.shape)
        np.testing.assert_array_equal(np.isnan(solution.matrix()), np.isnan(expected))


def test_a_state_has_a_complex_matrix():
    rng = np.random.default_rng(0)
    x, z = (rng.standard_normal((n, 3)) + 1j * rng.standard_normal((n, 3)) for n in (40, 1))
    solution = fr.solve(fr.phase_retrieval(x, np.abs(x @ z[0].conj()) ** 2))
    Z = solution.matrix()
    np.testing.assert_allclose(Z, Z.conj().T, atol=1e-12)
    U, s, Vh = solution.svd()
    np.testing.assert_allclose((U * s) @ Vh, Z, atol=1e-9)
    with pytest.raises(ValueError, match="keep_observed needs observed entries"):
        solution.matrix(keep_observed=True)


DAYS = np.array(["2020-01-01", "2020-01-02T12", "2021-06-30", "2021-07-01"], dtype="M8[ns]")
INDEXES = {
    "text": pd.Index(ROWS, name="who"),
    "empty text and line ends": pd.Index(["", "a\nb", "\u00e9\u6f22", "d"]),
    "a range": pd.RangeIndex(5, 9),
    "numbers": pd.Index([0.1, np.nan, -np.inf, 1e300]),
    "truth": pd.Index([True, False, True, True]),
    "times": pd.DatetimeIndex(DAYS, name="day"),
    "times of a zone": pd.DatetimeIndex(DAYS, tz="Europe/Berlin"),
    "spans": pd.to_timedelta([1, 2, 3, 4], unit="s"),
    "mixed": pd.Index(["a", 1, 2.5, True], dtype=object),
    "levels": pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["letter", "n"]),
    "levels of times": pd.MultiIndex.from_arrays([DAYS, ["a", "b", "c", "d"]]),
}


def loaded(table, folder):
    solution = fr.solve(fr.completion(table, lam=0.1))
    return solution, fr.load(solution.save(folder))


@pytest.mark.parametrize("name", INDEXES)
def test_labels_of_pandas_are_saved(name, tmp_path):
    frame = pd.DataFrame(X, index=INDEXES[name], columns=pd.Index([10, 20, 30], name="item"))
    solution, again = loaded(frame, tmp_path / "run")
    ours, theirs = solution.to_frame(), again.to_frame()
    pd.testing.assert_frame_equal(ours, theirs, check_index_type=False, check_freq=False)
    assert theirs.index.dtype == ours.index.dtype
    assert list(theirs.index.names) == list(ours.index.names)
    # What was loaded is saved like what came in.
    once_more = fr.load(again.save(tmp_path / "copy")).to_frame()
    pd.testing.assert_frame_equal(theirs, once_more)


@pytest.mark.parametrize("side", ["index", "columns"])
def test_labels_of_other_types_come_back_as_text(side, tmp_path):
    frame = FRAME.copy() if side == "index" else FRAME.T.copy()
    periods = pd.period_range("2020-01", periods=4, freq="M")
    setattr(frame, side, periods)
    _, again = loaded(frame, tmp_path)
    assert getattr(again.to_frame(), side).tolist() == [str(x) for x in periods]


def test_labels_of_polars_and_xarray_are_saved(tmp_path):
    _, again = loaded(TABLES["polars"], tmp_path / "polars")
    assert again.to_frame().columns == COLS
    coords = {
        "who": ROWS, "what": COLS, "day": ("who", DAYS), "station": 7,
        "size": ("what", [1.5, 2.5, 3.5]),
    }  # fmt: skip
    solution, again = loaded(xr.DataArray(X, coords, ("who", "what")), tmp_path / "xarray")
    xr.testing.assert_identical(again.to_frame(), solution.to_frame())
    _, again = loaded(xr.DataArray(X, dims=("who", "what")), tmp_path / "bare")
    assert again.to_frame().dims == ("who", "what")


def test_a_saved_solution_is_asked_by_name(tmp_path):
    frame = pd.DataFrame(X, index=pd.Index([7, 8, 9, 10]), columns=COLS)
    solution, _ = loaded(frame, tmp_path)
    run = fr.load_run(tmp_path)
    assert run.predict([(9, "b")]) == pytest.approx(solution.entries([2], [1]))


def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch):
    _, again = loaded(FRAME, tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ValueError, match="came from pandas.*pip install pandas.*matrix"):
        again.to_frame()


def test_labels_that_are_damaged_are_told(tmp_path):
    from safetensors.numpy import load_file, save_file

    loaded(FRAME, tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    save_file(arrays | {"row_ends": arrays["row_ends"] + 1}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="damaged run: the labels of the rows are damaged"):
        fr.load(tmp_path)
