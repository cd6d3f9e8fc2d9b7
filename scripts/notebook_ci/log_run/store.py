"""Where runs are logged: parses the tracking URI, or uses the default store."""

import io
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.launcher import WORDS
from notebook_ci.base.texts import quote, without_users
from notebook_ci.base.workspace import ELSEWHERE, PRIVATE_FOLDER, Workspace, private_folder, refuse_link

ENVIRONMENT, VIEWER = "mlflow-thin", "mlflow-full"  # the tool environments: to log, and of `mlflow ui`
ARTIFACTS = "artifacts"  # the folder for artifacts of new experiments, beside a database file
SQLITE_MAGIC = b"SQLite format 3\0"
# Dialects of MLflow 3.17 other than sqlite; it does not install their drivers.
OTHER_DATABASES = ("postgresql", "mysql", "mssql")
# Replaces an address that is not understood.
HIDDEN = "(not shown)"
DATABASE_SERVER = "Start an MLflow server in front of this database (`mlflow server --backend-store-uri ...`)."
# Not a URI, but safe to show: a word, a path, `host:port`. Not `user:password`, not `https:/...`.
_PLAIN = re.compile(r"((file|sqlite):|[^/:]*(:\d{1,5})?(/|$))", re.IGNORECASE)
ACCEPTED = "Use the address of an MLflow server (`https://...`) or of a database file (`sqlite:///mlflow.db`)."


