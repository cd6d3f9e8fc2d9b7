"""The only writer of workflow commands, outputs and step summaries; on a terminal it writes for people.

Source of the formats: "Workflow commands for GitHub Actions" in GitHub's documentation. The limits (ten annotations per
level and step, 1 MiB of summary) come from the runner's source. GitHub silently drops what exceeds them.
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
# The runner obeys `::command::` at the start of a line (a lone carriage return starts one, too), and the older
# `##[command]` anywhere in a line.
_COMMAND = re.compile(r"(?:^|[\r\n])\s*::|##\[")

# An innermost folded part.
_FOLDED = re.compile(r"^<details>(?:(?!^<details>).)*?^</details>\n*", re.MULTILINE | re.DOTALL)


class Console:
    """The log of a runner, or a terminal. Implements `Reporter`.

    Reads `GITHUB_ACTIONS`, `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY`. By default, lines go to standard output on a
    runner, to standard error elsewhere.
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
        if self.on_runner and _COMMAND.search(text):
            self.output(text)  # fenced: the runner must not obey it
        else:
            self._write(text)

    def live(self, lines: Sequence[str]) -> None:
        if not self.is_live or not (lines or self._live):
            return
        size = shutil.get_terminal_size()
        self._erase_live()
        self._live = [one_line(line, size.columns - 1) for line in lines[: size.lines - 1]]
        self._draw_live()

    def notice(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        self.annotate([Problem(severity="notice", message=text, file=file, line=line)])

    def warning(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        self.annotate([Problem(severity="warning", message=text, file=file, line=line)])

    def error(self, error: NotebookCiError) -> None:
        self.annotate(map(Problem.of, [*error.others, error]))

    def output(self, text: str) -> None:
        with self.streaming() as write:
            write(text)

    @contextlib.contextmanager
    def streaming(self) -> Iterator[Callable[[str], None]]:
        token = secrets.token_hex(16)  # between the two lines with it, the runner obeys no command
        if self.on_runner:
            self._write(f"::stop-commands::{token}")
        try:
            yield self._write
        finally:
            if self.on_runner:
                self._write(f"::{token}::")

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        self._write(f"::group::{title}" if self.on_runner else f"\n{title}")
        try:
            yield
        finally:
            if self.on_runner:
                self._write("::endgroup::")

    def annotate(self, problems: Iterable[Problem]) -> None:
        for each in sorted(problems, key=lambda problem: _RANK[problem.severity]):
            problem = Problem(**masked(vars(each)))  # before its text is escaped
            if self.on_runner:
                self._annotate_on_runner(problem)
            else:
                self._write(_for_terminal(problem))

    def _annotate_on_runner(self, problem: Problem) -> None:
        self._shown[problem.severity] += 1
        shown = self._shown[problem.severity]
        # GitHub drops further annotations of a level: the last one that it keeps says that the log has more.
        if shown < ANNOTATIONS_SHOWN:
            self._write(workflow_command(problem))
        elif shown == ANNOTATIONS_SHOWN:
            more = f"GitHub shows {ANNOTATIONS_SHOWN} {problem.severity}s a step. The others stand in this step's log."
            self._write(workflow_command(Problem(severity=problem.severity, title="And more", message=more)))
        if shown >= ANNOTATIONS_SHOWN:
            self.output(_for_terminal(problem))

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step. Without a runner, show those that have a value. Raises OSError."""
        if self._output_file:
            with _appended(self._output_file) as file:
                file.write(masked("".join(_output(name, value) for name, value in outputs.items())))
        elif not self.on_runner:
            shown = {name: value for name, value in outputs.items() if value}
            width = max(map(len, shown), default=0)
            for name, value in shown.items():
                self._write(f"{name:<{width}}  {value}")

    def summarize(self, markdown: str) -> None:
        """Append to the step's summary. Without a runner, show it on standard output without folded parts.

        Raises OSError if the runner's file cannot be written.
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
        self._erase_live()
        self._stream.write(self._encodable(masked(text)) + "\n")
        self._draw_live()

    def _erase_live(self) -> None:
        if self._live:
            self._stream.write(f"\x1b[{len(self._live)}F\x1b[J")  # move up, erase to the end of the screen (ECMA-48)

    def _draw_live(self) -> None:
        self._stream.write("".join(f"{self._encodable(line)}\n" for line in self._live))
        self._stream.flush()

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"  # other characters, as in file names, become escapes
        return text.encode(encoding, "backslashreplace").decode(encoding)


def workflow_command(problem: Problem) -> str:
    properties = {"file": problem.file, "line": problem.line, "title": problem.title}
    given = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items() if value)
    return f"::{problem.severity}{' ' if given else ''}{given}::{_escape(problem.text)}"


def one_line(text: str, columns: int) -> str:
    """Return the part of a text that fits on one line of a terminal; control characters are replaced."""
    shown = [char if char.isprintable() else "�" for char in text]
    widths = itertools.accumulate(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in shown)
    return "".join(char for char, width in zip(shown, widths, strict=True) if width <= columns)


def bounded(markdown: str, room: int) -> str:
    """Return at most `room` bytes of `markdown`, cut at the end of a line, with all open blocks closed."""
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
    """Return the ends of the code block and the folded parts that are open at the end of `markdown`."""
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
    # A file name that is not valid text is written as an escape.
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
