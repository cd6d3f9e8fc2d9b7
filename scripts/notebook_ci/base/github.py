"""The only writer of workflow commands, outputs and step summaries; on a terminal it writes for people.

Source of the formats: "Workflow commands for GitHub Actions" in GitHub's documentation. Limits (ten annotations of a
level a step, 1 MiB of summary) are those of the runner's source; what goes over them would be dropped without a word.
"""

import contextlib
import itertools
import os
import re
import secrets
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.masking import masked
from notebook_ci.base.records import Problem, Severity

ANNOTATIONS_SHOWN = 10
SUMMARY_BYTES = 1024 * 1024
SUMMARY_CUT = "\n\n_The summary was cut here: GitHub shows at most 1 MiB. The record of the run holds the rest._\n"

_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "notice": 2}
# The runner takes `::command::` at the start of a line, which a lone carriage return begins too, and the older
# `##[command]` anywhere in it.
_COMMAND = re.compile(r"(?:^|[\r\n])\s*::|##\[")

# One that holds no other.
_FOLDED = re.compile(r"^<details>(?:(?!^<details>).)*?^</details>\n*", re.MULTILINE | re.DOTALL)


class Console:
    """Where a script tells what it does: the log of a runner, or a terminal. Implements `Reporter`.

    Args:
        environ: The environment; `GITHUB_ACTIONS`, `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY` are read.
        stream: Where lines go. Default: standard output on a runner, standard error elsewhere.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
        self.on_runner = environ.get("GITHUB_ACTIONS") == "true"
        self._output_file = environ.get("GITHUB_OUTPUT", "")
        self._summary_file = environ.get("GITHUB_STEP_SUMMARY", "")
        self._stream = stream or (sys.stdout if self.on_runner else sys.stderr)
        self._shown: dict[Severity, int] = dict.fromkeys(_RANK, 0)
        self.is_live = not self.on_runner and self._stream.isatty() and environ.get("TERM") != "dumb"
        self._live: Sequence[str] = ()

    def progress(self, text: str) -> None:
        """Show one line about the work that goes on."""
        if self.on_runner and _COMMAND.search(text):
            self.output(text)
        else:
            self._write(text)

    def live(self, lines: Sequence[str]) -> None:
        """Show what goes on at this moment, below all else; where there is no terminal, nothing."""
        if not self.is_live or not (lines or self._live):
            return
        size = shutil.get_terminal_size()
        self._erase_live()
        self._live = [one_line(line, size.columns - 1) for line in lines[: size.lines - 1]]
        self._draw_live()

    def notice(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something the user should know."""
        self.annotate([Problem(severity="notice", message=text, file=file, line=line)])

    def warning(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something that should be looked at."""
        self.annotate([Problem(severity="warning", message=text, file=file, line=line)])

    def error(self, error: NotebookCiError) -> None:
        """Show an expected failure with its location and its hint, and those found together with it."""
        self.annotate(map(Problem.of, [*error.others, error]))

    def output(self, text: str) -> None:
        """Show the output of a foreign program, fenced so that the runner takes no command from it."""
        with self.streaming() as write:
            write(text)

    @contextlib.contextmanager
    def streaming(self) -> Iterator[Callable[[str], None]]:
        """Show the output of a foreign program while it runs: each line by a call. Nothing else is told meanwhile."""
        token = secrets.token_hex(16)
        if self.on_runner:
            self._write(f"::stop-commands::{token}")
        try:
            yield self._write
        finally:
            if self.on_runner:
                self._write(f"::{token}::")

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Put what is shown meanwhile under a title; a log of GitHub folds it."""
        self._write(f"::group::{title}" if self.on_runner else f"\n{title}")
        try:
            yield
        finally:
            if self.on_runner:
                self._write("::endgroup::")

    def annotate(self, problems: Iterable[Problem]) -> None:
        """Show problems, the worst first, each where it stands in a file.

        GitHub keeps the first ten of a level in a step: the tenth says that there are more, in the log.
        """
        for each in sorted(problems, key=lambda problem: _RANK[problem.severity]):
            problem = Problem(**masked(vars(each)))  # before its text is escaped
            if self.on_runner:
                self._annotate_on_runner(problem)
            else:
                self._write(_for_terminal(problem))

    def _annotate_on_runner(self, problem: Problem) -> None:
        self._shown[problem.severity] += 1
        shown = self._shown[problem.severity]
        if shown < ANNOTATIONS_SHOWN:
            self._write(workflow_command(problem))
        elif shown == ANNOTATIONS_SHOWN:
            more = f"GitHub shows {ANNOTATIONS_SHOWN} {problem.severity}s a step. The others stand in this step's log."
            self._write(workflow_command(Problem(severity=problem.severity, title="And more", message=more)))
        if shown >= ANNOTATIONS_SHOWN:
            self.output(_for_terminal(problem))

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step. Without a runner those that have a value are shown.

        Raises:
            OSError: The runner's file cannot be written.
        """
        if self._output_file:
            with _appended(self._output_file) as file:
                file.write(masked("".join(_output(name, value) for name, value in outputs.items())))
        elif not self.on_runner:
            shown = {name: value for name, value in outputs.items() if value}
            width = max(map(len, shown), default=0)
            for name, value in shown.items():
                self._write(f"{name:<{width}}  {value}")

    def summarize(self, markdown: str) -> None:
        """Add to the step's summary. Without a runner it is shown on standard output, without what is folded.

        Raises:
            OSError: The runner's file cannot be written.
        """
        if self._summary_file:
            path = Path(self._summary_file)
            room = SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0)
            with _appended(self._summary_file) as file:
                file.write(bounded(masked(markdown), room))
        elif not self.on_runner:
            while (shorter := _FOLDED.sub("", markdown)) != markdown:
                markdown = shorter
            sys.stdout.write(masked(markdown) + "\n")
            sys.stdout.flush()

    def _write(self, text: str) -> None:
        """Write a line. A name in the text that the stream cannot encode is written as an escape."""
        self._erase_live()
        self._stream.write(self._encodable(masked(text)) + "\n")
        self._draw_live()

    def _erase_live(self) -> None:
        if self._live:
            self._stream.write(f"\x1b[{len(self._live)}F\x1b[J")  # up so many lines; erase to the end (ECMA-48)

    def _draw_live(self) -> None:
        self._stream.write("".join(f"{self._encodable(line)}\n" for line in self._live))
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)


def workflow_command(problem: Problem) -> str:
    """Return the annotation of a problem as a workflow command, on one line."""
    properties = {"file": problem.file, "line": problem.line, "title": problem.title}
    given = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items() if value)
    return f"::{problem.severity}{' ' if given else ''}{given}::{_escape(problem.text)}"


def one_line(text: str, columns: int) -> str:
    """Return as much of a text as fits on one line of a terminal, without what would control it."""
    shown = [char if char.isprintable() else "�" for char in text]
    widths = itertools.accumulate(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in shown)
    return "".join(char for char, width in zip(shown, widths, strict=True) if width <= columns)


def bounded(markdown: str, room: int) -> str:
    """Return at most `room` bytes of `markdown`, cut at the end of a line, with all that was open closed."""
    data = (markdown + "\n").encode(errors="backslashreplace")
    if len(data) <= room:
        return data.decode()
    longest_fence = max(map(len, re.findall("`+", markdown)), default=0)
    room -= len(SUMMARY_CUT.encode()) + longest_fence + 100
    if room <= 0:
        return ""
    kept = data[:room].decode(errors="ignore").rpartition("\n")[0]
    return kept + _closing(kept) + SUMMARY_CUT


def _closing(markdown: str) -> str:
    """Return what closes the block of code and the folded parts that are open at the end of `markdown`."""
    fence = ""
    folded = 0
    for line in markdown.splitlines():
        if found := re.match("`{3,}", line):
            if not fence:
                fence = found[0]
            elif line.strip("`") == "" and len(line) >= len(fence):
                fence = ""
        elif not fence:
            folded += line.count("<details>") - line.count("</details>")
    return (f"\n{fence}" if fence else "") + "\n\n</details>" * folded


def _appended(path: str) -> TextIO:
    """Open a file of the runner. What UTF-8 cannot hold (a file name that was not text) is written as an escape."""
    return Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="\n")


def _for_terminal(problem: Problem) -> str:
    named = not problem.file or (not problem.line and problem.message.startswith(problem.file))
    place = "" if named else f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: "
    title = f"{problem.title}: " if problem.title else ""
    return f"{problem.severity}: {place}{title}{problem.text}"


def _output(name: str, value: str) -> str:
    delimiter = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