@dataclass(frozen=True)
class Store:
    uri: str  # tracking URI without credentials
    credentials: Mapping[str, str] = field(default_factory=dict)  # variables for MLflow, from the tracking URI
    database: Path | None = None  # the database file; None: a server
    is_beside: bool = False  # it is the store that notebook-ci keeps beside the runs

    def view(self, *, downloaded: bool) -> str:
        """Return the command that shows the store: here, or in the folder of a downloaded file."""
        if not self.database:
            return ""
        ui = ("mlflow", "ui", "--workers", "1", "--backend-store-uri")
        if downloaded:
            return shlex.join([*ui, f"sqlite:///{self.database.name}"])
        # Without jobs and with one worker, MLflow 3.17 needs 0.5 GB of memory instead of 2.3 GB.
        show = shlex.join([*WORDS, "--env", VIEWER, "--exec", *ui, self.uri])
        return f"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false {show}"

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Return the URL of a run on the server; empty for a database."""
        return "" if self.database else f"{self.uri}/#/experiments/{experiment_id}/runs/{run_id}"


def find(given: str, workspace: Workspace) -> Store:
    """Return where to log: the input, else `MLFLOW_TRACKING_URI`, else the store beside the runs.

    Raises InputError if a run cannot be logged there, and SurroundingsError if a database cannot be read.
    """
    if given:
        return _parse(given, "tracking-uri", workspace.cwd)
    if uri := workspace.environ.get("MLFLOW_TRACKING_URI", "").strip():
        return _parse(uri, "MLFLOW_TRACKING_URI", workspace.cwd)
    if workspace.runner_temp:
        path = workspace.runner_temp / "notebook-ci-mlflow" / "mlflow.db"
    else:
        path = workspace.cwd / PRIVATE_FOLDER / "mlflow" / "mlflow.db"
        refuse_link(path, workspace.cwd)
    return _database(path, "The store next to the runs", is_beside=True)


def shown(uri: str) -> str:
    """Return a tracking URI for people: without credentials, and without a query, which may contain them too.

    It is empty for a URI that is not understood, because a password can be anywhere in it.
    """
    if not uri.isprintable():
        return ""
    cut = uri.partition("?")[0].partition("#")[0]
    scheme, separator, rest = cut.partition("://")
    if not separator:
        return cut if "@" not in uri and _PLAIN.match(cut) else ""
    if scheme.lower() in {"sqlite", "file"} and rest.startswith("/"):
        return cut  # a path, which may contain an `@`
    try:
        parts = urlsplit(uri)
        behind = uri.partition("://")[2].removeprefix(parts.netloc)
        understood = parts.port != 0 and "@" not in behind and " " not in uri
    except ValueError:  # its message quotes the port, which may be part of a password
        return ""
    return without_users(cut) if understood else ""


def create(store: Store, cwd: Path) -> None:
    """Create the folder of the store, if it is the one beside the runs. Raises SurroundingsError if it cannot."""
    if not (store.database and store.is_beside):
        return
    folder = store.database.parent
    try:
        for written in ("mlflow.db", ARTIFACTS) if folder.parent == cwd / PRIVATE_FOLDER else ():
            private_folder(cwd, folder.name, written)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder {folder} for the MLflow store cannot be created: {error.strerror or error}."
        raise SurroundingsError(message, hint=ELSEWHERE) from error


def _parse(uri: str, origin: str, cwd: Path) -> Store:
    scheme = uri.partition(":")[0].lower() if ":" in uri else ""
    dialect = scheme.partition("+")[0]
    if not shown(uri):
        raise InputError(
            f"The address in `{origin}` cannot be parsed. It is not shown: it may contain a password. {ACCEPTED}",
            hint=DATABASE_SERVER if dialect in OTHER_DATABASES else "",
        )
    if scheme in {"http", "https"}:
        return _server(uri, origin)
    if scheme == "sqlite":
        return _database(_database_path(uri, origin, cwd), f"`{origin}` {quote(shown(uri))}")
    raise InputError(f"`{origin}` does not accept {quote(shown(uri))}. {ACCEPTED}", hint=_way_out(scheme, dialect, uri))


def _way_out(scheme: str, dialect: str, uri: str) -> str:
    if dialect in OTHER_DATABASES:
        return DATABASE_SERVER
    if scheme in {"", "file"} and not uri.startswith("databricks"):
        return (
            "MLflow no longer supports a store in a folder of files (`./mlruns`): use a database file. "
            "`mlflow migrate-filestore` copies the old runs to it."
        )
    if uri.startswith("databricks") or scheme == "databricks-uc":
        return "Databricks is not supported yet."
    return f"Write `http://{shown(uri)}` if it is a server." if "://" not in uri else ""


def _server(uri: str, origin: str) -> Store:
    parts = urlsplit(uri)
    if not parts.hostname:
        raise InputError(f"`{origin}` is {quote(shown(uri))}, which is not the address of a server. {ACCEPTED}")
    if parts.query or parts.fragment:
        raise InputError(
            f"`{origin}` is {quote(shown(uri))} followed by `?` or `#`.",
            hint="Set only the address of the server; a token goes into `MLFLOW_TRACKING_TOKEN`.",
        )
    host = parts.netloc.rpartition("@")[2]
    named = {"MLFLOW_TRACKING_USERNAME": parts.username, "MLFLOW_TRACKING_PASSWORD": parts.password}
    credentials = {name: unquote(value) for name, value in named.items() if value}
    return Store(f"{parts.scheme}://{host}{parts.path}".rstrip("/"), credentials)


def _database_path(uri: str, origin: str, cwd: Path) -> Path:
    """Return the file of a sqlite URI; SQLAlchemy uses everything after the third slash unchanged as the path."""
    begin, _, path = uri.partition(":///")
    if begin.lower() != "sqlite" or not path or path == ":memory:" or "?" in path:
        raise InputError(
            f"`{origin}` is {quote(shown(uri))}, which does not name a database file.",
            hint="Write three slashes and a path relative to the workspace (`sqlite:///mlflow.db`), or four slashes "
            "and an absolute path.",
        )
    return cwd / path


def _database(path: Path, what: str, *, is_beside: bool = False) -> Store:
    """Return the store in a database file, which may not exist yet."""
    path = Path(os.path.normpath(path))
    if "?" in str(path):
        message = f"{what} has a `?` in its path, which SQLAlchemy does not support."
        raise InputError(message, hint="Use another folder.")
    if not (is_beside or path.parent.is_dir()):
        raise InputError(f"{what}: the folder {path.parent} does not exist.", hint="Create it, or name another file.")
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{what}: {path} is not a file.", hint="Name a file, such as `sqlite:///mlflow.db`.")
        with path.open("rb") if path.exists() else io.BytesIO() as file:
            begin = file.read(len(SQLITE_MAGIC))
    except OSError as error:
        raise SurroundingsError(f"{what}: {path} cannot be read: {error.strerror or error}.") from error
    if begin not in {b"", SQLITE_MAGIC}:
        raise InputError(f"{what}: {path} is not an SQLite database.", hint="Name another file; MLflow creates it.")
    return Store(f"sqlite:///{path.as_posix()}", database=path, is_beside=is_beside)
