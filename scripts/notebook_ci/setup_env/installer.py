"""Installs the packages of a lock into the user's environment."""

import functools
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from notebook_ci.base import isolation, process
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.locks import Lock, StaleError
from notebook_ci.base.process import Argument
from notebook_ci.base.texts import quote
from notebook_ci.conda import install as conda
from notebook_ci.conda.install import CondaPlan
from notebook_ci.environments.uv import Installed, Uv, describe, newest_upload
from notebook_ci.exporting.export import Exported
from notebook_ci.setup_env import faults, fitting
from notebook_ci.setup_env.choice import only_dependencies
from notebook_ci.setup_env.faults import NotAPackageError
from notebook_ci.setup_env.resolution import STDIN, source
from notebook_ci.setup_env.venv import AlteredError, Venv
from notebook_ci.tools.installing import COMPILE, install_arguments

KERNEL = "ipykernel"
NO_CACHE = "UV_NO_CACHE"
UV_MILESTONES = ("Resolved", "Prepared", "Installed", "Audited")

KeyFor: TypeAlias = Callable[[Sequence[str]], str]  # gives the key of an environment for all packages, or for none


@dataclass(frozen=True)
class Installer:
    uv: Uv
    lock: Lock
    venv: Venv
    context: Context
    exported: Exported | None  # of the lock
    conda: CondaPlan | None  # of packages of conda
    resolved: Sequence[str] = ()  # the packages of a list that does not fix them

    def create(self, python: Path | None, key_for: KeyFor, read: Mapping[str, str]) -> tuple[Installed, dict[str, str]]:
        """Create the environment again. If that fails, the old one stays. Without a `python`, the lock lists it.

        Returns what is installed, and which of it was added to the packages of the lock. `read` has the
        SHA-256 of the lock's files by path. Raises InputError if the lock is wrong, else SurroundingsError.
        """
        try:
            with self.venv.replaced():
                return self._create(python, key_for, read)
        except AlteredError as error:
            # uv links installed files to its cache: an edit of one changes the other.
            self.context.notice(
                f"Files of {error} in uv's cache are not the original ones, so all packages are downloaded again. "
                "Run `uv cache clean` to repair it."
            )
            uncached = replace(self.uv.workspace, environ={**self.uv.workspace.environ, NO_CACHE: "1"})
            return replace(self, uv=replace(self.uv, workspace=uncached)).create(python, key_for, read)

    def _create(
        self, python: Path | None, key_for: KeyFor, read: Mapping[str, str]
    ) -> tuple[Installed, dict[str, str]]:
        progress = self.uv.console.progress
        progress(f"Creating the environment `{self.venv.path}` from `{self.lock.name}`")
        packages = self.resolved
        if python:
            self.uv.run(
                f"The environment `{self.venv.path}` could not be created",
                ["venv", "--no-project", "--allow-existing", "--python", python, self.venv.path],
            )
        elif self.conda:
            planned = self.conda.of(self.exported.urls, self.lock) if self.exported else self.conda
            console, uses_cache = self.uv.console, self._uses_cache
            where = self.venv.path
            solved = conda.install(self.lock, planned, where, self.context, console, uses_cache=uses_cache)
            packages = () if self.lock.lines() else solved  # what a part `pip` is resolved to is not known
        for line in self._install().splitlines():
            if line.startswith(UV_MILESTONES):
                progress(f"  {line}")
        locked = describe(self.venv.python)
        self._check_not_empty(locked)
        self.context.problems.extend(fitting.check(self.lock, self.venv.python, self.uv))
        installed, is_aged = (locked, True) if KERNEL in locked.packages else self._with_kernel(locked)
        added = {name: installed.packages[name] for name in installed.packages.keys() - locked.packages.keys()}
        # Another time there may be a newer ipykernel.
        key = key_for(packages) if is_aged or self.lock.fixes_versions else ""
        with heartbeat(progress, lambda: "byte-compiling"):
            env = isolation.for_others(self.context.environ)
            process.run([self.venv.python, *COMPILE], env=env, cwd=self.venv.path)
        # Without a cache, a file that differs came like this from the index.
        self.venv.finish(key, added, read, is_checked=self._uses_cache)
        return installed, added

    @property
    def _uses_cache(self) -> bool:
        return NO_CACHE not in self.uv.workspace.environ

    def _install(self) -> str:
        """Install the lock, and return the output of uv."""
        try:
            return self._install_from(self.lock)
        except NotAPackageError as error:
            dependencies = replace(self.lock, dependencies_only=True)
            self.context.problems.append(only_dependencies(dependencies, error.reason))
            return self._install_from(dependencies)
        except StaleError as error:
            error.unless_allowed(self.lock, self.context.problems)
            return self._install_from(self.lock, "--frozen")

    def _install_from(self, lock: Lock, check: str = "--locked") -> str:
        what = f"The packages of `{lock.name}` could not be installed"
        uv = self.uv
        if lock.format.is_conda:  # paths start from the folder of the file
            uv = replace(uv, workspace=replace(uv.workspace, cwd=lock.path.parent))
        file, stdin = source(lock, uv.workspace.cwd)
        calls = [(install_arguments(lock, self.venv.python, file, lock.path.parent), stdin)]
        if exported := self.exported:  # not from the files in the run directory, where secrets are masked
            each = exported.install_arguments(self.venv.python)
            calls = [([*call, STDIN], exported.texts[name]) for name, call in each]
        elif lock.format.is_conda and not lock.lines():
            calls = []
        arguments: list[Argument] = [check] if lock.kind == "uv.lock" else list(self.uv.pip.uv_flags())
        # Build code of the repository again: uv would reuse an earlier build of other code.
        if not lock.is_requirements_file:
            arguments += [f"--refresh-package={name}" for name in lock.copies]
        is_named = lock.format.fixes_versions and not (lock.is_requirements_file and lock.builds_local_code)
        if not (self.resolved or is_named or lock.installs_project):  # what is built is not named
            arguments.append("--refresh")
        env = {"UV_PROJECT_ENVIRONMENT": str(self.venv.path.resolve())}
        explain = functools.partial(faults.explain, lock=lock)
        with tempfile.TemporaryDirectory() as folder:
            if self.resolved:  # the index may have changed since; what has no version cannot always be a constraint
                constraints = Path(folder) / "constraints.txt"
                constraints.write_text("\n".join(filter(re.compile(r"[\w.-]+==").match, self.resolved)))
                arguments += ["--constraints", constraints]
            outputs = [uv.run(what, [*call, *arguments], env=env, stdin=text, explain=explain) for call, text in calls]
        return "\n".join(outputs)

    def _check_not_empty(self, locked: Installed) -> None:
        """Refuse packages of which none is for this environment; warn if none was chosen."""
        if locked.packages or locked.conda or self.lock.installs_nothing:
            return
        name = quote(self.lock.name)
        if self.lock.is_requirements_file or (self.exported and self.exported.texts):
            message = f"No package of {name} is for Python {locked.version} on this platform."
            raise InputError(message, hint=f"Set `python-version`, or create {name} for them.", file=self.lock.name)
        message = f"Nothing was installed from {name}. `groups` and `extras` choose what else is installed."
        self.context.warning(message, file=self.lock.name)

    def _with_kernel(self, locked: Installed) -> tuple[Installed, bool]:
        """Add ipykernel without changing any installed version. Return whether it is as old as the lock.

        Its version is as old as the lock: of 101 notebooks in an environment of 2022, 63 pass with the ipykernel and
        IPython of that time, and 13 with the newest ones.
        """
        with tempfile.TemporaryDirectory() as folder:
            frozen = Path(folder) / "installed.txt"
            frozen.write_text("".join(f"{name}=={version}\n" for name, version in locked.packages.items()))
            python: list[Argument] = ["--python", self.venv.python]
            add = ["pip", "install", *python, "--constraints", frozen]
            add += [*self.uv.pip.uv_flags(), KERNEL]
            to_lock = ["pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml"]
            ages = self.uv.attempt([*to_lock, *python, frozen])
            newest = newest_upload(ages.output)
            # Without building: for a Python that is newer than the lock, that takes minutes, and mostly fails.
            aged = ["--no-build", "--exclude-newer", (newest + timedelta(days=1)).isoformat()] if newest else []
            is_aged = bool(aged) and not self.uv.attempt([*add, *aged]).returncode
            if not is_aged:
                self.uv.run(f"ipykernel could not be added to the packages of `{self.lock.name}`", add)
        now = describe(self.venv.python)
        self.context.notice(
            f"ipykernel {now.packages[KERNEL]} was added to the environment: `{self.lock.name}` does not list it. "
            "Add it there to fix its version.",
            file=self.lock.name,
        )
        return now, is_aged
