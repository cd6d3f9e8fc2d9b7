"""Expected failures, each with its exit code, and the problems that a stage reports to people.

A failure that can be foreseen is raised as one of these and shown as one sentence with a next step. Any other exception
is a bug of notebook-ci: its traceback is printed, and the exit code is 70 (`EX_SOFTWARE`, sysexits.h).
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

EXIT_BUG = 70
MILDEST_FIRST = (0, 1, 3, 2, EXIT_BUG)  # the exit codes of a stage that was not cancelled
Severity = Literal["error", "warning", "notice"]


class NotebookCiError(Exception):
    """An expected failure: what is wrong, as a sentence a data scientist understands, and what to do next.

    `file` is the name that the user knows; lines count from 1.
    """

    exit_code = EXIT_BUG
    others: "Sequence[NotebookCiError]" = ()  # found together with this one

    def __init__(
        self, message: str, *, hint: str = "", file: str | Path | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint.strip()
        self.file = None if file is None else Path(file).as_posix()
        self.line = line

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("exit_code", "message", "hint", "file", "line")}


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a run whose stages ended with these codes."""
    ranks = {code: rank for rank, code in enumerate(MILDEST_FIRST)}
    return max(codes, key=lambda code: ranks.get(code, len(ranks)), default=0)


@contextlib.contextmanager
def located(file: str | Path | None, line: int | None = None) -> Iterator[None]:
    """Add a location to an error that has none."""
    try:
        yield
    except NotebookCiError as error:
        if file is not None and error.file is None:
            error.file, error.line = Path(file).as_posix(), line
        raise


def together(errors: "Sequence[NotebookCiError]") -> NotebookCiError:
    """Return the last error, to be raised; it carries the others."""
    errors[-1].others = errors[:-1]
    return errors[-1]


class CheckFailed(NotebookCiError):
    """A check found an error in the user's notebooks or data."""

    exit_code = 1


class InputError(NotebookCiError):
    """An input is wrong and must be changed where the action or the command is called."""

    exit_code = 2


class SurroundingsError(NotebookCiError):
    """The network, credentials, the disk or an installation failed."""

    exit_code = 3


def from_json(value: Mapping[str, Any]) -> NotebookCiError:
    """Return the failure that `NotebookCiError.as_json` wrote. A subclass becomes the class with its exit code."""
    kinds = {kind.exit_code: kind for kind in (CheckFailed, InputError, SurroundingsError)}
    return kinds[value["exit_code"]](value["message"], hint=value["hint"], file=value["file"], line=value["line"])


class Cancelled(KeyboardInterrupt):
    """The job was cancelled.

    The signal handler raises it, so that `finally` blocks save the results so far. It is a KeyboardInterrupt because
    asyncio swallows any other exception that a signal handler raises in a callback.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number  # as shells report it


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something a person should look at."""

    severity: Severity  # `error` makes the stage fail
    message: str  # what is wrong
    hint: str = ""  # what to do next
    title: str = ""  # a few words, shown above the message
    file: str | None = None  # relative to the working directory, with `/`
    line: int | None = None  # counted from 1

    @classmethod
    def of(cls, error: NotebookCiError) -> "Problem":
        return cls(severity="error", message=error.message, hint=error.hint, file=error.file, line=error.line)

    @property
    def text(self) -> str:
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.hint}" if self.hint else self.message

    @property
    def titled_text(self) -> str:
        return f"{self.title}: {self.text}" if self.title else self.text


@dataclass(frozen=True, kw_only=True)
class Failed(Problem):
    """An error of a stage, with what a person needs to understand it without the log."""

    severity: Severity = "error"
    subject: str = ""  # the notebook, the test or the data that failed; empty: the stage itself
    part: str = ""  # of the subject: a cell, a column
    cell: int | None = None  # counted from 1 among all cells of the notebook
    source: str = ""  # the code of `line`
    details: str = ""  # the traceback, or values of the data
    again: tuple[tuple[str, str], ...] = ()  # inputs of the stage's command that show it again: names and values

    @property
    def why(self) -> str:
        """The title, and the first line of the message."""
        first = self.message.strip().partition("\n")[0].removesuffix(".")
        return ": ".join(dict.fromkeys(filter(None, (self.title, first))))
