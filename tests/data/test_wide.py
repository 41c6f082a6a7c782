"""Wide tables: which columns are filled, what a gap is, what is refused, what comes out."""

import gzip

import numpy as np
import polars as pl
import pytest

from flatrank.data import InputError, read_wide

TEXT = """# measured in May
id,day,temp,press ure,note,level
1,2020-01-01,1.5,1000,ok,3
2,2020-01-02,,1002,,NA
3,2020-01-03,2.5,,bad,nan
"""


def written(folder, text, name="table.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_numbers_are_filled_and_the_rest_is_left_aside(tmp_path):
    table = read_wide(written(tmp_path, TEXT))
    assert table.columns == ["temp", "press ure", "level"]
    assert table.aside == ["id", "day", "note"]
    expected = [[1.5, 1000, 3], [np.nan, 1002, np.nan], [2.5, np.nan, np.nan]]
    np.testing.assert_array_equal(table.values, expected)
    assert read_wide(written(tmp_path, TEXT), ["level"]).columns == ["temp", "press ure"]


def test_what_was_there_comes_out_as_it_came(tmp_path):
    table = read_wide(written(tmp_path, TEXT))
    X = np.nan_to_num(table.values, nan=7.25)
    out = table.filled(X, (X - 1, X + 1)).write_csv()
    assert out.splitlines()[0] == (
        "id,day,temp,temp_low,temp_high,press ure,press ure_low,press ure_high,note,"
        "level,level_low,level_high"
    )
    assert out.splitlines()[2] == "2,2020-01-02,7.25,6.25,8.25,1002,1002,1002,,7.25,6.25,8.25"
    numbers = table.filled(X, numbers=True)
    assert numbers["temp"].to_list() == [1.5, 7.25, 2.5]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a;b;c\n1,5;2;x\n;3;y\n", "semicolons.csv"),
        ("a;b;c\n1,5;2;01.02.2020\n;3;02.02.2020\n", "dates.csv"),
        ("a\tb\tc\n1.5\t2\tx\n\t3\ty\n", "tabs.tsv"),
        (gzip.compress(b"a,b,c\n1.5,2,x\n,3,y\n", mtime=0), "zipped.csv.gz"),
        ('\ufeff"a","b","c"\r\n"1.5",2,x\r\n,3,y\r\n'.encode(), "windows.csv"),
    ],
)
def test_texts_of_many_kinds(tmp_path, text, name):
    table = read_wide(written(tmp_path, text, name))
    np.testing.assert_array_equal(table.values, [[1.5, 2.0], [np.nan, 3.0]])
    filled = table.filled(np.nan_to_num(table.values, nan=2.5))
    assert filled["a"].to_list() == (["1,5", "2,5"] if table.comma else ["1.5", "2.5"])


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"who": ["a", "b"], "x": [1, None], "y": [0.5, 1.5], "year": [1, 2]})
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_wide(tmp_path / "t.parquet")
    assert table.columns == ["x", "y"]
    assert table.filled(np.array([[1, 0.5], [3.5, 1.5]]))["x"].to_list() == [1.0, 3.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,,6\n", "first line holds numbers, not names"),
        ("a,b\nx,y\nz,w\n", "no column of numbers"),
        ("a,b\n,\n,\n", "not one number"),
        ("a,b\n1,2\n3,4,5\n", "does not read as a table: found more fields"),
        ("", "is empty"),
        ("a,a,b\n1,2,3\n,4,5\n", "two columns are called 'a'"),
        ('a,b\n"1,000",2\n"2,000",\n', "column 'a' holds numbers written like '1,000'.*--keep 'a'"),
        ("a,b\n12 %,2\n13%,\n", "column 'a' holds numbers written like '12 %'"),
    ],
)
def test_what_is_no_wide_table_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_wide(written(tmp_path, text))


def test_an_unknown_column_is_named(tmp_path):
    with pytest.raises(InputError, match="no column 'wind'; the columns are 'id', 'day'"):
        read_wide(written(tmp_path, TEXT), ["wind"])
