"""The only writer of workflow commands, outputs and step summaries.

Source of the formats: "Workflow commands for GitHub Actions" in GitHub's documentation. The limits (ten annotations per
level and step, 1 MiB of summary) come from the runner's source. GitHub silently drops what exceeds them.
"""

import contextlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base.console import RANK, LogConsole, Summary, by_rank, headline
from notebook_ci.base.errors import Problem, Severity
from notebook_ci.base.markdown import bounded
from notebook_ci.base.masking import masked

ANNOTATIONS_SHOWN = 10
SUMMARY_BYTES = 1024 * 1024
SUMMARY_CUT = "\n\n_The summary was cut here: GitHub shows at most 1 MiB. The rest is in the record._\n"
# The runner obeys `::command::` at the start of a line (a lone carriage return starts one, too), and the older
# `##[command]` anywhere in a line.
_COMMAND = re.compile(r"(?:^|[\r\n])\s*::|##\[")


class RunnerConsole(LogConsole):
    """Writes the log of a runner and the files that it names in `GITHUB_OUTPUT`, `GITHUB_ENV` and the like."""

    has_later_steps = True

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        super().__init__(environ, stream)
        self._shown: dict[Severity, int] = dict.fromkeys(RANK, 0)

    def progress(self, text: str) -> None:
        if _COMMAND.search(text):
            self.output(text)  # fenced: the runner must not obey it
        else:
            self._write(text)

    @contextlib.contextmanager
    def streaming(self) -> Iterator[Callable[[str], None]]:
        token = secrets.token_hex(16)  # between the two lines with it, the runner obeys no command
        self._write(f"::stop-commands::{token}")
        try:
            with super().streaming() as write:
                yield write
        finally:
            self._write(f"::{token}::")

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        self._write(f"::group::{title}")
        try:
            yield
        finally:
            self._write("::endgroup::")

    def annotate(self, problems: Iterable[Problem]) -> None:
        for problem in map(self.from_root, by_rank(problems)):
            self._shown[problem.severity] += 1
            shown = self._shown[problem.severity]
            # GitHub drops further annotations of a level: the last one that it keeps says that the log has more.
            if shown < ANNOTATIONS_SHOWN:
                self._write(workflow_command(problem))
            elif shown == ANNOTATIONS_SHOWN:
                more = f"GitHub shows {ANNOTATIONS_SHOWN} {problem.severity}s per step. The others are in its log."
                self._write(workflow_command(Problem(severity=problem.severity, title="And more", message=more)))
            if shown >= ANNOTATIONS_SHOWN:
                self.output(headline(problem) + problem.text)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        if file_name := self.environ.get("GITHUB_OUTPUT"):
            with _appended(file_name) as file:
                file.write(masked(_values(outputs)))

    def set_for_later_steps(self, variables: Mapping[str, str], folders: Sequence[str]) -> None:
        with _appended(self.environ["GITHUB_ENV"]) as file:
            file.write(_values(variables))
        with _appended(self.environ["GITHUB_PATH"]) as file:  # the runner puts each line before those above it
            file.writelines(f"{folder}\n" for folder in reversed(folders))

    def summarize(self, summary: Summary) -> None:
        if file_name := self.environ.get("GITHUB_STEP_SUMMARY"):
            path = Path(file_name)
            room = SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0)
            with _appended(file_name) as file:
                file.write(bounded(masked(summary.markdown), room, SUMMARY_CUT))


def workflow_command(problem: Problem) -> str:
    properties = {"file": problem.file, "line": problem.line, "title": problem.title}
    given = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items() if value)
    return f"::{problem.severity}{' ' if given else ''}{given}::{_escape(problem.text)}"


def _values(values: Mapping[str, str]) -> str:
    """Return values as the runner reads them, which may have several lines."""
    end = f"end-{secrets.token_hex(16)}"
    return "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in values.items())


def _appended(path: str) -> TextIO:
    # A file name that is not valid text is written as an escape.
    return Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="\n")


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
