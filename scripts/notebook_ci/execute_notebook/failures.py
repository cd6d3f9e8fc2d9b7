"""Explains why a notebook failed, with the location in its file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from traceback import extract_tb

from notebook_ci.base import signals
from notebook_ci.base.problems import Problem
from notebook_ci.execute_notebook.deaths import FAULT
from notebook_ci.execute_notebook.engine import (
    EXIT,
    FAILED,
    Execution,
    KernelDiedError,
    KernelNotStartedError,
    errors_shown,
    number,
)
from notebook_ci.execute_notebook.watch import GRACE_SECONDS, Limit, Watch
from notebook_ci.notebooks import positions, tracebacks
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import Failure, FailureKind

MOST_TRACEBACK_LINES = 60
MOST_TRACEBACK_CHARACTERS = 20_000
MOST_VALUE_CHARACTERS = 2_000
MOST_NAME_CHARACTERS = 200
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


def explain(
    document: Document, execution: Execution, watch: Watch, exception: Exception | None, kernel_log: str
) -> Failure | None:
    """Return why an execution failed; None if it did not.

    `exception` is what `Execution.run` raised. `kernel_log` is what the kernel printed in addition to its messages.
    """
    if watch.exceeded and exception:
        return place(document, execution, watch.exceeded, _time_message(watch, watch.exceeded))
    if isinstance(exception, KernelDiedError | KernelNotStartedError):
        kind: FailureKind = "kernel-died" if isinstance(exception, KernelDiedError) else "kernel-not-started"
        frames = [line for line in kernel_log.rpartition(FAULT)[2].splitlines() if line.startswith('  File "')]
        failure = place(document, execution, kind, str(exception), frames=frames[::-1])
        last_lines = tracebacks.strip_ansi("\n".join(kernel_log.splitlines()[-LOG_LINES:]))
        failure.traceback = _with_cells(execution, last_lines)
        return failure
    return of_cell(document, execution)


def of_cell(document: Document, execution: Execution) -> Failure | None:
    """Return the failure of the cell whose error ended the execution; None if there is none.

    As in nbclient and papermill, a cell tagged `raises-exception` may fail, and `sys.exit()` without an error code ends
    a notebook successfully.
    """
    index = _failed_cell(execution)
    has_failed = index is not None and errors_shown(execution.nb.cells[index])
    return place(document, execution, "cell-error") if has_failed else None


def without_cell(kind: FailureKind, message: str, line: int | None = None) -> Failure:
    return Failure(kind=kind, title=TITLES[kind], message=message, line=line)


def broken(document: Document, execution: Execution | None, exception: Exception) -> Failure:
    """Return the failure of a notebook whose execution ended with an unforeseen exception.

    Most come from invalid messages of a notebook's kernel. For the others, the message names our file and line.
    """
    innermost = extract_tb(exception.__traceback__)[-1]
    what = f"{type(exception).__name__}: {str(exception)[:MOST_VALUE_CHARACTERS]}"
    message = (
        f"The execution stopped: {what} ({Path(innermost.filename).name}, line {innermost.lineno}). Either the "
        "notebook made its kernel send an invalid message, or this is a bug of notebook-ci: then please report it."
    )
    if execution is None:
        return without_cell("broken-execution", message)
    return place(document, execution, "broken-execution", message)


def commands(document: Document, execution: Execution, path: str) -> Iterator[Problem]:
    """Yield a warning for each shell command that failed, with its location; `path` is the notebook's."""
    seen: set[tuple[tuple[int, int], int]] = set()
    for command in execution.failed_commands:
        spot = _spot(execution, command.cell, command.traceback)
        if spot is None or (spot, command.exit_code) in seen:
            continue
        line, source = _line(document, spot)
        message = f"Cell {spot[0] + 1}: the shell command `{source}` {signals.how_it_ended(command.exit_code)}."
        hint = PIP_HINT if "pip install" in source else "" if seen else COMMAND_HINT
        yield Problem(severity="warning", message=message, hint=hint, file=path, line=line)
        seen.add((spot, command.exit_code))


def left_by_exit(execution: Execution) -> int:
    """Return how many code cells did not run because an earlier one failed or called `sys.exit()`."""
    failed = _failed_cell(execution)
    return 0 if failed is None else sum(index > failed for index in code_cells(execution))


def code_cells(execution: Execution) -> list[int]:
    """Return the indices of the cells that the author wrote and that run: the injected parameters are left out."""
    return [
        index
        for index, cell in enumerate(execution.nb.cells)
        if execution.origins[index] is not None and cell.cell_type == "code" and cell.source.strip()
    ]


