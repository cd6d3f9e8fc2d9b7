"""Reads what DVC tracks, once: `.dvc` files, `dvc.yaml` and `dvc.lock`, with the line of each hash. Starts nothing.

The format is that of DVC 3.67 (`dvc/schema.py`). What is not as expected is left to DVC, which checks every key and
resolves the templates of `dvc.yaml`: paths and remotes of stages are read here as they are written.
"""

import contextlib
import functools
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import command_line, quote
from notebook_ci.base.workspace import PRIVATE_FOLDER

FOLDER, PIPELINE, LOCK = ".dvc", "dvc.yaml", "dvc.lock"
# DVC searches no pointers in these (git ignores the last one), nor in another DVC repository.
_NOT_SEARCHED = {".git", ".hg", FOLDER, PRIVATE_FOLDER}
_HASH = re.compile(r"[0-9a-f]{32}")
_FORBIDDEN_PARTS = {".git", FOLDER}
_OUTS = ("outs", "metrics", "plots")


class BadEntry(Exception):
    """A wrong entry in a folder's list of files; entries are counted from 1."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or folder that a pointer names: a `.dvc` file, or a stage in `dvc.yaml` or `dvc.lock`."""

    file: str  # the pointer, relative to the workspace
    stage: str = ""  # empty in a `.dvc` file
    is_output: bool  # False: a dependency
    folder: str = ""  # of the stage, relative to that of the pointer: its `wdir`
    path: str  # as written: relative to that folder; or an address
    line: int | None  # of its hash; of its path if it has none
    hash: str = ""  # MD5, for a folder with `.dir`; empty: none
    remote: str = ""  # name of the remote that has it; empty: the default one

    @property
    def in_workspace(self) -> str:
        """The path relative to the workspace."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file), self.folder, self.path))


@dataclass(frozen=True, kw_only=True)
class Pointers:
    entries: list[Entry] = field(default_factory=list)
    # Files that cannot be read, and hashes that are not valid; the same, in files that DVC may be told to ignore.
    wrong: list[InputError] = field(default_factory=list)
    perhaps_ignored: list[InputError] = field(default_factory=list)

    @property
    def outs(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_output]


def read(root: Path, workspace: Path) -> Pointers:
    """Read all pointers of the repository whose `.dvc` folder is in `root`."""
    pointers = Pointers()
    patterns = _ignoring(root)
    for path in _files(root):
        shown = relative_to_workspace(path, workspace)
        try:
            pointers.entries.extend(parse(read_text(path, shown, hint=restore(shown)), shown))
        except InputError as error:
            names = (name := PurePosixPath(path.relative_to(root)), *name.parents)
            ignored = any(each.match(pattern) for each in names for pattern in patterns)
            (pointers.perhaps_ignored if ignored else pointers.wrong).append(error)
    return pointers


def parse(text: str, file: str) -> Iterator[Entry]:
    """Yield what a pointer names. What is not as expected is left out. Raises InputError if it cannot be read."""
    conflict = re.search("^<<<<<<< ", text, re.MULTILINE)
    hint = "It has git conflict markers: resolve the conflict." if conflict else restore(file)
    content = yaml12.with_lines(text, origin=quote(file), hint=hint, file=file)
    stages = {"": content}
    if PurePosixPath(file).name in {PIPELINE, LOCK}:
        stages = _map(_map(content).get("stages"))
    for stage, body in stages.items():
        template = _map(_map(body).get("do", body))
        folder = _text(template.get("wdir"))
        for key in (*_OUTS, "deps"):
            items = template.get(key)
            for number, item in enumerate(items if isinstance(items, list) else ()):
                new = functools.partial(Entry, file=file, stage=str(stage), is_output=key in _OUTS, folder=folder)
                yield from _entry(item, yaml12.line(items, number), new)


def restore(pointer: str) -> str:
    return f"Restore it from git: {command_line('git checkout -- {}', pointer)}."


def check_hash(value: object, pointer: str) -> None:
    """Raise InputError if the hash of a pointer is not a valid MD5: it becomes a path."""
    if not isinstance(value, str) or not _HASH.fullmatch(value.removesuffix(".dir")):
        hint = f"An MD5 has 32 digits, 0-9 and a-f; that of a folder ends in `.dir`. {restore(pointer)}"
        raise InputError(f"{quote(pointer)}: {quote(value)} is not a valid MD5.", hint=hint)


def check_entries(entries: object) -> None:
    """Raise BadEntry if a folder's list of files has a wrong entry: each becomes a path."""
    if not isinstance(entries, list | tuple):
        raise BadEntry("entry 1 is not in a list")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise BadEntry(f"entry {number:,} is not a map")
        if not _is_inside(path := entry.get("relpath")):
            raise BadEntry(f"entry {number:,} has {quote(path)}, which is not a path in the folder")
        # Without the key, DVC itself hashes the file: its versions are in the remote.
        if "md5" in entry and not (isinstance(value := entry["md5"], str) and _HASH.fullmatch(value)):
            raise BadEntry(f"entry {number:,} has {quote(value)}, which is not a valid MD5")


