"""Lists of pairs: order kept, headers told from ids."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flatrank.data import InputError, read_pairs


def pairs(folder: Path, content: str, **names: str) -> list[tuple[str, str]]:
    path = folder / "pairs.csv"
    path.write_text(content, encoding="utf-8")
    rows, cols = read_pairs(path, **names)
    return list(zip(rows.tolist(), cols.tolist(), strict=True))


@pytest.mark.parametrize(
    "content",
    [
        "row,col\n2,1\n1,1\n2,1\n",
        "2,1\n1,1\n2,1\n",
        "2 1\n1  1\n2 1\n",
        "2::1::5\n1::1::4\n2::1::3\n",
        "user,item,rating\n2,1,5\n1,1,4\n2,1,3\n",
        "Wer,Was\n2,1\n1,1\n2,1\n",
    ],
)
def test_order_and_repeats_are_kept(tmp_path: Path, content: str) -> None:
    assert pairs(tmp_path, content) == [("2", "1"), ("1", "1"), ("2", "1")]


def test_text_ids_without_a_header_lose_no_pair(tmp_path: Path) -> None:
    assert pairs(tmp_path, "ann,tea\nbob,milk\n") == [("ann", "tea"), ("bob", "milk")]


@pytest.mark.parametrize("names", ["user,item", "userId,movieId", "Row_ID,col_id", "users,items"])
def test_text_ids_under_usual_names(tmp_path: Path, names: str) -> None:
    assert pairs(tmp_path, f"{names}\nann,tea\n") == [("ann", "tea")]


def test_text_ids_under_names_that_are_given(tmp_path: Path) -> None:
    content = "drink,person\ntea,ann\n"
    assert pairs(tmp_path, content, row="person", col="drink") == [("ann", "tea")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3,\n", r"1 of 2 rows cannot be used: 1 with missing column id \(line 2: '3,'\)"),
        ("1,2\n,2\n", "missing row id"),
        ("1\n2\n", "expected at least 2 columns, found 1"),
        ("row,col\n", "has a header but no rows"),
        ("row,col\n1,2\n", "no row column 'user'"),
        ("1,2\n3,4\n3,4\n3,4,5\n", r"1 with a number of fields other than 2 \(line 4"),
    ],
)
def test_pairs_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    names = {"row": "user"} if "user" in message else {}
    with pytest.raises(InputError, match=message) as caught:
        pairs(tmp_path, content, **names)
    assert "skip" not in str(caught.value)


def test_pairs_in_the_other_formats(tmp_path: Path) -> None:
    pl.DataFrame({"r": [2, 1], "c": ["x", "y"]}).write_parquet(tmp_path / "p.parquet")
    np.savez(tmp_path / "p.npz", row=[2, 1], col=[0, 1])
    header = "%%MatrixMarket matrix coordinate pattern general\n"
    (tmp_path / "p.mtx").write_text(header + "3 3 2\n2 1\n1 2\n", encoding="utf-8")
    for name, cols in (("p.parquet", ["x", "y"]), ("p.npz", ["0", "1"]), ("p.mtx", ["1", "2"])):
        rows, found = read_pairs(tmp_path / name)
        assert rows.tolist() == ["2", "1"]
        assert found.tolist() == cols
    np.savez(tmp_path / "p.npz", row=np.zeros(0, int), col=np.zeros(0, int))
    with pytest.raises(InputError, match="expected at least one pair, found none"):
        read_pairs(tmp_path / "p.npz")
