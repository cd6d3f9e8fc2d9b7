"""What a stage gets besides its inputs and its plan."""

import subprocess
from dataclasses import dataclass, field

from notebook_ci.base.console import Console
from notebook_ci.base.errors import Problem
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.run_directory import RunDirectory, StageFiles


@dataclass(frozen=True, kw_only=True)
class Context(Workspace):
    run_directory: RunDirectory
    files: StageFiles
    console: Console  # shows progress
    problems: list[Problem] = field(default_factory=list)  # of the record; shown when the stage ends
    worker: "subprocess.Popen[str] | None" = None  # of this stage, if it was started ahead; it may have been killed

    def notice(self, text: str, *, file: str | None = None) -> None:
        """Report something the user should know, but need not act on."""
        self.problems.append(Problem(severity="notice", message=text, file=file))

    def warning(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Report something that is not an error now, but should be checked."""
        self.problems.append(Problem(severity="warning", message=text, file=file, line=line))
