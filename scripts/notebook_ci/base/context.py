"""What a stage gets besides its inputs and its plan."""

from dataclasses import dataclass

from notebook_ci.base.reporter import Reporter
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.run_directory import RunDirectory, StageFiles


@dataclass(frozen=True, kw_only=True)
class Context(Workspace):
    run_directory: RunDirectory
    files: StageFiles
    reporter: Reporter
