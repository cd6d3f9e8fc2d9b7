"""Pull request 5 of `acme/penguins`: its events, the records of its runs, and comment-run for them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from integration.suite import Done, Workspace
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from servers.github_api import JOB_TOKEN, GitHubRestApi

Driver = Callable[[object], tuple[int, str]]
HEAD, MERGE = "a" * 40, "b" * 40
BEGIN = "<!-- notebook-ci comment-run "
PATH = ".github/workflows/notebooks.yml"


def notebooks(**statuses: str) -> ExecuteRecord:
    """Return the record of execute-notebook: `train="KeyError"` failed with this error."""
    results = [
        NotebookResult(
            path=f"{name}.ipynb",
            name=f"{name}.ipynb",
            status="failed" if status != "passed" else "passed",
            failure=None
            if status == "passed"
            else Failure(
                kind="cell-error", title=f"{status} in cell 7", message=f"'{name}'", cell=7, line=41,
                source=f"raise {status}", hint=f"Mend {name}.", traceback=f"Traceback of {name}",
            ),
        )
        for name, status in statuses.items()
    ]  # fmt: skip
    has_failed = any(result.failure for result in results)
    return ExecuteRecord(stage="execute-notebook", status="failed" if has_failed else "passed", notebooks=results)


class PullRequest:
    """The events of a pull request.

    Attributes:
        api: The server with its comments.
        runs: The folder with a run directory for each run.
    """

    def __init__(self, workspace: Workspace, api: GitHubRestApi, driver: Driver) -> None:
        self.workspace, self.api, self._driver = workspace, api, driver
        self.runs = workspace.base / "runs"

    def environ(self, run: int, event: str = "pull_request", **more: str) -> dict[str, str]:
        self.workspace.create_runner_files()
        return {
            **self.workspace.runner_environ,
            "GITHUB_API_URL": self.api.url,
            "GITHUB_TOKEN": JOB_TOKEN,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/penguins",
            "GITHUB_SHA": MERGE,
            "GITHUB_WORKFLOW": "Notebooks",
            "GITHUB_WORKFLOW_REF": f"acme/penguins/{PATH}@refs/pull/5/merge",
            "GITHUB_RUN_ID": str(1000 + run),
            "GITHUB_RUN_NUMBER": str(run),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self.workspace.base / f"event-{event}-{run}.json"),
            **more,
        }

    def write_event(self, environ: Mapping[str, str], payload: object) -> None:
        Path(environ["GITHUB_EVENT_PATH"]).write_text(json.dumps(payload), encoding="utf-8")

    def directory(self, run: int, *records: Record) -> str:
        """Write the records of a run, and return its run directory."""
        folder = self.runs / str(run)
        folder.mkdir(parents=True, exist_ok=True)
        for record in records:
            RunDirectory(folder).take(record.stage, record.slug).write(record)
        return str(folder)

    def given(self, run: int, *records: Record, **inputs: str) -> dict[str, str]:
        result = {} if inputs.get("when") == "start" else {"result": "success"}
        own = {name.rstrip("_"): value for name, value in inputs.items()}
        return {"run-dir": self.directory(run, *records), **result, **own}

    def run(
        self,
        run: int,
        *records: Record,
        payload: object = None,
        environ: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Done:
        """Run comment-run for a run of the pull request's own workflow."""
        variables = self.environ(run, **(environ or {}))
        self.write_event(variables, payload or own())
        return self.end_with(variables, self.given(run, *records, **inputs))

    def follow(
        self, run: int, *records: Record, when: str = "end", given: Mapping[str, str] | None = None, **more: Any
    ) -> Done:
        """Run comment-run in a workflow on `workflow_run`."""
        variables = self.environ(run, "workflow_run")
        self.write_event(variables, {"action": "completed", "workflow_run": workflow_run(run, **more)})
        return self.end_with(variables, {"run-dir": self.directory(run, *records), "when": when, **(given or {})})

    def start(self, run: int, *records: Record, **inputs: str) -> Any:
        """Start a process of its own."""
        variables = self.environ(run)
        self.write_event(variables, own())
        return self.workspace.start("comment-run", self.given(run, *records, **inputs), environ=variables)

    def end(self, process: Any) -> Done:
        return self.workspace.end(process)

    def end_with(self, environ: Mapping[str, str], inputs: Mapping[str, str]) -> Done:
        job = {"cwd": str(self.workspace.folder), "environ": environ, "inputs": inputs}
        code, log = self._driver(job)
        return self.workspace.done(code, log, 0)

    @property
    def comment(self) -> str:
        """The text of the only comment of ours."""
        (found,) = [body for body in self.api.by("github-actions[bot]") if body.startswith(BEGIN)]
        return found.partition("\n")[2]


def own(repository: str = "acme/penguins") -> dict[str, Any]:
    head = {"sha": HEAD, "ref": "change", "repo": {"full_name": repository}}
    return {"action": "synchronize", "pull_request": {"number": 5, "head": head}}


def workflow_run(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": 1000 + number,
        "event": "pull_request",
        "name": "Notebooks",
        "path": PATH,
        "run_number": number,
        "run_attempt": 1,
        "html_url": f"https://github.com/acme/penguins/actions/runs/{1000 + number}",
        "head_sha": HEAD,
        "head_branch": "change",
        "head_repository": {"full_name": "eve/penguins"},
        "conclusion": "success",
        **more,
    }


def pull(number: int, sha: str = HEAD, repository: str = "eve/penguins") -> dict[str, Any]:
    """Return an open pull request, as the API lists it."""
    label = f"{repository.partition('/')[0]}:change"
    return {"number": number, "head": {"label": label, "sha": sha, "repo": {"full_name": repository}}}