def is_forbidden(parts: Iterable[str]) -> bool:
    """Return whether a path goes through a folder of git or DVC, on any file system."""
    return any(part.rstrip(". ").lower() in _FORBIDDEN_PARTS for part in parts)


def relative_to_workspace(path: Path, workspace: Path) -> str:
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else path.as_posix()


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here != root and FOLDER in folders:  # another DVC repository
            folders.clear()
            continue
        folders[:] = sorted(set(folders) - _NOT_SEARCHED)
        for name in sorted(files):
            if name in {PIPELINE, LOCK} or (name.endswith(".dvc") and name != FOLDER):
                yield here / name


def _ignoring(root: Path) -> set[str]:
    """Return the patterns of what DVC skips, roughly: neither the ignore files of sub-folders nor exceptions."""
    lines: list[str] = []
    for name in (".dvcignore", ".gitignore"):
        with contextlib.suppress(InputError):
            lines += read_text(root / name, name).splitlines()
    patterns = {line.strip().strip("/") for line in lines if not line.startswith("#")}
    return patterns - {"", "."}


def _entry(item: Any, line: int | None, new: Callable[..., Entry]) -> Iterator[Entry]:
    """Yield the entry that begins at `line`."""
    if isinstance(item, str):  # of a stage in dvc.yaml
        yield new(path=item, line=line)
    elif isinstance(item, dict) and not {"path", "md5"} & set(item):  # the same: one path with its settings
        for path, settings in item.items():
            yield new(path=_text(path), line=line, remote=_text(_map(settings).get("remote")))
    elif isinstance(item, dict):
        hashed = item.get("md5") or ""
        line = yaml12.line(item, "md5" if hashed else "path") or line
        entry = new(path=_text(item.get("path")), line=line, hash=str(hashed), remote=_text(item.get("remote")))
        if entry.is_output:
            with located(entry.file, line):
                _check(entry, item.get("files"))
        yield entry


def _check(entry: Entry, files: object) -> None:
    if entry.hash:
        check_hash(entry.hash, entry.file)
    try:
        if files is not None:
            check_entries(files)
        what = "" if _is_path(entry.path) else f"{quote(entry.path)} is not a valid path"
    except BadEntry as error:
        what = f"the file list of {quote(entry.path)} is wrong: {error}"
    if what:
        raise InputError(f"{quote(entry.file)}: {what}.", hint=restore(entry.file))


def _map(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_path(path: str) -> bool:
    """Return whether a disk can have this path: NUL and half of a surrogate pair are impossible."""
    return not re.search("[\0\ud800-\udfff]", path)


def _is_inside(path: object) -> bool:
    """Return whether a path from a list of files stays in its folder."""
    if not isinstance(path, str) or not _is_path(path) or (os.name == "nt" and re.search(r"[\\:]", path)):
        return False
    parts = path.split("/")
    return not ({"", ".", ".."} & set(parts) or is_forbidden(parts))
