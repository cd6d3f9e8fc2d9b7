"""Finds the data that globs name, and reads the suites that belong to it."""

import glob
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.texts import quote
from notebook_ci.validate_data import data, suites
from notebook_ci.validate_data.projects import Batch
from notebook_ci.validate_data.suites import Suite


@dataclass(frozen=True)
class Rule:
    data: str | Batch  # a file relative to the workspace, or a batch of a project
    suite: Suite


def find(suites_of: Mapping[str, Iterable[str]], cwd: Path) -> tuple[list[Rule], list[NotebookCiError]]:
    """Find the data and read the suites; `suites_of` maps files or globs to suites.

    The rules contain each pair of data and suite once. The errors are all problems of data and suites.
    """
    errors: list[NotebookCiError] = []
    read: dict[str, Suite | None] = {}
    chosen: dict[tuple[str, str], Rule] = {}
    for pattern, names in suites_of.items():
        files = _files(pattern, cwd, errors)
        for name in names:
            if name not in read:
                read[name], wrong = suites.read(cwd / name, Path(name).as_posix())
                errors += wrong
        read_suites = {name: suite for name in names if (suite := read[name])}
        chosen |= {(file, name): Rule(file, suite) for file in files for name, suite in read_suites.items()}
    return list(chosen.values()), errors


def _files(pattern: str, cwd: Path, errors: list[NotebookCiError]) -> list[str]:
    """Return the files that match a pattern; adds their problems to `errors`."""
    matches = _matches(pattern, cwd)
    if not matches:
        message = f"No file matches {quote(pattern)} in `{cwd}`."
        errors.append(InputError(message, hint="Paths are relative to the workspace."))
    good = []
    for shown in matches:
        try:
            data.check_file(cwd / shown, shown)
            good.append(shown)
        except InputError as error:
            errors.append(error)
    return good


def _matches(pattern: str, cwd: Path) -> list[str]:
    """Return the files that match a pattern, with `/`. A name that exists literally is not used as a glob."""
    if os.path.lexists(cwd / pattern) or not glob.has_magic(pattern):
        return [Path(pattern).as_posix()]
    found = glob.glob(pattern, root_dir=cwd, recursive=True)  # noqa: PTH207 - absolute patterns work, too
    return sorted(Path(path).as_posix() for path in found if not (cwd / path).is_dir())
