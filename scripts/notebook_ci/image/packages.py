"""What the image's environment is to hold, and the commands that install it: what setup-env did, inside a build."""

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from notebook_ci.errors import InputError
from notebook_ci.files import read_text
from notebook_ci.inputs import quote
from notebook_ci.records import sha256

Kind = Literal["uv.lock", "pylock", "hashed", "plain", "pyproject"]

# As setup-env has it, but of several requirements files it takes one that is named alone.
SEARCHED = ("uv.lock", "pylock.toml", "requirements.txt", "pyproject.toml")
_HINT = "Run setup-env before with the same run-dir, or name the file with the input requirements."
_INCLUDE = re.compile(r"^[ \t]*(?:-[rc]|--(?:requirement|constraint)(?=[ \t=]))[ \t=]*([^\s\"']+)", re.MULTILINE)
_LOCAL = re.compile(r"^[ \t]*(?:(?:-e|--editable)[ \t=]|\.{0,2}/|[^#\s]*[ \t]*(?:@[ \t]*)?file:)", re.MULTILINE)
PYTHON = "/opt/environment/bin/python"
ADDED = "notebook-ci-added.txt"
TESTED = "notebook-ci-tested.txt"


@dataclass(frozen=True)
class Packages:
    """What is installed.

    Attributes:
        workspace: The workspace.
        path: The file that says so.
        kind: How it is installed from.
        installed: Version by name of what setup-env installed; empty: it did not run.
        added: What of that was not in the file: ipykernel and what it needs.
        python_version: The Python of setup-env; empty: it did not run.
    """

    workspace: Path
    path: Path
    kind: Kind
    installed: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    python_version: str = ""

    @property
    def name(self) -> str:
        """The file, relative to the workspace."""
        return self.path.relative_to(self.workspace).as_posix()

    @property
    def builds_local_code(self) -> bool:
        """Whether a package comes from the repository itself: then all its files must be there."""
        match self.kind:
            case "uv.lock":
                sources = [package.get("source", {}) for package in self._toml().get("package", [])]
                return any(source.keys() & {"editable", "directory", "path"} for source in sources)
            case "pylock":
                packages = self._toml().get("packages", [])
                return any("directory" in each or "path" in each.get("archive", {}) for each in packages)
            case "pyproject":
                return "build-system" in self._toml()
        return any(_LOCAL.search(read_text(path, path.name)) for path in self.files())

    def files(self) -> list[Path]:
        """Return the files that decide: this one, what it includes, the project beside `uv.lock`.

        Raises:
            InputError: One of them lies outside the workspace.
        """
        if self.kind == "uv.lock":
            return [self.path, self.path.with_name("pyproject.toml")]
        return _included(self.path, self.workspace, []) if self.kind in {"hashed", "plain"} else [self.path]

    def texts(self) -> dict[str, str]:
        """Return the files to have in the build: texts by path, and what was installed beside them."""
        texts = {path.relative_to(self.workspace).as_posix(): _text(path) for path in self.files()}
        pins = {ADDED: self.added, TESTED: self.installed}
        return texts | {
            name: "".join(f"{package}=={version}\n" for package, version in pinned.items())
            for name, pinned in pins.items()
            if pinned
        }

    def commands(self, uv: str, pins: str, folder: str) -> list[str]:
        """Return the shell commands that make the environment.

        Args:
            uv: The program in the build.
            pins: The folder there of what `texts` adds, the constraints.
            folder: The folder there of the files, as they stand in the workspace.
        """
        name = PurePosixPath(self.name)
        file, project = (shlex.quote(str(PurePosixPath(folder) / path)) for path in (name, name.parent))
        install = f"{uv} pip install --python {PYTHON} --compile-bytecode"
        # What does not fix versions is held to those that the notebooks were run with.
        tested = f" --constraints {pins}/{TESTED}" if self.installed else ""
        match self.kind:
            case "uv.lock":
                sync = (
                    f"{uv} sync --frozen --compile-bytecode --no-python-downloads --python {PYTHON} --project {project}"
                )
                commands = [f"UV_PROJECT_ENVIRONMENT=/opt/environment {sync}"]
                if not self.builds_local_code:
                    commands[0] += " --no-install-project"
            case "pylock":
                commands = [f"{uv} pip sync --python {PYTHON} --compile-bytecode {file}"]
            case "hashed":
                commands = [f"{install} --require-hashes --requirements {file}"]
            case "plain":
                commands = [f"{install} --requirements {file}{tested}"]
            case "pyproject" if self.builds_local_code:
                commands = [f"{install} --editable {project}{tested}"]
            case _:
                commands = [f"{install} --requirements {file}{tested}"]
        if self.added:
            commands.append(f"{install} --no-deps --requirements {pins}/{ADDED}")
        elif not self.installed:
            frozen = "/build/frozen.txt"
            commands.append(f"{uv} pip freeze --exclude-editable --python {PYTHON} >{frozen}")
            commands.append(f"{install} --constraints {frozen} ipykernel")
        return commands

    def _toml(self) -> dict[str, Any]:
        try:
            return tomllib.loads(_text(self.path))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(f"{quote(self.name)} is not TOML: {error}.", hint="Correct it.", file=self.name) from error


