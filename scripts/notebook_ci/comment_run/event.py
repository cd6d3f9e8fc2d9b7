"""Which run, commit and pull request it is about, as GitHub says: nothing of this comes from the records."""

import json
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import systems
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote
from notebook_ci.base.typed_json import from_json
from notebook_ci.base.workspace import Workspace

_ON_GITHUB = "Use it in a workflow of GitHub Actions, on `pull_request` or `workflow_run`."


@dataclass(frozen=True, kw_only=True)
class HeadRepository:
    full_name: str


@dataclass(frozen=True, kw_only=True)
class Head:
    sha: str
    repo: HeadRepository | None = None  # None: the fork was deleted


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    number: int
    head: Head


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """The run that a workflow on `workflow_run` is about."""

    id: int
    event: str
    name: str
    path: str  # of the workflow's file
    run_number: int
    run_attempt: int
    html_url: str
    head_sha: str
    head_branch: str | None = None
    head_repository: HeadRepository | None = None
    conclusion: str | None = None  # None: it has not ended


@dataclass(frozen=True, kw_only=True)
class Payload:
    pull_request: PullRequest | None = None
    workflow_run: WorkflowRun | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the comment is about, and where it is written."""

    repository: str
    url: str  # of the repository
    number: int | None = None  # of the pull request; None: `head` has to be looked up
    head: tuple[str, str] = ("", "")  # the full name of the repository with the commit, and the branch
    sha: str  # the commit that was pushed: a check belongs to it
    commit: str  # the commit that ran: on `pull_request`, the merge of `sha` and the base
    workflow: str
    path: str  # of the workflow's file
    run: int  # its number, among the runs of the workflow
    attempt: int
    run_id: int | None = None  # of the run in the event: GitHub knows its jobs and artifacts; None: it is this run
    run_url: str
    result: str  # as the input `result`; empty: unknown
    is_from_fork: bool  # the code that ran came from a fork

    @property
    def order(self) -> tuple[int, int]:
        return self.run, self.attempt


def target(workspace: Workspace, *, as_check: bool) -> Target | str:
    """Return what the event is about, or why there is nothing to comment on, as a sentence. Raises InputError."""
    environ = workspace.environ
    if systems.system(environ) is not systems.GITHUB:
        raise InputError("comment-run needs the event of a workflow run on GitHub.", hint=_ON_GITHUB)
    payload, event = _payload(environ.get("GITHUB_EVENT_PATH", "")), environ.get("GITHUB_EVENT_NAME", "")
    if run := payload.workflow_run:
        return _of_run(run, workspace, as_check=as_check)
    here = systems.describe(environ)
    found = payload.pull_request
    if found is None and not as_check:
        return f"The event {quote(event)} is not about a pull request."
    head = found.head.repo if found else None
    is_from_fork = found is not None and (head is None or head.full_name != here["repository"])
    if is_from_fork:
        return (
            "The pull request comes from a fork, and its token can only read. A second workflow can write the comment: "
            "see the README of comment-run."
        )
    return Target(
        repository=here["repository"],
        url=here["url"],
        number=found.number if found else None,
        sha=found.head.sha if found else here["commit"],
        commit=here["commit"],
        workflow=here.get("workflow", ""),
        path=_path(environ.get("GITHUB_WORKFLOW_REF", "").removeprefix(f"{here['repository']}/")),
        run=int(environ["GITHUB_RUN_NUMBER"]),
        attempt=int(here.get("attempt", "1")),
        run_url=here["run_url"],
        result="",
        is_from_fork=False,
    )


def _of_run(run: WorkflowRun, workspace: Workspace, *, as_check: bool) -> Target | str:
    here = systems.describe(workspace.environ)
    if run.event not in {"pull_request", "pull_request_target"} and not as_check:
        return f"The run was started by {quote(run.event)}, and is not about a pull request."
    if run.head_repository is None or run.head_branch is None:
        return "The fork or the branch of the run was deleted."
    if run.conclusion == "action_required":  # GitHub says so of a newcomer's run, and that it has completed
        return "The run has not begun: it waits for the approval of a maintainer."
    return Target(
        repository=here["repository"],
        url=here["url"],
        head=(run.head_repository.full_name, run.head_branch),
        sha=run.head_sha,
        commit=run.head_sha,
        workflow=run.name,
        path=_path(run.path),
        run=run.run_number,
        attempt=run.run_attempt,
        run_id=run.id,
        run_url=run.html_url,
        result=result_of(run.conclusion) if run.conclusion else "",
        is_from_fork=run.head_repository.full_name != here["repository"],
    )


def result_of(conclusion: str | None) -> str:
    """Return how a run or a job ended, as the input `result`."""
    return conclusion if conclusion in {"success", "cancelled", "skipped"} else "failure"


def _path(reference: str) -> str:
    return reference.partition("@")[0]


def _payload(path: str) -> Payload:
    try:
        return from_json(Payload, json.loads(read_text(Path(path), path)))
    except (ValueError, RecursionError) as error:
        message = f"The event of the workflow run cannot be read: {str(error).rstrip('.')}."
        raise InputError(message, hint=_ON_GITHUB) from error
