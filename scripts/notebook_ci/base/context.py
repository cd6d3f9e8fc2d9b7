"""What a stage is given besides its inputs and its plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.records import Place, RunDirectory
from notebook_ci.base.reporter import Reporter
from notebook_ci.base.workspace import Workspace


@dataclass(frozen=True)
class Context:
    """What a stage is given besides its inputs and its plan.

    Attributes:
        workspace: Where it works.
        run_directory: The records and artifacts of this run.
        place: The name this stage has in it.
        reporter: Takes progress.
    """

    workspace: Workspace
    run_directory: RunDirectory
    place: Place
    reporter: Reporter

    @property
    def cwd(self) -> Path:
        """The folder of the workspace."""
        return self.workspace.folder

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables of the workspace."""
        return self.workspace.environ
