"""The outcome of an execution, as a worker sends it, and its problems."""

from dataclasses import dataclass, field
from pathlib import PurePath

from notebook_ci.base.errors import Problem, Severity
from notebook_ci.records.execute_notebook import Failure, FailureKind, NotebookResult

# Failures that need no title: their messages name the notebook or the file.
UNTITLED: tuple[FailureKind, ...] = ("invalid-notebook", "surroundings")


@dataclass
class Outcome:
    result: NotebookResult
    problems: list[Problem] = field(default_factory=list)  # besides the failure in `result`
    read: dict[str, str] = field(default_factory=dict)  # SHA-256 per path
    created: dict[str, str] = field(default_factory=dict)  # SHA-256 per path, relative inside the run directory
    has_imports: bool = False  # the kernel was forked after imports of its notebook
    not_forked: str = ""  # why the kernel was not forked, if it was meant to be
    surroundings_failed: bool = False  # the disk, for example


def about(
    result: NotebookResult,
    severity: Severity,
    message: str,
    *,
    hint: str = "",
    title: str = "",
    line: int | None = None,
) -> Problem:
    """Return a problem of an execution. Its title or message names the execution if the file does not identify it."""
    if result.name != result.path:
        name = PurePath(result.name).name
        title, message = (f"{title} of {name}", message) if title else ("", f"{name}: {message}")
    return Problem(severity=severity, title=title, message=message, hint=hint, file=result.path, line=line)


def problem(result: NotebookResult, failure: Failure) -> Problem:
    return about(
        result,
        "error",
        f"{failure.message}\n{failure.source}".strip() or failure.title,
        hint=failure.hint,
        title="" if failure.kind in UNTITLED else failure.title,
        line=failure.line,
    )
