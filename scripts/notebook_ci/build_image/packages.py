"""What the image's environment contains, and the commands that install it: as setup-env does, but in a build."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import cast

from notebook_ci.base import groups, locks, requirements_file
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import sha256
from notebook_ci.base.locks import Lock
from notebook_ci.base.texts import quote
from notebook_ci.exporting.export import Exported
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.tools.installing import install_arguments

HOME = "/home/notebook"
FOLDER = "work"
WORK = f"{HOME}/{FOLDER}"
ENVIRONMENT = "/opt/environment"
PYTHON = f"{ENVIRONMENT}/bin/python"
ADDED = "notebook-ci-added.txt"
TESTED = "notebook-ci-tested.txt"


@dataclass(frozen=True)
class Packages:
    lock: Lock  # the file to install from
    # Name -> version of what setup-env installed; empty: it did not run.
    installed: Mapping[str, str] = field(default_factory=dict)
    # The part of `installed` that is not in the file: ipykernel and its dependencies.
    added: Mapping[str, str] = field(default_factory=dict)
    python_version: str = ""  # the Python of setup-env; empty: it did not run
    exported: Exported | None = None  # of a lock of another tool
    installed_conda: Mapping[str, str] = field(default_factory=dict)  # version and build by name of those of conda

    def texts(self) -> dict[str, str]:
        """Return the files that the build needs, path -> text; they include pins of what setup-env installed."""
        lock = self.lock
        if self.exported:
            here, there = lock.workspace.resolve().as_uri(), f"file://{WORK}"
            texts = {name: text.replace(here, there) for name, text in self.exported.texts.items()}
        else:
            files = list(lock.read())[1 if lock.format.is_conda else 0 :]
            texts = {lock.shown(path): _text(lock, path) for path in files}
        if lock.refused_git() or (lock.format.is_conda and lock.lines()):  # uv refuses them in the file
            texts[self._list] = requirements_file.for_uv(lock.lines(), lock.path.parent)
        pins = {ADDED: self.added, TESTED: self.installed}
        return texts | {
            name: "".join(f"{package}=={version}\n" for package, version in pinned.items())
            for name, pinned in pins.items()
            if pinned
        }

    @property
    def _list(self) -> str:
        """The name of the list of packages in `texts`."""
        return f"{self.lock.name}.txt" if self.lock.format.is_conda else self.lock.name

    def commands(self, uv: str, pins: str, folder: str) -> list[str]:
        """Return the shell commands that install into the environment what is not from channels of conda.

        All arguments are paths in the build: the program uv, the folder of `texts`, and the folder that contains the
        files as in the workspace.
        """
        name, is_conda = PurePosixPath(self._list), self.lock.format.is_conda
        is_list, is_local = self.lock.is_requirements_file or is_conda, self.lock.builds_local_code
        file = shlex.quote(str(PurePosixPath(pins if is_list else folder) / name))
        project = shlex.quote(str(PurePosixPath(folder) / name.parent))
        command = " ".join(map(str, [uv, *install_arguments(self.lock, PYTHON, file, project)]))
        if self.lock.kind == "uv.lock":
            check = "--frozen" if self.installed else "--locked"  # as setup-env, which has checked what it installed
            own = "" if is_local else " --no-install-project"
            command = f"UV_PROJECT_ENVIRONMENT={ENVIRONMENT} {command} {check}{own}"
        elif self.installed and self.lock.kind in {"plain", "pyproject", "setup", "conda"}:
            # It does not fix versions: they must be those that the notebooks were run with.
            command += f" --constraints {pins}/{TESTED}"
        # In requirements files, paths of packages start from the current folder.
        commands = [f"cd {project if is_conda else folder}", command] if is_list and is_local else [command]
        if is_conda and not self.lock.lines():
            commands = []
        if self.exported:
            calls = self.exported.install_arguments(PYTHON)
            commands = [" ".join(map(str, [uv, *call, f"{pins}/{name}"])) for name, call in calls]
        install = f"{uv} pip install --python {PYTHON}"
        if self.added:
            commands.append(f"{install} --no-deps --requirements {pins}/{ADDED}")
        elif not self.installed:
            frozen = "/build/frozen.txt"
            commands.append(f"{uv} pip list --format freeze --exclude-editable --python {PYTHON} >{frozen}")
            commands.append(f"{install} --constraints {frozen} ipykernel")
        return commands


def find(given: str, record: SetupEnvRecord | None, cwd: Path) -> Packages:
    """Return what the environment must contain; `record` is that of setup-env in this run, if it exists.

    Raises InputError if nothing says so, or if the file has changed since setup-env installed from it.
    """
    if not record or not record.packages:
        return Packages(_lock(given, cwd))
    name = record.lock_file
    if given and Path(os.path.normpath(given)) != Path(name):
        message = f"`requirements` is {quote(given)}, but setup-env installed from {quote(name)} in this run."
        raise InputError(message, hint="Remove `requirements`: the image must contain what the notebooks ran with.")
    chosen = (cast("list[str]", record.inputs.get(each, [])) for each in ("groups", "extras"))
    may_be_stale = record.inputs.get("frozen") is False  # then setup-env has warned of it
    lock = groups.choose(_lock(name, cwd), *chosen)
    lock = replace(lock, may_be_stale=may_be_stale, as_listed=record.as_listed)
    for file, digest in record.read.items():
        path = cwd / file
        if not path.is_file() or sha256(path) != digest:
            message = f"`{file}` has changed since setup-env installed from it."
            raise InputError(message, hint="Run setup-env again, in a new `run-dir`.", file=file)
    if name := lock.project_name:  # as setup-env found out, it may not be a package
        lock = replace(lock, dependencies_only=name not in record.packages)
    return Packages(lock, record.packages, record.added, record.python_version, installed_conda=record.conda_packages)


def _lock(given: str, cwd: Path) -> Lock:
    """Return the file to install from; it and what it includes are checked to be usable in a build."""
    lock = locks.find(given, cwd)
    if not lock.name.isprintable():
        message = f"`requirements` is {quote(lock.name)}, a name that a Dockerfile cannot contain."
        raise InputError(message, hint="Rename the file.")
    for path in lock.files():
        if not path.is_relative_to(cwd):
            message = f"`{path}` is outside the workspace: the image cannot be built from it."
            raise InputError(message, hint="Move it into the workspace.")
    locks.check(lock)
    return lock


def _text(lock: Lock, path: Path) -> str:
    return requirements_file.read(path, lock.shown(path), hint="It lists the packages of the image.")
