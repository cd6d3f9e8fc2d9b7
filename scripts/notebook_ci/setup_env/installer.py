"""Installs the packages of a lock into the user's environment."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.setup_env import faults
from notebook_ci.setup_env.uv import Installed, Uv, cutoff, describe, newest_upload
from notebook_ci.setup_env.venv import AlteredError, Venv

KERNEL = "ipykernel"
NO_CACHE = "UV_NO_CACHE"
UV_MILESTONES = ("Resolved", "Prepared", "Installed", "Audited", "Bytecode")


@dataclass(frozen=True)
class Installer:
    uv: Uv
    lock: Lock
    venv: Venv

    def create(self, python: Path, key: str, read: Mapping[str, str]) -> tuple[Installed, dict[str, str]]:
        """Create the environment again. If that fails, the old one stays.

        Returns what is installed, and which of it was added to the packages of the lock. For `key`, see `venv.key`.
        `read` has the SHA-256 of the lock's files by path. Raises InputError if the lock is wrong, else
        SurroundingsError.
        """
        try:
            with self.venv.replaced():
                return self._create(python, key, read)
        except AlteredError as error:
            # uv links installed files to its cache: an edit of one changes the other.
            self.uv.reporter.notice(
                f"Files of {error} in uv's cache are not the original ones, so all packages are downloaded again. "
                "Run `uv cache clean` to repair it."
            )
            uncached = replace(self.uv.workspace, environ={**self.uv.workspace.environ, NO_CACHE: "1"})
            return replace(self, uv=replace(self.uv, workspace=uncached)).create(python, key, read)

    def _create(self, python: Path, key: str, read: Mapping[str, str]) -> tuple[Installed, dict[str, str]]:
        progress = self.uv.reporter.progress
        progress(f"Creating the environment `{self.venv.path}` from `{self.lock.name}`")
        self.uv.run(
            f"The environment `{self.venv.path}` could not be created",
            ["venv", "--no-project", "--allow-existing", "--python", python, self.venv.path],
        )
        for line in self._install().splitlines():
            if line.startswith(UV_MILESTONES):
                progress(f"  {line}")
        locked = describe(self.venv.python)
        installed = locked if KERNEL in locked.packages else self._with_kernel(locked)
        added = {name: installed.packages[name] for name in installed.packages.keys() - locked.packages.keys()}
        # Without a cache, a file that differs came like this from the index.
        self.venv.finish(key, added, read, is_checked=NO_CACHE not in self.uv.workspace.environ)
        return installed, added

    def _install(self) -> str:
        """Install the lock, byte-compiled, and return the output of uv."""
        what = f"The packages of `{self.lock.name}` could not be installed"
        if self.lock.kind == "uv.lock":
            # Without `--python`, uv replaces an environment whose Python the project does not allow.
            python: list[Argument] = ["--python", self.venv.python, "--no-python-downloads"]
            sync = ["sync", "--locked", "--compile-bytecode", "--project", self.lock.path.parent, *python]
            return self._run(
                what, [*sync, *self._fresh()], env={"UV_PROJECT_ENVIRONMENT": str(self.venv.path.resolve())}
            )
        flags: list[Argument] = ["--python", self.venv.python, "--compile-bytecode", *self._fresh()]
        flags += self.uv.index_flags
        match self.lock.kind:
            case "pylock":
                return self._run(what, ["pip", "sync", *flags, self.lock.path])
            case "hashed":
                flags.append("--require-hashes")
            case "pyproject" if self.lock.builds_local_code:
                return self._run(what, ["pip", "install", *flags, "--editable", self.lock.path.parent])
        return self._run(what, ["pip", "install", *flags, "--requirements", self.lock.path])

    def _fresh(self) -> list[str]:
        # Build code of the repository again: uv would reuse an earlier build of other code.
        if self.lock.kind in {"hashed", "plain"}:  # these do not name the packages that are built
            return ["--refresh"] if self.lock.builds_local_code else []
        return [f"--refresh-package={name}" for name in self.lock.copies]

    def _run(self, what: str, arguments: Sequence[Argument], env: Mapping[str, str] | None = None) -> str:
        """Run uv on the lock. If it fails because of the lock, the error explains why."""
        return self.uv.run(what, arguments, env=env, explain=lambda output: faults.explain(what, output, self.lock))

    def _with_kernel(self, locked: Installed) -> Installed:
        """Add ipykernel without changing any installed version.

        Its version is as old as the lock: of 101 notebooks in an environment of 2022, 63 pass with the ipykernel and
        IPython of that time, and 13 with the newest ones.
        """
        with tempfile.TemporaryDirectory() as folder:
            frozen = Path(folder) / "installed.txt"
            frozen.write_text("".join(f"{name}=={version}\n" for name, version in locked.packages.items()))
            self._add_kernel(frozen)
        now = describe(self.venv.python)
        self.uv.reporter.notice(
            f"ipykernel {now.packages[KERNEL]} was added to the environment: `{self.lock.name}` does not list it. "
            "Add it there to fix its version.",
            file=self.lock.name,
        )
        return now

    def _add_kernel(self, frozen: Path) -> None:
        add: list[Argument] = [
            "pip",
            "install",
            "--python",
            self.venv.python,
            "--compile-bytecode",
            "--constraints",
            frozen,
        ]
        add += [*self.uv.index_flags, KERNEL]
        to_lock = ["pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml"]
        ages = self.uv.attempt([*to_lock, "--python", self.venv.python, frozen])
        newest = newest_upload(ages.output) if ages.returncode == 0 else None
        if newest and self.uv.attempt([*add, "--exclude-newer", cutoff(newest)]).returncode == 0:
            return
        self.uv.run(f"ipykernel could not be added to the packages of `{self.lock.name}`", add)
