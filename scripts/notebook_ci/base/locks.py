"""The lock file that says what to install, for the environment and for the image."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeAlias

from notebook_ci.base import conda, lock_search, project, requirements_file
from notebook_ci.base.conda import EnvironmentFile
from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.files import open_regular, parse_toml, read_bytes, read_text
from notebook_ci.base.inputs import CONFIG
from notebook_ci.base.lock_search import Choice
from notebook_ci.base.project import table
from notebook_ci.base.requirements_file import Line
from notebook_ci.base.texts import quote

LockKind: TypeAlias = str  # a key of `FORMATS`


@dataclass(frozen=True, kw_only=True)
class LockFormat:
    """What decides how a kind of lock is read and installed."""

    pattern: str = ""  # of the file's name; empty: its content says what it is
    source: Sequence[str] = ()  # files next to a lock, of which it is created from the first that exists
    tool: str = ""  # which exports it to requirements or URLs, which are then installed
    fixes_versions: bool = True
    is_toml: bool = False
    is_conda: bool = False  # whether it lists packages of conda, Python among them
    has_project: bool = False  # whether the project of a `pyproject.toml` is installed, too; uv decides for `uv.lock`


_PROJECT = "pyproject.toml"
FORMATS: Mapping[LockKind, LockFormat] = {
    "uv.lock": LockFormat(pattern="uv.lock", source=[_PROJECT], is_toml=True),
    "pylock": LockFormat(pattern="pylock*.toml", is_toml=True),
    "poetry": LockFormat(pattern="poetry.lock", source=[_PROJECT], tool="Poetry", is_toml=True, has_project=True),
    "pdm": LockFormat(pattern="pdm.lock", source=[_PROJECT], tool="PDM", is_toml=True, has_project=True),
    "pipenv": LockFormat(pattern="Pipfile.lock", source=["Pipfile"], tool="Pipenv"),
    "pixi": LockFormat(pattern="pixi.lock", source=["pixi.toml", _PROJECT], tool="py-rattler", is_conda=True),
    "conda-lock": LockFormat(pattern="*conda-lock.y*ml", tool="conda-lock", is_conda=True),
    "conda": LockFormat(pattern="*.y*ml", fixes_versions=False, is_conda=True),
    "explicit": LockFormat(is_conda=True),
    "pyproject": LockFormat(pattern=_PROJECT, fixes_versions=False, is_toml=True, has_project=True),
    "setup": LockFormat(pattern="setup.py", fixes_versions=False),
    "hashed": LockFormat(),
    "plain": LockFormat(fixes_versions=False),
}
# The usual ones of the files that `lock_search` knows.
SEARCHED = (
    "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements*.txt", "environment.yml",
    "pyproject.toml",
)  # fmt: skip
NOTHING = f"No file says what to install ({', '.join(map(quote, SEARCHED))})."
NOTHING_HINT = "Run `pip list --format=freeze > requirements.txt` and commit the file, or set `requirements`."
# The files of a local project that decide how it is installed; uv reads only these, too.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
# Files from which nothing is installed without their lock, and its kind.
UNLOCKED = {"Pipfile": "pipenv", "pixi.toml": "pixi"}


@dataclass(frozen=True)
class Lock:
    workspace: Path
    path: Path
    kind: LockKind  # decides how uv installs from it
    dependencies_only: bool | None = None  # what an installation showed; None: the files of the project decide
    groups: tuple[str, ...] = ()  # of dependencies, besides the main ones
    extras: tuple[str, ...] = ()
    may_be_stale: bool = False  # whether it is installed, too, if it no longer matches its source
    as_listed: bool = False  # whether its packages contradict each other, and are installed without resolving

    @property
    def name(self) -> str:
        return self.shown(self.path)

    def shown(self, path: Path) -> str:
        """Return a path as the user knows it: relative to the workspace if it is inside."""
        inside = path.is_relative_to(self.workspace)
        return path.relative_to(self.workspace).as_posix() if inside else path.as_posix()

    @property
    def format(self) -> LockFormat:
        return FORMATS[self.kind]

    @property
    def fixes_versions(self) -> bool:
        """Whether two installations from it are the same. Copied builds and files elsewhere may differ."""
        if self.kind == "hashed":
            return not any(line.includes_unknown for path in self.files() for line in requirements_file.lines(path))
        return self.format.fixes_versions and not self.copies

    @functools.cached_property
    def environment(self) -> EnvironmentFile:
        """The content of an `environment.yml`; empty for other kinds. Raises InputError if it is not one."""
        return conda.read(self.path, self.name) if self.kind == "conda" else EnvironmentFile()

    @property
    def copies(self) -> list[str]:
        """The packages built from code of the repository and copied; editable ones are used where they are."""
        return [name for name, source in self._sources if _is_local(source) and "editable" not in source]

    @property
    def builds_local_code(self) -> bool:
        """Whether a package comes from a folder or a file of the repository, which must then exist, too."""
        is_local = any(_is_local(source) for _, source in self._sources) or any(line.is_local for line in self.lines())
        return is_local or self.installs_project

    @property
    def editable(self) -> set[str]:
        """The folders whose code is used where it is, as the lock names them."""
        return {str(source["editable"]) for _, source in self._sources if "editable" in source}

    @property
    def is_unresolved(self) -> bool:
        """Whether uv installs what it lists without resolving: packages may be missing, or not fit together."""
        return self.as_listed or bool(self.format.tool and not self.format.is_conda)

    @property
    def is_requirements_file(self) -> bool:
        return self.kind in {"hashed", "plain"}

    @property
    def installs_project(self) -> bool:
        """Whether the project itself is installed, editable, and not only its dependencies."""
        if not self.format.has_project:
            return self.kind == "setup"
        has_build = "build-system" in self.project()
        is_package = not self.why_not_a_package if self.dependencies_only is None else not self.dependencies_only
        return has_build and is_package

    @property
    def project_name(self) -> str:
        """The name of the project in `pyproject.toml`, in its normal form (PEP 503); empty if it has none."""
        content = _toml(self.name, self.path) if self.kind == "pyproject" else {}
        return project.normal_name(str(table(content, "project").get("name", "")))

    @property
    def why_not_a_package(self) -> str:
        """Why a project with a build system is not installed itself; empty: it is, or it has no build system."""
        content = self.project() if self.format.has_project else {}
        return project.why_not_a_package(content, self.path.parent) if "build-system" in content else ""

    @property
    def installs_nothing(self) -> bool:
        """Whether it lists no packages at all."""
        match self.kind:
            case "hashed" | "plain" | "conda":
                return not self.environment.packages and not any(line.installs for line in self.lines())
            case "uv.lock" | "pylock":
                return all("virtual" in source for _, source in self._sources)
            case "pyproject":
                listed = table(_toml(self.name, self.path), "project")
                return not (listed.get("dependencies") or listed.get("dynamic") or self.installs_project)
        return False

    def lines(self) -> list[Line]:
        """Return the lines for pip, with those of the files that they include in their place."""
        return requirements_file.inlined(self._lines)

    @property
    def _lines(self) -> Sequence[Line]:
        """The lines of a requirements file, or of the part `pip` of an `environment.yml`."""
        return requirements_file.lines(self.path) if self.is_requirements_file else self.environment.pip

    def pins(self) -> list[Line]:
        """Return the lines that install packages, if each of them pins one; else nothing."""
        installing = [line for line in self.lines() if line.installs]
        return installing if all(line.pinned is not None for line in installing) else []

    def refused_git(self) -> list[Line]:
        """Return the lines that install packages from git in a way that uv refuses."""
        return [line for line in self.lines() if line.for_uv != line.text]

    @functools.cached_property
    def _sources(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return name and source of each package, as in uv.lock."""
        if self.kind == "pixi":
            return [("", {"editable": path}) for path in conda.local_paths(self.path, self.name)]
        if self.kind == "pipenv":
            tables: dict[str, Any] = json.loads(read_text(self.path, self.name))
            packages = [each for section, table in tables.items() if section != "_meta" for each in table.items()]
            return [(name, _source_of_tool(package)) for name, package in packages]
        if not self.format.is_toml or self.kind == "pyproject":
            return []
        content = _toml(self.name, self.path)
        if self.format.tool:
            return [(str(each.get("name")), _source_of_tool(each)) for each in content.get("package", [])]
        packages = content.get("package", []) + content.get("packages", [])
        return [(str(package.get("name")), _source(package)) for package in packages]

    def files(self) -> list[Path]:
        """Return all files that decide what is installed: this one, its includes, and what a lock was created from."""
        if self.kind == "conda-lock":
            return [self.path, *conda.sources(self.path, self.name)]
        if self.format.source:
            sources = [self.path.with_name(name) for name in self.format.source]
            return [self.path, next(filter(Path.is_file, sources), sources[0])]
        if self.kind == "setup":
            beside = (self.path.with_name(name) for name in PROJECT_FILES)
            return [self.path, *(path for path in beside if path.is_file() and path != self.path)]
        return requirements_file.files(self.path, self._lines)

    def project(self) -> dict[str, Any]:
        """Return the content of `pyproject.toml` or `Pipfile`. Raises InputError if it is not TOML."""
        path = self.files()[-1]
        return _toml(self.shown(path), path)

    def read(self) -> Iterator[Path]:
        """Yield these files, and those that decide how the other packages of the repository are built."""
        yield from self.files()
        sources = [source for _, source in self._sources]
        folders = [
            str(source[key]) for source in sources for key in ("directory", "editable", "virtual") if key in source
        ]
        found = (self.path.parent / folder / name for folder in folders for name in PROJECT_FILES)
        yield from sorted({Path(os.path.normpath(path)) for path in found if path.is_file()} - set(self.files()))

    def digest(self) -> str:
        """Return the SHA-256 of what is chosen and of all files of `read`. Raises InputError if one cannot be read."""
        digest = hashlib.sha256(self.kind.encode())
        if self.groups or self.extras or self.may_be_stale:  # an environment of a stale lock is another one
            digest.update(json.dumps([self.groups, self.extras, self.may_be_stale]).encode())
        for path in self.read():
            try:
                digest.update(hashlib.sha256(read_bytes(path, self.shown(path))).digest())
            except InputError as error:
                lines = (line for file in self.files() for line in requirements_file.lines(file))
                by = next((line for line in lines if line.included == path), None)
                error.file, error.line = (self.shown(by.file), by.number) if by else (self.name, None)
                raise
        return digest.hexdigest()


