"""Run directories with records as stages write them, and what the server has of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integration.refusals import run_here
from integration.suite import Done, Workspace
from log_run import STAGE
from notebook_ci.base.workspace import Workspace as StageWorkspace
from notebook_ci.records.dvc_pull import DvcPullRecord, PulledData
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from servers.mlflow import MlflowServer, Run

METRICS = (
    'display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.94, "loss (log)": -2.5}, "text/plain": ""}, '
    "raw=True)"
)
MD5 = "a3f9c1d2e4b5a6f7c8d9e0f1a2b3c4d5.dir"


def write(folder: Path, record: Record) -> Path:
    """Write a record into a run directory."""
    run_directory = RunDirectory.open(str(folder), StageWorkspace(folder.parent / "elsewhere", {}))
    place = run_directory.take(record.stage, record.slug)
    place.write(record)
    return place.record


def execute_record(*results: NotebookResult, started: str = "2026-11-21T10:00:00.000+00:00", **more: Any) -> Record:
    return ExecuteRecord(
        stage="execute-notebook", started=started, duration=2.5, notebooks=list(results), **{"slug": "", **more}
    )


def result(path: str = "a.ipynb", status: Any = "passed", **given: Any) -> NotebookResult:
    return NotebookResult(path=path, name=path, status=status, duration=1.5, parameters=given)


def pull_record() -> Record:
    return DvcPullRecord(
        stage="dvc-pull",
        started="2026-11-21T09:59:00.000+00:00",
        duration=1.0,
        remote="storage",
        remote_url="s3://bucket/data",
        data_digest="d" * 64,
        files=2,
        bytes=300,
        data=[PulledData(path="data/raw", pointer="data/raw.dvc", hash_name="md5", hash=MD5, bytes=300, files=2)],
    )


def log(workspace: Workspace, uri: str = "", environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return run_here(workspace, STAGE, {"tracking-uri": uri, "run-dir": "run", **given}, environ)


def logged(server: MlflowServer, done: Done) -> Run:
    assert done.code == 0, done.log
    return server.run(done.outputs["run-id"])
