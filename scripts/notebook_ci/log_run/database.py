"""Prepares a SQLite file as the store. Part of the worker: needs its tool environment. Seen with MLflow 3.17."""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.launcher import own_command
from notebook_ci.log_run.faults import unusable

LOCK_SECONDS = 8


def prepare(path: Path, progress: Callable[[str], None]) -> None:
    """Create the database if it does not exist, and check it before MLflow opens it.

    MLflow adds its tables to any database, upgrades one of an older MLflow without asking, and tries for 100 seconds to
    open one that it cannot open.

    Raises:
        InputError: It is another program's database.
        SurroundingsError: It cannot be used, or belongs to another version of MLflow.
    """
    try:
        if not path.exists() or not path.stat().st_size:
            progress(f"Creating the store {path}")
            _make(path)
        error = _error(path)
    except (OSError, sqlite3.Error) as failure:
        raise unusable(str(path), str(getattr(failure, "strerror", None) or failure)) from failure
    if error:
        raise error


def _make(path: Path) -> None:
    """Create the whole database at once: MLflow creates table by table, and fails if another process has begun."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _write_at_once)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        new = Path(folder) / path.name
        SqlAlchemyStore(f"sqlite:///{new}", str(path.parent / "artifacts")).engine.dispose()
        event.remove(Engine, "connect", _write_at_once)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        if path.exists():
            return
        with contextlib.suppress(FileExistsError):
            os.link(new, path)


def _write_at_once(connection: sqlite3.Connection, _: object) -> None:
    """Do not wait for the disk after each of MLflow's 1,700 statements."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _error(path: Path) -> NotebookCiError | None:
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "alembic_version" not in tables:
            return InputError(
                f"{path} is not an MLflow database: it has the tables {', '.join(sorted(tables)[:5])}.",
                hint="Set `tracking-uri` to another file; MLflow creates it.",
            )
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    return _other_version(path, found[0]) if found else None


def _other_version(path: Path, found: str) -> SurroundingsError | None:
    import mlflow.store.db.utils as db_utils
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from mlflow.version import VERSION

    scripts = ScriptDirectory.from_config(db_utils._get_alembic_config(""))  # noqa: SLF001 - MLflow offers no other way
    if found in scripts.get_heads():
        return None
    try:
        is_older = scripts.get_revision(found) is not None
    except CommandError:
        is_older = False
    if is_older:
        upgrade = "--env mlflow-full --exec mlflow db upgrade {}"
        return SurroundingsError(
            f"The database {path} is from an MLflow older than {VERSION}, which log-run uses (its schema is {found}).",
            hint=f"Back it up, then run {own_command(upgrade, f'sqlite:///{path}')}.",
        )
    return SurroundingsError(
        f"The database {path} is from an MLflow newer than {VERSION}, which log-run uses (its schema is {found}).",
        hint="Set `tracking-uri` to another file, or start an MLflow server of that version for it.",
    )
