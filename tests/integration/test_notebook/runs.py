"""Runs test-notebook."""

from collections.abc import Mapping
from pathlib import Path

from integration.suite import Done, Workspace


def run(workspace: Workspace, python: Path, environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return workspace.run("test-notebook", {"python": str(python), **given}, environ=environ)
