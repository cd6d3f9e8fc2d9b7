"""Reads what DVC tracks, once: `.dvc` files, `dvc.yaml` and `dvc.lock`, with the line of each hash. Starts nothing.

The format is that of DVC 3.67 (`dvc/schema.py`). What is not as expected is left to DVC, which checks every key and
resolves the templates of `dvc.yaml`: paths and remotes of stages are read here as they are written.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
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
    """A file or folder that a pointer names."""

    path: str  # as written: relative to the folder of the pointer or stage; or an address
    line: int | None  # of its hash; of its path if it has none
    hash: str = ""  # MD5, for a folder with `.dir`; empty: none
    remote: str = ""  # name of the remote that has it; empty: the default one

    @property
    def scheme(self) -> str:
        """Scheme of an address; empty for a path."""
        scheme, colon, _ = self.path.partition("://")
        return scheme if colon else ""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """A `.dvc` file, or a stage in `dvc.yaml` or `dvc.lock`."""

    file: str  # relative to the workspace
    stage: str = ""  # empty for a .dvc file
    outs: list[Entry] = field(default_factory=list)
    deps: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Pointers:
    found: list[Pointer]
    wrong: list[InputError]  # files that cannot be read, and hashes that are not valid
    perhaps_ignored: list[InputError]  # the same, in files that DVC may be told to ignore

    @property
    def outs(self) -> Iterator[tuple[str, Entry]]:
        """Yield the file of each output, and the output."""
        return ((pointer.file, out) for pointer in self.found for out in pointer.outs)

    @property
    def remotes(self) -> set[str]:
        return {out.remote for _, out in self.outs if out.remote}

    @property
    def addresses(self) -> Iterator[tuple[str, Entry]]:
        """Yield the file of each address, and the entry that has it."""
        entries = ((pointer.file, entry) for pointer in self.found for entry in (*pointer.outs, *pointer.deps))
        return ((file, entry) for file, entry in entries if entry.scheme)


def read(root: Path, workspace: Path) -> Pointers:
    """Read all pointers of the repository whose `.dvc` folder is in `root`."""
    pointers = Pointers(found=[], wrong=[], perhaps_ignored=[])
    patterns = _ignoring(root)
    for path in _files(root):
        shown = relative_to_workspace(path, workspace)
        names = (name := PurePosixPath(path.relative_to(root)), *name.parents)
        ignored = any(each.match(pattern) for each in names for pattern in patterns)
        wrong = pointers.perhaps_ignored if ignored else pointers.wrong
        try:
            pointers.found.extend(_pointers(path.name, _load(path, shown), shown))
        except InputError as error:
            wrong.append(error)
    return pointers


def restore(pointer: str) -> str:
    return f"Restore it from git: {command_line('git checkout -- {}', pointer)}."


def check_hash(value: object, pointer: str, line: int | None) -> None:
    """Raise InputError if the hash of a pointer is not a valid MD5: it becomes a path."""
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        hint = f"An MD5 has 32 digits, 0-9 and a-f; that of a folder ends in `.dir`. {restore(pointer)}"
        raise InputError(f"{quote(pointer)}: {quote(value)} is not a valid MD5.", hint=hint, file=pointer, line=line)


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


def _pointers(name: str, content: Any, shown: str) -> Iterator[Pointer]:
    if name not in {PIPELINE, LOCK}:
        outs, deps = _entries(content, ("outs",), shown), _entries(content, ("deps",), shown)
        yield Pointer(file=shown, outs=outs, deps=deps)
        return
    stages = content.get("stages") if isinstance(content, dict) else None
    for stage, body in stages.items() if isinstance(stages, dict) else ():
        template = body.get("do", body) if isinstance(body, dict) else body
        outs, deps = _entries(template, _OUTS, shown), _entries(template, ("deps",), shown)
        yield Pointer(file=shown, stage=str(stage), outs=outs, deps=deps)


def _entries(content: Any, keys: tuple[str, ...], file: str) -> list[Entry]:
    if not isinstance(content, dict):
        return []
    return [
        entry
        for key in keys
        if isinstance(items := content.get(key), list)
        for number, item in enumerate(items)
        if (entry := _entry(item, yaml12.line(items, number), "" if key == "deps" else file))
    ]


def _entry(item: Any, line: int | None, file: str) -> Entry | None:
    """Return an output of `file`, or a dependency (`file` is empty), that begins at `line`; None: not as expected."""
    if isinstance(item, str):  # of a stage in dvc.yaml
        return Entry(path=item, line=line)
    if not isinstance(item, dict):
        return None
    if not {"path", "md5"} & set(item):  # of a stage in dvc.yaml: one path with its settings
        path, settings = next(iter(item.items()), ("", None))
        return Entry(
            path=_text(path), line=line, remote=_text(settings.get("remote") if isinstance(settings, dict) else "")
        )
    path = _text(item.get("path"))
    hashed = item.get("md5") or ""
    line = yaml12.line(item, "md5" if hashed else "path") or line
    entry = Entry(path=path, line=line, hash=str(hashed), remote=_text(item.get("remote")))
    if file:
        _check(entry, item.get("files"), file)
    return entry


def _check(entry: Entry, files: object, file: str) -> None:
    if entry.hash:
        check_hash(entry.hash, file, entry.line)
    try:
        if files is not None:
            check_entries(files)
        what = "" if is_path(entry.path) else f"{quote(entry.path)} is not a valid path"
    except BadEntry as error:
        what = f"the file list of {quote(entry.path)} is wrong: {error}"
    if what:
        raise InputError(f"{quote(file)}: {what}.", hint=restore(file), file=file, line=entry.line)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
