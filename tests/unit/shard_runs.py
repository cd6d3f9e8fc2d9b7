"""The artifacts of a workflow run that was divided among shards, and collect-runs on them."""

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collect_runs import STAGE
from notebook_ci.records.collect_runs import CollectRunsRecord
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord, Shard
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord
from unit.consoles import commands_in, outputs_in

SOURCE = {"repository": "acme/penguins", "commit": "c0ffee", "workflow": "Notebooks", "run": "7", "attempt": "1"}
STARTED = "2026-11-21T10:00:00.000+00:00"


def shard(name: str, *notebooks: str) -> Shard:
    return Shard(name=name, notebooks=list(notebooks), seconds=1.0, runner=["ubuntu-latest"])


TWO = (shard("1", "a.ipynb", "b.ipynb"), shard("2", "c.ipynb"))


def passed(path: str, **values: Any) -> NotebookResult:
    return NotebookResult(**{"path": path, "name": path, "status": "passed", "duration": 1.5, **values})


def failed(path: str, **values: Any) -> NotebookResult:
    failure = Failure(kind="cell-error", title="ValueError in cell 3", message="no", cell=3, line=41)
    return NotebookResult(**{"path": path, "name": path, "status": "failed", "failure": failure, **values})


def skipped(path: str, **values: Any) -> NotebookResult:
    return NotebookResult(path=path, name=path, **values)


@dataclass
class Collected:
    """How collect-runs ended."""

    code: int
    commands: list[str]  # the workflow commands in its log
    outputs: Mapping[str, str]
    summary: str
    run: RunDirectory

    @property
    def record(self) -> CollectRunsRecord:
        record = self.run.record("collect-runs")
        assert isinstance(record, CollectRunsRecord)
        return record

    @property
    def files(self) -> set[str]:
        return {path.relative_to(self.run.path).as_posix() for path in self.run.path.rglob("*") if path.is_file()}


class Artifacts:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "temp" / "notebook-ci-shards"
        self.temp = folder / "temp"
        self.folder.mkdir(parents=True)

    def write(self, artifact: str, record: Record) -> Path:
        """Write a record as a stage does; return its run directory."""
        path = self.folder / artifact
        path.mkdir(exist_ok=True)
        files = RunDirectory(path).take(record.stage, record.slug)
        record.outputs = dict(record.headline)
        files.write(record)
        return path

    def plan(self, *shards: Shard, attempt: int = 1, **values: Any) -> Path:
        values.setdefault("reasons", {path: "changed" for each in shards for path in each.notebooks})
        source = SOURCE | {"attempt": str(attempt)}
        record = PlanNotebooksRecord(
            **{"stage": "plan-notebooks", "source": source, "started": STARTED, "shards": list(shards), **values}
        )
        return self.write(f"plan-attempt-{attempt}", record)

    def shard(self, name: str, *results: NotebookResult, attempt: int = 1, **values: Any) -> Path:
        """Write what a job of the matrix uploads: an environment, and executed notebooks with the given results."""
        common: dict[str, Any] = {"slug": name, "source": SOURCE | {"attempt": str(attempt)}, "started": STARTED}
        artifact = f"shard-{name}-attempt-{attempt}"
        self.write(artifact, SetupEnvRecord(stage="setup-env", env_digest="ab" * 32, duration=2.0, **common))
        status = "failed" if any(each.status == "failed" for each in results) else "passed"
        own: dict[str, Any] = {"stage": "execute-notebook", "status": status, "duration": 310.0, **common, **values}
        path = self.write(artifact, ExecuteRecord(notebooks=list(results), **own))
        for result in results:
            if result.status != "skipped":
                output = path / f"execute-notebook-{name}" / result.name
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_text(f"executed in attempt {attempt}", encoding="utf-8")
        return path

    def collect(self, environ: Mapping[str, str] | None = None, **inputs: str) -> Collected:
        output, summary = self.temp / "output", self.temp / "summary"
        for file in (output, summary):
            file.write_text("")
        variables = {"REPOSITORY": "repository", "SHA": "commit", "WORKFLOW": "workflow", "RUN_ID": "run"}
        runner = {f"GITHUB_{variable}": SOURCE[name] for variable, name in variables.items()} | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_RUN_ATTEMPT": "2",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        inputs.setdefault("shards_result", "success")
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        log = io.StringIO()
        with contextlib.chdir(self.temp.parent), contextlib.redirect_stdout(log):
            stdin = io.StringIO(json.dumps(given))
            code = STAGE.main(["--inputs-from-stdin"], {**runner, **(environ or {})}, stdin)
        run = RunDirectory(self.temp / "notebook-ci")
        assert "Traceback" not in log.getvalue(), log.getvalue()
        return Collected(code, commands_in(log.getvalue()), outputs_in(output), summary.read_text("utf-8"), run)


def good(artifacts: Artifacts) -> None:
    """Write the artifacts of a run in which all went well."""
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb", metrics={"f1": 0.5}), passed("b.ipynb", metrics={"f1": 0.75, "rows": 3}))
    artifacts.shard("2", passed("c.ipynb", metrics={"loss": 2}))
