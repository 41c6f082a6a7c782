"""Which columns hold the entries: by name, by what they cannot be, and refused where unclear."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flatrank.data import Entries, InputError, read_entries, read_pairs

SAID = (("ann", "tea", 4, 881250949), ("bob", "tea", 3, 881250950), ("ann", "ham", 2, 881250999))
TRIPLES = {("ann", "tea", 4.0), ("bob", "tea", 3.0), ("ann", "ham", 2.0)}
FIELDS = {"user": 0, "item": 1, "rating": 2, "time": 3}


def written(folder: Path, content: str, name: str = "entries.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def triples(entries: Entries) -> set[tuple[str, str, float]]:
    rows, cols = entries.row_labels[entries.rows], entries.col_labels[entries.cols]
    return set(zip(rows.tolist(), cols.tolist(), entries.values.tolist(), strict=True))


def table(names: str, order: str, separator: str = ",") -> str:
    lines = [names] if names else []
    for said in SAID:
        fields = (str(said[FIELDS[word]]) if word in FIELDS else word for word in order.split())
        lines.append(separator.join(fields))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("names", "order", "columns"),
    [
        ("user,item,timestamp,rating", "user item time rating", "user item rating"),
        ("rating,user,item", "rating user item", "user item rating"),
        ("userId,movieId,rating,timestamp", "user item rating time", "userId movieId rating"),
        ("User-ID,ISBN,Book-Rating", "user item rating", "User-ID ISBN Book-Rating"),
        ("movie,rating,user_id", "item rating user", "user_id movie rating"),
        ("timestamp,userid,itemid,score", "time user item rating", "userid itemid score"),
        ("asin,reviewerID,overall,unixReviewTime", "item user rating time",
         "reviewerID asin overall"),
        ("user,movie,title,stars", "user item x rating", "user movie stars"),
        ("user,item,count,rating", "user item 7 rating", "user item rating"),
        ("user,item,rating_date,rating", "user item time rating", "user item rating"),
        ("who,what,when,stars", "user item time rating", "who what stars"),
        ("id,who,what,mark", "7 user item rating", "who what mark"),
        (",who,what,mark", "7 user item rating", "who what mark"),
        ("Unnamed: 0,who,what,mark", "7 user item rating", "who what mark"),
        ("user,item,x", "user item rating", "user item x"),
        ("u,i,r,note", "user item rating x", "u i r"),
        ("FromNodeId,ToNodeId,weight", "user item rating", "FromNodeId ToNodeId weight"),
        ("Wer,Was,Wert", "user item rating", "Wer Was Wert"),
        ("", "user item rating", "1 2 3"),
        ("", "user item rating time", "1 2 3"),
    ],
)  # fmt: skip
def test_columns_are_found_by_their_names(
    tmp_path: Path, names: str, order: str, columns: str
) -> None:
    entries = read_entries(written(tmp_path, table(names, order)))
    assert entries.columns == tuple(columns.split())
    assert triples(entries) == TRIPLES
    assert set(entries.columns).isdisjoint(entries.unused)


def test_parquet_columns_are_found_the_same_way(tmp_path: Path) -> None:
    user, item, rating, time = zip(*SAID, strict=True)
    frame = pl.DataFrame({"item": item, "time": time, "rating": rating, "user": user})
    frame.write_parquet(tmp_path / "e.parquet")
    entries = read_entries(tmp_path / "e.parquet")
    assert (entries.columns, entries.unused) == (("user", "item", "rating"), ("time",))
    assert triples(entries) == TRIPLES


def test_a_date_names_rows_where_no_other_column_does(tmp_path: Path) -> None:
    path = written(tmp_path, "date,station,value\n2020-01-01,a,3\n2020-01-02,b,4\n")
    assert read_entries(path).row_labels.tolist() == ["2020-01-01", "2020-01-02"]


def test_pairs_are_found_by_their_names(tmp_path: Path) -> None:
    path = written(tmp_path, table("rating,item,user", "rating item user"))
    assert [x.tolist() for x in read_pairs(path)] == [["ann", "bob", "ann"], ["tea", "tea", "ham"]]


def test_columns_that_are_named_win(tmp_path: Path) -> None:
    path = written(tmp_path, table("user,item,rating,timestamp", "user item rating time"))
    entries = read_entries(path, value="timestamp")
    assert entries.columns == ("user", "item", "timestamp")
    assert read_entries(path, row="item", col="user").columns == ("item", "user", "rating")


@pytest.mark.parametrize(
    ("names", "order", "message"),
    [
        ("user,item,timestamp", "user item time", "not clear: 'user' reads like the row column; "),
        ("user,item,rating,value", "user item rating 7", "'rating', 'value' all read like the val"),
        ("user,client,item,rating", "user x item rating", "'user', 'client' all read.*name one wi"),
        ("station,date,value,quality", "user time rating 7", "'station', 'date', 'value', 'qual"),
        ("user,age,job,rating", "user 7 x rating", "not clear.*--row, --col and --value"),
        ("", "user item time rating", "column 3 holds what look like times, such as 881250949"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path: Path, names: str, order: str, message: str) -> None:
    path = written(tmp_path, table(names, order))
    with pytest.raises(InputError, match=message):
        read_entries(path)
    names = names or "1,2,3,4"
    chosen = dict(zip(("row", "col", "value"), names.split(","), strict=False))
    if "x" not in order and "value" not in names:
        assert read_entries(path, **chosen).columns == tuple(chosen.values())


STATIONS = [f"s{k}" for k in range(12)]


def wide(labels: list[str] | None, header: bool, separator: str = ",", point: str = ".") -> str:
    lines = [separator.join([*(["date"] if labels else []), *STATIONS])] if header else []
    for day in range(9):
        values = [f"{(7 * day + 3 * k) % 11 + 0.5:.2f}".replace(".", point) for k in range(12)]
        lines.append(separator.join([*([labels[day]] if labels else []), *values]))
    return "\n".join(lines) + "\n"


DAYS = [f"2020-01-{day:02d}" for day in range(1, 10)]


@pytest.mark.parametrize("labels", [DAYS, [str(n) for n in range(9)], None])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(("separator", "point"), [(",", "."), (";", ",")])
def test_a_wide_table_is_refused_and_the_remedy_works(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: list[str] | None,
    header: bool,
    separator: str,
    point: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, wide(labels, header, separator, point), "wide.csv")
    with pytest.raises(InputError, match="looks like a wide table, one line a row, with 1") as seen:
        read_entries(path.name)
    remedy = str(seen.value).split("Melt it, ")[1].split(", or, if three")[0]
    exec(remedy, {"pandas": pd})
    entries = read_entries("entries.csv")
    assert entries.shape == (9, 12)
    expected = np.array([[(7 * i + 3 * j) % 11 + 0.5 for j in range(12)] for i in range(9)])
    assert entries.values.sum() == expected.sum()
    named = {"row": "1", "col": "2", "value": "3"} if not header else {}
    if named:
        assert read_entries(path.name, **named).columns == ("1", "2", "3")


def test_wide_tables_of_whole_numbers_and_in_parquet(tmp_path: Path) -> None:
    marks = np.random.default_rng(0).integers(1, 6, (40, 8))
    lines = "".join(",".join(map(str, line)) + "\n" for line in marks.tolist())
    with pytest.raises(InputError, match="looks like a wide table"):
        read_entries(written(tmp_path, lines))
    frame = pl.DataFrame({"date": DAYS, **{s: np.arange(9.0) for s in STATIONS}})
    frame.write_parquet(tmp_path / "wide.parquet")
    with pytest.raises(InputError, match=r"Melt it, pandas\.read_parquet\('.*'\)\.melt\('date'\)"):
        read_entries(tmp_path / "wide.parquet")


def test_a_table_of_four_columns_may_be_wide(tmp_path: Path) -> None:
    path = written(tmp_path, "name,A,B,C\nr1,1,0,2\nr2,0,1,2\nr3,0,1,2\n")
    with pytest.raises(InputError, match="with 3 columns of numbers beside 'name'"):
        read_entries(path)
    # Ids, a value and a time without names, shuffled so that no id is repeated soon.
    lines = "".join(f"{7 * n % 300}\t{n % 9}\t{n % 5}\t{881250949 + n}\n" for n in range(300))
    assert read_entries(written(tmp_path, lines, "u.data")).m == 300


def test_many_numbers_beside_ids_are_no_wide_table(tmp_path: Path) -> None:
    lines = "".join(f"{n % 7},{n // 7},{n % 5},{n},{n % 3},{n % 2}\n" for n in range(49))
    assert read_entries(written(tmp_path, lines)).shape == (7, 7)


def test_jester_with_two_tabs_between_fields(tmp_path: Path) -> None:
    path = written(tmp_path, "1\t\t5\t\t0.219\n1\t\t7\t\t-9.281\n2\t\t5\t\t-6.7\n", "jester.dat")
    assert triples(read_entries(path)) == {("1", "5", 0.219), ("1", "7", -9.281), ("2", "5", -6.7)}