class StaleError(InputError):
    """A lock no longer matches the file that it was created from."""

    def unless_allowed(self, lock: Lock, problems: list[Problem]) -> None:
        """Raise this error, or add a warning instead if the lock may be stale."""
        if not lock.may_be_stale:
            raise self
        message = f"{self.message} It is installed as it is, because `frozen` is `false`."
        problems.append(Problem(severity="warning", message=message, hint=self.hint, file=lock.name))


def find(given: str, cwd: Path) -> Lock:
    """Return the lock to install from.

    If `given`, the input `requirements`, is empty, the lock is searched for in `cwd`. Raises InputError if no lock
    exists, its kind is not supported, or several could be meant.
    """
    if not given:
        if not (found := search(cwd)):
            raise InputError(nothing(cwd), hint=nothing_hint(cwd))
        return found.lock
    path = Path(os.path.normpath(cwd / given))
    try:
        open_regular(path, given, hint="Correct `requirements`. Paths are relative to the workspace.").close()
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError) and not path.is_symlink():
            error.message = f"`requirements` is {quote(given)}, which does not exist."
            error.hint = "Correct it. Paths are relative to the workspace."
        raise
    _refuse_unlocked(path, given)
    return Lock(cwd, path, _kind(given, path))


@dataclass(frozen=True)
class Found:
    lock: Lock
    choice: Choice | None = None  # None: the input `requirements` names the lock

    @functools.cached_property
    def others(self) -> list[str]:
        """The names of files that also say what to install."""
        used = self.lock.files()
        return [self.lock.shown(path) for path in (self.choice.others if self.choice else ()) if path not in used]

    @property
    def why(self) -> str:
        """Why it was chosen, for the end of a sentence; empty: it needs no reason."""
        return self.choice.why if self.choice and (self.others or not self.choice.is_usual) else ""


