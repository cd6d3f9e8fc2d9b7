"""Where code and run come from, as tags of MLflow."""

import contextlib
import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from notebook_ci import VERSION
from notebook_ci.base import git
from notebook_ci.base.files import sha256
from notebook_ci.base.texts import without_users
from notebook_ci.base.workspace import Workspace

# A record's source fields -> names of their tags.
_GITHUB = {
    "repository": "github.repository",
    "ref": "github.ref",
    "workflow": "github.workflow",
    "job": "github.job",
    "run": "github.run_id",
    "attempt": "github.run_attempt",
    "event": "github.event_name",
}


def identity(first: Path, slug: str, workspace: Workspace) -> str:
    """Return a SHA-256 that makes the run this one and no other.

    `first`, the first record of a run directory, never changes, moves with the directory, and differs for each job,
    while all jobs of a matrix share the number of the workflow run. But the record can be read at MLflow and copied
    into another run directory. So the workflow run counts, too, from the runner's variables and not from the records.
    Its attempt and job do not count, because a later job logs what earlier ones left.
    """
    parts = [sha256(first), slug]
    if workspace.is_on_runner:
        parts += [workspace.environ.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def tags(source: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    """Return MLflow's own tags of the source, and those of the run on GitHub.

    `source` is that of the records, which may be logged on another machine than they were written on.
    """
    github = {tag: source[name] for name, tag in _GITHUB.items() if source.get(name)}
    found = {"notebook-ci.version": VERSION, "mlflow.source.type": "PROJECT", **github}
    commit = found["mlflow.source.git.commit"] = source.get("commit", "")
    found |= _of_github(source, workspace.environ) if github else _of_laptop(commit, workspace)
    return {name: value for name, value in found.items() if value}


def _of_github(source: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    repository, run, attempt = (source.get(name, "") for name in ("repository", "run", "attempt"))
    url = f"{server}/{repository}"
    actor, branch, ref = "", "", source.get("ref", "")
    if ref.startswith("refs/heads/"):
        branch = ref.removeprefix("refs/heads/")
    if run and run == environ.get("GITHUB_RUN_ID"):
        actor = environ.get("GITHUB_ACTOR", "")
        branch = environ.get("GITHUB_HEAD_REF") or branch  # the author's, for a pull request's merge ref
    return {
        "mlflow.source.name": url if repository else "",
        "mlflow.source.git.repoURL": url if repository else "",
        "mlflow.source.git.branch": branch,
        "mlflow.user": actor,
        "github.actor": actor,
        "github.run_url": f"{url}/actions/runs/{run}" + (f"/attempts/{attempt}" if attempt else "") if run else "",
    }


def _of_laptop(commit: str, workspace: Workspace) -> dict[str, str]:
    """Return what git says, as long as its commit is still that of the records."""
    found = {"mlflow.source.name": str(workspace.cwd)}
    with contextlib.suppress(KeyError, OSError):  # a user without a name, as in containers; OSError since Python 3.13
        found["mlflow.user"] = getpass.getuser()
    if commit and git.answer(workspace, "rev-parse", "HEAD") == commit:
        found["mlflow.source.git.branch"] = git.answer(workspace, "symbolic-ref", "--short", "--quiet", "HEAD")
        url = git.answer(workspace, "config", "--get", "remote.origin.url")
        found["mlflow.source.git.repoURL"] = without_users(url)
    return found
