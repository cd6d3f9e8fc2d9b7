"""What a stage is given beside its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.records import Place, RunDirectory
from notebook_ci.base.reporter import Reporter


@dataclass(frozen=True)
class Context:
    """What a stage is given beside its inputs.

    Attributes:
        cwd: The folder that relative paths start from: the workspace, on a runner.
        environ: The environment of the step.
        run_directory: The records and artifacts of this run.
        place: The name this stage has in it.
        reporter: Takes progress.
    """

    cwd: Path
    environ: Mapping[str, str]
    run_directory: RunDirectory
    place: Place
    reporter: Reporter
