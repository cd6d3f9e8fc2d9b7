"""What a stage gets besides its inputs and its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.reporter import Reporter
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.run_directory import RunDirectory, StageFiles


@dataclass(frozen=True)
class Context:
    workspace: Workspace
    run_directory: RunDirectory
    files: StageFiles  # its own in the run directory
    reporter: Reporter

    @property
    def cwd(self) -> Path:
        return self.workspace.folder

    @property
    def environ(self) -> Mapping[str, str]:
        return self.workspace.environ
