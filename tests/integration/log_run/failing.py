"""log-run with one record that is expected to fail."""

from pathlib import Path
from typing import Any

from integration.refusals import run_here
from integration.suite import Done, Workspace
from log_run import STAGE
from notebook_ci.base.workspace import Workspace as StageWorkspace
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.run_directory import RunDirectory

MOST_SECONDS = 60  # the most that a server which is down may cost, on a busy machine
SHORT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}


def log(workspace: Workspace, uri: str, environ: Any = None, *, prefix: Any = (), **inputs: str) -> Done:
    """Log a run directory with one record; what is left behind is looked at by every test."""
    if not (workspace.folder / "run").exists():
        record(workspace)
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    inputs = {"tracking-uri": uri, "run-dir": "run", "experiment": "e", **given}
    variables = SHORT | dict(environ or {})
    if prefix:
        done = workspace.run("log-run", inputs, environ=variables, prefix=prefix)
    else:
        done = run_here(workspace, STAGE, inputs, variables)
    assert done.seconds < MOST_SECONDS, done.log
    assert not workspace.leftovers()
    assert not list(workspace.base.rglob(".notebook-ci-*/"))
    assert not (workspace.folder / "mlruns").exists()
    assert "Traceback" not in done.log
    return done


def record(workspace: Workspace, **fields: Any) -> Path:
    run_directory = RunDirectory.open(str(workspace.folder / "run"), StageWorkspace(workspace.base / "elsewhere", {}))
    files = run_directory.take("dvc-pull", "")
    files.write(DvcPullRecord(stage="dvc-pull", started="2026-11-21T10:00:00.000+00:00", **fields))
    return files.record


def assert_error(done: Done, message: str, hint: str = "", code: int = 3) -> None:
    """Assert that the stage ended with this error and no other."""
    assert done.code == code, done.log
    assert [error.message for error in done.annotations()] == [f"{message} {hint}".rstrip()]
    assert (done.outputs["status"], done.record["status"]) == ("error", "error")
