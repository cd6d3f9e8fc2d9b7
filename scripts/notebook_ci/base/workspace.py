"""The folder and the variables that a stage works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    folder: Path  # relative paths start here
    environ: Mapping[str, str]
    awaits_data: bool = False  # dvc-pull runs first in this run: data may still be missing
