"""Checks that the environment has what the notebooks import, before any of them runs."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from notebook_ci.base.errors import Problem
from notebook_ci.base.texts import command_line, listed, quote
from notebook_ci.base.workspace import PRIVATE_FOLDER
from notebook_ci.environments.interpreter import Interpreter
from notebook_ci.execute_notebook.plan import MOST_LISTED
from notebook_ci.notebooks import commands, stated
from notebook_ci.notebooks.distributions import ELSEWHERE, SHARED, distribution, guess
from notebook_ci.notebooks.document import Document, is_python
from notebook_ci.notebooks.needed import LocalModules, Needed
from notebook_ci.records.setup_env import SetupEnvRecord

_ADD = {
    "uv.lock": "uv add {}", "poetry.lock": "poetry add {}", "pdm.lock": "pdm add {}",
    "Pipfile.lock": "pipenv install {}",
}  # fmt: skip

PIP = "pip"
NAMED = "Notebooks name packages that are not installed"
CREATED = "Commands in notebooks may install or create modules that are not installed"
GUARDED = "Modules that are imported in a function, under `try` or under a condition are not installed"


class ImportCheck:
    """What notebooks need from their environment: the modules that they import, and the packages that they name."""

    def __init__(self, documents: Iterable[Document], cwd: Path) -> None:
        python = [document for document in documents if is_python(document)]
        self._cwd, self._local = cwd.resolve(), LocalModules(cwd)
        self._needed = [each for document in python for each in self._local.needed(document)]
        self._stated = {document.path: list(stated.of(document)) for document in python}

    @property
    def modules(self) -> Iterable[str]:
        return (PIP, *(each.path for each in self._needed))

    def problems(self, interpreter: Interpreter, setup: SetupEnvRecord | None) -> Iterator[Problem]:
        """Yield a warning per notebook and missing module, and notices of what may be installed or not imported.

        `setup` is the record of what created the environment, if it is in this run.
        """
        notices: dict[str, list[str]] = defaultdict(list)
        for path, requirements in self._stated.items():
            for own in requirements:
                if setup and own.name not in setup.packages:
                    notices[NAMED].append(f"{quote(own.text)} ({path.as_posix()}, cell {own.cell.index + 1})")
        for name, each in self._missing(interpreter):
            where = f"{quote(name)} ({each.document.path.as_posix()}, cell {each.cell.index + 1})"
            package, elsewhere = distribution(each.path, name), _only_there(each.path)
            names = {name.partition(".")[0], package} - {""}
            if commands.create(each.document, each.cell, *names, has_pip=PIP not in interpreter.missing):
                notices[CREATED].append(where)
            elif not each.imported.guard:
                lock = setup.lock_file if setup else ""
                yield self._warning(name, each, elsewhere or self._on_path(each) or _add(package, each.path, lock))
            elif not elsewhere:
                notices[GUARDED].append(where)
        for what, locations in notices.items():
            yield Problem(severity="notice", message=f"{what}: {listed(locations, MOST_LISTED)}.")

    def _missing(self, interpreter: Interpreter) -> list[tuple[str, Needed]]:
        """Return each missing module with its first import in each notebook; those that certainly happen come first."""
        first: dict[tuple[Path, str], tuple[str, Needed]] = {}
        for each in sorted(self._needed, key=lambda each: bool(each.imported.guard)):
            if name := interpreter.missing.get(each.path):
                shown = each.path if name in SHARED else name
                first.setdefault((each.document.path, distribution(each.path, name) or shown), (shown, each))
        return [found for _, found in sorted(first.items(), key=lambda item: item[0][0])]

    def _warning(self, name: str, each: Needed, hint: str) -> Problem:
        path = each.document.path.as_posix()
        file = Path(os.path.relpath(each.file, self._cwd)).as_posix() if each.file else path
        by = f"Cell {each.cell.index + 1} of `{path}`" + (f" imports `{file}`, which" if each.file else "")
        message = f"{by} imports {quote(name)}, which is not installed."
        return Problem(severity="warning", message=message, hint=hint, file=file, line=each.line)

    def _on_path(self, each: Needed) -> str:
        """Return what to do about a module that is in a folder of the workspace where Python does not look."""
        folder = self._local.elsewhere(each.path)
        if not folder:
            return ""
        relative = Path(os.path.relpath(folder, self._local.beside(each.document))).as_posix()
        shown = quote(folder.relative_to(self._cwd).as_posix())
        return f"The folder {shown} has such a module: run `sys.path.append({relative!r})` before, or install it."


def _only_there(path: str) -> str:
    platform = next((ELSEWHERE[name] for name in ELSEWHERE if f"{path}.".startswith(f"{name}.")), "")
    return f"It exists only on {platform}. Import it under `try`, or tag the cell `skip-execution`." if platform else ""


def _add(package: str, path: str, lock: str) -> str:
    if package and lock in _ADD:
        return f"Run {command_line(_ADD[lock], package)}, and commit the lock."
    perhaps = f" (perhaps {quote(guessed)})" if (guessed := guess(path)) else ""
    what = quote(package) if package else f"the package that provides it{perhaps}"
    if lock.startswith(PRIVATE_FOLDER):  # written by setup-env
        return f"Run `notebook-ci infer-requirements`, add {what} if it is not in the list, and commit the list."
    return f"Add {what} to {quote(lock) if lock else 'the list of packages of the environment'}."
