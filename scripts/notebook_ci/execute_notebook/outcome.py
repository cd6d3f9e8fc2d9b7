"""The outcome of an execution, as a worker sends it."""

from dataclasses import dataclass, field

from notebook_ci.base.problems import Problem
from notebook_ci.records.execute_notebook import Failure, NotebookResult


def problem(path: str, failure: Failure) -> Problem:
    return Problem(
        severity="error",
        title=failure.title,
        message=f"{failure.message}\n{failure.source}".strip() or failure.title,
        hint=failure.hint,
        file=path,
        line=failure.line,
    )


@dataclass
class Outcome:
    result: NotebookResult
    problems: list[Problem] = field(default_factory=list)
    read: dict[str, str] = field(default_factory=dict)  # SHA-256 per path
    made: dict[str, str] = field(default_factory=dict)  # SHA-256 per path, relative inside the run directory
    has_imports: bool = False  # the kernel was forked after imports of its notebook
    not_forked: str = ""  # why the kernel was not forked, if it was meant to be
    is_around: bool = False  # the surroundings failed: the disk, for example
