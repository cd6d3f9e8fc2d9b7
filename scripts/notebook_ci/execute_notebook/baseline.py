"""Finds the executed notebooks of an earlier run, whose outputs are compared with the new ones."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from notebook_ci.base.errors import CheckFailed, InputError, Severity
from notebook_ci.base.files import is_file, is_folder
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.typed_json import to_json
from notebook_ci.base.workspace import Workspace
from notebook_ci.base.yaml12 import Values
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.selection import SUFFIX
from notebook_ci.records import run_directory
from notebook_ci.records.execute_notebook import ExecuteRecord

MOST_LISTED = 10
HINT = "It is a folder of executed notebooks with the same subfolders as the originals, or a run directory."
OUTSIDE = "The earlier run wrote its notebooks to its own `output-dir`: set `baseline` to that folder."


class NoBaselineError(Exception):
    """There is nothing to compare an execution with. The text says why."""

    def __init__(self, why: str, severity: Severity) -> None:
        super().__init__(f"{why} Its outputs are not compared.")
        self.severity: Severity = severity


class Baseline:
    """The executed notebooks in a folder or a run directory. Raises InputError if the input is neither."""

    def __init__(self, given: str, slug: str, workspace: Workspace) -> None:
        cwd = workspace.cwd
        self.folder, self._given, self._slug, self._directory = cwd / given, given, slug, workspace.directory
        if not is_folder(self.folder):
            raise InputError(f"`baseline` is {quote(given)}, which is not a folder.", hint=HINT)
        if cwd.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(f"`baseline` is {quote(given)}, which contains the notebooks.", hint=HINT)

    def has(self, name: str) -> bool:
        return is_file(self._path(name))

    def without(self, names: Sequence[str]) -> InputError:
        shown = listed(list(map(quote, names)), MOST_LISTED)
        return InputError(
            f"`baseline` is {quote(self._given)}, which has none of the notebooks: {shown}.", hint=self._hint(HINT)
        )

    def read(self, name: str, parameters: Values) -> Document:
        """Return the executed notebook of an execution.

        Raises NoBaselineError if there is none or if it failed, and InputError if it cannot be read, or was executed
        with other parameters.
        """
        if not self.has(name):
            raise NoBaselineError(f"`{name}` is not in the baseline.", "notice")
        path = self._path(name)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            hint = self._hint("Replace the link by the notebook.")
            raise InputError(f"{quote(str(path))} is outside `baseline`.", hint=hint)
        try:
            found = document.read(path)
        except CheckFailed as error:
            raise InputError(f"`baseline` cannot be used: {error.message}", hint=HINT) from error
        ran = found.metadata.get("papermill")  # our executed notebooks have it, too
        ran = ran if isinstance(ran, dict) else {}
        if ran.get("exception"):
            raise NoBaselineError(f"`{name}` failed in the baseline.", "warning")
        if (ran.get("parameters") or {}) != to_json(dict(parameters)):
            what = f"`{name}` was executed with other parameters in the baseline."
            raise InputError(what, hint="Use the same for both, or set `compare` to `off` for it: see `for`.")
        return found

    def _path(self, name: str) -> Path:
        if self._recorded is None:
            return self.folder / PurePosixPath(name).with_suffix(SUFFIX)
        return self.folder / self._recorded.get(name, "")

    def _hint(self, usual: str) -> str:
        is_elsewhere = any(PurePosixPath(output).is_absolute() for output in (self._recorded or {}).values())
        return OUTSIDE if is_elsewhere else usual

    @cached_property
    def _recorded(self) -> Mapping[str, str] | None:
        """The outputs by execution, if this is a run directory: of this project, and of this slug if it has records.

        A job may run several projects, which share its run directory.
        """
        paths = sorted(self.folder.glob("execute-notebook*.json"))
        records = [record for record in map(run_directory.read, paths) if isinstance(record, ExecuteRecord)]
        own = [record for record in records if record.source.get("directory", "") == self._directory]
        own = [record for record in own if record.slug == self._slug] or own
        own.sort(key=lambda record: record.started)
        found = {each.name: each.output for record in own for each in record.notebooks if each.output}
        return found if records else None
