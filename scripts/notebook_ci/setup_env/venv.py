"""The folder of the user's environment: whether setup-env created it, and whether it is unchanged."""

import base64
import contextlib
import csv
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.locks import Lock
from notebook_ci.base.process import program_in
from notebook_ci.base.workspace import ELSEWHERE, PRIVATE_FOLDER, Workspace, refuse_link
from notebook_ci.environments.uv import Installed, describe, identify
from notebook_ci.records.environment import MARKER, EnvironmentMarker, default_environment, read_marker
from notebook_ci.tools import integrity
from notebook_ci.tools.installing import OF_TESTS

LAYOUT = 4  # changes with what setup-env makes of the same lock and Python: older environments are not reused
# Signed after their packages had been hashed, as in debugpy 1.6. Other systems do not load them.
WINDOWS_BINARIES = (".dll", ".exe", ".pyd")


class AlteredError(Exception):
    """Files of these packages differ from their RECORD."""


@dataclass(frozen=True)
class Venv:
    path: Path

    @property
    def python(self) -> Path:
        return program_in(self.path)

    def check(self) -> None:
        """Raise InputError if the folder contains something that setup-env did not create."""
        try:
            if self.path.is_dir() and ((self.path / MARKER).exists() or not any(self.path.iterdir())):
                return
            taken = self.path.exists() or self.path.is_symlink()
            above = next(folder for folder in self.path.absolute().parents if folder.exists())
        except OSError as error:
            raise InputError(f"`venv` is `{self.path}`, which cannot be used: {error.strerror}.") from error
        if taken:
            message = f"`venv` is `{self.path}`, which already exists and was not created by setup-env."
            raise InputError(message, hint="Set `venv` to another folder, or delete this one.")
        if not above.is_dir():
            raise InputError(f"`venv` is `{self.path}`, but `{above}` is a file.", hint="Set `venv` to another folder.")

    def is_for(self, key: str) -> bool:
        marker = read_marker(self.path)  # the path counts: programs in the environment contain it
        return bool(key) and (marker.key, marker.path) == (key, str(self.path.resolve()))

    def whole(self) -> Installed | None:
        """Return what is installed, if nothing was changed, added or removed since it was created."""
        is_whole = integrity.is_unchanged(str(self.path))
        if not is_whole:
            self._remove_late_byte_code()
            is_whole = integrity.is_unchanged(str(self.path))
        with contextlib.suppress(SurroundingsError):
            return describe(self.python) if is_whole else None
        return None

    def _remove_late_byte_code(self) -> None:
        """Remove what `COMPILE` leaves out: Python writes it when a notebook imports from there."""
        for folder in list(self.path.rglob("__pycache__")):
            if re.search(OF_TESTS, str(folder.relative_to(self.path.parent))):
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """Provide an empty folder, marked as ours. If the body fails, the old environment comes back.

        Raises SurroundingsError if the folder cannot be written.
        """
        before = self.path.with_name(f".{self.path.name}.notebook-ci-before")
        try:
            if (self.path / integrity.SEAL).exists():  # it is finished
                shutil.rmtree(before, ignore_errors=True)  # left by a killed job
            else:
                self._restore(before)
            if self.path.exists():
                self.path.rename(before)
            self.path.mkdir(parents=True)
            (self.path / MARKER).write_text("{}\n", encoding="utf-8")
        except OSError as error:
            message = f"The environment `{self.path}` cannot be created: {error.strerror or error}."
            raise SurroundingsError(message, hint=ELSEWHERE) from error
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):
                self._restore(before)
            raise
        shutil.rmtree(before, ignore_errors=True)

    def _restore(self, before: Path) -> None:
        """Put back the old environment, if there is one: the new one was not finished."""
        if before.exists():
            shutil.rmtree(self.path, ignore_errors=True)
            before.rename(self.path)

    def finish(self, key: str, added: dict[str, str], read: Mapping[str, str], *, is_checked: bool) -> None:
        """Seal the finished environment.

        `added` are the packages that were added to those of the lock. `read` has the SHA-256 by path of the files it
        was created from; local runs of execute-notebook compare them. With `is_checked`, raises AlteredError if files
        differ from the RECORD of their packages.
        """
        marker = EnvironmentMarker(key=key, path=str(self.path.resolve()), added=added, read=dict(read))
        (self.path / MARKER).write_text(json.dumps(vars(marker)) + "\n", encoding="utf-8")
        self._remove_late_byte_code()
        found = integrity.contents(str(self.path))
        if is_checked and (altered := self._altered(found)):
            raise AlteredError(", ".join(sorted(altered)))
        integrity.seal(str(self.path), found)

    def _altered(self, found: Mapping[str, str]) -> set[str]:
        altered = set()
        records = [self.path / name for name in found if name.endswith(".dist-info/RECORD")]
        # Others are vendored, or of conda, which changes files when it builds a package.
        for record in (each for each in records if each.parents[1].name == "site-packages" and _is_of_uv(each)):
            folder = str(record.parents[1].relative_to(self.path))
            for name, hashed, *_ in filter(None, csv.reader(record.read_text(encoding="utf-8").splitlines())):
                algorithm, _, digest = hashed.partition("=")  # in base64 without padding
                # Some wheels have byte-code, too, as numpy 2.2.2: it may have been compiled again.
                if name.endswith(".pyc") or (os.name != "nt" and name.endswith(WINDOWS_BINARIES)):
                    continue
                path = os.path.normpath(f"{folder}/{name}")
                if algorithm == "sha256" and found.get(path) != base64.urlsafe_b64decode(f"{digest}=").hex():
                    altered.add(record.parent.name.partition("-")[0])
        return altered


def _is_of_uv(record: Path) -> bool:
    installer = record.with_name("INSTALLER")
    return installer.is_file() and installer.read_text(encoding="utf-8").strip() == "uv"


def location(given: str, slug: str, workspace: Workspace) -> Path:
    """Return the folder of the environment.

    If `given`, the input `venv`, is empty, it is the default one of the slug and the working directory.
    """
    if given:
        return workspace.cwd / given
    path = default_environment(slug, workspace)
    if path.parent == workspace.cwd / PRIVATE_FOLDER:
        refuse_link(path, workspace.cwd)
    return path


def key(lock: Lock, python: Path | None, required: str, settings: Sequence[str] = ()) -> str:
    """Return the key of an environment: SHA-256 of its lock and its Python. It is reused only for the same key.

    `settings` of uv also decide what is installed. Without a `python`, the lock lists it; then the platform counts, and
    the version that is `required`. The C library counts, too: images of different systems have the same Python at the
    same path.

    The names of the lock's files count, too, because the marker contains them. So does the folder of code that is
    imported from where it is: another copy of the repository has other code.
    """
    names = [lock.shown(path) for path in lock.files()]
    code = str(lock.path.parent.resolve()) if lock.builds_local_code else ""
    of_python = [this_platform(), required]
    if python:
        base = identify(python)
        of_python = [str(python.resolve()), base.version, base.implementation, base.platform]
    text = json.dumps([LAYOUT, lock.digest(), names, code, *settings, *of_python, *platform.libc_ver()])
    return hashlib.sha256(text.encode()).hexdigest()


def key_with(key: str, packages: Sequence[str]) -> str:
    """Return the key of an environment of these packages, which its lock does not fix."""
    return hashlib.sha256(json.dumps([key, *packages]).encode()).hexdigest()


def digest(installed: Installed, commits: Mapping[str, str]) -> str:
    """Return the SHA-256 of what is installed; `commits` are those of packages from git, by name."""
    found = {name: value for name, value in {**asdict(installed), "commits": dict(commits)}.items() if value}
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
