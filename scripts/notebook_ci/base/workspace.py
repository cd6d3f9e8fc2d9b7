"""The surroundings of a stage, and the folder `.notebook-ci/`, where it writes by default."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import systems
from notebook_ci.base.errors import InputError

PRIVATE_FOLDER = ".notebook-ci"
# If a workspace is read-only, everything written there by default has to go to other folders.
ELSEWHERE = (
    "Set these inputs to writable folders: `run-dir`, `venv` of setup-env, `tracking-uri` of log-run "
    "(`sqlite:////FOLDER/mlflow.db`). For `pipeline`, put the last two into the file that `config` names."
)


@dataclass(frozen=True)
class Workspace:
    cwd: Path  # the working directory: relative paths start here
    environ: Mapping[str, str]
    awaits_data: bool = False  # dvc-pull runs first in this run: data may still be missing

    @property
    def is_on_runner(self) -> bool:
        return systems.system(self.environ) is not None

    @property
    def runner_temp(self) -> Path | None:
        """The folder that a runner empties after the job. GitLab has none: the files of a job are in its project."""
        folder = systems.folder("temp", self.environ)
        return Path(folder) if folder else None

    @property
    def checkout(self) -> Path:
        """The folder that a runner checks repositories out into; on a laptop, the working directory."""
        here = systems.system(self.environ)
        folder = self.environ.get(here.checkout) if here else ""
        return Path(os.path.realpath(folder)) if folder else self.cwd

    @property
    def repository(self) -> Path:
        """The root of the git repository; without git, the checkout."""
        outside = self.cwd if not self.cwd.is_relative_to(self.checkout) else self.checkout
        return next((folder for folder in (self.cwd, *self.cwd.parents) if (folder / ".git").exists()), outside)

    @property
    def directory(self) -> str:
        """The working directory relative to the root of the repository, with `/`; empty if it is the root."""
        return "/".join(self.cwd.relative_to(self.repository).parts)


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
