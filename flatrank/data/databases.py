"""Entries asked of a database: SQLite, DuckDB, or one that has an address."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from flatrank.data.entries import InputError
from flatrank.data.files import Source
from flatrank.data.packages import load, load_polars

if TYPE_CHECKING:
    import polars as pl

#: Kinds of databases that have an address, as polars asks them.
_ADDRESSED = (
    "postgresql",
    "postgres",
    "redshift",
    "mysql",
    "mssql",
    "oracle",
    "clickhouse",
    "trino",
)
_TABLES = (
    "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p "
    "WHERE m.type IN ('table', 'view') ORDER BY m.name, p.cid"
)
_DUCKDB_TABLES = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "ORDER BY table_name, ordinal_position"
)


class Database(NamedTuple):
    """A database: what messages call it, its kind, and its path or address."""

    name: str
    kind: str
    place: str


def database_of(source: Source) -> Database | None:
    """The database that a source is, by its address or by the first bytes of the file; or None."""
    text = str(source)
    kind, slashes, rest = text.partition("://")
    if slashes and kind in _ADDRESSED:
        return Database(without_password(text), kind, text)
    if slashes and kind in ("sqlite", "duckdb"):
        # Some write three slashes before a path from the root, some before one from here.
        place = next((x for x in (rest, rest.removeprefix("/")) if Path(x).is_file()), rest)
        return Database(text, kind, place)
    path = Path(text).expanduser()
    try:
        if not path.is_file():  # what is read from a pipe is gone
            return None
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    kind = "duckdb" if head[8:12] == b"DUCK" else "sqlite"
    if kind == "sqlite" and head != b"SQLite format 3\0":
        return None
    return Database(text, kind, str(path))


def without_password(text: str) -> str:
    """A text with the passwords of addresses in it starred out."""
    return re.sub(r"(://[^:/?#\s]*):[^\s]*@", r"\1:***@", text)


def read_query(database: Database, query: str) -> pl.DataFrame:
    """What a query of a database gives, read only.

    SQLite through the standard library; DuckDB through its package; others by their address through
    polars, which needs connectorx and pyarrow. 0.2 GB a million rows.

    Raises
    ------
    InputError
        If the query does not run or gives no rows; if a package is not installed.
    """
    ask = {"sqlite": _of_sqlite, "duckdb": _of_duckdb}.get(database.kind, _of_address)
    polars = load_polars()
    try:
        frame = ask(database, query, polars)
    except InputError:
        raise
    except Exception as refused:  # each driver has errors of its own
        raise InputError(
            f"{database.name}: the query does not run: {_first_line(refused)}.{_held(database)}"
        ) from refused
    if frame.height == 0:
        raise InputError(f"{database.name}: the query gives no rows; expected at least one entry.")
    return frame


def refuse_without_query(database: Database) -> NoReturn:
    """Say that a database needs a query, and what is in it; always an `InputError`."""
    raise InputError(
        f"{database.name}: is a database; say what to read from it with --query "
        f'"SELECT row, col, value FROM ..." (query=).{_held(database)}'
    )


def _of_sqlite(database: Database, query: str, polars: Any) -> pl.DataFrame:
    with closing(_sqlite(database)) as connection:
        return _frame(database.name, polars, connection.execute(query))


def _sqlite(database: Database) -> sqlite3.Connection:
    place = Path(database.place).resolve()
    if not place.is_file():
        raise InputError(f"{database.name}: no such file; expected an SQLite database.")
    return sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)


def _of_duckdb(database: Database, query: str, polars: Any) -> pl.DataFrame:
    with closing(_duckdb(database)) as connection:
        return _frame(database.name, polars, connection.execute(query))


def _duckdb(database: Database) -> Any:
    duckdb = load("duckdb", f"{database.name}: reading a DuckDB database", "duckdb")
    return duckdb.connect(database.place, read_only=True)


def _of_address(database: Database, query: str, polars: Any) -> pl.DataFrame:
    for package in ("connectorx", "pyarrow"):
        load(package, f"{database.name}: asking a {database.kind} database", "connectorx pyarrow")
    return polars.read_database_uri(query, database.place)


def _frame(name: str, polars: Any, cursor: Any) -> pl.DataFrame:
    if cursor.description is None:
        raise InputError(f"{name}: the query gives no table; expected SELECT ... FROM ...")
    names = [column[0] for column in cursor.description]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: the query gives two columns called {twice!r}; rename one by AS.")
    # Of all rows, since a column of SQLite may change its type.
    return polars.DataFrame(
        cursor.fetchall(), schema=names, orient="row", infer_schema_length=None, strict=False
    )


def _held(database: Database) -> str:
    """The tables of a file and their columns, where they can be told."""
    ask: dict[str, tuple[Callable[[Database], Any], str]] = {
        "sqlite": (_sqlite, _TABLES),
        "duckdb": (_duckdb, _DUCKDB_TABLES),
    }
    if database.kind not in ask:
        return ""
    opened, query = ask[database.kind]
    tables: dict[str, list[str]] = {}
    try:
        with closing(opened(database)) as connection:
            for table, column in connection.execute(query).fetchall():
                tables.setdefault(table, []).append(column)
    except Exception:  # it is a hint, beside a message that stands without it
        return ""
    if not tables:
        return " It holds no tables."
    shown = [f"{name} ({', '.join(columns[:8])})" for name, columns in list(tables.items())[:5]]
    return f" Its tables: {'; '.join(shown)}{'; ...' if len(tables) > 5 else ''}."


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_password(lines[0]).rstrip(".")
