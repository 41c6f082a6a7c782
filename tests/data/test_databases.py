"""Entries asked of a database, read only, and what is said where that does not work."""

import sqlite3
import sys
from contextlib import closing

import numpy as np
import pytest

from flatrank.data import InputError, read_entries
from flatrank.data.databases import Database, database_of, read_query, without_password

ROWS = [("ann", "x", 3.5), ("bob", "x", 4), ("ann", "y", 1.0), (7, "y", None)]


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table ratings (user, item, stars)")
        connection.execute("create table people (name, town)")
        connection.executemany("insert into ratings values (?, ?, ?)", ROWS)
        connection.commit()
    return path


QUERY = "SELECT user, item, stars FROM ratings WHERE stars IS NOT NULL"


def test_sqlite_gives_what_a_file_of_the_same_lines_does(base, tmp_path):
    (tmp_path / "e.csv").write_text("user,item,stars\nann,x,3.5\nbob,x,4\nann,y,1\n")
    expected, found = read_entries(tmp_path / "e.csv"), read_entries(base, query=QUERY)
    for name in ("rows", "cols", "values", "row_labels", "col_labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.columns, found.source) == (("user", "item", "stars"), str(base))


def test_columns_are_named_and_bad_rows_counted(base):
    query = "SELECT stars, item, user FROM ratings"
    with pytest.raises(InputError, match=r"1 with missing value \(row 4: '7, y, None'\)"):
        read_entries(base, query=query)
    names = {"row": "item", "col": "user", "value": "stars"}
    found = read_entries(base, query=query, bad_rows="skip", **names)
    assert (found.dropped_count, found.row_labels.tolist()) == (1, ["x", "y"])


def test_addresses_of_files(base, monkeypatch, tmp_path):
    for address in (f"sqlite://{base}", f"sqlite:///{base}"):
        assert read_entries(address, query=QUERY).m == 3
    monkeypatch.chdir(tmp_path)
    assert read_entries("sqlite:///shop.db", query=QUERY).m == 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (None, r'--query "SELECT row.*Its tables: people \(name, town\); ratings \(user, item'),
        ("SELECT grade FROM ratings", "query does not run: no such column: grade. Its tables: peo"),
        ("DELETE FROM ratings", "attempt to write a readonly database"),
        ("SELECT * FROM ratings WHERE 0", "the query gives no rows"),
        ("SELECT user, user, item FROM ratings", "two columns called 'user'; rename one by AS"),
        ("SELECT user, item FROM ratings", "expected columns for row, col, value, found 2"),
        ("SELECT 1; SELECT 2", "the query does not run"),
        ("", "the query gives no table"),
    ],
)
def test_queries_that_give_no_entries(base, query, message):
    before = base.read_bytes()
    with pytest.raises(InputError, match=message):
        read_entries(base, query=query)
    assert base.read_bytes() == before


def test_what_is_no_database(tmp_path):
    (tmp_path / "e.csv").write_text("a,x,1\n")
    with pytest.raises(InputError, match=r"e\.csv: is no database; --query"):
        read_entries(tmp_path / "e.csv", query=QUERY)
    with pytest.raises(InputError, match="no such file; expected an SQLite database"):
        read_entries("sqlite:///absent.db", query=QUERY)
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\0 and no more")
    with pytest.raises(InputError, match="the query does not run: "):
        read_entries(tmp_path / "bad.db", query=QUERY)


@pytest.mark.parametrize("package", ["connectorx", "pyarrow"])
def test_packages_of_addresses_are_named_and_passwords_are_not(monkeypatch, package):
    for name in ("connectorx", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)
    address = "postgresql://me:s3cr@t@localhost:5432/shop"
    with pytest.raises(InputError) as caught:
        read_entries(address, query=QUERY)
    assert str(caught.value) == (
        f"postgresql://me:***@localhost:5432/shop: asking a postgresql database needs {package}, "
        "which is not installed: pip install connectorx pyarrow."
    )
    assert without_password(f"flatrank complete {address} --lam 1").split()[2:] == [
        "postgresql://me:***@localhost:5432/shop", "--lam", "1"
    ]  # fmt: skip
    assert without_password("mysql://host/x") == "mysql://host/x"


def test_a_database_with_an_address_is_asked_by_polars(base):
    pytest.importorskip("connectorx")
    pytest.importorskip("pyarrow")
    # SQLite stands for those that need a server: the same call, another address.
    frame = read_query(Database("db", "other", f"sqlite://{base}"), "SELECT item FROM ratings")
    assert frame["item"].to_list() == ["x", "x", "y", "y"]


def test_duckdb(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "d.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create table r as select * from (values ('a', 'x', 1.5)) t(u, i, v)")
    assert database_of(path).kind == "duckdb"
    found = read_entries(path, query="SELECT * FROM r")
    assert (found.row_labels.tolist(), found.values.tolist()) == (["a"], [1.5])
    with pytest.raises(InputError, match=r"Its tables: r \(u, i, v\)\."):
        read_entries(path)


def test_duckdb_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "d.duckdb").write_bytes(b"12345678DUCK and so on")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match="needs duckdb, which is not installed: pip install"):
        read_entries(tmp_path / "d.duckdb", query="SELECT 1")
