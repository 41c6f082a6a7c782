"""Text tables: layouts, headers, labels, duplicates."""

import gzip
import io
import os
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from flatrank.data import Entries, InputError, read_entries


def written(folder: Path, content: str | bytes, name: str = "entries.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def triples(entries: Entries) -> set[tuple[str, str, float]]:
    rows, cols = entries.row_labels[entries.rows], entries.col_labels[entries.cols]
    return set(zip(rows.tolist(), cols.tolist(), entries.values.tolist(), strict=True))


SAME = {("1", "10", 3.5), ("2", "10", 1.0), ("2", "9", 4.0)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "user,item,rating,timestamp\n1,10,3.5,7\n2,10,1,8\n2,9,4,9\n"),
        ("a.csv", "1,10,3.5\n2,10,1\n2,9,4\n"),
        ("a.csv", "1,10,3.5\n2,10,1\n2,9,4"),
        ("a.csv", "\ufeffuser,item,rating\r\n1,10,3.5\r\n2,10,1.0\r\n2,9,4e0\r\n"),
        ("a.csv", '"1","10","3.5"\n"2","10","1"\n"2","9","4"\n'),
        ("a.csv", " 1 , 10, 3.5 \n2 ,10,1\n2,9, 4\n"),
        ("a.csv", "\n\n1,10,3.5\n\n2,10,1\n2,9,4\n\n\n"),
        ("a.csv", "\nuser,item,rating\n1,10,3.5\n2,10,1\n2,9,4\n \n"),
        ("a.csv", "1,10,3.5\r2,10,1\r2,9,4\r"),
        ("a.csv", "1;10;3.5\n2;10;1\n2;9;4\n"),
        ("a.txt", "1|10|3.5\n2|10|1\n2|9|4\n"),
        ("a.tsv", "user\titem\trating\n1\t10\t3.5\n2\t10\t1\n2\t9\t4\n"),
        ("u.data", "1\t10\t3.5\t881250949\n2\t10\t1\t891717742\n2\t9\t4\t878887116\n"),
        ("ratings.dat", "1::10::3.5::978300760\n2::10::1::978302109\n2::9::4::978301968\n"),
        ("a.txt", "1 10 3.5\n2  10   1\n 2 9 4 \n"),
        ("a.txt", "1 10 3.5\r\n2 10 1 \r\n2 9 4\r\n"),
        ("unnamed", "1,10,3.5,,\n2,10,1,,\n2,9,4,,\n"),
        ("a.csv", "1,10,3.5,x\n2,10,1\n2,9,4,x\n"),
    ],
)
def test_layouts_that_say_the_same_give_the_same(tmp_path: Path, name: str, content: str) -> None:
    entries = read_entries(written(tmp_path, content, name))
    assert triples(entries) == SAME
    assert entries.shape == (2, 2)
    assert entries.dropped == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_as_spreadsheets_save_it(tmp_path: Path, encoding: str) -> None:
    content = "user\titem\trating\r\nZoë\t10\t3\r\n".encode(encoding)
    assert triples(read_entries(written(tmp_path, content, "a.txt"))) == {("Zoë", "10", 3.0)}


def test_gzip_is_undone(tmp_path: Path) -> None:
    packed = gzip.compress(b"1,10,3.5\n2,10,1\n2,9,4\n")
    assert triples(read_entries(written(tmp_path, packed, "a.csv.gz"))) == SAME


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.TextIOWrapper(
        io.BytesIO(b"u\ti\tr\n1\t10\t3.5\n2\t10\t1\n2\t9\t4\n"), encoding="utf-8"
    )
    monkeypatch.setattr("sys.stdin", content)
    entries = read_entries("-")
    assert triples(entries) == SAME
    assert entries.source == "stdin"


def test_a_pipe_can_be_read_once_only(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"1,10,3.5\n2,10,1\n2,9,4\n",))
    writer.start()
    assert triples(read_entries(pipe)) == SAME
    writer.join()


