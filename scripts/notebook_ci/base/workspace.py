"""The surroundings of a stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def is_on_runner(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


@dataclass(frozen=True)
class Workspace:
    cwd: Path  # relative paths start here
    environ: Mapping[str, str]
    awaits_data: bool = False  # dvc-pull runs first in this run: data may still be missing

    @property
    def is_on_runner(self) -> bool:
        return is_on_runner(self.environ)

    @property
    def runner_temp(self) -> Path | None:
        """The folder that a runner empties after the job."""
        folder = self.environ.get("RUNNER_TEMP")
        return Path(folder) if folder else None
