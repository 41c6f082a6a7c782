"""Values that stand for missing ones, and places that have several values."""

import gzip

import numpy as np
import pytest

from flatrank.data import InputError, read_entries, read_wide
from flatrank.data.duplicates import merge
from flatrank.data.markers import Markers
from flatrank.data.whole import read_whole

TEXT = "user,item,rating\na,x,99\na,y,2\nb,x,3.5\nb,y,refused\n,z,99.0\na,y,4\n"


def written(folder, text, name="e.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("missing", [["99", "refused"], (99, " Refused "), [99.0, "REFUSED"]])
def test_marked_rows_are_left_out_and_counted(tmp_path, missing):
    found = read_entries(written(tmp_path, TEXT), missing=missing)
    assert (found.m, found.missing, found.dropped_count) == (2, 3, 0)
    assert found.values.tolist() == [3.0, 3.5]
    with pytest.raises(InputError, match="1 with value not a number"):
        read_entries(written(tmp_path, TEXT.replace(",z", "c,z")), missing=99)


def test_marks_in_numbers_and_with_decimal_commas(tmp_path):
    np.savez(tmp_path / "e.npz", row=[0, 1, 2], col=[0, 0, 1], val=[1.0, -999.0, 2.0])
    found = read_entries(tmp_path / "e.npz", missing=-999)
    assert (found.values.tolist(), found.missing) == ([1.0, 2.0], 1)
    text = "u;i;v\na;x;1,5\na;y;9,9\nb;x;n.b.\n"
    found = read_entries(written(tmp_path, text), missing=["9,9", "n.b."])
    assert (found.values.tolist(), found.missing) == ([1.5], 2)


def test_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="expected at least one entry, found none"):
        read_entries(written(tmp_path, "u,i,v\na,x,99\n"), missing=99)


def test_several_values_for_a_place(tmp_path):
    path = written(tmp_path, "u,i,v\na,x,1\nb,x,5\na,x,2\na,x,6\n")
    for how, value in (("mean", 3.0), ("last", 6.0)):
        found = read_entries(path, duplicates=how)
        assert (found.values.tolist(), found.duplicates) == ([value, 5.0], 2)
    message = "2 values are for.*first row 'a', column 'x' with 1, 2, 6.*--duplicates mean or last"
    with pytest.raises(InputError, match=message):
        read_entries(path, duplicates="error")
    assert read_entries(written(tmp_path, TEXT), missing=[99, "refused"]).duplicates == 1


@pytest.mark.parametrize("how", ["mean", "last", "sum"])
def test_merging_against_a_loop(how):
    rng = np.random.default_rng(0)
    i, j, v = rng.integers(0, 6, 200), rng.integers(0, 5, 200), rng.standard_normal(200)
    expected = {}
    for place, value in zip(zip(i, j, strict=True), v, strict=True):
        expected.setdefault(place, []).append(value)
    found = merge(i, j, v, 5, how)
    assert found.repeated == 200 - len(expected)
    assert list(zip(found.rows, found.cols, strict=True)) == sorted(expected)
    for row, col, value in zip(found.rows, found.cols, found.values, strict=True):
        values = expected[row, col]
        merged = {"mean": np.mean(values), "last": values[-1], "sum": np.sum(values)}[how]
        assert value == pytest.approx(merged)


def test_wide_tables_and_arrays(tmp_path):
    path = written(tmp_path, "name,a,b\nx,-999,1\ny,2,off\nz,-999.0,3\n")
    table = read_wide(path, missing=["-999", "off"])
    np.testing.assert_array_equal(table.values, [[np.nan, 1], [2, np.nan], [np.nan, 3]])
    filled = table.filled(np.nan_to_num(table.values, nan=7.0))
    assert filled["a"].to_list() == ["7", "2", "7"]
    np.save(tmp_path / "m.npy", np.array([[0, 1], [2, 0]]))
    np.testing.assert_array_equal(
        read_whole(tmp_path / "m.npy", missing="0").values, [[np.nan, 1], [2, np.nan]]
    )
    assert np.isnan(read_whole(path, missing=["-999", "off"]).values).sum() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"duplicates": "first"},
            'must be "mean", "last", "sum" or "error"; got \'first\'',
        ),
        ({"missing": [None]}, "missing must be numbers or texts; got None"),
        ({"bad_rows": "keep"}, 'bad_rows must be "error" or "skip"'),
    ],
)
def test_what_cannot_be_meant(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_entries(written(tmp_path, TEXT), **options)


def test_markers_of_one_or_several():
    assert Markers.of(None) == Markers()
    assert Markers.of("NA") == Markers(frozenset(["na"]), ())
    assert Markers.of(-1) == Markers(frozenset(), (-1.0,))
    assert Markers.of(["1,5", 2]).numbers == (2.0, 1.5)


def zst(content):
    """One frame of zstandard with one block that is not compressed."""
    size = len(content)
    return (
        b"\x28\xb5\x2f\xfd\x60" + (size - 256).to_bytes(2, "little")
        + (size << 3 | 1).to_bytes(3, "little") + content
    )  # fmt: skip


def test_compressed_texts_are_the_texts(tmp_path):
    text = "\n".join(["# made in May", "", "user,item,rating"])
    text += "".join(f"\n u{n}, i{n % 7} ,{n}.5" + "\r" * (n % 2) for n in range(40)) + "\n\n"
    expected = read_entries(written(tmp_path, text))
    for name, pack in (("e.csv.gz", gzip.compress), ("e.csv.zst", zst)):
        found = read_entries(written(tmp_path, pack(text.encode()), name))
        for part in ("rows", "cols", "values", "row_labels", "col_labels"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    bad = text.replace("i3 ,3.5", "i3 ,x")
    for name, pack in (("e.csv", bytes), ("e.csv.zst", zst)):
        with pytest.raises(InputError, match=r"1 with value not a number \(line 7: "):
            read_entries(written(tmp_path, pack(bad.encode()), name))


@pytest.mark.parametrize("content", [zst(b"\xff\xfe\0" * 100), zst(b"a,b,1\n" * 50)[:100]])
def test_zst_that_does_not_read(tmp_path, content):
    with pytest.raises(InputError, match="does not read as UTF-8 text.*unpack it with zstd -d"):
        read_entries(written(tmp_path, content, "e.csv.zst"))
