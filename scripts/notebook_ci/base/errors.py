"""Expected failures, each with its exit code.

A failure that can be foreseen is raised as one of these and shown as one sentence with a next step. Any other exception
is a bug of notebook-ci: its traceback is printed, and the exit code is 70 (`EX_SOFTWARE`, sysexits.h).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

EXIT_BUG = 70


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

    @property
    def exit_code(self) -> int:
        return 128 + self.signal_number  # as shells report it
