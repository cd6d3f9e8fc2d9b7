"""Shows a run on a terminal, or in a pipe: plain text, every problem once."""

import contextlib
import itertools
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from notebook_ci.base.console import Console, Summary, by_rank, headline
from notebook_ci.base.errors import Problem
from notebook_ci.base.masking import masked

# SGR parameters (ECMA-48) for the first word of a line.
_COLORS = {"✓": "32", "✗": "31", "error": "1;31", "warning": "1;33", "notice": "1;34"}
_FIRST = re.compile(rf"^(?:{'|'.join(_COLORS)})(?=[: ])")


class TerminalConsole(Console):
    """Reads `TERM`, and as Python does, `NO_COLOR` before `FORCE_COLOR`. The summary goes to standard output."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        super().__init__(environ, stream)
        self.is_live = stream.isatty() and environ.get("TERM") != "dumb"
        self._live: Sequence[str] = ()
        self._shown_problems: set[Problem] = set()

    def progress(self, text: str) -> None:
        self._write(self._colored(text, self._stream))

    def live(self, lines: Sequence[str]) -> None:
        if not self.is_live or not (lines or self._live):
            return
        size = shutil.get_terminal_size()
        self._erase_live()
        self._live = [one_line(line, size.columns - 1) for line in lines[: size.lines - 1]]
        self._draw_live()

    def failed(self, what: str, problem: Problem, details: str) -> None:
        self.progress(what)
        if details:
            [hidden] = by_rank([problem])
            message = hidden.message.partition("\n")[0]
            is_shown = message in masked(details)  # a traceback ends with it
            self.progress(headline(hidden).removesuffix(": ") if is_shown else headline(hidden) + message)
            self.output(f"{details}\n{problem.hint}".rstrip())
        else:
            self.annotate([problem])
        self._shown_problems.add(problem)

    def relay(self, line: str) -> None:
        self.progress(line)

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        self._write(f"\n{title}")
        yield

    def annotate(self, problems: Iterable[Problem]) -> None:
        for problem in by_rank(each for each in problems if each not in self._shown_problems):
            self.progress(headline(problem) + problem.text)

    def summarize(self, summary: Summary) -> None:
        if self.is_part:
            return
        sys.stdout.write("\n".join(self._colored(line, sys.stdout) for line in masked(summary.text).split("\n")))
        sys.stdout.flush()

    def _colored(self, text: str, stream: TextIO) -> str:
        is_on = self.environ.get("FORCE_COLOR") or (stream.isatty() and self.environ.get("TERM") != "dumb")
        if self.environ.get("NO_COLOR") or not is_on:
            return text
        return _FIRST.sub(lambda found: f"\x1b[{_COLORS[found[0]]}m{found[0]}\x1b[0m", text)

    def _write(self, text: str) -> None:
        self._erase_live()
        super()._write(text)
        self._draw_live()

    def _erase_live(self) -> None:
        if self._live:
            self._stream.write(f"\x1b[{len(self._live)}F\x1b[J")  # move up, erase to the end of the screen (ECMA-48)

    def _draw_live(self) -> None:
        self._stream.write("".join(f"{self._encodable(line)}\n" for line in self._live))
        self._stream.flush()


def one_line(text: str, columns: int) -> str:
    """Return the part of a text that fits on one line of a terminal; control characters are replaced."""
    shown = [char if char.isprintable() else "�" for char in text]
    widths = itertools.accumulate(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in shown)
    return "".join(char for char, width in zip(shown, widths, strict=True) if width <= columns)
