"""Where setup-env creates an environment, and what it writes there about it."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.typed_json import from_json, parse
from notebook_ci.base.workspace import PRIVATE_FOLDER, Workspace

MARKER = "notebook-ci.json"  # a file in the environment


@dataclass(frozen=True, kw_only=True)
class EnvironmentMarker:
    key: str = ""  # identifies what it was created from
    path: str = ""  # where it was created
    read: dict[str, str] = field(default_factory=dict)  # SHA-256 by path of the files that it was created from
    added: dict[str, str] = field(default_factory=dict)  # version by name of the packages that are not in the lock


def read_marker(environment: Path) -> EnvironmentMarker:
    """Return what setup-env wrote about an environment; empty if it did not create it, or another version did."""
    try:
        return from_json(EnvironmentMarker, parse(read_text(environment / MARKER, MARKER)))
    except (InputError, ValueError):
        return EnvironmentMarker()


def default_environment(slug: str, workspace: Workspace) -> Path:
    """Return where setup-env creates the environment of a slug. Local runs of execute-notebook look there, too."""
    behind = f"-{slug}" if slug else ""
    if workspace.runner_temp:
        project = os.path.relpath(workspace.cwd, workspace.checkout)
        if project != os.curdir:  # each project of a job has its own
            behind += f"-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"
        return workspace.runner_temp / f"notebook-ci-venv{behind}"
    return workspace.cwd / PRIVATE_FOLDER / f"venv{behind}"
