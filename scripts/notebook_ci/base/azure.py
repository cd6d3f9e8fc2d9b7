"""The only writer of logging commands, for the log of an agent of Azure Pipelines.

Source of the formats: "Logging commands" in the documentation of Azure Pipelines; of the escapes, Microsoft's library
for tasks (azure-pipelines-task-lib, taskcommand.ts).
"""

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from notebook_ci.base.console import LogConsole, Summary, by_rank, headline
from notebook_ci.base.errors import Problem
from notebook_ci.base.files import write
from notebook_ci.base.masking import masked

REPORTS = "notebook-ci-report-"  # folders of summaries and test results, in the agent's temporary folder
_ESCAPES = {"%": "%AZP25", "\r": "%0D", "\n": "%0A"}
_OF_PROPERTIES = {**_ESCAPES, "]": "%5D", ";": "%3B"}


class AzureConsole(LogConsole):
    has_later_steps = True

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        super()._write(f"##[group]{title}")
        try:
            yield
        finally:
            super()._write("##[endgroup]")

    def annotate(self, problems: Iterable[Problem]) -> None:
        for problem in map(self.from_root, by_rank(problems)):
            if problem.severity == "notice":  # the agent knows errors and warnings
                self._write(headline(problem) + problem.text)
                continue
            location = {"sourcepath": problem.file or "", "linenumber": str(problem.line or "")}
            self._command("task.logissue", defused(problem.titled_text), type=problem.severity, **location)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set variables that later steps know as `$(NAME.OUTPUT)`, if this step has the `name` NAME."""
        for name, value in outputs.items() if not self.is_part else ():
            self._command("task.setvariable", value, variable=name, isOutput="true")

    def set_for_later_steps(self, variables: Mapping[str, str], folders: Sequence[str]) -> None:
        for name, value in variables.items():
            self._command("task.setvariable", value, variable=name)
        for folder in reversed(folders):  # the agent puts each before those above it
            self._command("task.prependpath", folder)

    def summarize(self, summary: Summary) -> None:
        if self.is_part:
            return
        folder = Path(tempfile.mkdtemp(prefix=REPORTS, dir=self.environ.get("AGENT_TEMPDIRECTORY"))).resolve()
        write(folder / "notebook-ci.md", masked(summary.markdown))
        self._command("task.uploadsummary", str(folder / "notebook-ci.md"))
        if summary.junit:
            write(folder / "junit.xml", masked(summary.junit))

    def _command(self, name: str, message: str, **properties: str) -> None:
        given = "".join(f"{key}={_escaped(value, _OF_PROPERTIES)};" for key, value in properties.items() if value)
        super()._write(f"##vso[{name}{' ' if given else ''}{given}]{_escaped(message, _ESCAPES)}")

    def _write(self, text: str) -> None:
        super()._write("\n".join(map(defused, text.split("\n"))))


def defused(text: str) -> str:
    """Return a text in which the agent finds no command. It obeys `##vso[` and shows `##[`, anywhere in a line.

    There is no way to stop commands for a while. The agent compares as .NET does, which ignores invisible characters.
    """
    visible = re.sub("[^ -~]", "", text).lower()
    return text.replace("#", "# ") if "##vso" in visible or "##[" in visible else text


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return re.sub(f"[{re.escape(''.join(escapes))}]", lambda found: escapes[found[0]], text)
