"""Plans what pytest tests. Runs nothing."""

import configparser
import contextlib
import glob
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.base.files import exists, is_file, is_folder, parse_toml, read_text
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Cell
from notebook_ci.notebooks.selection import SUFFIX, select
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.test_notebook.model import PytestInputs

FOLDER = "tests"
MOST_LISTED = 10
NONE = "none"
OFF = f"`tests` is `{NONE}`, and `nbval` is off."
NO_TESTS = f"There is nothing to test: no folder `{FOLDER}`, and no `testpaths` in pytest's configuration."
_EXCLUDE = "Add it to `exclude` in `[test-notebook]`, or turn `nbval` off."
# Where pytest looks for its configuration, in its order, and the table; the first file that has it counts.
_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_TABLES = {"pyproject.toml": ["tool", "pytest"], "setup.cfg": ["tool:pytest"]}  # of others: `pytest`


@dataclass(frozen=True, kw_only=True)
class PytestPlan(Plan):
    tests: tuple[str, ...]  # files, folders and node IDs, relative to the workspace
    is_named: bool  # whether an input names them, or chooses notebooks
    notebooks: tuple[str, ...]  # those that nbval checks

    def lines(self) -> Iterator[str]:
        if self.tests:
            yield f"run the tests in {listed(list(map(quote, self.tests)), MOST_LISTED)}"
        if self.notebooks:
            yield f"check the outputs of {listed(list(map(quote, self.notebooks)), MOST_LISTED)} with nbval"


def make(inputs: PytestInputs, workspace: Workspace) -> PytestPlan | Nothing:
    """Decide what to test. Raises InputError if it does not exist, or if nbval cannot check a notebook."""
    cwd, is_off = workspace.cwd, inputs.tests == (NONE,)
    for each in () if is_off else inputs.tests:
        _check_exists(each, cwd)
    tests = () if is_off else inputs.tests or _usual(cwd)
    notebooks = _notebooks(inputs, workspace) if inputs.nbval != "off" else ()
    if inputs.nbval_sanitize:
        read_text(cwd / inputs.nbval_sanitize, inputs.nbval_sanitize, hint="Correct `nbval-sanitize`.")
    if not (tests or notebooks):
        hint = "Set `tests` to your tests, or `nbval` to check the outputs of notebooks."
        return Nothing(OFF if is_off else NO_TESTS, hint=hint)
    is_named = bool(inputs.tests or notebooks or inputs.pytest_args)
    return PytestPlan(tests=tuple(tests), is_named=is_named, notebooks=notebooks)


def _check_exists(test: str, cwd: Path) -> None:
    path = test.partition("::")[0]
    if not exists(cwd / path):
        known = [each.relative_to(cwd).as_posix() for each in (*cwd.glob("test*"), *cwd.glob("*/test*"))]
        hint = f"{did_you_mean(known, path)} Correct `tests`. Paths are relative to the workspace."
        raise InputError(f"`tests` lists {quote(path)}, which does not exist.", hint=hint)


def _usual(cwd: Path) -> Sequence[str]:
    """Return `testpaths` of pytest's configuration, else the folder of tests, if it exists."""
    name, paths = _testpaths(cwd)
    # As pytest does it: pathlib refuses `.`.
    found = sorted(each for path in paths for each in glob.glob(path, root_dir=cwd, recursive=True))  # noqa: PTH207
    if paths and not found:
        message = f"`testpaths` in `{name}` is {quote(' '.join(paths))}, which does not exist."
        raise InputError(message, hint="Correct it, or set `tests`.", file=name)
    return found or ([FOLDER] if is_folder(cwd / FOLDER) else [])


def _testpaths(cwd: Path) -> tuple[str, list[str]]:
    """Return the file of pytest's configuration, and its `testpaths`; they may be missing."""
    for name in filter(lambda name: is_file(cwd / name), _FILES):
        table = _content(read_text(cwd / name, name), name)
        for key in _TABLES.get(name, ["pytest"]):
            table = table.get(key) if table else None
        if table is not None or "pytest." in name:  # which counts even if it is empty
            options = table or {}
            paths = options.get("ini_options", options).get("testpaths", [])
            return name, shlex.split(paths) if isinstance(paths, str) else list(map(str, paths))
    return "", []


def _content(text: str, name: str) -> dict[str, Any] | None:
    if name.endswith(".toml"):
        return parse_toml(text, name)
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        message = f"`{name}` is not a valid INI file: {error.message}."
        raise InputError(message, hint="Correct it.", file=name) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _notebooks(inputs: PytestInputs, workspace: Workspace) -> tuple[str, ...]:
    """Return the notebooks for nbval. Raises InputError if the outputs of one are not stored."""
    from notebook_ci.compare.cells import HOW_TO_STORE, unrun  # rarely needed

    cwd = workspace.cwd
    found = select(inputs.notebooks, inputs.exclude, cwd, [RunDirectory.location(inputs.run_dir, workspace)])
    for path in found:
        if PurePosixPath(path).suffix != SUFFIX:
            message = f"`{path}` is a text file, which stores no outputs, so nbval cannot check it."
            raise InputError(message, hint=_EXCLUDE)
        with contextlib.suppress(CheckFailed):  # not a valid notebook: nbval says so, too
            read = document.read(Path(path))
            if not document.is_python(read):
                message = f"`{path}` is written in `{document.language(read)}`, which nbval would run as Python."
                raise InputError(message, hint=_EXCLUDE, file=path)
            # Whatever they display, nbval (0.11) passes them.
            if cells := [cell for cell in unrun(read, inputs.nbval) if not _is_skipped(cell)]:
                numbers = listed([str(cell.index + 1) for cell in cells], MOST_LISTED)
                message = f"`{path}` has no stored outputs of these cells, so nbval cannot compare them: {numbers}."
                hint = f"To store them, {HOW_TO_STORE}. Or: {_EXCLUDE}"
                raise InputError(message, hint=hint, file=path, line=read.line(cells[0].index))
    return tuple(found)


def _is_skipped(cell: Cell) -> bool:
    """Whether nbval skips a cell."""
    return "nbval-skip" in cell.tags or bool(re.search(r"^[ \t]*#+[ \t]*NBVAL_SKIP[ \t]*$", cell.source, re.MULTILINE))
