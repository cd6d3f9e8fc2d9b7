"""Finds what a user's Dockerfile copies into the image by accident: git history, run directories, DVC's cache."""

import posixpath
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from notebook_ci.base.files import bytes_in

UNASKED = (".git", ".notebook-ci", ".dvc/cache")
# An instruction that copies the whole context, and does not copy from another stage.
_COPIES_ALL = re.compile(r"(?im)^\s*(?:COPY|ADD)\s+(?!.*--from=)(?:--\S+\s+)*(?:\[\s*\")?(?:\./?\*?|\*|/)\"?[\s,]")


def warning(dockerfile: Path, context: Path) -> tuple[int, str]:
    """Return the line that copies too much, and a warning; an empty one if `.dockerignore` excludes it."""
    found = _COPIES_ALL.search(text := dockerfile.read_text(encoding="utf-8", errors="replace"))
    ignores = [path for path in (Path(f"{dockerfile}.dockerignore"), context / ".dockerignore") if path.is_file()]
    patterns = ignores[0].read_text(encoding="utf-8", errors="replace").splitlines() if ignores else []
    names = [name for name in UNASKED if (context / name).is_dir() and not _is_ignored(name, patterns)]
    if not found or not names:
        return 0, ""
    shown = ", ".join(f"`{name}` ({bytes_in(context / name) / 1e6:.1f} MB)" for name in names)
    lines = ", ".join(f"`{name}`" for name in names)
    line = text.count("\n", 0, found.end() - 1) + 1
    return line, f"copies the whole workspace, with {shown}. Add to `.dockerignore`: {lines}."


def _is_ignored(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a folder is excluded: the last pattern that matches it or its parent decides."""
    ignored = False
    for line in filter(None, map(str.strip, patterns)):
        pattern = re.sub(r"^\*\*/|/\*\*?$", "", posixpath.normpath(line.removeprefix("!").strip()).strip("/"))
        if any(fnmatchcase(each, pattern) for each in (name, name.partition("/")[0])):
            ignored = not line.startswith("!")
    return ignored
