"""What notebook-ci writes by default: `.notebook-ci/` in the workspace, and the environment of setup-env."""

import contextlib
import json
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.workspace import Workspace

PRIVATE_FOLDER = ".notebook-ci"
# If a workspace is read-only, everything written there by default has to go to other folders.
ELSEWHERE = (
    "Set these inputs to writable folders: `run-dir`, `venv` of setup-env, `tracking-uri` of log-run "
    "(`sqlite:////FOLDER/mlflow.db`). For `pipeline`, put the last two into the file that `config` names."
)
# A file in the environments that setup-env creates, which says what they were created from.
ENVIRONMENT_MARKER = "notebook-ci.json"


def private_folder(cwd: Path, *below: str) -> Path:
    """Return `.notebook-ci/`, which keeps itself out of git, or a folder in it, which may not exist yet.

    Raises InputError if it is a link, which a stranger's branch may contain; OSError if it cannot be written.
    """
    root = cwd / PRIVATE_FOLDER
    folder = root.joinpath(*below)
    refuse_link(folder, cwd)
    root.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError), (root / ".gitignore").open("x") as ignore:
        ignore.write("*\n")
    return folder


def refuse_link(folder: Path, cwd: Path) -> None:
    """Raise InputError if a folder below `cwd` is a link or behind one: a stranger's branch may contain it."""
    if folder.resolve() != cwd.resolve() / folder.relative_to(cwd):
        raise InputError(
            f"`{folder}` is a link, or is reached through one. Nothing is written there.", hint="Delete the link."
        )


def default_environment(slug: str, workspace: Workspace) -> Path:
    """Return where setup-env creates the environment of a slug. Local runs of execute-notebook look there, too."""
    behind = f"-{slug}" if slug else ""
    if workspace.runner_temp:
        return workspace.runner_temp / f"notebook-ci-venv{behind}"
    return workspace.cwd / PRIVATE_FOLDER / f"venv{behind}"


def environment_marker(environment: Path) -> dict[str, Any]:
    """Return what setup-env wrote about an environment; empty if it did not create it, or another version did."""
    try:
        return dict(json.loads((environment / ENVIRONMENT_MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
