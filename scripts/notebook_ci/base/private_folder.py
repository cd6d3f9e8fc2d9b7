"""The folder `.notebook-ci/` in the workspace, where notebook-ci writes by default."""

import contextlib
from pathlib import Path

from notebook_ci.base.errors import InputError

PRIVATE_FOLDER = ".notebook-ci"
# If a workspace is read-only, everything written there by default has to go to other folders.
ELSEWHERE = (
    "Set these inputs to writable folders: `run-dir`, `venv` of setup-env, `tracking-uri` of log-run "
    "(`sqlite:////FOLDER/mlflow.db`). For `pipeline`, put the last two into the file that `config` names."
)


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