def place(
    document: Document, execution: Execution, kind: FailureKind, message: str = "", frames: Sequence[str] = ()
) -> Failure:
    """Return a failure of the cell that ran last, with its location in the file.

    The location is the line in the notebook that the traceback points to, else the first line of the cell. Without a
    `message`, the failure has the text of its exception. `frames` say where the kernel crashed, innermost last, if no
    error output does.
    """
    failure = without_cell(kind, message)
    if execution.current is None:
        return failure
    errors = errors_shown(execution.nb.cells[execution.current])
    traceback = errors[0].traceback if errors else []  # the first error: it may have caused the others
    failure.traceback = _with_cells(
        execution, tracebacks.essence(traceback, MOST_TRACEBACK_LINES, MOST_TRACEBACK_CHARACTERS)
    )
    if errors and kind == "cell-error":
        value = tracebacks.strip_ansi(errors[0].evalue[:MOST_VALUE_CHARACTERS])
        failure.ename = errors[0].ename[:MOST_NAME_CHARACTERS]
        failure.evalue = failure.message = _with_cells(execution, value)
        failure.title = failure.ename or failure.title  # some kernels have no names for errors
        failure.hint = HINTS.get(failure.ename, "")
        if failure.ename == EXIT:
            failure.message = f"The notebook exited{' with code' if value.isdecimal() else ':'} {value}"
        if failure.ename == COMMAND_ERROR:
            failure.traceback = f"{_printed(execution)}\n{failure.traceback}".strip()
    origin = execution.origins[execution.current]
    failure.cell = None if origin is None else origin + 1
    if spot := _spot(execution, execution.current, frames or traceback):
        failure.points_to = spot[0] + 1
        failure.line, failure.source = _line(document, spot)
    failure.title += _cells(failure)
    return failure


def _printed(execution: Execution) -> str:
    outputs = execution.nb.cells[execution.current or 0].outputs
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    return tracebacks.strip_ansi("\n".join(printed.splitlines()[-LOG_LINES:]))


def _cells(failure: Failure) -> str:
    """Name the cell that failed, and the cell where its traceback ends."""
    if failure.cell is None:
        return ""
    raised = "" if failure.points_to in {None, failure.cell} else f", raised in cell {failure.points_to}"
    return f" in cell {failure.cell}{raised}"


def _spot(execution: Execution, ran: int, traceback: Sequence[str]) -> tuple[int, int] | None:
    """Return the cell index and source line (from 1) that a traceback points to; else the first line of cell `ran`."""
    counts, sources = _run_cells(execution)
    location = tracebacks.locate(traceback, sources)
    pointed = execution.origins[counts[location.execution_count] if location else ran]
    if pointed is None:  # the injected parameters: they are declared in the cell before
        pointed, location = execution.origins[ran - 1], None
    return None if pointed is None else (pointed, location.line if location else 1)


def _with_cells(execution: Execution, text: str) -> str:
    """Replace the file names that Python uses for cells by the numbers of the cells."""
    counts, sources = _run_cells(execution)
    names = {count: f"cell {number(index, execution.origins)}" for count, index in counts.items()}
    return tracebacks.name_cells(text, sources, names)


def _run_cells(execution: Execution) -> tuple[dict[int, int], dict[int, str]]:
    """Return the indices and the sources of the cells that ran, per execution count."""
    cells = execution.nb.cells
    counts = {cell.execution_count: index for index, cell in enumerate(cells) if cell.get("execution_count")}
    if execution.current is not None and execution.current not in counts.values():
        counts[max(counts, default=0) + 1] = execution.current  # its kernel died before it sent the count
    return counts, {count: cells[index].source for count, index in counts.items()}


def _line(document: Document, spot: tuple[int, int]) -> tuple[int, str]:
    """Return the physical line of a location, and its text."""
    index, line = spot
    lines = positions.split_lines(document.cells[index].source)
    line = min(line, len(lines))
    return positions.source_line(document.text, index, line), lines[line - 1].strip()


def _time_message(watch: Watch, limit: Limit) -> str:
    subject = "A cell" if limit == "cell-timeout" else "The notebook"
    killed = f"; {GRACE_SECONDS:g} seconds later its kernel was killed" if watch.has_killed else ""
    return f"{subject} ran longer than `{limit}` ({watch.limits[limit]:g} seconds) and was interrupted{killed}."


def _failed_cell(execution: Execution) -> int | None:
    statuses = [cell.metadata.papermill.get("status") for cell in execution.nb.cells]
    return statuses.index(FAILED) if FAILED in statuses else None