def search(cwd: Path) -> Found | None:
    """Return the lock of a workspace; None if it has none. Raises InputError like `find`."""
    choice = lock_search.search(cwd, UNLOCKED)
    if not choice:
        return None
    name = choice.path.relative_to(cwd).as_posix()
    _refuse_unlocked(choice.path, name)
    return Found(Lock(cwd, choice.path, _kind(name, choice.path)), choice)


def nothing(cwd: Path) -> str:
    return f"{NOTHING} {lock_search.searched(cwd, lock_search.OF_PROJECTS, f'a `{CONFIG}` or a lock')}"


def nothing_hint(cwd: Path) -> str:
    if aside := lock_search.aside(cwd):
        return f"Set `requirements` to a file, for example to {quote(aside[0])}."
    if (cwd / "pyproject.toml").is_file():
        return "`pyproject.toml` has no `[project]` table: list the packages there, or set `requirements`."
    return NOTHING_HINT


def _kind(name: str, path: Path) -> LockKind:
    for kind, known in FORMATS.items():
        if fnmatch(path.name, known.pattern):
            return kind
    if path.suffix.lower() not in {".txt", ".in", ".lock", ".pip"}:
        hint = f"Use {', '.join(map(quote, SEARCHED))} or `setup.py`."
        if path.name == "setup.cfg":
            hint = "Set it to a `setup.py` next to it; `import setuptools; setuptools.setup()` is enough."
        raise InputError(f"`requirements` is {quote(name)}, which setup-env cannot install from.", hint=hint)
    text = requirements_file.read(path, name)
    if conda.is_explicit(text):
        return "explicit"
    return "hashed" if "--hash=" in text else "plain"


