"""Durations of earlier executions: kept with the runs on a laptop, so that the longest can begin first.

On a CI runner nothing is known or kept: each job starts with a new workspace.
"""

import contextlib
import json
import math
from collections.abc import Mapping

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text, write
from notebook_ci.base.workspace import Workspace, private_folder

FILE = "durations.json"


def known(workspace: Workspace) -> dict[str, float]:
    """Return seconds per name of an execution, without entries that cannot be read: this only costs time."""
    with contextlib.suppress(InputError, OSError, ValueError, OverflowError, AttributeError, RecursionError):
        kept = {} if workspace.runner_temp else json.loads(read_text(private_folder(workspace.cwd) / FILE, FILE))
        return {
            str(name): float(seconds)
            for name, seconds in kept.items()
            if isinstance(seconds, int | float) and math.isfinite(seconds)
        }
    return {}


def keep(seconds: Mapping[str, float], workspace: Workspace) -> None:
    """Save the durations, if the file can be written: without them, later runs only take longer."""
    text = json.dumps({**known(workspace), **seconds}, indent=1, sort_keys=True)
    with contextlib.suppress(InputError, OSError):
        if not workspace.runner_temp:
            write(private_folder(workspace.cwd) / FILE, f"{text}\n")
