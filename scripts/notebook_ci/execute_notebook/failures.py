"""Explains why a notebook failed, with the location in its file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from traceback import extract_tb

from notebook_ci.base import signals
from notebook_ci.base.errors import Cancelled, CheckFailed, NotebookCiError, Problem
from notebook_ci.base.masking import masked
from notebook_ci.execute_notebook.deaths import FAULT
from notebook_ci.execute_notebook.engine import PreparedNotebook, StoppedError
from notebook_ci.execute_notebook.outcome import about
from notebook_ci.execute_notebook.saving import EXIT, errors_shown
from notebook_ci.notebooks import positions, tracebacks
from notebook_ci.records.execute_notebook import Failure, FailureKind, NotebookResult

MOST_TRACEBACK_LINES = 60
MOST_TRACEBACK_CHARACTERS = 20_000
MOST_VALUE_CHARACTERS = 2_000
MOST_NAME_CHARACTERS = 200
MOST_SOURCE_CHARACTERS = 500
HINTS = {
    "ModuleNotFoundError": "Add the package that provides it to your requirements: setup-env installs them. If it is a "
    "file of your repository: notebooks run in their own folder, so set `PYTHONPATH` to the folder of the module.",
    "FileNotFoundError": "Notebooks run in their own folder: relative paths start there.",
    "StdinNotImplementedError": "Nobody can answer `input()` in CI. Read the value from a cell tagged `parameters`, "
    "and set it with `parameters`.",
}
TITLES: dict[FailureKind, str] = {
    "cell-error": "Error",
    "cell-timeout": "Exceeded `cell-timeout`",
    "notebook-timeout": "Exceeded `notebook-timeout`",
    "kernel-died": "Kernel died",
    "kernel-not-started": "Kernel did not start",
    "invalid-notebook": "Cannot be executed",
    "broken-execution": "Broken execution",
    "surroundings": "Disk or folder problem",
    "cancelled": "Cancelled",
}
LOG_LINES = 20
COMMAND_ERROR = "CalledProcessError"
COMMAND_HINT = "If it may fail, add `; true`. To fail the notebook instead, set `shell-errors` to `fail`."
PIP_HINT = "Add the packages to your requirements: setup-env installs them."


def all_of(error: BaseException, notebook: PreparedNotebook | None) -> list[Failure]:
    """Return the failures of all cells that failed, and of what ended the execution, if that was not one of them."""
    if notebook is None:
        return [explain(error)]
    ran = _Ran(notebook)
    found = [ran.failure("cell-error", "", "", index) for index in notebook.failed]
    return found if error in notebook.failed.values() else [*found, explain(error, notebook)]


def explain(error: BaseException, notebook: PreparedNotebook | None = None) -> Failure:
    """Return the failure for what ended an execution; without a `notebook`, it ended before its first cell."""
    kind: FailureKind
    kernel_log = ""
    match error:
        case CheckFailed():
            return refused(error)
        case NotebookCiError():
            return refused(error, "surroundings")
        case Cancelled():
            kind, message = "cancelled", "The job was cancelled."
        case StoppedError():
            kind, message, kernel_log = error.kind, str(error), error.kernel_log
        case _:
            kind, message = "broken-execution", _unforeseen(error)
    if notebook is None or notebook.current is None:
        return Failure(kind=kind, title=TITLES[kind], message=message, traceback=_last_lines(kernel_log))
    return _Ran(notebook).failure(kind, message, kernel_log, notebook.current)


def refused(error: NotebookCiError, kind: FailureKind = "invalid-notebook") -> Failure:
    return Failure(kind=kind, title=TITLES[kind], message=error.message, hint=error.hint, line=error.line)


def commands(notebook: PreparedNotebook, result: NotebookResult) -> Iterator[Problem]:
    """Yield a warning for each shell command that failed, with its location."""
    seen: set[tuple[tuple[int, int], int]] = set()
    ran = _Ran(notebook)
    for command in notebook.failed_commands:
        spot = ran.spot(command.cell, command.traceback)
        if spot is None or (spot, command.exit_code) in seen:
            continue
        line, source = ran.line(spot)
        message = f"Cell {spot[0] + 1}: the shell command `{source}` {signals.how_it_ended(command.exit_code)}."
        hint = PIP_HINT if "pip install" in source else "" if seen else COMMAND_HINT
        yield about(result, "warning", message, hint=hint, line=line)
        seen.add((spot, command.exit_code))


def _unforeseen(error: BaseException) -> str:
    """Most come from invalid messages of a notebook's kernel. For the others, the message names our file and line."""
    innermost = extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {masked(str(error))[:MOST_VALUE_CHARACTERS]}"
    return (
        f"The execution stopped: {what} ({Path(innermost.filename).name}, line {innermost.lineno}). Either the "
        "notebook made its kernel send an invalid message, or this is a bug of notebook-ci: then please report it."
    )