def check(lock: Lock) -> None:
    """Check a lock before any work.

    Raises InputError if it is not TOML, does not say what to install, or names a file that does not exist.
    """
    _check_packages(lock)
    content = _toml(lock.name, lock.path) if lock.format.is_toml else {}
    if lock.format.is_conda and lock.format.tool:
        conda.check_platform(lock.path, lock.name)
    if lock.format.source:
        beside = lock.files()[-1]
        if not beside.is_file():
            raise InputError(
                f"{quote(lock.name)} has no `{beside.name}` next to it.",
                hint=f"Commit the `{beside.name}` that it was created from.",
                file=lock.name,
            )
        lock.project()
    has_project = isinstance(content.get("project"), dict)
    if lock.kind == "pyproject" and (not has_project or lock.installs_nothing):
        poetry = table(content, "tool", "poetry")
        if (poetry and not has_project) or table(poetry, "dependencies").keys() - {"python"}:
            raise _unlocked(lock.name, "poetry")
    if lock.kind == "pyproject" and not has_project:
        raise InputError(
            f"{quote(lock.name)} has no `[project]` table, so it does not say what to install.",
            hint="Add the dependencies there, or set `requirements` to another file.",
            file=lock.name,
        )
    lock.digest()
    if lock.is_requirements_file:
        _check_requirements(lock)


def _check_packages(lock: Lock) -> None:
    """Raise InputError for a merge conflict, and a lock that is not TOML or whose packages are not tables."""
    for line in requirements_file.lines(lock.path):
        if line.text.startswith("<<<<<<< "):
            message = f"{quote(lock.name)} has an unresolved merge conflict."
            raise InputError(message, hint="Resolve it, and commit the file.", file=lock.name, line=line.number)
    tool = lock.kind.removesuffix(".lock")
    hint = (
        f"{'Create it again with the tool that wrote it' if tool == 'pylock' else f'Run `{tool} lock`'}, and commit it."
    )
    try:
        _ = lock.copies
    except InputError as error:
        error.hint = hint  # nobody corrects a lock by hand
        raise
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{quote(lock.name)} is not a valid lock.", hint=hint, file=lock.name) from error


def _check_requirements(lock: Lock) -> None:
    """Raise InputError for text that uv cannot read, constraints that uv and pip refuse, and what cannot be inlined."""
    for line in lock.lines() if lock.refused_git() else ():
        if line.includes_unknown:
            message = "A file with a line `-e git+...` or `git+git://...` cannot include other files in this way."
            hint = "Write `-r` with a path, on a line of its own, or write `git+https://...` without `-e`."
            raise InputError(message, hint=hint, file=lock.shown(line.file), line=line.number)
    inlined = {line.file for line in lock.lines()}
    for path in lock.files():
        requirements_file.read(path, lock.shown(path))
        for line in requirements_file.lines(path):
            if path not in inlined and line.is_editable_git:
                message = "A constraint cannot be editable (`-e`)."
                raise InputError(message, hint="Remove `-e`.", file=lock.shown(path), line=line.number)


def _source_of_tool(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the source of a package of Poetry, PDM or Pipenv, as uv.lock has it; empty if it is not local."""
    source = package.get("source", package)  # a table in poetry.lock
    is_path = source.get("type") in {"directory", "file"}
    path = str((source.get("url") if is_path else source.get("path") or source.get("file")) or "")
    if not path or "://" in path:
        return {}
    return {"editable" if package.get("develop") or package.get("editable") else "directory": path}


def _is_local(source: Mapping[str, Any]) -> bool:
    return bool(source.keys() & {"editable", "directory", "path"}) or "path" in source.get("archive", {})


def _source(package: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the source of a package, as uv.lock has it. In pylock.toml, `directory` is a table."""
    source: Mapping[str, Any] = package.get("source", package)
    if isinstance(table := source.get("directory"), dict):
        return {"editable" if table.get("editable") else "directory": table.get("path", ".")}
    return source


def _toml(name: str, path: Path) -> dict[str, Any]:
    return parse_toml(read_text(path, name), name)


def _refuse_unlocked(path: Path, name: str) -> None:
    if path.name in UNLOCKED:
        raise _unlocked(name, UNLOCKED[path.name])


def _unlocked(name: str, kind: LockKind) -> InputError:
    lock = FORMATS[kind].pattern
    hint = f"Run `{kind} lock`, and commit `{lock}`."
    return InputError(f"{quote(name)} needs its lock, `{lock}`, which does not exist.", hint=hint, file=name)
