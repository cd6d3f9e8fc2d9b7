"""Where code and run come from, as tags of MLflow."""

import contextlib
import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from notebook_ci import VERSION
from notebook_ci.base import git, systems
from notebook_ci.base.files import sha256
from notebook_ci.base.texts import without_users
from notebook_ci.base.workspace import Workspace

BRANCHES = "refs/heads/"
# A record's source fields -> names of their tags, which follow the name of the system: `github.run_id`.
_TAGS = {
    "repository": "repository",
    "ref": "ref",
    "workflow": "workflow",
    "job": "job",
    "run": "run_id",
    "attempt": "run_attempt",
    "event": "event_name",
    "actor": "actor",
    "run_url": "run_url",
}


def identity(first: Path, slug: str, workspace: Workspace) -> str:
    """Return a SHA-256 that makes the run this one and no other.

    `first`, the first record of a run directory, never changes, moves with the directory, and differs for each job,
    while all jobs of a matrix share the number of the workflow run. But the record can be read at MLflow and copied
    into another run directory. So the workflow run counts, too, from the runner's variables and not from the records.
    Its attempt and job do not count, because a later job logs what earlier ones left.
    """
    parts = [sha256(first), slug]
    if here := systems.describe(workspace.environ):
        parts += [here.get(name, "") for name in ("repository", "run")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def tags(source: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    """Return MLflow's own tags of the source, and those of the run of a CI system.

    `source` is that of the records, which may be logged on another machine than they were written on.
    """
    commit = source.get("commit", "")
    found = {"notebook-ci.version": VERSION, "mlflow.source.type": "PROJECT", "mlflow.source.git.commit": commit}
    found["notebook-ci.directory"] = source.get("directory", "")
    found |= _of_system(source) if source.get("system") else _of_laptop(commit, workspace)
    return {name: value for name, value in found.items() if value}


def _of_system(source: Mapping[str, str]) -> dict[str, str]:
    url, ref = source.get("url", ""), source.get("ref", "")
    # For a pull request, `branch` is the author's, and `ref` that of the merge.
    branch = source.get("branch") or (ref if ref.startswith(BRANCHES) else "")
    return {
        "mlflow.source.name": url,
        "mlflow.source.git.repoURL": url,
        "mlflow.source.git.branch": branch.removeprefix(BRANCHES),
        "mlflow.user": source.get("actor", ""),
        **{f"{source['system']}.{tag}": source.get(name, "") for name, tag in _TAGS.items()},
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
