"""Bad input: each line gets a clear error or a counted result."""

import gzip
import sys
from pathlib import Path

import polars as pl
import pytest

from flatrank.data import InputError, read_entries
from flatrank.data.tables import code_text

BAD = "a,x,1\nb,y,\n,y,2\nc,,3\nd,x,four\ne,x,nan\nf,x,-inf\ng,x\nh,x,1,2\ni,x,NA\nj,x,5\n"


def written(folder: Path, content: str | bytes, name: str = "entries.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_entries(written(tmp_path, BAD))
    message = str(caught.value)
    assert "9 of 11 rows cannot be used" in message
    for part in (
        "2 with a number of fields other than 3 (lines 8, 9: 'g,x')",
        "1 with missing row id (line 3: ',y,2')",
        "1 with missing column id (line 4: 'c,,3')",
        "2 with missing value (lines 2, 10: 'b,y,')",
        "1 with value not a number (line 5: 'd,x,four')",
        "1 with value NaN (line 6: 'e,x,nan')",
        "1 with infinite value (line 7: 'f,x,-inf')",
        "--bad-rows skip",
    ):
        assert part in message
    assert "\n" not in message


def test_skipped_rows_are_counted_by_reason(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, BAD), bad_rows="skip")
    assert entries.row_labels.tolist() == ["a", "j"]
    assert entries.values.tolist() == [1.0, 5.0]
    assert entries.dropped_count == 9
    kinds = {kind.reason: kind for kind in entries.dropped}
    assert kinds["missing value"].lines == (2, 10)
    assert kinds["value not a number"].example == "d,x,four"


def test_a_first_line_wider_than_the_others(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 with a number of fields other than 3 \(line 1: "):
        read_entries(written(tmp_path, "a,x,1,9\nb,x,2\nc,x,3\n"))


def test_only_the_first_few_lines_are_named(tmp_path: Path) -> None:
    content = "a,x,1\n" + "a,x,bad\n" * 100
    with pytest.raises(
        InputError, match=r"100 with value not a number \(lines 2, 3, 4, 5, 6, \.\.\.:"
    ):
        read_entries(written(tmp_path, content))


@pytest.mark.parametrize("token", ["", "NA", "n/a", "null", "None", "?", "-", "<NA>", " "])
def test_tokens_for_absent_values(tmp_path: Path, token: str) -> None:
    content = f"a,x,1\nb,x,{token}\n"
    with pytest.raises(InputError, match=r"1 with missing value \(line 2"):
        read_entries(written(tmp_path, content))


@pytest.mark.parametrize("token", ["True", "1_000", "0x10", "1+2j", "five", "2020-01-01"])
def test_text_that_is_not_a_number(tmp_path: Path, token: str) -> None:
    with pytest.raises(InputError, match=r"1 with value not a number \(line 2"):
        read_entries(written(tmp_path, f"a,x,1\nb,x,{token}\n"))


def test_a_number_too_large_is_infinite(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 with infinite value \(line 1"):
        read_entries(written(tmp_path, "a,x,1e400\nb,x,1\n"))


@pytest.mark.parametrize(
    "content", ['a,"x,1\nb,x,2\nc,x,3\n', 'a,x,1\nb,"x,2\nc,x,3\n', 'a,x,1\nb,"x,2\nc,"x",3\n']
)
def test_a_quote_that_is_never_closed(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"1 with unmatched quotes \(line [12]: "):
        read_entries(written(tmp_path, content))
    assert read_entries(written(tmp_path, content), bad_rows="skip").m == 2


def test_a_quote_inside_a_field_is_text(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, 'a,12" single,1\nb,x,2\n'))
    assert entries.col_labels.tolist() == ['12" single', "x"]


def test_no_usable_row_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable rows among 2: 2 with missing value"):
        read_entries(written(tmp_path, "a,x,NA\nb,x,NA\n"), bad_rows="skip")


def test_an_unknown_treatment_of_bad_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "a,x,1\n")
    with pytest.raises(InputError, match='bad_rows must be "error" or "skip", got \'ignore\''):
        read_entries(path, bad_rows="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected a csv"),
        (b"\n \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"user,item,rating\n", "has a header but no rows"),
        (b"1\n2\n3\n", "expected at least 3 columns, found 1; the first line is '1'"),
        (b"1,2\n3,4\n", r"expected at least 3 columns, found 2 \(separated by commas\)"),
        (b"\x00\x01\x02garbage\xff\xfe", "is binary and of no known kind"),
        (b"a,x,1\nb\xe9,x,2\n", "line 2 is not UTF-8 text; convert the file"),
        (b"\xff\xfea", "begins like UTF-16 text but is not"),
        (b"\x93NUMPY\x01\x00v\x00", "is a single NumPy array; expected an .npz"),
    ],
)
def test_files_that_hold_no_table(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_entries(written(tmp_path, content))


def test_another_encoding_far_down_the_file(tmp_path: Path) -> None:
    content = b"a,x,1\n" * 20_000 + b"caf\xe9,x,2\n"
    with pytest.raises(InputError, match="line 20001 is not UTF-8"):
        read_entries(written(tmp_path, content))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected a csv"):
        read_entries(tmp_path / "absent.csv")


def test_a_name_no_file_system_takes() -> None:
    with pytest.raises(InputError, match=r"cannot be read \(File name too long\)"):
        read_entries("x" * 5000)


def test_a_directory(tmp_path: Path) -> None:
    written(tmp_path, "a,x,1\n", "other.csv")
    with pytest.raises(InputError, match=r"is not a MovieLens release.*found other\.csv"):
        read_entries(tmp_path)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not bind a superuser, so the refusal is staged.
    path = written(tmp_path, "a,x,1\n")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_entries(path)


def test_a_gzip_file_that_was_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,x,1\n" * 1000)[:-20]
    with pytest.raises(InputError, match="gzip file is damaged or cut off"):
        read_entries(written(tmp_path, packed, "a.csv.gz"))


def test_prose_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected at least 3 columns"):
        read_entries(written(tmp_path, "once upon a time\nthere was\na matrix\n", "tale.txt"))


def test_an_id_as_long_as_a_book() -> None:
    with pytest.raises(InputError, match=r"An id is 300 characters long.*is the separator right"):
        code_text(pl.Series(["a", "b" * 300]), max_bytes=1000)


def test_polars_is_named_when_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InputError, match=r'pip install "flatrank\[cli\]"'):
        read_entries(written(tmp_path, "a,x,1\n"))