def find(given: str, record: Mapping[str, Any] | None, cwd: Path) -> Packages:
    """Return what the environment is to hold.

    Args:
        given: The input `requirements`.
        record: That of setup-env in this run, if there is one.
        cwd: The workspace.

    Raises:
        InputError: Nothing says so, or the file is not what setup-env installed from any more.
    """
    if not record or not record.get("packages"):
        return _packages(given or _search(cwd), cwd)
    name = record["lock_file"]
    if given and Path(os.path.normpath(given)) != Path(name):
        raise InputError(
            f"requirements is {quote(given)}, but setup-env has installed from {quote(name)} in this run.",
            hint="Leave the input out: the image is to hold what the notebooks were run with.",
        )
    found = _packages(
        name,
        cwd,
        installed=record["packages"],
        added=record["added"],
        python_version=record["python_version"],
    )
    for file, digest in record["read"].items():
        path = cwd / file
        if not path.is_file() or sha256(path) != digest:
            raise InputError(
                f"{file} is not the file any more that setup-env has installed from.",
                hint="Run setup-env again, in a new run-dir.",
                file=file,
            )
    return found


def _search(cwd: Path) -> str:
    found = next((name for name in SEARCHED if (cwd / name).is_file()), "")
    if not found:
        raise InputError(
            f"Nothing says which packages the image is to hold: there is none of {', '.join(SEARCHED)}.", hint=_HINT
        )
    return found


def _packages(name: str, cwd: Path, **more: Any) -> Packages:
    path = Path(os.path.normpath(cwd / name))
    _inside(path, cwd)
    if not name.isprintable():
        raise InputError(f"requirements is {quote(name)}, which no Dockerfile can name.", hint="Rename the file.")
    text = _text(path, name)
    if path.name == "uv.lock":
        _text(path.with_name("pyproject.toml"))
        return Packages(cwd, path, "uv.lock", **more)
    if path.suffix == ".toml":
        return Packages(cwd, path, "pyproject" if path.name == "pyproject.toml" else "pylock", **more)
    if path.suffix not in {".txt", ".in", ".lock"}:
        raise InputError(
            f"requirements is {quote(name)}, which is none of the files that an environment can be installed from.",
            hint="These are requirements*.txt, uv.lock, pylock.toml and pyproject.toml.",
        )
    return Packages(cwd, path, "hashed" if "--hash=" in text else "plain", **more)


def _included(path: Path, workspace: Path, seen: list[Path]) -> list[Path]:
    """Return a requirements file and all that it includes, but what stands on the network."""
    if path not in seen:
        _inside(path, workspace)
        seen.append(path)
        for match in _INCLUDE.finditer(_text(path)):
            if "://" not in match[1]:
                _included(Path(os.path.normpath(path.parent / match[1])), workspace, seen)
    return seen


def _inside(path: Path, workspace: Path) -> None:
    if not path.is_relative_to(workspace):
        raise InputError(f"{path} lies outside the workspace: the image cannot be built from it.", hint="Move it.")


def _text(path: Path, shown: str = "") -> str:
    return read_text(path, shown or path.name, hint="It says what the image is to hold.")
