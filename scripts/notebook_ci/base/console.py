"""Shows a run to people: in the log of a CI system (github.py, gitlab.py, azure.py) or on a terminal (terminal.py)."""

import abc
import contextlib
import json
import os
import posixpath
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from notebook_ci.base.errors import NotebookCiError, Problem, Severity
from notebook_ci.base.masking import Lines, masked
from notebook_ci.base.systems import system
from notebook_ci.base.texts import LONGEST_PATH, printable
from notebook_ci.base.typed_json import to_json
from notebook_ci.base.workspace import Workspace

RANK: dict[Severity, int] = {"error": 0, "warning": 1, "notice": 2}


@dataclass(frozen=True)
class Summary:
    markdown: str
    text: str  # for a terminal
    problems: Sequence[Problem] = ()
    junit: str = ""  # notebooks as test cases (XML); empty if there are none


class Console(abc.ABC):
    """Shows what happens: stages report their progress here, and never print."""

    is_live = False  # whether `live` shows anything: on a terminal only
    document: TextIO | None = None  # gets what programs read, if the command line asks for it: see `kept_for_programs`
    has_later_steps = False  # whether `set_for_later_steps` does anything

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        self.environ = environ
        self._stream = stream
        # The stage is part of a chain, which has one summary and one set of outputs for all stages.
        self.is_part = environ.get("GITHUB_STEP_SUMMARY") == os.devnull

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

    @contextlib.contextmanager
    def streaming(self) -> Iterator[Callable[[str], None]]:
        """Show the output of a running foreign program: call the result per line. Show nothing else meanwhile."""
        lines = Lines(self._write)
        try:
            yield lines.add
        finally:
            lines.end()

    def output(self, text: str) -> None:
        """Show the output of a foreign program. The runner obeys no command in it."""
        with self.streaming() as write:
            write(text)

    def relay(self, line: str) -> None:
        """Show a line as a stage wrote it, for a console of this kind: with its commands."""
        Console._write(self, line)  # not that of a subclass, which spoils commands

    @abc.abstractmethod
    def group(self, title: str) -> AbstractContextManager[None]:
        """Show the lines that follow under a title."""

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step. Raises OSError if the runner's file cannot be written.

        Where a step has none, show those that have a value, except the status, which the summary shows.
        """
        shown = {name: value for name, value in outputs.items() if value and name != "status" and not self.is_part}
        width = max(map(len, shown), default=0)
        for name, value in shown.items():
            self._write(f"  {name:<{width}}  {value[:LONGEST_PATH]}{'…' if len(value) > LONGEST_PATH else ''}")

    def set_for_later_steps(self, variables: Mapping[str, str], folders: Sequence[str]) -> None:  # noqa: B027 - a terminal has none
        """Set variables for the later steps of the job, and put folders first on PATH. Raises OSError."""

    @abc.abstractmethod
    def summarize(self, summary: Summary) -> None:
        """Show the summary of a run. Raises OSError if the runner's file cannot be written."""

    @abc.abstractmethod
    def annotate(self, problems: Iterable[Problem]) -> None:
        """Show problems, the worst first."""

    def answer(self, value: object) -> None:
        """Print a JSON document for programs, if the command line asks for it. Raises OSError."""
        if self.document:
            self.document.write(json.dumps(to_json(value), indent=1, ensure_ascii=False) + "\n")
            self.document.flush()

    def error(self, error: NotebookCiError) -> None:
        self.annotate(map(Problem.of, [*error.others, error]))

    def _write(self, text: str) -> None:
        self._stream.write(self._encodable(masked(text)) + "\n")
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"  # other characters, as in file names, become escapes
        return text.encode(encoding, "backslashreplace").decode(encoding)


class LogConsole(Console):
    """Writes a log, in which lines cannot be replaced. Subclasses make sure that foreign text in it is not obeyed."""

    def progress(self, text: str) -> None:
        self._write(text)

    def live(self, lines: Sequence[str]) -> None:
        """Show nothing."""

    def failed(self, what: str, problem: Problem, details: str) -> None:
        said = dict.fromkeys(filter(None, (problem.title, problem.message.partition("\n")[0])))
        self.progress(f"{what} · {': '.join(said)}")
        if details:
            self.output(details)

    def from_root(self, problem: Problem) -> Problem:
        """Return a problem whose file is relative to the root of the repository, as the systems expect it."""
        directory = ""
        with contextlib.suppress(OSError):  # a notebook has deleted the working directory
            directory = Workspace(Path.cwd(), self.environ).directory
        file = posixpath.normpath(posixpath.join(directory, problem.file)) if problem.file else None
        return replace(problem, file=file)


def console(environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> Console:
    """Return the console for the surroundings of this process.

    By default, it writes to standard output on a CI system, to standard error elsewhere.
    """
    here = system(environ)
    if here is None:
        from notebook_ci.base.terminal import TerminalConsole

        return TerminalConsole(environ, stream or sys.stderr)
    from notebook_ci.base.azure import AzureConsole
    from notebook_ci.base.github import RunnerConsole
    from notebook_ci.base.gitlab import GitLabConsole

    of_system: Mapping[str, Callable[[Mapping[str, str], TextIO], Console]]
    of_system = {"github": RunnerConsole, "gitlab": GitLabConsole, "azure": AzureConsole}
    return of_system[here.name](environ, stream or sys.stdout)


@contextlib.contextmanager
def kept_for_programs() -> Iterator[TextIO]:
    """Return standard output. Until the end, this process and those that it starts print to standard error instead."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as kept:
        os.dup2(2, 1)
        try:
            yield kept
        finally:
            sys.stdout.flush()
            os.dup2(kept.fileno(), 1)


def by_rank(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems without credentials, the worst first."""
    hidden = (Problem(**masked(vars(each))) for each in problems)  # before their text is escaped
    return sorted(hidden, key=lambda problem: RANK[problem.severity])


def headline(problem: Problem) -> str:
    """Return severity, location and title of a problem: `error: x.ipynb:15: title: `. Terminals link such locations."""
    named = not problem.file or (not problem.line and problem.message.lstrip("`").startswith(problem.file))
    location = "" if named else f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "
    return printable(f"{problem.severity}: {location}{f'{problem.title}: ' if problem.title else ''}")
