"""Which notebooks: globs, folders and files."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from notebook_ci.errors import InputError
from notebook_ci.inputs import quote

SUFFIX = ".ipynb"


def select(patterns: Iterable[str], exclude: Iterable[str], cwd: Path, never: Iterable[Path] = ()) -> list[str]:
    """Return the notebooks that are meant, sorted, relative to `cwd`, with `/`.

    Args:
        patterns: Files, folders and globs. A name that exists as it is written is not taken as a glob.
        exclude: The same, to leave out.
        cwd: The folder they are relative to; notebooks must lie in it.
        never: Folders whose content is not looked at: outputs of this and earlier runs.

    Raises:
        InputError: A pattern matches no notebook, or one outside `cwd`; nothing is left.
    """
    left_out = {path for pattern in exclude for path in _expand(pattern, cwd)}
    never = [folder.resolve() for folder in never]
    chosen: set[str] = set()
    for pattern in patterns:
        found = [path for path in _expand(pattern, cwd) if not _lies_in(cwd / path, never)]
        if not found:
            raise InputError(
                f"No notebook matches {quote(pattern)} in {cwd}.",
                hint="Correct the input notebooks, or take the line out. Patterns are relative to the workspace.",
            )
        chosen.update(found)
    remaining = sorted(chosen - left_out)
    if not remaining:
        raise InputError(
            f"All {len(chosen)} notebooks that match are left out by the input exclude.", hint="Correct exclude."
        )
    return remaining


def _expand(pattern: str, cwd: Path) -> Iterator[str]:
    """Yield the notebooks a pattern means, relative to `cwd`."""
    try:
        literal = cwd / pattern
        if literal.is_dir():
            pattern = f"{glob.escape(pattern.rstrip('/'))}/**/*{SUFFIX}"
        elif literal.exists():
            yield _relative(literal, pattern, cwd)
            return
        matches = glob.iglob(pattern, root_dir=cwd, recursive=True)  # noqa: PTH207 - pathlib shows hidden folders
        yield from (
            _relative(cwd / match, pattern, cwd)
            for match in matches
            if match.endswith(SUFFIX) and (cwd / match).is_file() and not _in_virtual_environment(cwd, match)
        )
    except (OSError, ValueError) as error:
        raise InputError(f"The pattern {quote(pattern)} cannot be used: {error}.") from error


def _relative(path: Path, pattern: str, cwd: Path) -> str:
    if path.suffix != SUFFIX:
        raise InputError(f"{quote(pattern)} is not a notebook.", hint=f"Notebooks are files that end in {SUFFIX}.")
    normal = Path(os.path.normpath(path))
    if not normal.is_relative_to(cwd):
        raise InputError(
            f"{quote(pattern)} lies outside the workspace {cwd}.",
            hint="Check the repository out into the workspace, and give paths relative to it.",
        )
    return normal.relative_to(cwd).as_posix()


def _in_virtual_environment(cwd: Path, match: str) -> bool:
    parents = PurePosixPath(Path(match).as_posix()).parents
    return any((cwd / parent / "pyvenv.cfg").exists() for parent in parents)


def _lies_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)
