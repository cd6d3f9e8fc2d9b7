"""Prepares a SQLite file as the store. Part of the worker: needs its tool environment. Seen with MLflow 3.17."""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from notebook_ci.base import worker
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.launcher import own_command
from notebook_ci.log_run.faults import unusable
from notebook_ci.log_run.store import ARTIFACTS

LOCK_SECONDS = 8


def prepare(path: Path) -> None:
    """Create the database if it does not exist, and check it before MLflow opens it.

    MLflow adds its tables to any database, upgrades one of an older MLflow without asking, and tries for 100 seconds to
    open one that it cannot open. Raises InputError if it is another program's database, and SurroundingsError if it
    cannot be used, or belongs to another version of MLflow.
    """
    try:
        if not path.exists() or not path.stat().st_size:
            worker.progress(f"Creating the store {path}")
            _make(path)
        _check(path)
    except (OSError, sqlite3.Error) as failure:
        raise unusable(str(path), str(getattr(failure, "strerror", None) or failure)) from failure


def _make(path: Path) -> None:
    """Create the whole database at once: MLflow creates table by table, and fails if another process has begun."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _write_at_once)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        new = Path(folder) / path.name
        SqlAlchemyStore(f"sqlite:///{new}", str(path.parent / ARTIFACTS)).engine.dispose()
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


def _check(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "alembic_version" not in tables:
            raise InputError(
                f"{path} is not an MLflow database: it has the tables {', '.join(sorted(tables)[:5])}.",
                hint="Set `tracking-uri` to another file; MLflow creates it.",
            )
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    if found:
        _check_version(path, found[0])


def _check_version(path: Path, found: str) -> None:
    import mlflow.store.db.utils as db_utils
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from mlflow.version import VERSION

    scripts = ScriptDirectory.from_config(db_utils._get_alembic_config(""))  # noqa: SLF001 - MLflow offers no other way
    if found in scripts.get_heads():
        return
    age, hint = "newer", "Set `tracking-uri` to another file, or start an MLflow server of that version for it."
    with contextlib.suppress(CommandError):
        if scripts.get_revision(found):
            upgrade = own_command("--env mlflow-full --exec mlflow db upgrade {}", f"sqlite:///{path}")
            age, hint = "older", f"Back it up, then run {upgrade}."
    which = f"from an MLflow {age} than {VERSION}, which log-run uses (its schema is {found})"
    raise SurroundingsError(f"The database {path} is {which}.", hint=hint)
