"""The lock file that says what to install, for the environment and for the image."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import open_regular, parse_toml, read_bytes, read_text
from notebook_ci.base.texts import quote

LockKind = Literal["uv.lock", "pylock", "hashed", "plain", "pyproject"]

# If several exist, the first is used: files that fix versions come before those that do not.
SEARCHED = ("uv.lock", "pylock.toml", "requirements*.txt", "pyproject.toml")
USUAL = "requirements.txt"  # used even if other requirements files exist
NOTHING = f"No file says what to install ({', '.join(map(quote, SEARCHED))})."
NOTHING_HINT = "Run `pip list --format=freeze > requirements.txt` and commit the file, or set `requirements`."
# The files of a local project that decide how it is installed; uv reads only these, too.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
INCLUDE = re.compile(r"^[ \t]*(?:-[rc]|--(?:requirement|constraint)(?=[ \t=]))[ \t=]*([^\s\"']+)", re.MULTILINE)
# pip's "Local project installs" and "Requirement Specifiers": an editable one, a path, a `file:` URL.
LOCAL = re.compile(
    r"^[ \t]*(?:-e|--editable[ \t=]|\.|/|[^-\s#@:;][^\s#@:;]*/|[^#\s]*[ \t]*(?:@[ \t]*)?file:)", re.MULTILINE
)
_FROM_ENVIRONMENT = "run `pip list --format=freeze > requirements.txt` in that environment"
# Files of other tools, which are not supported yet: the tool, and how to get a supported file.
FOREIGN = {
    "environment.y*ml": ("conda", _FROM_ENVIRONMENT),
    "conda-lock.y*ml": ("conda", _FROM_ENVIRONMENT),
    "poetry.lock": (
        "Poetry",
        "run `poetry export -f requirements.txt -o requirements.txt` (with the plugin `poetry-plugin-export`)",
    ),
    "pdm.lock": ("PDM", "run `pdm export -o requirements.txt`"),
    "Pipfile*": ("Pipenv", "run `pipenv requirements --hash > requirements.txt`"),
    "pixi.*": ("pixi", _FROM_ENVIRONMENT),
}


@dataclass(frozen=True)
class Lock:
    workspace: Path
    path: Path
    kind: LockKind  # decides how uv installs from it

    @property
    def name(self) -> str:
        return self.shown(self.path)

    def shown(self, path: Path) -> str:
        """Return a path as the user knows it: relative to the workspace if it is inside."""
        inside = path.is_relative_to(self.workspace)
        return path.relative_to(self.workspace).as_posix() if inside else path.as_posix()

    @property
    def fixes_versions(self) -> bool:
        """Whether two installations from it are the same. Copied builds of code of the repository may differ."""
        return self.kind in {"uv.lock", "pylock", "hashed"} and not self.copies

    @property
    def copies(self) -> list[str]:
        """The packages built from code of the repository and copied; editable ones are used where they are."""
        return [name for name, source in self._sources() if _is_local(source) and "editable" not in source]

    @property
    def builds_local_code(self) -> bool:
        """Whether a package comes from a folder or a file of the repository, which must then exist, too."""
        match self.kind:
            case "uv.lock" | "pylock":
                return any(_is_local(source) for _, source in self._sources())
            case "pyproject":
                return "build-system" in _toml(self.name, self.path)
        return any(LOCAL.search(_requirements(path)) for path in self.files())

    def _sources(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return name and source of each package: as in uv.lock, also for pylock.toml (PEP 751)."""
        if self.kind not in {"uv.lock", "pylock"}:
            return []
        content = _toml(self.name, self.path)
        packages = content.get("package", []) + content.get("packages", [])
        return [(str(package.get("name")), _source(package)) for package in packages]

    def files(self) -> list[Path]:
        """Return all files that decide what is installed: this one, its includes, and the project beside `uv.lock`."""
        if self.kind == "uv.lock":
            return [self.path, self.path.with_name("pyproject.toml")]
        if self.kind in {"hashed", "plain"}:
            return _included(self.path, [])
        return [self.path]

    def read(self) -> Iterator[Path]:
        """Yield these files, and those that decide how the other packages of the repository are built."""
        yield from self.files()
        sources = [source for _, source in self._sources()]
        folders = [
            str(source[key]) for source in sources for key in ("directory", "editable", "virtual") if key in source
        ]
        found = (self.path.parent / folder / name for folder in folders for name in PROJECT_FILES)
        yield from sorted({Path(os.path.normpath(path)) for path in found if path.is_file()} - set(self.files()))

    def digest(self) -> str:
        """Return the SHA-256 of the content of all files of `read`. Raises InputError if one cannot be read."""
        digest = hashlib.sha256(self.kind.encode())
        try:
            for path in self.read():
                digest.update(hashlib.sha256(read_bytes(path, str(path))).digest())
        except InputError as error:
            error.file = self.name  # which includes it
            raise
        return digest.hexdigest()


