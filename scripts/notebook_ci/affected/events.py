"""What a commit is compared with, as the event of a workflow says."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import systems
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Names of the default branch on a laptop, the most reliable first.
DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


@dataclass(frozen=True)
class Base:
    names: tuple[str, ...] = ()  # branches or commits: the first that exists; what HEAD changed since it counts
    commit: str = ""  # instead: this commit itself, also if HEAD is not based on it
    why_all: str = ""  # if neither is known: why all notebooks run


def base(workspace: Workspace) -> Base:
    """Return what to compare with if the input `base` is not given."""
    environ = workspace.environ
    here = systems.system(environ)
    if here is not systems.GITHUB:
        # Elsewhere than on a laptop, a branch may just have been pushed, and would not differ from itself.
        return Base(why_all="`base` is not set") if here or environ.get("CI") else Base(DEFAULT_BRANCHES)
    name = environ.get("GITHUB_EVENT_NAME", "")
    if name in {"pull_request", "pull_request_target"}:
        branch = environ.get("GITHUB_BASE_REF", "")
        return Base((branch,)) if branch else Base(why_all="the event names no base branch")
    if name == "merge_group":
        return _of_commit(_of_event(workspace, "merge_group", "base_sha"))
    if name == "push" and environ.get("GITHUB_REF", "").startswith("refs/heads/"):
        default = _of_event(workspace, "repository", "default_branch")
        if default and environ["GITHUB_REF"] != f"refs/heads/{default}":
            return Base((default,))  # earlier pushes of the branch may have failed
        return _of_commit(_of_event(workspace, "before"))
    return Base(why_all=f"the event is {quote(environ.get('GITHUB_REF_TYPE') if name == 'push' else name)}")


def _of_commit(value: str) -> Base:
    if not _COMMIT.fullmatch(value):
        return Base(why_all="the event names no commit to compare with")
    return Base(why_all="this is the first push") if set(value) == {"0"} else Base(commit=value)


def _of_event(workspace: Workspace, *keys: str) -> str:
    """Return a text in the event; empty if there is none, or the event cannot be read."""
    path = workspace.environ.get("GITHUB_EVENT_PATH", "")
    try:
        found = json.loads(read_text(Path(path), path))
        for key in keys:
            found = found[key]
    except (InputError, ValueError, RecursionError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
