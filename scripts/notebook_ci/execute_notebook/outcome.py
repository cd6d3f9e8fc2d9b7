"""What a worker tells the stage's process of an execution: its state, its outcome and its problems."""

import ctypes
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from notebook_ci.base.errors import Problem, Severity
from notebook_ci.base.files import sha256
from notebook_ci.execute_notebook.settings import Settings
from notebook_ci.records.execute_notebook import ALLOW, UNTITLED, Failure, FailureKind, NotebookResult
from notebook_ci.records.run_directory import StageFiles

# Never allowed: they are not the notebook's own, or `on-secret` asks for them.
_OF_OTHERS: tuple[FailureKind, ...] = ("kernel-not-started", "surroundings", "cancelled", "secret")


class WorkerState(ctypes.Structure):
    """Numbers in memory that both processes share: a message per cell would cost more than many a cell."""

    cell: int  # the running one, counted from 1; 0: none yet
    kernel: int  # a kernel runs that leads this process group; 0: it has ended, with everything that it had started
    has_free_cpu: bool  # whether another CPU is free, in addition to the one that the kernel uses
    _fields_ = (("cell", ctypes.c_int), ("kernel", ctypes.c_int), ("has_free_cpu", ctypes.c_bool))


@dataclass
class Outcome:
    result: NotebookResult
    problems: list[Problem] = field(default_factory=list)  # besides the failure in `result`
    read: dict[str, str] = field(default_factory=dict)  # SHA-256 per path
    created: dict[str, str] = field(default_factory=dict)  # SHA-256 per path, relative inside the run directory
    has_imports: bool = False  # the kernel was forked after imports of its notebook
    not_forked: str = ""  # why the kernel was not forked, if it was meant to be
    surroundings_failed: bool = False  # the disk, for example

    def add(self, path: Path, files: StageFiles) -> str:
        """Record the digest of an output file, and return its name in the record."""
        name = files.relative(path)
        self.created[name] = sha256(path)
        return name


def judge(result: NotebookResult, settings: Settings) -> None:
    """Allow the failure of a notebook that may fail, and fail it if it passed: its setting is out of date."""
    if settings.allow_failure is None or not is_own(result.failures):
        return
    if result.failure is None:
        result.status = "failed"
        result.failure = Failure(
            kind="unexpected-pass",
            title="Passed unexpectedly",
            message=f"The notebook passed, contrary to {result.allowance}",
            hint=f"Remove `{ALLOW}`.",
        )
    elif settings.may_fail:
        result.status = "allowed"
    else:
        result.failure.hint = f"{result.failure.hint} No longer allowed by {result.allowance}".lstrip()


def is_own(failures: Collection[Failure]) -> bool:
    return not {failure.kind for failure in failures}.intersection(_OF_OTHERS)


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
    """Return the problem for a failure: an error, or a warning if it was allowed, or if a later attempt passed."""
    title, hint = failure.title, failure.hint
    if result.status == "allowed":
        hint += f" Allowed by {result.allowance}"
    elif result.status == "passed":
        title = f"Flaky: {title}"
        hint += (
            f" It passed at attempt {len(result.earlier_failures) + 1}. Look for random numbers, races, the network."
        )
    return about(
        result,
        "warning" if result.status in {"allowed", "passed"} else "error",
        f"{failure.message}\n{failure.source}".strip() or failure.title,
        hint=hint.lstrip(),
        title="" if failure.kind in UNTITLED else title,
        line=failure.line,
    )
