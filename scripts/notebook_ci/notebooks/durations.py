"""Durations of earlier executions, so that the longest can begin first, and shards take equally long.

They stay with the runs on a laptop. On a runner they are in a folder that a cache can bring from an earlier workflow
run: each job starts with a new workspace.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text, write
from notebook_ci.base.values import MOST_SECONDS
from notebook_ci.base.workspace import Workspace, private_folder

FILE = "durations.json"
CACHED = "notebook-ci-durations"  # the folder on a runner


def known(workspace: Workspace) -> dict[str, float]:
    """Return seconds per name of an execution, without what cannot be one: this only costs time."""
    with contextlib.suppress(InputError, OSError, ValueError, OverflowError, AttributeError, RecursionError):
        kept = json.loads(read_text(_file(workspace), FILE))
        return {
            str(name): float(seconds)
            for name, seconds in kept.items()
            if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= MOST_SECONDS
        }
    return {}


def keep(seconds: Mapping[str, float], workspace: Workspace) -> None:
    """Save the durations, if the file can be written: without them, later runs only take longer."""
    with contextlib.suppress(InputError, OSError):
        text = json.dumps({**known(workspace), **seconds}, indent=1, sort_keys=True)
        write(_file(workspace), f"{text}\n")


def _file(workspace: Workspace) -> Path:
    if not workspace.runner_temp:
        return private_folder(workspace.cwd) / FILE
    folder = workspace.runner_temp / CACHED
    folder.mkdir(exist_ok=True)
    return folder.resolve() / FILE
