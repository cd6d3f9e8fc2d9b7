"""log-run with wrong tracking URIs, databases and run directories."""

import contextlib
import json
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from integration.log_run.failing import SHORT, assert_error, log, record
from integration.suite import Done, Workspace, wait_until
from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.base.workspace import Workspace as StageWorkspace
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.run_directory import RunDirectory
from servers.mlflow import MlflowServer, free_port

ACCEPTED = "Use the address of an MLflow server (`https://...`) or of a database file (`sqlite:///mlflow.db`)."
HIDDEN = "The address in `tracking-uri` cannot be parsed. It is not shown: it may contain a password."
MIGRATE = "`mlflow migrate-filestore` copies the old runs to it."
LOG_RUN = f"bash {shlex.quote(str(LAUNCHER))} log-run --run-dir"
PLACE = "Check its permissions and the free disk space, or set `tracking-uri` to another file."

# --- Tracking URIs. More of them are in tests/unit/test_tracking.py.


@pytest.mark.parametrize(
    ("uri", "message", "hint"),
    [
        (
            "./mlruns",
            f"`tracking-uri` does not accept `./mlruns`. {ACCEPTED}",
            f"MLflow no longer supports a store in a folder of files (`./mlruns`): use a database file. {MIGRATE}",
        ),
        ("ftp://host/x", f"`tracking-uri` does not accept `ftp://host/x`. {ACCEPTED}", ""),
        (
            "postgresql://me:kept-secret@db/mlflow",
            f"`tracking-uri` does not accept `postgresql://db/mlflow`. {ACCEPTED}",
            "Start an MLflow server in front of this database (`mlflow server --backend-store-uri ...`).",
        ),
        (
            "http://ci:kept-secret",
            f"{HIDDEN} {ACCEPTED}",
            "",
        ),
        (
            "https://host?token=kept-secret",
            "`tracking-uri` is `https://host` followed by `?` or `#`.",
            "Set only the address of the server; a token goes into `MLFLOW_TRACKING_TOKEN`.",
        ),
    ],
    ids=["folder of files", "scheme", "database server", "odd", "query"],
)
def test_addresses(workspace: Workspace, uri: str, message: str, hint: str) -> None:
    done = log(workspace, uri, on_error="warn")
    assert_error(done, message, hint, code=2)
    assert "kept-secret" not in done.log + done.summary + json.dumps(done.record)


# --- Databases


def test_a_database_in_no_folder(workspace: Workspace) -> None:
    assert_error(
        log(workspace, "sqlite:///no/mlflow.db"),
        f"`tracking-uri` `sqlite:///no/mlflow.db`: the folder {workspace.folder / 'no'} does not exist.",
        "Create it, or name another file.",
        code=2,
    )


def test_a_database_that_cannot_be_written(workspace: Workspace) -> None:
    done = log(workspace, "sqlite:////proc/mlflow.db")
    assert done.code == 3
    assert done.annotations()[0].message.startswith("/proc/mlflow.db cannot be written: ")


def test_no_database(workspace: Workspace) -> None:
    path = workspace.write("mlflow.db", "run,value\n1,2\n")
    done = log(workspace, "sqlite:///mlflow.db", on_error="warn")
    hint = "Name another file; MLflow creates it."
    assert_error(done, f"`tracking-uri` `sqlite:///mlflow.db`: {path} is not an SQLite database.", hint, code=2)
    assert path.read_text() == "run,value\n1,2\n"


