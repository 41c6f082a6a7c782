"""Text as other programs write it: commas in numbers, comments, titles, totals, blocks."""

import subprocess
from pathlib import Path

import pytest

from flatrank.data import Entries, InputError, read_entries

SAME = {("1", "10", 3.5), ("2", "10", 1.0), ("2", "9", 4.25)}


def written(folder: Path, content: str | bytes, name: str = "entries.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def triples(entries: Entries) -> set[tuple[str, str, float]]:
    rows, cols = entries.row_labels[entries.rows], entries.col_labels[entries.cols]
    return set(zip(rows.tolist(), cols.tolist(), entries.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "1;10;3,5\n2;10;1\n2;9;4,25\n"),
        ("a.txt", "1 10 3,5\n2 10 1,0\n2 9 4,25\n"),
        ("a.tsv", "user\titem\trating\n1\t10\t3,5\n2\t10\t1\n2\t9\t4,25\n"),
        ("a.csv", '1,10,"3,5"\n2,10,1\n2,9,"4,25"\n'),
        ("a.csv", '"1","10","3,5"\n"2","10","1,000"\n"2","9","4,25"\n'),
        ("a.csv", "\ufeffsep=;\r\nuser;item;rating\r\n1;10;3,5\r\n2;10;1\r\n2;9;4,25\r\n"),
        ("a.txt", "sep=|\n1|10|3.5\n2|10|1\n2|9|4.25\n"),
        ("a.txt", "% bip weighted\n% 3 2 2\n1 10 3.5 7\n2 10 1 8\n2 9 4.25 9\n"),
        ("a.txt", "# Nodes: 4 Edges: 3\n#\n# From\tTo\tw\n1\t10\t3.5\n2\t10\t1\n2\t9\t4.25\n"),
        ("a.csv", "# by hand\n\n# user,item,time,rating\n1,10,7,3.5\n2,10,8,1\n2,9,9,4.25\n"),
        ("a.csv", "#user,item,rating\n1,10,3.5\n2,10,1\n2,9,4.25\n"),
        ("a.csv", "Export of 2026-11-01\n\nuser,item,rating\n1,10,3.5\n2,10,1\n2,9,4.25\n"),
        ("a.csv", "Marks,,\n,,\nuser,item,rating\n1,10,3.5\n2,10,1\n2,9,4.25\n"),
    ],
)
def test_layouts_that_say_the_same_give_the_same(tmp_path: Path, name: str, content: str) -> None:
    assert triples(read_entries(written(tmp_path, content, name))) == SAME


def test_decimal_commas_in_every_column(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, "1,0;2,0;3,5;1,5\n1,0;3,0;4,25;1,5\n"))
    assert triples(entries) == {("1,0", "2,0", 3.5), ("1,0", "3,0", 4.25)}


def test_what_was_passed_over_is_counted(tmp_path: Path) -> None:
    assert read_entries(written(tmp_path, "# one\n% two\n1,10,3.5\n")).opening == 2
    assert read_entries(written(tmp_path, "Title\nu,i,r\n1,10,3.5\n")).opening == 1


def test_an_id_that_begins_like_a_comment_is_an_id(tmp_path: Path) -> None:
    entries = read_entries(written(tmp_path, "#1,x,3\n#2,x,4\n"))
    assert entries.row_labels.tolist() == ["#1", "#2"]


def test_a_comment_below_is_refused_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 with a number of fields other than 3 \(line 2: '# so"):
        read_entries(written(tmp_path, "1,10,3.5\n# so far\n2,10,1\n"))


def test_a_title_without_a_header_is_refused_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"other than 3 \(line 1: 'Export'\)"):
        read_entries(written(tmp_path, "Export\n1,10,3.5\n2,10,1\n"))


COMMAS = "Write decimals with a point, and leave out thousands separators"


