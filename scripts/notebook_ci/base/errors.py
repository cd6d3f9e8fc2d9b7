"""Expected failures, each with its exit code.

Whatever goes wrong in a way that can be foreseen is raised as one of these and shown as one sentence with a next step.
Any other exception is a bug of notebook-ci: its traceback is printed, the exit code is 70 (`EX_SOFTWARE`, sysexits.h).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXIT_BUG = 70
# What a script that is asked to check its inputs answers to the launcher:
NOTHING_TO_DO = 64  # it has no work: the launcher ends well, and installs nothing
LIBRARY_NEEDED = 65  # without the YAML library this cannot be said


class NotebookCiError(Exception):
    """Something foreseen went wrong.

    Args:
        message: What happened, as a sentence a data scientist understands.
        hint: What to do next.
        file: The file it is about, as the user knows it.
        line: The line in `file`, counted from 1.
    """

    exit_code = EXIT_BUG
    others: "Sequence[NotebookCiError]" = ()  # found together with this one

    def __init__(
        self, message: str, *, hint: str = "", file: str | Path | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = None if file is None else Path(file).as_posix()
        self.line = line

    def as_json(self) -> dict[str, Any]:
        """Return it as one program tells it to another: see `from_json`."""
        return {
            "exit_code": self.exit_code,
            "message": self.message,
            "hint": self.hint,
            "file": self.file,
            "line": self.line,
        }


def together(errors: "Sequence[NotebookCiError]") -> NotebookCiError:
    """Return the last error, to be raised, with the others."""
    errors[-1].others = errors[:-1]
    return errors[-1]


class CheckFailed(NotebookCiError):
    """The check found a fault in the user's notebooks or data."""

    exit_code = 1


class InputError(NotebookCiError):
    """An input is wrong: it must be changed where the action or the command is called."""

    exit_code = 2


class SurroundingsError(NotebookCiError):
    """Something around the work failed: network, credentials, disk, an installation."""

    exit_code = 3


def from_json(told: Mapping[str, Any]) -> NotebookCiError:
    """Return the failure that `NotebookCiError.as_json` told; of a subclass the class that has its exit code."""
    kinds = {kind.exit_code: kind for kind in (CheckFailed, InputError, SurroundingsError)}
    return kinds[told["exit_code"]](told["message"], hint=told["hint"], file=told["file"], line=told["line"])


class Cancelled(KeyboardInterrupt):
    """The job was cancelled; raised by the signal handler, so that `finally` blocks save what is there.

    It is a KeyboardInterrupt because asyncio swallows any other exception that a signal handler raises in a callback.

    Args:
        signal_number: The signal that asked for it, e.g. 15 for SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells report it."""
        return 128 + self.signal_number
