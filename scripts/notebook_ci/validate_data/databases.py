"""Reads tables of DuckDB and SQLite files, and asks SQL of data. The only module that uses DuckDB.

Neither may reach anything but its file: a view, or the query of a suite, could read other files, or fetch extensions.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from notebook_ci.validate_data.formats import File

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CONFINED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
}
OF_DUCKDB = """SELECT CASE table_schema WHEN 'main' THEN '' ELSE table_schema || '.' END || table_name,
    format('"{}"."{}"', replace(table_schema, '"', '""'), replace(table_name, '"', '""'))
    FROM information_schema.tables ORDER BY 1"""
OF_SQLITE = """SELECT name, '"' || replace(name, '"', '""') || '"' FROM sqlite_master
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY 1"""


def read(file: File, *, is_sqlite: bool) -> "pd.DataFrame":
    """Return a table, or the only one. Raises CheckFailed if it cannot be told which, ValueError if it is broken."""
    import duckdb
    import pandas as pd

    try:
        if is_sqlite:
            # Not `immutable`: that would leave out what is still in the write-ahead log.
            uri = f"{file.path.absolute().as_uri()}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                connection.execute("PRAGMA trusted_schema = OFF")
                # Of a file that was cut, SQLite (3.40) reads rows of nothing.
                if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise ValueError("database disk image is malformed")
                name = _chosen(connection.execute(OF_SQLITE).fetchall(), file)
                return pd.read_sql_query(f"SELECT * FROM {name}", connection)  # noqa: S608 - a name that was quoted
        with duckdb.connect(str(file.path), read_only=True, config=CONFINED) as database:
            name = _chosen(database.execute(OF_DUCKDB).fetchall(), file)
            return _locked(database).execute(f"SELECT * FROM {name}").df()  # noqa: S608 - as above
    except (sqlite3.Error, duckdb.Error, pd.errors.DatabaseError) as error:
        raise ValueError(str(error)) from error


def unexpected_rows(frame: "pd.DataFrame", query: str, most: int) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows that a query finds, and the first ones; `{batch}` in it is the data.

    Raises ValueError if it is not one query, or cannot be run.
    """
    import duckdb

    if len({str(name).lower() for name in frame}) < len(frame.columns):
        raise ValueError("the data has columns whose names differ only in case, which SQL does not distinguish")
    with duckdb.connect(config=CONFINED) as database:
        try:
            database.register("batch", frame)
            statements = _locked(database).extract_statements(query.replace("{batch}", "batch"))
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise ValueError("`unexpected_rows_query` is not one SELECT")
            found = database.execute(statements[0]).df()
        except duckdb.Error as error:
            raise ValueError(str(error)) from error
    first = found.head(most).astype(object)
    return len(found), first.where(first.notna(), None).to_dict("records")


def _locked(database: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    return database.execute("SET lock_configuration = true")


def _chosen(tables: Iterable[tuple[str, str]], file: File) -> str:
    """Return the quoted name of a table; `tables` are names with their quoted ones."""
    quoted = dict(tables)
    return quoted[file.chosen(list(quoted), "table", file.options.table)]
