"""Finds notebooks from globs, folders and files."""

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.notebooks import text_notebooks
from notebook_ci.records.run_directory import RUN_MARKER

SUFFIX = ".ipynb"
SUFFIXES = (SUFFIX, *text_notebooks.SUFFIXES)
MOST_MEANT = 3


def select(patterns: Iterable[str], exclude: Iterable[str], cwd: Path, never: Iterable[Path] = ()) -> list[str]:
    """Return the selected notebooks, sorted, relative to `cwd`, with `/`.

    `patterns` and `exclude` are files, folders and globs; a name that exists is not read as a glob. Folders in `never`
    are not searched: outputs of this and earlier runs. Raises InputError if a pattern matches no notebook, or one
    outside `cwd`, or if all are excluded.
    """
    left_out = {path for pattern in exclude for path in expand(pattern, cwd, SUFFIXES)}
    never = [folder.resolve() for folder in never]
    chosen: set[str] = set()
    for pattern in patterns:
        matches = sorted(expand(pattern, cwd))
        found = [path for path in matches if not _lies_in(cwd / path, never)]
        if matches and not found:
            raise InputError(
                f"{quote(pattern)} matches only outputs: {quote(matches[0])} is in `output-dir` or the run directory.",
                hint="Correct `notebooks`, or use another folder for the outputs.",
            )
        if not found:
            raise InputError(
                f"No notebook matches {quote(pattern)} in `{cwd}`.",
                hint=f"{meant(pattern, everything(cwd, never))} Correct `notebooks`, or remove the line. Patterns are "
                "relative to the workspace. Notebooks of jupytext need their suffix, such as `**/*.py`.",
            )
        chosen.update(found)
    remaining = sorted(chosen - left_out)
    if not remaining:
        raise InputError("`exclude` matches all notebooks.", hint="Correct `exclude`, or remove it.")
    if outside := next((path for path in remaining if not _lies_in(cwd / path, [cwd.resolve()])), None):
        raise InputError(
            f"{quote(outside)} is a link to a file outside the workspace `{cwd}`.",
            hint="Replace it with the notebook itself, or add it to `exclude`.",
        )
    return remaining


def without_others(found: Sequence[str], patterns: Iterable[str], cwd: Path) -> tuple[list[str], list[str]]:
    """Divide selected files into notebooks, and text files that are none, unless `patterns` name them.

    If there are only such text files, they count as notebooks: they fail, and say why.
    """
    named = {path for each in patterns if (cwd / each).is_file() for path in expand(each, cwd)}
    others = [path for path in found if path not in named and text_notebooks.is_other(cwd / path)]
    chosen = [path for path in found if path not in others]
    return (chosen, others) if chosen else (list(found), [])


def everything(cwd: Path, never: Iterable[Path], suffixes: Sequence[str] = SUFFIXES) -> Iterator[str]:
    """Yield all notebooks of the workspace; see `select`."""
    folders, inside = [folder.resolve() for folder in never], [cwd.resolve()]
    found = (cwd / path for path in expand("**", cwd, suffixes))
    own = (path for path in found if _lies_in(path, inside) and not _lies_in(path, folders))
    return (path.relative_to(cwd).as_posix() for path in own if not text_notebooks.is_other(path))


def meant(pattern: str, paths: Iterable[str]) -> str:
    """Return a question with what a pattern that matches nothing may mean: a notebook, or globs of those that exist."""
    paths = list(paths)
    if not paths:
        return "There are no notebooks."
    if not glob.has_magic(pattern) and (question := did_you_mean(paths, pattern)):
        return question
    tops = Counter((Path(path).parts[:-1][:1], Path(path).suffix) for path in paths)
    globs = [
        f"`{'/'.join([*top, '**', '*'] if top else '*')}{suffix}` ({number} notebook{'s' if number > 1 else ''})"
        for (top, suffix), number in tops.most_common(MOST_MEANT)
    ]
    return f"Did you mean {' or '.join(globs)}?"


def matching(pattern: str, paths: Iterable[str]) -> list[str]:
    """Return the path that is equal to the pattern, else the paths that match it as a glob."""
    written = [path for path in paths if path == pattern]
    parts = Path(pattern).parts
    return written or [path for path in paths if _matches(Path(path).parts, parts)]


def expand(pattern: str, cwd: Path, suffixes: Sequence[str] = ()) -> set[str]:
    """Return the notebooks that a pattern matches, with any of the suffixes; see `select`.

    Without `suffixes`, a text notebook matches only by its name, or if the pattern ends with its suffix.
    """
    suffixes = suffixes or (SUFFIX, *(each for each in text_notebooks.SUFFIXES if pattern.endswith(each)))
    try:
        literal = cwd / pattern
        if literal.is_dir():
            return {_relative(path, pattern, cwd) for path in _below(literal, ["**"], suffixes)}
        if literal.exists() or literal.is_symlink():
            return {_relative(literal, pattern, cwd)}
        parts = Path(pattern).parts
        start = list(itertools.takewhile(lambda part: not glob.has_magic(part), parts))
        found = _below(cwd.joinpath(*start), parts[len(start) :], suffixes)
        return {_relative(path, pattern, cwd) for path in found}
    except (OSError, ValueError) as error:
        raise InputError(f"{quote(pattern)} is not a valid pattern: {error}.") from error


def _below(start: Path, pattern: Sequence[str], suffixes: Sequence[str]) -> Iterator[Path]:
    """Yield the notebooks below a folder whose relative path matches.

    Skips virtual environments and run directories, and does not follow links to folders: one that points upwards would
    yield every notebook again and again.
    """
    hidden = any(part.startswith(".") for part in pattern)
    for folder, folders, files in os.walk(start):
        if RUN_MARKER in files or ("pyvenv.cfg" in files and Path(folder) != start):
            folders.clear()
            continue
        folders[:] = [name for name in folders if hidden or not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            # A broken link counts: a missing notebook must not be left out silently.
            is_notebook = name.endswith(tuple(suffixes)) and (path.is_file() or path.is_symlink())
            if is_notebook and _matches(path.relative_to(start).parts, pattern):
                yield path


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a path matches a glob, both given as parts: `**` is any number of folders, at the end any file.

    This is own code because pathlib and glob treat hidden folders and links differently, and pathlib changes with
    Python's version.
    """
    if not pattern or not parts:
        return not pattern and not parts
    (name, *below), (piece, *rest) = parts, pattern
    shown = piece.startswith(".") or not name.startswith(".")
    if piece == "**":
        return _matches(parts, rest or ["*"]) or (shown and bool(below) and _matches(below, pattern))
    return shown and fnmatch(name, piece) and _matches(below, rest)


def _relative(path: Path, pattern: str, cwd: Path) -> str:
    if path.suffix not in SUFFIXES:
        names = ", ".join(map(quote, SUFFIXES))
        raise InputError(f"{quote(pattern)} is not a notebook.", hint=f"Names of notebooks end in {names}.")
    normal = Path(os.path.normpath(path))
    if not normal.is_relative_to(cwd):
        raise InputError(
            f"{quote(pattern)} is outside the workspace `{cwd}`.",
            hint="Check out the repository into the workspace, and use paths relative to it.",
        )
    return normal.relative_to(cwd).as_posix()


def _lies_in(path: Path, folders: Iterable[Path]) -> bool:
    real = Path(os.path.realpath(path))  # `Path.resolve` fails on links in a circle, before Python 3.13
    return any(real.is_relative_to(folder) for folder in folders)