def test_the_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    one = read_entries(written(tmp_path, "1,10,3.5\n2,10,1\n2,9,4\n", "a.csv"))
    other = read_entries(written(tmp_path, "2,9,4\n1,10,3.5\n2,10,1\n", "b.csv"))
    for field in ("rows", "cols", "values", "row_labels", "col_labels"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert one.rows.dtype == one.cols.dtype == np.int32
    assert one.values.dtype == np.float64


@pytest.mark.parametrize(
    ("ids", "labels"),
    [
        (["10", "9", "-3"], ["-3", "9", "10"]),
        (["017", "17", "9"], ["9", "017", "17"]),
        (["17.0", "9", "100"], ["100", "17.0", "9"]),
        (["b", "a", "10"], ["10", "a", "b"]),
        (["3000000000", "2147483648", "9"], ["9", "2147483648", "3000000000"]),
        (["9" * 30, "1" * 31, "8"], ["8", "9" * 30, "1" * 31]),
        (["9" * 60, "8"], ["8", "9" * 60]),
        (["2020-02-29", "2019-12-31"], ["2019-12-31", "2020-02-29"]),
        (["NA", "Norway"], ["NA", "Norway"]),
        (["Löwe, der", "日本"], ["Löwe, der", "日本"]),
        (['12" single', "x"], ['12" single', "x"]),
    ],
)
def test_labels_are_the_text_of_the_file(tmp_path: Path, ids: list[str], labels: list[str]) -> None:
    quoted = [f'"{name.replace(chr(34), 2 * chr(34))}"' for name in ids]
    content = "".join(f"{name},x,1\n" for name in quoted)
    assert read_entries(written(tmp_path, content)).row_labels.tolist() == labels


def test_ids_that_differ_in_blanks_are_one(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, "a,x,1\n a ,x,2\n\ta,y,3\n"))
    assert entries.row_labels.tolist() == ["a"]
    assert entries.duplicates == 1


def test_duplicates_become_their_mean_and_are_counted(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, "a,x,1\nb,x,7\na,x,2\na,x,6\n"))
    assert triples(entries) == {("a", "x", 3.0), ("b", "x", 7.0)}
    assert entries.duplicates == 2


def test_the_mean_of_huge_duplicates_does_not_overflow(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, "a,x,1.5e308\na,x,1.5e308\n"))
    assert entries.values.tolist() == [1.5e308]


@pytest.mark.parametrize("number", ["1e300", "-1e-300", "5e-324", "+2", ".5", "5.", "0", "1E5"])
def test_values_of_any_scale(tmp_path: Path, number: str) -> None:
    assert read_entries(written(tmp_path, f"a,x,{number}\n")).values.tolist() == [float(number)]


def test_columns_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "when,stars,who,what\n9,4,ann,tea\n8,2,bob,tea\n")
    entries = read_entries(path, row="who", col="what", value="stars")
    assert triples(entries) == {("ann", "tea", 4.0), ("bob", "tea", 2.0)}


def test_the_other_columns_are_the_first_that_are_left(tmp_path: Path) -> None:
    path = written(tmp_path, "what,who,stars\ntea,ann,4\n")
    assert triples(read_entries(path, row="who")) == {("ann", "tea", 4.0)}


def test_without_a_header_columns_go_by_position(tmp_path: Path) -> None:
    path = written(tmp_path, "9,4,ann,tea\n8,2,bob,tea\n")
    entries = read_entries(path, row="3", col="4", value="2")
    assert triples(entries) == {("ann", "tea", 4.0), ("bob", "tea", 2.0)}


def test_a_header_of_numbers_is_found_by_its_names(tmp_path: Path) -> None:
    path = written(tmp_path, "who,what,2016\nann,tea,4\n")
    assert triples(read_entries(path, value="2016")) == {("ann", "tea", 4.0)}


def test_line_breaks_in_columns_nobody_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, 'u,i,r,note\na,x,1,"two\nlines"\nb,x,2,one\n')
    assert triples(read_entries(path)) == {("a", "x", 1.0), ("b", "x", 2.0)}


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        ("user,item,rating\n1,2,3\n", {"row": "usr"}, r"no row column 'usr'.*Did you mean 'user'"),
        ("user,item,rating\n1,2,3\n", {"col": "zzz"}, r"columns are 'user', 'item', 'rating'\.$"),
        ("u,u,r\n1,2,3\n", {"row": "u"}, r"row column 'u' appears 2 times in the header"),
        ("u,i,r\n1,2,3\n", {"row": "u", "col": "u"}, r"the same column is named for two of row"),
        ("1,2,3\n", {"row": "user"}, r"has no header; name columns by position, 1 to 3"),
        ("1,2,3\n", {"row": "4"}, r"has no header; name columns by position, 1 to 3"),
        ("user,rating\n1,3\n", {"value": "rating"}, r"expected at least 3 columns, found 2"),
        ("u i r\n0 1 2 3\n1 1 2 3\n2 1 2 3\n", {}, r"header has 3 names but the rows have 4"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, content: str, names: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_entries(written(tmp_path, content), **names)


def test_a_million_lines_take_seconds_at_most(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids, values = rng.integers(60_000, size=(2, 1_000_000)), rng.integers(6, size=1_000_000)
    path = tmp_path / "big.csv"
    pl.DataFrame({"r": ids[0], "c": ids[1], "v": values}).write_csv(path)
    start = perf_counter()
    entries = read_entries(path)
    assert perf_counter() - start < 10.0  # 0.7 s measured; the rest is for a busy machine
    assert entries.m + entries.duplicates == 1_000_000
    np.testing.assert_allclose(entries.values.sum(), values.sum(), rtol=1e-3)
