"""Shows a run to people: in the log of a runner (github.py) or on a terminal (terminal.py)."""

import abc
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TextIO

from notebook_ci.base.errors import NotebookCiError, Problem, Severity
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import printable
from notebook_ci.base.workspace import is_on_runner

RANK: dict[Severity, int] = {"error": 0, "warning": 1, "notice": 2}


@dataclass(frozen=True)
class Summary:
    markdown: str
    text: str  # for a terminal


class Console(abc.ABC):
    """Shows what happens: stages report their progress here, and never print."""

    is_live = False  # whether `live` shows anything: on a terminal only

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        self.environ = environ
        self._stream = stream

    @abc.abstractmethod
    def progress(self, text: str) -> None:
        """Show one line about the current work."""

    @abc.abstractmethod
    def live(self, lines: Sequence[str]) -> None:
        """Show the current state below all other lines; it replaces what the last call showed."""

    @abc.abstractmethod
    def failed(self, what: str, problem: Problem, details: str) -> None:
        """Show a problem when it occurs: `what` is a line of progress, `details` are the output of a foreign program.

        The problem belongs into the record, too; it is shown only once.
        """

    @abc.abstractmethod
    def streaming(self) -> AbstractContextManager[Callable[[str], None]]:
        """Show the output of a running foreign program: call the result per line. Show nothing else meanwhile."""

    def output(self, text: str) -> None:
        """Show the output of a foreign program. The runner obeys no command in it."""
        with self.streaming() as write:
            write(text)

    @abc.abstractmethod
    def group(self, title: str) -> AbstractContextManager[None]:
        """Show the lines that follow under a title."""

    @abc.abstractmethod
    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step. Raises OSError if the runner's file cannot be written."""

    def set_for_later_steps(self, variables: Mapping[str, str], folders: Sequence[str]) -> None:  # noqa: B027 - a terminal has none
        """Set variables for the later steps of the job, and put folders first on PATH. Raises OSError."""

    @abc.abstractmethod
    def summarize(self, summary: Summary) -> None:
        """Show the summary of a run. Raises OSError if the runner's file cannot be written."""

    @abc.abstractmethod
    def annotate(self, problems: Iterable[Problem]) -> None:
        """Show problems, the worst first."""

    def error(self, error: NotebookCiError) -> None:
        self.annotate(map(Problem.of, [*error.others, error]))

    def _write(self, text: str) -> None:
        self._stream.write(self._encodable(masked(text)) + "\n")
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"  # other characters, as in file names, become escapes
        return text.encode(encoding, "backslashreplace").decode(encoding)


def console(environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> Console:
    """Return the console for the surroundings of this process.

    By default, it writes to standard output on a runner, to standard error elsewhere.
    """
    if is_on_runner(environ):
        from notebook_ci.base.github import RunnerConsole

        return RunnerConsole(environ, stream or sys.stdout)
    from notebook_ci.base.terminal import TerminalConsole

    return TerminalConsole(environ, stream or sys.stderr)


def by_rank(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems without credentials, the worst first."""
    hidden = (Problem(**masked(vars(each))) for each in problems)  # before their text is escaped
    return sorted(hidden, key=lambda problem: RANK[problem.severity])


def headline(problem: Problem) -> str:
    """Return severity, location and title of a problem: `error: x.ipynb:15: title: `. Terminals link such locations."""
    named = not problem.file or (not problem.line and problem.message.lstrip("`").startswith(problem.file))
    location = "" if named else f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "
    return printable(f"{problem.severity}: {location}{f'{problem.title}: ' if problem.title else ''}")