def _last_lines(text: str) -> str:
    return tracebacks.strip_ansi("\n".join(text.splitlines()[-LOG_LINES:]))


@dataclass(frozen=True)
class _Ran:
    """The cells of an execution that ran."""

    notebook: PreparedNotebook

    def failure(self, kind: FailureKind, message: str, kernel_log: str, index: int) -> Failure:
        """Return the failure of a cell.

        Its location is the line in the notebook that the traceback points to, else the first line of the cell. Without
        a `message`, it has the text of its exception. `kernel_log` says where a kernel crashed.
        """
        cell, origin = self.notebook.nb.cells[index], self.notebook.origins[index]
        error = next(iter(errors_shown(cell)), None)  # the first error: it may have caused the others
        frames = list(error.traceback) if error else []
        traceback = tracebacks.essence(frames, MOST_TRACEBACK_LINES, MOST_TRACEBACK_CHARACTERS)
        title, ename, evalue = TITLES[kind], "", ""
        if error and kind == "cell-error":
            # Credentials are hidden before a text is cut: half of one is not known as such.
            ename = masked(error.ename)[:MOST_NAME_CHARACTERS]
            evalue = self.named(masked(tracebacks.strip_ansi(error.evalue))[:MOST_VALUE_CHARACTERS])
            title = ename or title  # some kernels have no names for errors
            message = evalue
            if ename == EXIT:
                message = f"The notebook exited{' with code' if evalue.isdecimal() else ':'} {evalue}"
            if ename == COMMAND_ERROR:
                printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
                traceback = f"{_last_lines(printed)}\n{traceback}".strip()
        if kind in {"kernel-died", "kernel-not-started"}:
            crash = [line for line in kernel_log.rpartition(FAULT)[2].splitlines() if line.startswith('  File "')]
            frames, traceback = crash[::-1] or frames, _last_lines(kernel_log)
        spot = self.spot(index, frames)
        line, source = self.line(spot) if spot else (None, "")
        if origin is not None:
            raised = f", raised in cell {spot[0] + 1}" if spot and spot[0] != origin else ""
            title += f" in cell {origin + 1}{raised}"
        return Failure(
            kind=kind,
            title=title,
            message=message,
            cell=None if origin is None else origin + 1,
            points_to=spot[0] + 1 if spot else None,
            line=line,
            source=source,
            ename=ename,
            evalue=evalue,
            hint=HINTS.get(ename, ""),
            traceback=self.named(traceback),
        )

    def spot(self, cell: int, traceback: Sequence[str]) -> tuple[int, int] | None:
        """Return the cell index and source line (from 1) that a traceback points to; else the first line of `cell`."""
        origins = self.notebook.origins
        location = tracebacks.locate(traceback, self._sources)
        pointed = origins[self._indices[location.execution_count] if location else cell]
        if pointed is None:  # the injected parameters: they are declared in the cell before
            pointed, location = origins[cell - 1], None
        return None if pointed is None else (pointed, location.line if location else 1)

    def line(self, spot: tuple[int, int]) -> tuple[int, str]:
        """Return the physical line of a location, and its text, if that is short, or the beginning of it."""
        index, line = spot
        document = self.notebook.document
        lines = positions.split_lines(document.cells[index].source)
        line = min(line, len(lines))
        text = masked(lines[line - 1].strip())
        shown = f"{text[:MOST_SOURCE_CHARACTERS]}…" if len(text) > MOST_SOURCE_CHARACTERS else text
        return document.line(index, line), shown

    def named(self, text: str) -> str:
        """Replace the file names that Python uses for cells by the numbers of the cells."""
        names = {count: f"cell {self.notebook.number(index)}" for count, index in self._indices.items()}
        return tracebacks.name_cells(text, self._sources, names)

    @cached_property
    def _indices(self) -> dict[int, int]:
        """Cell indices per execution count."""
        cells, current = self.notebook.nb.cells, self.notebook.current
        counts = {cell.execution_count: index for index, cell in enumerate(cells) if cell.get("execution_count")}
        if current is not None and current not in counts.values():
            counts[max(counts, default=0) + 1] = current  # its kernel died before it sent the count
        return counts

    @cached_property
    def _sources(self) -> dict[int, str]:
        return {count: self.notebook.nb.cells[index].source for count, index in self._indices.items()}
