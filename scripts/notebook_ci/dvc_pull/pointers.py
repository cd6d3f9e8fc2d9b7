"""Reads what DVC tracks, once: `.dvc` files, `dvc.yaml` and `dvc.lock`, with the line of each hash. Starts nothing.

The format is that of DVC 3.67 (`dvc/schema.py`). What is not as expected is left to DVC, which checks every key and
resolves the templates of `dvc.yaml`: paths and remotes of stages are read here as they are written.
"""

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import command_line, quote
from notebook_ci.dvc_pull.config import FOLDER
from notebook_ci.dvc_pull.trust import BadEntry, check_entries, is_path, relative_to_workspace

PIPELINE, LOCK = "dvc.yaml", "dvc.lock"
# DVC searches no pointers in these, nor in another DVC repository.
_NOT_SEARCHED = {".git", ".hg", FOLDER}
_HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")
_OUTS = ("outs", "metrics", "plots")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or folder that a pointer names: a `.dvc` file, or a stage in `dvc.yaml` or `dvc.lock`."""

    file: str  # the pointer, relative to the workspace
    stage: str = ""  # empty in a `.dvc` file
    is_output: bool  # False: a dependency
    path: str  # as written: relative to the folder of the pointer or stage; or an address
    line: int | None  # of its hash; of its path if it has none
    hash: str = ""  # MD5, for a folder with `.dir`; empty: none
    remote: str = ""  # name of the remote that has it; empty: the default one


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
            pointers.entries.extend(_entries(_load(path, shown), shown))
        except InputError as error:
            names = (name := PurePosixPath(path.relative_to(root)), *name.parents)
            ignored = any(each.match(pattern) for each in names for pattern in patterns)
            (pointers.perhaps_ignored if ignored else pointers.wrong).append(error)
    return pointers


def restore(pointer: str) -> str:
    return f"Restore it from git: {command_line('git checkout -- {}', pointer)}."


def check_hash(value: object, pointer: str) -> None:
    """Raise InputError if the hash of a pointer is not a valid MD5: it becomes a path."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        hint = f"An MD5 has 32 digits, 0-9 and a-f; that of a folder ends in `.dir`. {restore(pointer)}"
        raise InputError(f"{quote(pointer)}: {quote(value)} is not a valid MD5.", hint=hint)


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


def _load(path: Path, shown: str) -> Any:
    text = read_text(path, shown, hint=restore(shown))
    conflict = re.search("^<<<<<<< ", text, re.MULTILINE)
    hint = "It has git conflict markers: resolve the conflict." if conflict else restore(shown)
    return yaml12.with_lines(text, origin=quote(shown), hint=hint, file=shown)


def _entries(content: Any, file: str) -> Iterator[Entry]:
    """Yield what a pointer names. What is not as expected is left out."""
    stages = {"": content}
    if PurePosixPath(file).name in {PIPELINE, LOCK}:
        stages = _map(_map(content).get("stages"))
    for stage, body in stages.items():
        template = _map(_map(body).get("do", body))
        for key in (*_OUTS, "deps"):
            items = template.get(key)
            for number, item in enumerate(items if isinstance(items, list) else ()):
                new = functools.partial(Entry, file=file, stage=str(stage), is_output=key in _OUTS)
                yield from _entry(item, yaml12.line(items, number), new)


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
        what = "" if is_path(entry.path) else f"{quote(entry.path)} is not a valid path"
    except BadEntry as error:
        what = f"the file list of {quote(entry.path)} is wrong: {error}"
    if what:
        raise InputError(f"{quote(entry.file)}: {what}.", hint=restore(entry.file))


def _map(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