def find(given: str, cwd: Path) -> tuple[Lock, list[str]]:
    """Return the lock to install from, and the names of other lock files that are not used.

    If `given`, the input `requirements`, is empty, the lock is searched for in `cwd`. Raises InputError if no lock
    exists, its kind is not supported, or several could be meant.
    """
    if given:
        path, others = Path(os.path.normpath(cwd / given)), []
        open_regular(path, given, hint="Correct `requirements`. Paths are relative to the workspace.").close()
    else:
        path, *others = _search(cwd)
    name = given or path.name
    _refuse_foreign([path], name)
    return Lock(cwd, path, _kind(name, path)), [other.name for other in others]


def _search(cwd: Path) -> list[Path]:
    """Return the files that say what to install, the one to use first."""
    found = [path for pattern in SEARCHED for path in sorted(cwd.glob(pattern), key=_rank) if path.is_file()]
    if not found or found[0].name == "pyproject.toml":
        _refuse_foreign(sorted(cwd.iterdir()))
    if not found:
        raise InputError(NOTHING, hint=NOTHING_HINT)
    several = [path.name for path in found if path.suffix == ".txt"]
    if len(several) > 1 and found[0].suffix == ".txt" and several[0] != USUAL:
        hint = "Set `requirements` to one of them."
        raise InputError(f"Several requirements files exist: {', '.join(map(quote, several))}.", hint=hint)
    return found


def _rank(path: Path) -> tuple[bool, str]:
    return path.name != USUAL, path.name


def _kind(name: str, path: Path) -> LockKind:
    if path.name in {"uv.lock", "pyproject.toml"}:
        return "uv.lock" if path.name == "uv.lock" else "pyproject"
    if fnmatch(path.name, "pylock*.toml"):
        return "pylock"
    if path.suffix not in {".txt", ".in", ".lock"}:
        raise InputError(
            f"`requirements` is {quote(name)}, which setup-env cannot install from.",
            hint="Use `requirements*.txt`, `uv.lock`, `pylock.toml` or `pyproject.toml`.",
        )
    return "hashed" if "--hash=" in read_text(path, name) else "plain"


def check(lock: Lock) -> None:
    """Check a lock before any work.

    Raises InputError if it is not TOML, does not say what to install, or names a file that does not exist.
    """
    content = {} if lock.kind in {"hashed", "plain"} else _toml(lock.name, lock.path)
    if lock.kind == "uv.lock":
        project = lock.path.with_name("pyproject.toml")
        if not project.is_file():
            raise InputError(
                f"{quote(lock.name)} has no `pyproject.toml` next to it.",
                hint="Commit the `pyproject.toml` that it was created from.",
                file=lock.name,
            )
        _toml(Path(lock.name).with_name(project.name).as_posix(), project)
    if lock.kind == "pyproject" and "project" not in content:
        if "poetry" in content.get("tool", {}):
            raise _foreign(lock.name, *FOREIGN["poetry.lock"])
        raise InputError(
            f"{quote(lock.name)} has no `[project]` table, so it does not say what to install.",
            hint="Add the dependencies there, or set `requirements` to another file.",
            file=lock.name,
        )
    lock.digest()


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


def _refuse_foreign(paths: Iterable[Path], name: str = "") -> None:
    """Raise InputError for a file of another tool, also if it would only be ignored."""
    for path in paths:
        for pattern, (tool, export) in FOREIGN.items():
            if fnmatch(path.name, pattern):
                raise _foreign(name or path.name, tool, export)


def _foreign(name: str, tool: str, export: str) -> InputError:
    return InputError(
        f"{quote(name)} is a {tool} file, which setup-env cannot install from yet.",
        hint=f"Until then, {export}, commit that file, and set `requirements` to it.",
        file=name,
    )


def _included(path: Path, seen: list[Path]) -> list[Path]:
    """Return a requirements file and all files that it includes with `-r` and `-c`, except URLs."""
    path = Path(os.path.normpath(path))
    if path in seen:
        return seen
    seen.append(path)
    for match in INCLUDE.finditer(_requirements(path)):
        if "://" not in match[1]:
            _included(path.parent / match[1], seen)
    return seen


def _requirements(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    except OSError:
        return ""  # `digest` reports it
