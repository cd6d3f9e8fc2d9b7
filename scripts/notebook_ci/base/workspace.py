"""The folder and the variables that a stage works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folder and the variables that a stage works with.

    Attributes:
        folder: Relative paths start here.
        environ: Environment variables.
        awaits_data: dvc-pull runs first in this run: data may still be missing.
    """

    folder: Path
    environ: Mapping[str, str]
    awaits_data: bool = False