def test_a_database_of_something_else(workspace: Workspace) -> None:
    path = workspace.folder / "study.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE penguins (id INTEGER)")
    before = path.read_bytes()
    assert_error(
        log(workspace, "sqlite:///study.db"),
        f"{path} is not an MLflow database: it has the tables penguins.",
        "Set `tracking-uri` to another file; MLflow creates it.",
        code=2,
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("revision", "age"), [("bd07f7e963c5", "older"), ("0123456789ab", "newer")], ids=["older", "newer"]
)
def test_a_database_of_another_mlflow(workspace: Workspace, database: Path, revision: str, age: str) -> None:
    path = workspace.folder / "mlflow.db"
    shutil.copyfile(database, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()
    before = path.read_bytes()
    done = log(workspace, "sqlite:///mlflow.db")
    assert done.code == 3, done.log
    (error,) = done.annotations()
    assert error.message.startswith(f"The database {path} is from an MLflow {age} than 3.")
    assert (f"mlflow db upgrade 'sqlite:///{path}'" in error.message) == (age == "older")
    assert path.read_bytes() == before


def test_a_locked_database(workspace: Workspace, database: Path) -> None:
    path = workspace.folder / "mlflow.db"
    shutil.copyfile(database, path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        # In a process of its own: one that closes a file loses all its locks on it.
        done = log(workspace, "sqlite:///mlflow.db", prefix=["env"])
    hint = "End the program that locks it, or start an MLflow server for all programs that write to it."
    assert_error(done, f"The database {path} cannot be used: database is locked.", hint)


def test_a_damaged_database(workspace: Workspace, database: Path) -> None:
    path = workspace.folder / "mlflow.db"
    path.write_bytes(database.read_bytes()[:100] + b"\xff" * 8000)
    done = log(workspace, "sqlite:///mlflow.db")
    assert done.code == 3
    assert done.annotations()[0].message.startswith(f"The database {path} cannot be used: ")
    assert done.annotations()[0].message.endswith("Restore it from a backup, or move it away: a new one is created.")


def test_a_full_disk(workspace: Workspace) -> None:
    """With a limit on the size of files: the operating system refuses to write on."""
    done = log(workspace, "sqlite:///mlflow.db", prefix=["/bin/bash", "-c", 'ulimit -f 64; exec "$0" "$@"'])
    assert done.code == 3, done.log
    assert done.annotations()[0].message.endswith(PLACE)
    assert not (workspace.folder / "mlflow.db").exists()


# --- Run directories


def test_no_records(workspace: Workspace, server: MlflowServer) -> None:
    (workspace.folder / "run").mkdir()
    assert_error(
        log(workspace, server.uri, on_error="warn"),
        f"The run directory {workspace.folder / 'run'} has no records to log.",
        "Run the other stages first, or set `run-dir` to their run directory.",
        code=2,
    )


def on_a_laptop(workspace: Workspace, *flags: str, environ: Mapping[str, str] | None = None) -> Done:
    return workspace.run("log-run", flags=flags, environ=SHORT | dict(environ or {}))


def test_no_records_on_a_laptop(workspace: Workspace, server: MlflowServer) -> None:
    """Its own failed attempts are no runs to log, however new they are."""
    runs = workspace.folder / ".notebook-ci" / "runs"
    nothing = on_a_laptop(workspace)
    assert nothing.code == 2, nothing.log
    assert "Run the other stages first" in nothing.log
    for name, hour in (("b-old", 10), ("a new", 11)):
        run_directory = RunDirectory.open(str(runs / name), StageWorkspace(workspace.base / "elsewhere", {}))
        started = f"2026-11-21T{hour}:00:00.000+00:00"
        run_directory.take("dvc-pull", "").write(DvcPullRecord(stage="dvc-pull", started=started))
    workspace.write(".notebook-ci/runs/c-broken/execute-notebook.json", "{}")
    for _ in range(2):
        done = on_a_laptop(workspace)
        assert done.code == 2, done.log
        command = f"{LOG_RUN} '.notebook-ci/runs/a new'"
        assert f"Log the newest run that has records: `{command}`." in done.log
    pasted, environ = ["/bin/sh", "-c", command], {"MLFLOW_TRACKING_URI": server.uri}
    subprocess.run(pasted, cwd=workspace.folder, env=workspace.environ | environ, check=True, capture_output=True)


def test_a_run_that_could_not_be_logged_is_kept(workspace: Workspace) -> None:
    record(workspace)
    uri = f"http://127.0.0.1:{free_port()}"
    kept = f"The run is kept: log it later with `{LOG_RUN} run`"
    later = f"{kept} and the same other inputs."
    done = on_a_laptop(workspace, "--run-dir", "run", "--tracking-uri", uri)
    assert done.code == 3, done.log
    assert f"Start it, or correct `tracking-uri`. {later}" in done.log
    warned = on_a_laptop(workspace, "--run-dir", "run", "--tracking-uri", uri, "--on-error", "warn")
    assert warned.code == 0, warned.log
    assert later in warned.log
    uri = uri.replace("//", "//ann:hunter2@")
    others = " and the same other inputs"
    for flags, between in (((), ""), (("--experiment", "e"), others)):
        by_variable = on_a_laptop(workspace, "--run-dir", "run", *flags, environ={"MLFLOW_TRACKING_URI": uri})
        assert by_variable.code == 3, by_variable.log
        assert f"{kept}{between} and the same `MLFLOW_TRACKING_URI`." in by_variable.log
        assert "hunter2" not in by_variable.log
    given = ("--tracking-uri", uri)
    both = on_a_laptop(workspace, "--run-dir", "run", *given, environ={"MLFLOW_TRACKING_URI": "http://unused"})
    assert later in both.log


def test_a_run_directory_that_is_not_there(workspace: Workspace, server: MlflowServer) -> None:
    assert_error(
        log(workspace, server.uri, run_dir="missing"),
        f"The run directory {workspace.folder / 'missing'} has no records to log.",
        "Run the other stages first, or set `run-dir` to their run directory.",
        code=2,
    )


def test_json_of_others(workspace: Workspace, server: MlflowServer) -> None:
    path = workspace.write("run/results.json", '{"accuracy": 0.9}')
    record(workspace)
    done = log(workspace, server.uri)
    hint = "Remove it from the run directory."
    assert_error(done, f"{path} is not a notebook-ci record (no `schema` field).", hint, code=2)


def test_a_record_that_was_edited(workspace: Workspace, server: MlflowServer) -> None:
    path = record(workspace)
    content = json.loads(path.read_text()) | {"data": 5}
    path.write_text(json.dumps(content))
    assert_error(
        log(workspace, server.uri),
        f"{path} is not a notebook-ci record (`data` is `5`, not a list).",
        "Remove it from the run directory.",
        code=2,
    )
    assert wait_until(lambda: not workspace.processes())