@pytest.mark.parametrize(
    ("content", "cause", "remedy"),
    [
        (
            "1;2;1.368,7\n1;3;900,5\n",
            "2 with value with a comma (lines 1, 2: '1;2;1.368,7')",
            COMMAS,
        ),
        ('1,2,"1,368.7"\n1,3,900.5\n', "1 with value with a comma (line 1: ", COMMAS),
        ("1;2;1,368\n1;3;2,500\n", "2 with value with a comma (lines 1, 2: ", COMMAS),
        ("1;2;1,5\n1;3;2.5\n", "1 with value with a comma (line 1: ", COMMAS),
        ("1,2,$5\n1,3,$6.50\n", "2 with value with a currency sign", "Leave out the currency"),
        ("1,2,5 €\n1,3,7\n", "1 with value with a currency sign (line 1", "Leave out the curr"),
        ("1,2,12 000\n1,3,7\n", "1 with value with a thousands separator (line", "Leave out thou"),
        ("1,2,1'000.5\n1,3,7\n", "1 with value with a thousands separator", "Leave out thou"),
        ("1,2,50%\n1,3,20.5 %\n", "2 with value with a percent sign", "Leave out the percent sig"),
    ],
)
def test_numbers_that_people_write(tmp_path: Path, content: str, cause: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        read_entries(written(tmp_path, content))
    assert cause in str(caught.value)
    assert remedy in str(caught.value)
    assert "skip" not in str(caught.value)  # which would leave the large ones out


@pytest.mark.parametrize(
    "content", ["0,5,1189,1\n0,6,1190,2\n", "0,5,1,200.1\n0,6,900.5\n0,7,1,300\n"]
)
def test_a_number_that_commas_split_in_two(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=r"columns 3 and 4, such as .*--value 3 \(value=\"3\"\)"):
        read_entries(path)
    assert read_entries(path, value="3").columns == ("1", "2", "3")


def test_a_header_narrower_than_its_decimal_commas(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 names but the rows have 4 fields.*with a point"):
        read_entries(written(tmp_path, "u,i,r\n0,5,1189,1\n0,6,1190,2\n"))


def test_totals_below_the_table(tmp_path: Path) -> None:
    body = "".join(f"u{n},x,3\n" for n in range(10))
    path = written(tmp_path, f"user,item,rating\n{body}Total,,1500\nMean,all,3.1\n")
    with pytest.raises(InputError, match=r"'Total,,1500'.*If the table ends above line 12, delete"):
        read_entries(path)


def test_rows_that_are_all_bad_are_not_offered_to_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "ann,tea,x3\nbob,tea,x4\ncid,tea,x5\n")
    with pytest.raises(InputError, match="no usable rows among 2.*the columns the right ones") as e:
        read_entries(path)
    assert "skip" not in str(e.value)


def test_blocks_of_the_netflix_prize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "8:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n9:\n1488844,4,2005-10-19\n",
            "combined_data_1.txt")  # fmt: skip
    with pytest.raises(InputError, match=r"line 1, '8:', names one id for the lines below") as seen:
        read_entries("combined_data_1.txt", bad_rows="skip")
    remedy = str(seen.value).split("on each line: ")[1].removesuffix(".")
    subprocess.run(remedy, shell=True, check=True)
    expected = {("1488844", "8", 3.0), ("822109", "8", 5.0), ("1488844", "9", 4.0)}
    assert triples(read_entries("entries.csv")) == expected


@pytest.mark.parametrize(("encoding", "text"), [("windows-1252", "“a”"), ("latin1", "é")])
def test_the_encoding_is_guessed_from_the_byte(tmp_path: Path, encoding: str, text: str) -> None:
    path = written(tmp_path, f"a,x,1\n{text},x,2\n".encode("cp1252"))
    with pytest.raises(InputError, match=f"line 2 is not UTF-8.*iconv -f {encoding} -t utf-8"):
        read_entries(path)


def test_quoted_fields_over_several_lines(tmp_path: Path) -> None:
    content = (
        'u,i,r,note\na,"x, y",1,"two\nand ""three""\nlines, at last"\nb,x,2,one\n"c",x,3,"n"\n'
    )
    entries = read_entries(written(tmp_path, content))
    assert triples(entries) == {("a", "x, y", 1.0), ("b", "x", 2.0), ("c", "x", 3.0)}


def test_a_file_of_comments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has comments but no rows"):
        read_entries(written(tmp_path, "# one\n# two\n"))
